"""An installation of our own for a measurement: `funcgemma up` as a process, in a temporary home on a free port."""

import asyncio
import contextlib
import os
import random
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from agent.process_list import ProcessList
from agent.settings import PROJECT, Settings
from agent.supervisor import environment

_START_S = 600.0
"""The first start on a machine lets the router learn, which takes a while."""
_PORTS = range(20_000, 32_000)


class StartError(Exception):
    """Raised when the installation does not come up."""


def free_port() -> int:
    """A port nobody listens on, out of those that systems don't give to outgoing connections.

    Drawn, so that two processes that look at the same time hardly ever find the same one.
    """
    drawn = random.SystemRandom()  # a seed that others have set would give them the same ports
    while True:
        port = drawn.choice(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


class Installation:
    """The running processes, by name as the supervisor writes them down.

    Attributes:
        settings: of this installation.
        supervisor: process id of `funcgemma up`.
    """

    def __init__(self, settings: Settings, supervisor: int) -> None:
        self.settings = settings
        self.supervisor = supervisor

    def pids(self) -> dict[str, int]:
        """Process ids by name: `broker`, `journal`, `router-0`, …; one that died a moment ago may be among them."""
        return ProcessList(self.settings).read()

    def names(self, role: str) -> list[str]:
        """The processes of a role: `router` has `router-0`, `router-1`, …; `any` has all."""
        return sorted(name for name in self.pids() if role in ("any", name.split("-")[0]))

    def send(self, name: str, number: signal.Signals) -> int | None:
        """Sends a signal to a process; gives its id, None where it is not there."""
        pid = self.pids().get(name)
        if pid is None:
            return None
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return None
        return pid


@contextlib.asynccontextmanager
async def installation(
    slots: Mapping[str, int], extra: Mapping[str, str] | None = None, folder: Path | None = None, **others: Any
) -> AsyncIterator[Installation]:
    """Runs an installation without models and network, and takes it away again.

    Args:
        slots: workers a role, one each where not given.
        extra: environment variables on top of ours, such as a library to load before the others.
        folder: the home, which is kept; a temporary one where not given.
        others: settings.

    Raises:
        StartError: it does not come up.
    """
    with contextlib.nullcontext(folder) if folder else tempfile.TemporaryDirectory(prefix="funcgemma-") as place:
        home = Path(place)
        common: dict[str, Any] = {"offline": True, "router": "embedded", "replier": "offline"}
        settings = Settings(home=home, port=free_port(), **{**common, **others})
        wanted = ",".join(f"{role}={number}" for role, number in slots.items())
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "agent.cli", "up", "--slots", wanted),
            cwd=PROJECT,
            env={**os.environ, **environment(settings), **(extra or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        told: list[bytes] = []
        reading = None
        try:
            await _ready(process, told)
            reading = asyncio.create_task(_read(process, home / "logs" / "supervisor.log"))
            yield Installation(settings, process.pid)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            if reading is not None:
                await reading


async def _ready(process: asyncio.subprocess.Process, told: list[bytes]) -> None:
    assert process.stdout is not None  # noqa: S101 - a pipe, as asked for
    try:
        async with asyncio.timeout(_START_S):
            while (line := await process.stdout.readline()).strip() != b"ready":
                told.append(line)
                if not line:
                    raise StartError(b"".join(told).decode(errors="replace").strip() or "it ended at once")
    except TimeoutError:
        raise StartError(f"not ready after {_START_S:g} seconds: {b''.join(told).decode(errors='replace')}") from None


async def _read(process: asyncio.subprocess.Process, log: Path) -> None:
    """Keeps what the supervisor tells, so that its pipe never fills."""
    assert process.stdout is not None  # noqa: S101
    with log.open("ab") as output:
        while line := await process.stdout.readline():
            output.write(line)
            output.flush()
