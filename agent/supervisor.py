"""Runs the broker and the workers as processes, and starts again what dies.

One supervisor a home folder (a file lock sees to that). Each process writes to a log of its own under `logs/`.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import IO

from agent import broker, topics
from agent.bus import Bus
from agent.credentials import Credentials
from agent.healing import Healer
from agent.home_lock import only_one
from agent.messages import Status
from agent.presence import Presence
from agent.process_list import ProcessList
from agent.settings import PROJECT, Settings
from agent.worker import entered, open_bus

log = logging.getLogger(__name__)

ROLES = {"journal": "journal", "router": "router", "functions": "function", "chat": "chat"}
"""Our worker modules and the role that each has on the bus."""

_FIRST_DELAY_S = 0.1
_LONGEST_DELAY_S = 5.0
_HEALTHY_S = 3.0
_STOP_S = 8.0
_PORT_S = 10.0
_FREE_S = 2.0
_KNOCK_S = 0.5
_LARGEST_LOG = 5_000_000
_BROKER = "broker"

Start = Callable[[], Awaitable[asyncio.subprocess.Process]]


class SupervisorError(Exception):
    """Raised when the processes can't be run; the message says what to do."""


class Supervisor:
    """Keeps one installation running.

    Args:
        settings: home folder, broker.
        slots: workers a module (`router`, `functions`, `chat`), one each where not given.
        tell: gets a line for each thing that happens.

    Attributes:
        started: set when the broker stands and the workers are being started.
    """

    def __init__(
        self, settings: Settings, slots: dict[str, int] | None = None, tell: Callable[[str], None] = print
    ) -> None:
        self._settings = settings
        self._slots = slots or {}
        self._tell = tell
        self._logs = settings.home / "logs"
        self._list = ProcessList(settings)
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._came_up: set[str] = set()
        self._ending = False
        self._ready = False
        self.started = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Runs everything until `stop` is set, then ends it in order: workers first, the broker last.

        Raises:
            AlreadyRunning: another one runs here.
            SupervisorError: the port is taken, or the broker does not start.
            BrokerMissing: there is no mosquitto.
            BusError: a broker that runs elsewhere does not let us in.
        """
        with only_one(self._settings) as lock:
            # What a supervisor left behind that was killed.
            self._list.end()
            Credentials(self._settings).prepare(self._slots)
            keepers: list[asyncio.Task[None]] = []
            try:
                if not self._settings.external_broker:
                    await self._port(taken=False)
                    keepers.append(self._keep(_BROKER, partial(broker.start, self._settings, self._log(_BROKER))))
                    await self._port(taken=True)
                await self._run_workers(stop, keepers, lock)
            finally:
                self._ending = True
                await self._end([name for name in self._processes if name != _BROKER])
                await self._end([_BROKER])
                for keeper in keepers:
                    keeper.cancel()
                await asyncio.gather(*keepers, return_exceptions=True)
                self._list.remove()

    async def _run_workers(self, stop: asyncio.Event, keepers: list[asyncio.Task[None]], lock: IO[str]) -> None:
        bus = open_bus("supervisor", "operator", self._settings)
        presence = Presence(bus, lambda client, status: self._look(presence, healer, client, status))
        healer = Healer(bus, presence, self._settings, self._processes, self._tell)
        if not await entered(bus, stop):
            return
        try:
            # A broker that was killed had no time to tell that our workers went with it.
            for name in self._names():
                offline = Status(state="offline", role=ROLES[name.split("-")[0]])
                await bus.send(topics.STATUS, offline, client=name)
            # From here on others may believe what the statuses say.
            lock.write(str(os.getpid()))
            lock.flush()
            keepers.append(asyncio.create_task(self._announce(bus), name="supervisor[announce]"))
            for name in self._names():
                module, _, slot = name.partition("-")
                command = [sys.executable, "-m", f"workers.{module}", *(["--slot", slot] if slot else [])]
                keepers.append(self._keep(name, partial(self._spawn, name, command)))
            keepers.append(asyncio.create_task(healer.run(), name="supervisor[healer]"))
            self.started.set()
            await stop.wait()
            self._ending = True
            await self._end([name for name in self._processes if name != _BROKER])
        finally:
            await bus.close()

    # ---- processes

    def _names(self) -> list[str]:
        names = ["journal"]
        for module in ("router", "functions", "chat"):
            names += [f"{module}-{slot}" for slot in range(self._slots.get(module, 1))]
        return names

    def _keep(self, name: str, start: Start) -> "asyncio.Task[None]":
        return asyncio.create_task(self._restart(name, start), name=f"supervisor[{name}]")

    async def _restart(self, name: str, start: Start) -> None:
        delay = _FIRST_DELAY_S
        loop = asyncio.get_running_loop()
        while not self._ending:
            try:
                process = self._processes[name] = await start()
            except OSError as error:
                self._tell(f"{name} can't be started ({error}); trying again.")
                await asyncio.sleep(delay)
                delay = min(delay * 2, _LONGEST_DELAY_S)
                continue
            running = {one: each.pid for one, each in self._processes.items() if each.returncode is None}
            self._list.write(running)
            if self._ending:
                process.kill()
            self._came_up.discard(name)
            began = loop.time()
            code = await process.wait()
            if self._ending:
                return
            # What never came up is given ever more time; what worked until it died is wanted back at once.
            if name in self._came_up or loop.time() - began > _HEALTHY_S:
                delay = _FIRST_DELAY_S
            self._tell(f"{name} ended ({_ending(code)}); it starts again. See {self._log(name)}")
            await asyncio.sleep(delay)
            delay = min(delay * 2, _LONGEST_DELAY_S)

    async def _spawn(self, name: str, command: list[str]) -> asyncio.subprocess.Process:
        with self._log(name).open("ab") as output:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=PROJECT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **environment(self._settings)},
                start_new_session=True,
            )

    async def _end(self, names: list[str]) -> None:
        """Asks processes to end, and ends those that don't."""
        running = [one for name in names if (one := self._processes.get(name)) and one.returncode is None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        waiting = [asyncio.create_task(process.wait()) for process in running]
        if not waiting:
            return
        _, late = await asyncio.wait(waiting, timeout=_STOP_S)
        for process in running if late else []:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*waiting)

    def _log(self, name: str) -> Path:
        """The log of a process; one that has grown large starts anew."""
        self._logs.mkdir(parents=True, exist_ok=True)
        path = self._logs / f"{name}.log"
        if path.exists() and path.stat().st_size > _LARGEST_LOG:
            path.replace(path.with_suffix(".log.1"))
        return path

    # ---- what it sees

    async def _port(self, *, taken: bool) -> None:
        """Checks that the broker's port is free, or waits until the broker has opened it.

        Raises:
            SupervisorError: it is not, or does not.
        """
        host, port = self._settings.host, self._settings.port
        # A broker that has just been killed may hold its port for a moment yet.
        until = asyncio.get_running_loop().time() + (_PORT_S if taken else _FREE_S)
        while await _listening(host, port) is not taken:
            if asyncio.get_running_loop().time() > until:
                raise SupervisorError(
                    f"The broker does not start; its log says why: {self._log(_BROKER)}"
                    if taken
                    else f"Port {port} is taken by another program. Choose another one: FUNCGEMMA_PORT={port + 1}"
                )
            await asyncio.sleep(0.01)

    async def _announce(self, bus: Bus) -> None:
        """Tells on each connection that it is there, and which process the broker is."""
        seen = 0
        while True:
            seen = await bus.connection(after=seen)
            process = self._processes.get(_BROKER)
            await bus.announce(pid=os.getpid(), broker_pid=process.pid if process else None)

    def _look(self, presence: Presence, healer: Healer, client: str, status: Status) -> None:
        """Tells when everything is there, and when it no longer is."""
        healer.saw(client, status)
        if status.state == "online":
            self._came_up.add(client)
        ready = is_ready(presence)
        if ready != self._ready and not self._ending and self.started.is_set():
            self._ready = ready
            self._tell("ready" if ready else "not ready: " + ", ".join(absent(presence)) + " offline")


def parse_slots(text: str) -> dict[str, int]:
    """Workers a module out of `router=2,chat=2`.

    Raises:
        SupervisorError: it can't be read, or asks for a second journal.
    """
    found: dict[str, int] = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        if name == "journal":
            raise SupervisorError("The journal keeps all turns in one file, so there is one of it: leave it out.")
        if name not in ROLES or not number.isdecimal() or not 1 <= int(number) <= 64:
            raise SupervisorError(f"{part!r} is no slot setting; write for example: --slots router=2,chat=2")
        found[name] = int(number)
    return found


def absent(presence: Presence) -> list[str]:
    """The roles of which no worker is there."""
    return [role for role in ROLES.values() if not presence.online(role)]


def is_ready(presence: Presence) -> bool:
    """Whether a turn can go all its way."""
    return not absent(presence)


def environment(settings: Settings) -> dict[str, str]:
    """What a process needs in its environment to work with the same installation."""
    found = {
        f"FUNCGEMMA_{name.upper()}": str(int(value) if isinstance(value, bool) else value)
        for name, value in settings.model_dump(exclude_unset=True).items()
        if value is not None
    }
    return {**found, "FUNCGEMMA_HOME": str(settings.home.resolve())}


async def _listening(host: str, port: int) -> bool:
    """Whether anybody listens on the port."""
    try:
        async with asyncio.timeout(_KNOCK_S):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        # Somebody is there, too busy to open.
        return True
    except OSError:
        return False
    writer.close()
    return True


def _ending(code: int) -> str:
    if code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
