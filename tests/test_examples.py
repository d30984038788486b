"""The examples, run as the README says, beside a running installation."""

import asyncio
import os
import shutil
import signal
import sys

import pytest

from agent.client import Client
from agent.credentials import Credentials
from agent.settings import PROJECT, Settings
from agent.supervisor import environment
from tests.test_processes import LONG_S, up

pytestmark = pytest.mark.long


async def start(
    settings: Settings, *command: str, cwd: str | None = None, **environment_: str
) -> asyncio.subprocess.Process:
    """Starts a worker as somebody would in a second terminal; returns when it has said a line."""
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=cwd or PROJECT,
        env={**os.environ, **environment(settings), **environment_},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert await process.stdout.readline()
    return process


async def served(client: Client, function: str, *, wanted: bool) -> None:
    """Waits until a function is served, or no longer is."""
    while client.presence.serves(function) is not wanted:
        await client.presence.changed(LONG_S)


async def test_python_file_with_a_function_joins_and_leaves(settings: Settings) -> None:
    """Ten lines of Python: called at once; when its worker is gone the turn is told so; it may come back."""
    example = PROJECT / "examples" / "python" / "dice_roll.py"
    assert len(example.read_text().splitlines()) <= 10
    command = (sys.executable, "-m", "agent.cli", "worker", str(example))
    async with up(settings) as client, asyncio.timeout(LONG_S):
        before = await client.final("サイコロを振って", "c")
        assert before.function is None
        for ending in (signal.SIGTERM, signal.SIGKILL):
            worker = await start(settings, *command)
            await served(client, "dice_roll", wanted=True)
            final = await client.final("サイコロを振って", "c")
            assert (final.function, final.status) == ("dice_roll", "ok")
            assert "🎲" in final.text
            worker.send_signal(ending)
            await worker.wait()
            await served(client, "dice_roll", wanted=False)
            final = await client.final("サイコロを振って", "c")
            assert (final.function, final.status) == ("dice_roll", "failed")
            assert "dice_roll" in final.text


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs Node.js and npm")
async def test_javascript_worker_joins_with_an_invitation(settings: Settings) -> None:
    """A function in another language, with nothing of ours but a credential."""
    folder = str(PROJECT / "examples" / "javascript")
    installing = await asyncio.create_subprocess_exec(
        "npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", cwd=folder
    )
    async with up(settings) as client, asyncio.timeout(LONG_S):
        assert await installing.wait() == 0
        url = Credentials(settings).invite("coins", "function", ("coin_flip",))
        worker = await start(settings, "node", "coin_flip.js", cwd=folder, FUNCGEMMA_BROKER_URL=url)
        await served(client, "coin_flip", wanted=True)
        final = await client.final("flip a coin", "c")
        assert (final.function, final.status) == ("coin_flip", "ok")
        assert final.text in ("It's heads.", "It's tails.")
        japanese = await client.final("コインを投げて", "c")
        assert japanese.text in ("表です。", "裏です。")
        worker.kill()
        await worker.wait()
        await served(client, "coin_flip", wanted=False)
        final = await client.final("flip a coin", "c")
        assert final.status == "failed"
        assert "coin_flip" in final.text
