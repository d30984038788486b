"""`funcgemma models`, and what else is done with the models in store and in memory."""

import asyncio
import os
import pty
import sys
from collections.abc import AsyncIterator
from contextlib import suppress

import psutil
import pytest

from agent.model_shelf import DOWNLOADS, alone, look, pull, unload
from agent.ollama import Ollama, OllamaError
from agent.settings import PROJECT, Settings
from tests.conftest import PATIENCE_S
from tests.ollama_server import OllamaServer, Pulling
from tools.installation import free_port

BOTH = {"functiongemma": 301_000_000, "gemma3:4b": 3_300_000_000}


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    """A server that has nothing yet, and what it can get."""
    async with OllamaServer(pullable=dict(DOWNLOADS)) as running:
        yield running


@pytest.fixture
async def ollama(server: OllamaServer) -> AsyncIterator[Ollama]:
    """A client of it."""
    async with Ollama(server.url) as client:
        yield client


async def models(url: str, *options: str) -> tuple[int, str]:
    """Runs `funcgemma models` as a process; its exit status, and what it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agent.cli",
        "models",
        *options,
        cwd=PROJECT,
        env={**os.environ, "FUNCGEMMA_OLLAMA_URL": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


def lines(said: str, name: str) -> list[str]:
    """The lines that begin with a model's name."""
    return [line for line in said.splitlines() if line.startswith(name)]


async def test_models_lists_pulls_and_unloads(server: OllamaServer) -> None:
    """From nothing to both models, over a connection that breaks once; nothing is downloaded unasked."""
    code, said = await models(server.url)
    assert code == 1
    assert "301 MB" in lines(said, "functiongemma")[0]
    assert "missing" in lines(said, "gemma3:4b")[0]
    assert "3.6 GB) with: funcgemma models --pull" in said
    assert not lines(said, "qwen2.5:7b")
    assert f"of {psutil.virtual_memory().total / 1e9:.1f} GB memory" in said

    code, said = await models(server.url, "--pull")
    assert (code, server.bodies("/api/pull")) == (1, [])
    assert "--yes" in said

    server.pulling = Pulling(cut_after=30)
    code, said = await models(server.url, "--pull", "--yes")
    assert code == 0, said
    assert [body["model"] for body in server.bodies("/api/pull")] == ["functiongemma", "functiongemma", "gemma3:4b"]
    assert "gemma3:4b is there." in said
    assert "It is tried again." in said

    server.in_memory |= {"gemma3:4b": 300.0, "functiongemma": 300.0}
    code, said = await models(server.url, "--data")
    assert "there, in memory (3.3 GB)" in lines(said, "gemma3:4b")[0]
    assert (code, "4.7 GB" in lines(said, "qwen2.5:7b")[0]) == (1, True)
    code, said = await models(server.url, "--unload", "gemma3:4b", "other")
    assert (code, list(server.in_memory)) == (0, ["functiongemma"])
    assert "other was not in memory" in said
    code, said = await models(server.url, "--unload")
    assert (code, list(server.in_memory)) == (0, [])
    code, said = await models(server.url)
    assert (code, "missing" in said) == (0, False)


async def test_terminal_is_asked_and_shows_a_bar(server: OllamaServer) -> None:
    """After the sizes; `n` downloads nothing."""
    for answer, there in (("n", []), ("y", list(BOTH))):
        master, slave = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "agent.cli",
            "models",
            "--pull",
            cwd=PROJECT,
            env={**os.environ, "FUNCGEMMA_OLLAMA_URL": server.url, "TERM": "xterm", "COLUMNS": "100"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        os.close(slave)
        seen, asked = b"", False
        with suppress(OSError):  # the terminal's other end is closed
            while piece := await asyncio.to_thread(os.read, master, 4096):
                seen += piece
                if b"[Y/n]" in seen and not asked:
                    os.write(master, f"{answer}\n".encode())
                    asked = True
        os.close(master)
        assert (await process.wait() == 0) == bool(there), seen.decode()
        assert asked
        assert list(server._models) == there
        assert (b"100.0%" in seen) == bool(there)


async def test_no_ollama_is_one_sentence_with_what_mends_it() -> None:
    """Whatever was to be done."""
    url = f"http://127.0.0.1:{free_port()}"
    for options in ((), ("--unload",)):
        code, said = await models(url, *options)
        assert (code, len(said.splitlines())) == (1, 1), said
        assert "./setup.sh --models" in said
        assert "Traceback" not in said


async def test_ollama_too_old_for_functiongemma(server: OllamaServer) -> None:
    """It is told with the command, and nothing is pulled; one built from source may be of any age."""
    server.version = "0.13.4"
    code, said = await models(server.url)
    assert code == 1
    assert "Ollama 0.13.4 is too old for functiongemma. Update it with: ./setup.sh --models" in said
    code, said = await models(server.url, "--pull", "--yes")
    assert (code, server.bodies("/api/pull")) == (1, [])
    assert "too old" in said
    async with Ollama(server.url) as ollama:
        server.version = "0.0.0"
        assert not (await look(ollama, Settings())).too_old


@pytest.mark.parametrize("said", ["max retries exceeded: unexpected EOF", "dial tcp: lookup x: no such host"])
async def test_pull_goes_on_after_the_library_broke_off(server: OllamaServer, ollama: Ollama, said: str) -> None:
    """Ollama tells it in a line; what has come is kept, and each failure after progress has all tries again."""
    server.pulling = Pulling(error=said, error_after=4)
    steps = [step async for step in pull(ollama, "gemma3:4b", pause_s=0)]
    broken = [step for step in steps if step.broken]
    assert len(broken) > 6
    assert [step.got for step in steps] == sorted(step.got for step in steps)
    assert (steps[-1].status, steps[-1].got) == ("success", BOTH["gemma3:4b"])


async def test_pull_gives_up_where_nothing_comes(server: OllamaServer, ollama: Ollama) -> None:
    """After a few tries with the command to go on; at once where trying again is no use."""
    server.pulling = Pulling(error="Get registry: dial tcp: lookup registry: no such host")
    with pytest.raises(OllamaError, match=r"no such host.*kept.*--pull"):
        async for _ in pull(ollama, "gemma3:4b", pause_s=0):
            pass
    assert len(server.bodies("/api/pull")) == 6
    server.pulling = Pulling(error="write blob: no space left on device")
    with pytest.raises(OllamaError, match="disk is too full"):
        async for _ in pull(ollama, "gemma3:4b", pause_s=0):
            pass
    assert len(server.bodies("/api/pull")) == 7


async def test_unload_returns_when_the_models_are_gone(server: OllamaServer, ollama: Ollama) -> None:
    """A model that is at work stays for a while."""
    server.install("gemma3:4b")
    await ollama.load("gemma3:4b", options={}, keep_alive="5m")
    server.unloading = 3
    async with asyncio.timeout(PATIENCE_S):
        await unload(ollama, ["gemma3:4b"])
    assert not server.in_memory


async def test_big_model_is_alone_in_memory_and_the_others_come_back(server: OllamaServer, ollama: Ollama) -> None:
    """Unloaded before, loaded as the workers use them afterwards, also when the work in between fails."""
    for name in ("functiongemma", "gemma3:4b", "qwen2.5:7b"):
        server.install(name)
    settings = Settings(num_ctx=2048, keep_alive="7m")
    for name in BOTH:
        await ollama.load(name, options={}, keep_alive="5m")
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 - what is in memory is looked at in between
        async with alone(ollama, "qwen2.5:7b", settings):
            assert not server.in_memory
            await ollama.load("qwen2.5:7b", options={}, keep_alive="5m")
            raise ZeroDivisionError
    assert server.in_memory == dict.fromkeys(BOTH, 420.0)
    assert server.bodies("/api/chat")[-1]["options"] == {"num_ctx": 2048}


async def test_leaving_alone_survives_a_server_that_is_gone(
    server: OllamaServer, ollama: Ollama, caplog: pytest.LogCaptureFixture
) -> None:
    """The work is done by then: a warning says that the others are not back."""
    server.install("gemma3:4b")
    await ollama.load("gemma3:4b", options={}, keep_alive="5m")
    async with alone(ollama, "qwen2.5:7b", Settings()):
        await server.stop()
    assert "not back" in caplog.text
