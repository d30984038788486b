"""The client of Ollama, on a server that speaks its protocol."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from agent.ollama import ModelMissing, Ollama, OllamaError, OllamaGone, Part, ToolCall
from agent.ollama_errors import refusal
from agent.settings import PROJECT
from tests.conftest import PATIENCE_S
from tests.ollama_functiongemma import PHRASE, render
from tests.ollama_server import OllamaServer, Pulling, Reply
from tools.installation import free_port

HELLO = [{"role": "user", "content": "hello"}]
CALL = "<start_function_call>call:weather_info{location:<escape>Tokyo, Japan<escape>}<end_function_call>"
DECLARATION = "<start_function_declaration>declaration:f{description:<escape>F<escape>}<end_function_declaration>"


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    """A server without models."""
    async with OllamaServer() as running:
        yield running


@pytest.fixture
async def ollama(server: OllamaServer) -> AsyncIterator[Ollama]:
    """A client of it."""
    async with Ollama(server.url) as client:
        yield client


def says(server: OllamaServer, *pieces: str, name: str = "gemma3:4b", **how: Any) -> None:
    """Installs a model that always answers the same."""
    tools = {"tools"} if name.startswith("functiongemma") else set()
    server.install(name, capabilities={"completion", *tools}, reply=lambda _body: Reply(pieces, **how))


async def chat(ollama: Ollama, model: str = "gemma3:4b", into: list[Part] | None = None, **how: Any) -> list[Part]:
    """All parts of an answer; those that came before an error are in `into`."""
    common = {"options": {"num_ctx": 4096}, "keep_alive": "30m", "first_s": PATIENCE_S, "next_s": PATIENCE_S}
    parts = [] if into is None else into
    async with aclosing(ollama.chat(model, **{"messages": HELLO, **common, **how})) as stream:
        async for part in stream:
            parts.append(part)
    return parts


def text(parts: list[Part]) -> str:
    """What was said."""
    return "".join(part.content for part in parts)


async def test_answer_comes_piece_by_piece_and_ends_with_counts(server: OllamaServer, ollama: Ollama) -> None:
    """The first piece is there before the second is made."""
    go = asyncio.Event()
    says(server, "Good", " day", wait_after=(1, go))
    async with asyncio.timeout(PATIENCE_S):
        parts = []
        async for part in ollama.chat(
            "gemma3:4b", HELLO, options={"seed": 1}, keep_alive="30m", first_s=PATIENCE_S, next_s=PATIENCE_S
        ):
            go.set()
            parts.append(part)
    assert [part.content for part in parts] == ["Good", " day", ""]
    assert parts[-1].done
    assert (parts[-1].reason, parts[-1].tokens) == ("stop", 2)
    assert parts[-1].prompt_tokens
    # An overlong prompt is refused, not cut; a model that thinks does not.
    sent = server.bodies("/api/chat")[0]
    assert {name: sent[name] for name in ("truncate", "think", "options", "keep_alive")} == {
        "truncate": False,
        "think": False,
        "options": {"seed": 1},
        "keep_alive": "30m",
    }
    assert "tools" not in sent


@pytest.mark.parametrize(("text_", "kept"), [("5m", 300.0), ("-1", float("inf")), ("60", 60.0)])
async def test_keep_alive_is_understood_in_all_forms(
    server: OllamaServer, ollama: Ollama, text_: str, kept: float
) -> None:
    """Seconds without a unit are a number to Ollama; as text it refuses them."""
    says(server, "x")
    await chat(ollama, keep_alive=text_)
    assert server.in_memory == {"gemma3:4b": kept}


async def test_calls_are_gathered_and_those_without_a_name_left_out(server: OllamaServer, ollama: Ollama) -> None:
    """Ollama's parser gives a call with a line break in it as one without a name."""
    pieces = ["Well. <start_func", CALL[11:], CALL.replace("Tokyo", "To\nkyo")]
    says(server, *pieces, name="functiongemma")
    parts = await chat(ollama, "functiongemma")
    assert text(parts) == "Well. "
    assert [call for part in parts for call in part.calls] == [ToolCall("weather_info", {"location": "Tokyo, Japan"})]
    # A call that is cut off is lost: nothing comes but the end.
    says(server, CALL[:-5], name="functiongemma")
    assert [part.done for part in await chat(ollama, "functiongemma")] == [True]


async def test_raw_prompt_is_continued_and_length_is_told(server: OllamaServer, ollama: Ollama) -> None:
    """What goes in is what the model sees; the model's own tokens come out."""
    says(server, "<start_function_call>", "call:f{}", "<end_function_call>", name="functiongemma")
    parts = [
        part
        async for part in ollama.generate(
            "functiongemma",
            "<bos>x",
            raw=True,
            options={"num_predict": 2},
            keep_alive="1m",
            first_s=PATIENCE_S,
            next_s=PATIENCE_S,
        )
    ]
    assert (text(parts), parts[-1].reason) == ("<start_function_call>call:f{}", "length")
    sent = server.bodies("/api/generate")[0]
    assert (sent["prompt"], sent["raw"], sent["truncate"]) == ("<bos>x", True, False)


async def test_error_line_under_status_200_is_an_error(server: OllamaServer, ollama: Ollama) -> None:
    """After the first piece an error has no status of its own; what came before it has come."""
    says(server, "Go", error="unexpected EOF of the runner")
    parts: list[Part] = []
    with pytest.raises(OllamaError, match="unexpected EOF of the runner") as raised:
        await chat(ollama, into=parts)
    assert (text(parts), raised.value.status, type(raised.value)) == ("Go", None, OllamaError)


async def test_refusals_are_plain_sentences_with_what_mends_them(server: OllamaServer, ollama: Ollama) -> None:
    """A missing model, tools that it can't use, a full queue, too long a prompt, too little memory."""
    with pytest.raises(ModelMissing, match=r"funcgemma models --pull") as missing:
        await chat(ollama)
    assert missing.value.status == 404
    says(server, "x")
    with pytest.raises(OllamaError, match="gemma3:4b takes no tools") as raised:
        await chat(ollama, tools=[{"type": "function", "function": {"name": "f"}}])
    assert raised.value.status == 400
    with pytest.raises(OllamaError, match="longer than the context") as raised:
        await chat(ollama, messages=[{"role": "user", "content": "x" * 40_000}])
    assert raised.value.status == 400
    server.memory = 1e6
    server.in_memory.clear()
    with pytest.raises(OllamaError, match=r"too little free memory .*--unload"):
        await chat(ollama)
    server.busy = True
    with pytest.raises(OllamaError, match="busy") as raised:
        await chat(ollama)
    assert raised.value.status == 503


def test_prompt_too_long_has_one_status_however_it_is_reported() -> None:
    """Versions say it with 400, 413, 500 or in a line."""
    said = "request (5000 tokens) exceeds the available context size (4096 tokens)"
    assert [refusal(said, "m", status).status for status in (400, 413, 500, None)] == [400] * 4


async def test_nobody_listens_there() -> None:
    """One sentence, at once, with the command that starts it."""
    async with Ollama(f"127.0.0.1:{free_port()}") as ollama:
        with pytest.raises(OllamaGone, match="ollama serve"):
            await ollama.version()
        with pytest.raises(OllamaGone, match="ollama serve"):
            await chat(ollama)


async def test_somebody_else_listens_there() -> None:
    """What is not JSON is not from Ollama, and no page is shown to the user."""

    async def page(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n<html>\n</html>\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(page, "127.0.0.1", 0)
    async with other, Ollama(f"http://127.0.0.1:{other.sockets[0].getsockname()[1]}") as ollama:
        with pytest.raises(OllamaError, match="not Ollama"):
            await ollama.version()
        with pytest.raises(OllamaError, match="not Ollama"):
            await chat(ollama)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"cut_after": 0}, ""),
        ({"cut_after": 1}, "Good"),
        ({"cut_after": 2}, "Good day"),
        ({"unfinished": True}, "Good day"),
    ],
)
async def test_connection_that_breaks_in_mid_reply(
    server: OllamaServer, ollama: Ollama, how: dict[str, Any], said: str
) -> None:
    """Before the first piece, in the middle, before the last line, and in such a way that it looks whole."""
    says(server, "Good", " day", **how)
    parts: list[Part] = []
    with pytest.raises(OllamaGone, match="broke"):
        await chat(ollama, into=parts)
    assert text(parts) == said


async def test_server_that_is_killed_in_mid_reply_and_comes_back(server: OllamaServer, ollama: Ollama) -> None:
    """The same client works with the new one."""
    says(server, "Good", " day", wait_after=(1, asyncio.Event()))
    port = int(server.url.rsplit(":", 1)[1])
    with pytest.raises(OllamaGone):  # noqa: PT012 - the server is stopped between two parts
        async with asyncio.timeout(PATIENCE_S):
            async for _ in ollama.chat(
                "gemma3:4b", HELLO, options={}, keep_alive="1m", first_s=PATIENCE_S, next_s=PATIENCE_S
            ):
                await server.stop()
    says(server, "Good", " day")
    await server.start(port)
    assert text(await chat(ollama)) == "Good day"


@pytest.mark.parametrize(
    ("how", "patience"),
    [
        (lambda never: {"wait": never}, {"first_s": 0.05}),
        (lambda never: {"wait_after": (1, never)}, {"next_s": 0.05}),
    ],
    ids=["first", "next"],
)
async def test_silence_is_not_waited_out(
    server: OllamaServer, ollama: Ollama, how: Callable[[asyncio.Event], dict[str, Any]], patience: dict[str, Any]
) -> None:
    """A first part may take long, since the model may have to load; each has a bound of its own."""
    says(server, "Good", " day", **how(asyncio.Event()))
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(OllamaGone, match=r"said nothing for 0\.05 seconds"):
            await chat(ollama, **patience)
        assert await server.abandoned.get() == "/api/chat"


async def test_stream_that_is_left_closes_its_connection(server: OllamaServer, ollama: Ollama) -> None:
    """That is how Ollama is told to stop; the session goes on."""
    never = asyncio.Event()
    says(server, "Good", " day", wait_after=(1, never))
    patience: dict[str, Any] = {"options": {}, "keep_alive": "1m", "first_s": PATIENCE_S, "next_s": PATIENCE_S}
    async with asyncio.timeout(PATIENCE_S):
        stream = ollama.chat("gemma3:4b", HELLO, **patience)
        await anext(stream)
        await stream.aclose()
        assert await server.abandoned.get() == "/api/chat"

        asked = asyncio.Event()
        server.install("gemma3:4b", reply=lambda _body: asked.set() or Reply(["Good"], wait=never))  # type: ignore[func-returns-value]
        task = asyncio.create_task(chat(ollama))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await server.abandoned.get() == "/api/chat"
    never.set()
    assert text(await chat(ollama)) == "Good"


async def test_what_is_there_goes_by_names_without_latest(server: OllamaServer, ollama: Ollama) -> None:
    """Ollama adds `:latest` to some names and takes both for the same."""
    server.version = "0.13.5-rc1"
    server.install("functiongemma:latest", size=301, capabilities=("completion", "tools"))
    server.install("gemma3:4b", size=3300)
    assert await ollama.version() == (0, 13, 5)
    installed = await ollama.installed()
    assert {name: one.size for name, one in installed.items()} == {"functiongemma": 301, "gemma3:4b": 3300}
    assert await ollama.capabilities("functiongemma") == {"completion", "tools"}
    assert await ollama.loaded() == {}
    await ollama.load("functiongemma", options={"num_ctx": 4096}, keep_alive="30m")
    assert await ollama.loaded() == {"functiongemma": 301}
    assert server.bodies("/api/chat")[-1]["options"] == {"num_ctx": 4096}
    await ollama.unload("functiongemma:latest")
    assert await ollama.loaded() == {}
    with pytest.raises(ModelMissing):
        await ollama.capabilities("gemma3:12b")


async def test_rendered_prompt_is_told_and_an_old_server_does_not_generate_at_length(
    server: OllamaServer, ollama: Ollama
) -> None:
    """The server is asked for its prompt only; one that doesn't know the field may make one token."""
    says(server, "I", " go", " on", name="functiongemma")
    system = {"role": "system", "content": "Google's phrase" + DECLARATION}
    shown = await ollama.rendered("functiongemma", [system, *HELLO], options={"num_ctx": 4096})
    assert shown == (
        f"<bos><start_of_turn>developer\nGoogle's phrase{DECLARATION}<end_of_turn>\n"
        "<start_of_turn>user\nhello<end_of_turn>\n<start_of_turn>model\n"
    )
    server.knows_render = False
    assert await ollama.rendered("functiongemma", HELLO, options={"num_ctx": 4096}) is None
    assert server.bodies("/api/chat")[-1]["options"] == {"num_ctx": 4096, "num_predict": 1}


def test_server_renders_tools_as_ollama_does() -> None:
    """Its own phrase comes after the system's; enums are dropped."""
    kind = {"type": "string", "enum": ["week"], "description": "When"}
    parameters = {"type": "object", "properties": {"kind": kind}, "required": ["kind"]}
    tool = {"type": "function", "function": {"name": "f", "description": "F", "parameters": parameters}}
    assert render([{"role": "system", "content": "S"}], [tool]) == (
        f"<bos><start_of_turn>developer\nS\n{PHRASE}<start_function_declaration>declaration:f{{description:<escape>F"
        "<escape>,parameters:{properties:{kind:{description:<escape>When<escape>,type:<escape>STRING<escape>}},"
        "required:[<escape>kind<escape>],type:<escape>OBJECT<escape>}}<end_function_declaration><end_of_turn>\n"
        "<start_of_turn>model\n"
    )


async def test_pull_tells_how_far_it_is_and_resumes(server: OllamaServer, ollama: Ollama) -> None:
    """What a broken pull got is not got again."""
    server.pullable["gemma3:4b"] = 1000
    server.pulling = Pulling(cut_after=5)
    first = []
    with pytest.raises(OllamaGone, match="broke"):  # noqa: PT012 - what came before the error is wanted
        async for step in ollama.pull("gemma3:4b"):
            first.append(step)  # noqa: PERF401
    assert (first[0].status, first[0].digest) == ("pulling manifest", None)
    # Ollama may leave `completed` out.
    assert (first[1].completed, first[1].total) == (None, 970)
    second = [step async for step in ollama.pull("gemma3:4b")]
    assert (second[2].completed or 0) > (first[-1].completed or 0) > 0
    assert second[-1].status == "success"
    assert (await ollama.installed())["gemma3:4b"].size == 1000
    with pytest.raises(OllamaError, match=r"no model nonsense.*ollama.com/library"):
        async for _ in ollama.pull("nonsense"):
            pass


async def test_model_is_made_of_files_that_are_sent_once(server: OllamaServer, ollama: Ollama, tmp_path: Path) -> None:
    """A file that is there is not sent again; renderer and parser are told, as Ollama doesn't guess them."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    digest = await ollama.push_blob(file)
    assert (await ollama.push_blob(file), server.blobs) == (digest, {digest: b"weights"})
    assert [path for path, _ in server.requests] == [f"/api/blobs/{digest}"]
    steps = [
        step.status
        async for step in ollama.create(
            "my-router",
            {file.name: digest},
            renderer="functiongemma",
            parser="functiongemma",
            parameters={"temperature": 0},
            quantize="q8_0",
        )
    ]
    assert steps[-1] == "success"
    assert await ollama.capabilities("my-router") == {"completion", "tools"}
    sent = server.bodies("/api/create")[0]
    assert (sent["renderer"], sent["parser"], sent["quantize"]) == ("functiongemma", "functiongemma", "q8_0")
    with pytest.raises(OllamaError, match="blob not found"):
        async for _ in ollama.create("other", {"x": "sha256:0"}):
            pass


def test_nobody_loads_an_http_client_for_nothing() -> None:
    """Where nothing listens a worker finds that out without one; it would double the time of its start."""
    program = """
import asyncio, sys
from agent.ollama import Ollama, OllamaGone
from workers import chat, functions, journal, router

try:
    asyncio.run(Ollama("http://127.0.0.1:9").version())
except OllamaGone as error:
    print(error)
print("aiohttp" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Ollama does not answer at http://127.0.0.1:9; start it with: ollama serve",
        "False",
    ]


def test_journal_loads_no_json_schema() -> None:
    """It follows no cards, so that it is back sooner."""
    program = "import sys; from workers import journal; print('jsonschema' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "nowhere://host", f"http://{'a' * 70}.example", "http://h:x"]
)
async def test_address_that_is_none(url: str) -> None:
    """The setting is named, whatever is wrong with it."""
    async with Ollama(url) as ollama:
        with pytest.raises(OllamaGone, match="is no address of Ollama; set FUNCGEMMA_OLLAMA_URL"):
            await ollama.version()
