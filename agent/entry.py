"""How a command gets onto the bus: as a client or an operator, starting what isn't running."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from agent import topics
from agent.bus import BusError
from agent.client import Client
from agent.credentials import Credentials
from agent.home_lock import running
from agent.mqtt import MqttBus
from agent.presence import Presence
from agent.settings import PROJECT, Settings
from agent.supervisor import SupervisorError, absent, environment, is_ready
from agent.worker import open_bus

NOT_RUNNING = "FuncGemma is not running. Start it with: funcgemma up --detach"
_READY_S = 60.0
_CONNECT_S = 5.0
_GLANCE_S = 0.3


def require_running(settings: Settings) -> None:
    """Returns where FuncGemma runs here, or its broker runs elsewhere.

    Raises:
        SupervisorError: it does not.
    """
    if not settings.broker_url and not settings.external_broker and running(settings) is None:
        raise SupervisorError(NOT_RUNNING)


@contextlib.contextmanager
def started(settings: Settings, command: list[str], *, stay: bool) -> Iterator[None]:
    """Starts the supervisor in the background; ends it on leaving, and should we die, unless it is to stay."""
    settings.home.mkdir(parents=True, exist_ok=True)
    log = settings.home / "logs" / "supervisor.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        before = output.tell()
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "agent.cli", *command, *([] if stay else ["--until-eof"])],
            cwd=PROJECT,
            env={**os.environ, **environment(settings)},
            stdin=subprocess.DEVNULL if stay else subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _await_start(settings, process, log, before)
        yield
    except BaseException:
        if stay:
            process.terminate()
        raise
    finally:
        if not stay:
            process.terminate()
            process.wait()


def _await_start(settings: Settings, process: "subprocess.Popen[bytes]", log: Path, written: int) -> None:
    """Returns when the supervisor has its lock and the credentials are there; raises what it said if it ended."""
    until = time.monotonic() + _READY_S
    while not (settings.home / "credentials.json").exists() or running(settings) != process.pid:
        if process.poll() is not None:
            if running(settings):
                # Somebody else started it at the same time.
                return
            said = log.read_bytes()[written:].decode(errors="replace").strip().splitlines()
            raise SupervisorError(said[-1].removeprefix("funcgemma: ") if said else f"It did not start; see {log}")
        if time.monotonic() > until:
            raise SupervisorError(f"It did not start within {_READY_S:g} seconds; see {log}")
        time.sleep(0.01)


async def with_client(
    settings: Settings,
    use: Callable[[Client, MqttBus], Awaitable[int]],
    starting: contextlib.AbstractContextManager[None] | None = None,
    *,
    wait: bool = True,
    kind: str = "cli",
    persistent: bool = True,
) -> int:
    """Connects as a client with an id of its own (`kind-0`, …), waits until everything is there, and does `use`."""
    with starting or contextlib.nullcontext(), _identity(settings, kind) as name:
        bus = open_bus(name, "client", settings, will=False, persistent=persistent)
        client = Client(bus, settings.say_repeat_s)
        try:
            async with asyncio.timeout(_READY_S):
                await bus.__aenter__()
        except TimeoutError:
            raise BusError(f"The broker at {settings.host}:{settings.port} does not answer.") from None
        try:
            if wait:
                until = time.monotonic() + _READY_S
                while not is_ready(client.presence):
                    if time.monotonic() > until:
                        raise BusError(f"Not ready: {', '.join(absent(client.presence))}. See: funcgemma status")
                    await client.presence.changed(1.0)
            return await use(client, bus)
        finally:
            await bus.close(drain_s=0)


@contextlib.contextmanager
def _identity(settings: Settings, kind: str) -> Iterator[str]:
    """The client id to use: that of the URL where one is set, otherwise one that nobody else uses."""
    if settings.broker_url:
        yield Credentials(settings).address("").username or "cli-0"
        return
    with Credentials(settings).borrow(kind) as name:
        yield name


@contextlib.asynccontextmanager
async def operator(settings: Settings) -> AsyncIterator[tuple[MqttBus, Presence]]:
    """A connected operator's bus, with everything that is retained; it leaves no trace behind."""
    with Credentials(settings).borrow("operator") as name:
        bus = open_bus(name, "operator", settings, will=False, persistent=False)
        presence = Presence(bus)
        try:
            async with asyncio.timeout(_CONNECT_S):
                await bus.__aenter__()
        except TimeoutError:
            raise BusError(f"The broker at {settings.host}:{settings.port} does not answer.") from None
        try:
            # Retained messages come right after the subscription; this one's own status comes behind them.
            await bus.announce(pid=os.getpid())
            while name not in presence.statuses or presence.statuses[name].details.get("pid") != os.getpid():
                await presence.changed(_GLANCE_S)
            yield bus, presence
        finally:
            await bus.withdraw(topics.STATUS, client=name)
            await bus.close(drain_s=1.0)
