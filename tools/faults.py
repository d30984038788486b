"""What is done to a running installation: a plan of faults that a seed reproduces, and the hand that does them.

* `kill`, `term`: SIGKILL and SIGTERM to a process. `stop`: SIGSTOP, a hang, and SIGCONT some seconds later.
* `cut`: the connection of a process to the broker is ended by the broker, as when the network goes.
* `disk`: the journal's disk is full for some seconds: its files can't grow (RLIMIT_FSIZE, Linux only).
* `clock`: the wall clock of all processes jumps, forwards or back (libfaketime, where it is installed).
* `flood`: a role hangs while many turns are said at once, so that the broker's queues fill.
"""

import asyncio
import contextlib
import heapq
import os
import resource
import signal
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.credentials import Credentials
from tools.installation import Installation

KINDS = ("kill", "term", "stop", "cut", "disk", "clock", "flood")
_ROLES = ("broker", "journal", "router", "functions", "chat")
_LIBRARIES = ("/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib*/faketime/libfaketime.so.1")
_LONGEST_S = {"stop": 8.0, "disk": 6.0, "flood": 4.0}
_JUMP_S = 7200
_STEP_S = 0.02
_FULL = 4096


@dataclass(frozen=True, order=True)
class Fault:
    """One entry of the plan.

    Attributes:
        at: seconds after the beginning.
        kind: one of `KINDS`.
        role: whose process is hit; `slot` counts among those that the role has, and wraps around.
        lasts: seconds until it is taken back, 0 where there is nothing to take back.
        jump: offset of the clock from then on, seconds.
    """

    at: float
    kind: str
    role: str
    slot: int
    lasts: float = 0
    jump: int = 0

    def __str__(self) -> str:
        told = f"{self.at:8.2f} s  {self.kind:<5} {self.role}/{self.slot}"
        return told + (f"  for {self.lasts:.1f} s" if self.lasts else "") + (f"  {self.jump:+} s" if self.jump else "")


def plan(seed: int, kills: Mapping[str, float], others: Mapping[str, float]) -> Iterator[Fault]:
    """The faults of a run in order of time, without end; the same for the same arguments.

    Args:
        seed: chooses them.
        kills: mean seconds between two SIGKILLs, by role; `any` for any of them.
        others: mean seconds between two faults of the other kinds.
    """
    streams = [_stream(Random(f"{seed} kill {role}"), "kill", role, every) for role, every in kills.items()]
    streams += [_stream(Random(f"{seed} {kind}"), kind, "any", every) for kind, every in others.items()]
    return heapq.merge(*streams)


def _stream(random: Random, kind: str, role: str, every: float) -> Iterator[Fault]:
    at = 0.0
    while True:
        at += every * random.uniform(0.5, 1.5)
        roles = {"disk": ("journal",), "clock": ("all",), "flood": ("router", "functions", "chat"), "cut": _ROLES[1:]}
        hit = random.choice(roles.get(kind, _ROLES)) if role == "any" else role
        longest = _LONGEST_S.get(kind, 0)
        lasts = random.uniform(longest / 8, longest) if longest else 0
        jump = random.randint(-_JUMP_S, _JUMP_S) if kind == "clock" else 0
        yield Fault(at, kind, hit, random.randrange(64), lasts, jump)


def clock_library() -> Path | None:
    """libfaketime, where it is installed (`apt install faketime`)."""
    return next((found for pattern in _LIBRARIES for found in sorted(Path("/").glob(pattern.lstrip("/")))), None)


def clock_environment(library: Path, file: Path) -> dict[str, str]:
    """What has processes take the wall clock's offset from a file; clocks that only run are left alone."""
    file.write_text("+0")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


class Faults:
    """Does what the plan says.

    Args:
        target: the installation.
        flood: says many turns at once.
        clock: the file that holds the offset of the wall clock; None where it can't jump.
        elapsed: seconds of the plan that have passed.

    Attributes:
        done: faults that hit something, by kind.
        missed: those whose process was not there at that moment.
    """

    def __init__(
        self,
        target: Installation,
        flood: Callable[[], Coroutine[None, None, None]],
        clock: Path | None,
        elapsed: Callable[[], float],
    ) -> None:
        self._target = target
        self._elapsed = elapsed
        self._flood = flood
        self._clock = clock
        self._later: set[asyncio.Task[None]] = set()
        self.done: Counter[str] = Counter()
        self.missed = 0

    async def run(self, faults: Iterator[Fault]) -> None:
        """Goes through the plan until it is cancelled; then all that lasts is taken back."""
        try:
            for fault in faults:
                while self._elapsed() < fault.at:  # noqa: ASYNC110 - a clock, not an event
                    await asyncio.sleep(_STEP_S)
                task = asyncio.create_task(self._do(fault), name=str(fault))
                self._later.add(task)
                task.add_done_callback(self._later.discard)
        finally:
            for task in self._later:
                task.cancel()
            found = await asyncio.gather(*self._later, return_exceptions=True)
            for error in found:
                if isinstance(error, Exception):
                    raise error

    async def _do(self, fault: Fault) -> None:
        names = self._target.names(fault.role) if fault.role != "all" else ["all"]
        name = names[fault.slot % len(names)] if names else ""
        does = {"stop": self._stop, "cut": self._cut, "disk": self._disk, "clock": self._jump, "flood": self._fill}
        if name and fault.kind in ("kill", "term"):
            number = signal.SIGKILL if fault.kind == "kill" else signal.SIGTERM
            hit = self._target.send(name, number) is not None
        else:
            hit = bool(name) and await does[fault.kind](name, fault)
        if hit:
            self.done[fault.kind] += 1
        else:
            self.missed += 1

    async def _stop(self, name: str, fault: Fault) -> bool:
        pid = self._target.send(name, signal.SIGSTOP)
        if pid is None:
            return False
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        return True

    async def _cut(self, name: str, _fault: Fault) -> bool:
        """Connects under the same name and goes again: the broker ends the connection there was, and keeps its session.

        Nothing that comes in on the way is acknowledged, so all of it goes to the rightful owner.
        """
        settings = self._target.settings
        address = Credentials(settings).address(name)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = settings.session_expiry_s
        client = aiomqtt.Client(
            address.host,
            address.port,
            identifier=name,
            username=address.username,
            password=address.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            timeout=2.0,
        )
        client._client.manual_ack_set(True)  # noqa: SLF001 - as in agent/mqtt.py
        try:
            async with client:
                return True
        except aiomqtt.MqttError:
            return False

    async def _disk(self, name: str, fault: Fault) -> bool:
        """Lets the journal write no further than a file's first page, in each process that is started meanwhile too."""
        until = asyncio.get_running_loop().time() + fault.lasts
        limited: set[int] = set()
        while asyncio.get_running_loop().time() < until:
            pid = self._target.pids().get(name)
            if pid is not None and pid not in limited:
                with contextlib.suppress(ProcessLookupError):
                    self._limit(pid, _FULL)
                    limited.add(pid)
            await asyncio.sleep(_STEP_S)
        for pid in limited:
            with contextlib.suppress(ProcessLookupError):
                self._limit(pid, None)
        return bool(limited)

    def _limit(self, pid: int, size: int | None) -> None:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    async def _jump(self, _name: str, fault: Fault) -> bool:
        if self._clock is None:
            return False
        self._clock.write_text(f"{fault.jump:+}")
        return True

    async def _fill(self, name: str, fault: Fault) -> bool:
        pid = self._target.send(name, signal.SIGSTOP)
        if pid is None:
            return False
        try:
            flooding = asyncio.create_task(self._flood())
            await asyncio.sleep(fault.lasts)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        await flooding
        return True
