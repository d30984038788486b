"""The real processes on a real mosquitto: killed, and still every turn gets its final once."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from agent import topics
from agent.bus import Bus
from agent.client import Client
from agent.credentials import Credentials
from agent.messages import Final
from agent.presence import Presence
from agent.settings import PROJECT, Settings
from agent.supervisor import environment, is_ready
from agent.worker import open_bus
from tests.conftest import PATIENCE_S

pytestmark = pytest.mark.long

LONG_S = 240.0
KILLS = 20
TURNS = 500


@asynccontextmanager
async def up(settings: Settings, *options: str) -> AsyncIterator[Client]:
    """`funcgemma up` as a process of its own, and a client on it once everything is there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "agent.cli",
        "up",
        *options,
        cwd=PROJECT,
        env={**os.environ, **environment(settings)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(LONG_S):
            while b"ready" not in (line := await process.stdout.readline()):
                assert line, "it did not start"
        reading = asyncio.create_task(process.stdout.read())
        bus = open_bus("cli-0", "client", settings, will=False)
        client = Client(bus, repeat_s=0.5)
        async with bus:
            yield client
    finally:
        process.terminate()
        await process.wait()
        await reading


class Observer:
    """Sees the finals on the wire, as anybody outside would.

    A final may be told again, with the same id: to a client that said its turn again because a journal died. What must
    not be is two finals of one turn.
    """

    def __init__(self, bus: Bus) -> None:
        self.finals: defaultdict[str, set[str]] = defaultdict(set)
        self._told = asyncio.Condition()
        self.presence = Presence(bus)
        bus.on(topics.FINAL, Final, self._final)

    async def _final(self, final: Final, _levels: dict[str, str]) -> None:
        async with self._told:
            self.finals[final.turn_id].add(final.id)
            self._told.notify_all()

    async def saw(self, turn_id: str) -> None:
        """Returns once it has seen the final of a turn, and with it all that the same worker sent before."""
        async with self._told:
            await self._told.wait_for(lambda: turn_id in self.finals)


async def pid_of(presence: Presence, client: str, other_than: int) -> int:
    """The process id of a worker that is there, once it is another than the one given."""
    while True:
        status = presence.statuses.get(client)
        if status is not None and status.state == "online" and status.details["pid"] != other_than:
            return int(status.details["pid"])
        await presence.changed(LONG_S)


def broker_pid(settings: Settings) -> int:
    """The broker's process id, as the supervisor has written it down."""
    return int(json.loads((settings.home / "processes.json").read_text())["broker"])


def text_of(number: int) -> str:
    """Every fifth turn makes a reminder; the others are of all kinds."""
    if number % 5 == 0:
        return "remind me to water the plants tomorrow at 9am"
    others = ("nice to meet you", "明日の札幌の天気は？", "Who was Marie Curie?", "京都の観光スポットを教えて")
    return others[number % 4]


async def test_workers_killed_at_any_moment_lose_nothing(settings: Settings) -> None:
    """Each worker is killed twenty times under 500 turns: 500 finals, each once, no reminder made twice."""
    allowed = asyncio.Semaphore(0)
    async with up(settings) as client, asyncio.timeout(LONG_S):
        bus = open_bus("operator-0", "operator", settings, will=False)
        observer = Observer(bus)

        async def kill(name: str) -> None:
            pid = 0
            for _ in range(KILLS):
                pid = await pid_of(observer.presence, name, other_than=pid)
                # A share of the turns is let go with each kill, so that there is always something to lose.
                for _ in range(TURNS // (4 * KILLS) + 1):
                    allowed.release()
                os.kill(pid, signal.SIGKILL)

        numbers = iter(range(TURNS))
        seen: Counter[int] = Counter()
        failed: list[str] = []

        async def talk() -> None:
            for number in numbers:
                await allowed.acquire()
                final = await client.final(text_of(number), f"talk-{number // 2}")
                seen[number] += 1
                if final.status != "ok":
                    failed.append(final.text)

        async with bus:
            names = ("journal", "router-0", "functions-0", "chat-0")
            await asyncio.gather(*(kill(name) for name in names), *(talk() for _ in range(16)))
            while not is_ready(observer.presence):
                await observer.presence.changed(LONG_S)
            last = await client.final("hello", "last")
            await observer.saw(last.turn_id)
        assert len(seen) == TURNS
        assert set(seen.values()) == {1}
        assert not failed
        assert len(observer.finals) == TURNS + 1
        assert [ids for ids in observer.finals.values() if len(ids) > 1] == []
    with contextlib.closing(sqlite3.connect(settings.home / "reminders.sqlite3")) as database:
        made = database.execute("SELECT count(*) FROM reminders").fetchone()[0]
        calls = database.execute("SELECT count(*) FROM calls").fetchone()[0]
    assert (made, calls) == (TURNS // 5, TURNS // 5)


async def test_broker_killed_is_restarted_and_turns_go_on(settings: Settings) -> None:
    """A turn said while the broker is gone is answered when it is back."""
    # On a busy machine the worker of the function may be back later than the router waits for it.
    patient = settings.model_copy(update={"serve_grace_s": PATIENCE_S})
    async with up(patient) as client, asyncio.timeout(LONG_S):
        await client.final("hello", "c")
        killed: set[int] = set()
        for number in range(3):
            # The second one at times before anybody has connected to it.
            for _ in range(2):
                while (pid := broker_pid(settings)) in killed:
                    await client.presence.changed(0.1)
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            final = await client.final("明日の札幌の天気は？", f"c{number}")
            assert final.status == "ok", final.text


async def test_invited_client_reads_its_own_conversations_only(settings: Settings) -> None:
    """A credential from `invite` works at once, and shows nothing of others."""
    async with up(settings) as client, asyncio.timeout(LONG_S):
        Credentials(settings).invite("guest", "client")
        bus = open_bus("guest", "client", settings, will=False)
        guest = Client(bus)
        foreign: list[Final] = []

        async def note(final: Final, levels: dict[str, str]) -> None:
            if levels["client"] != "guest":
                foreign.append(final)

        bus.on(topics.FINAL, Final, note)
        async with bus:
            await client.final("hello", "private")
            assert (await guest.final("hello", "c")).status == "ok"
        assert not foreign


def test_worker_without_a_broker_ends_when_asked(settings: Settings) -> None:
    """A worker that waits for a broker still obeys SIGTERM."""
    Credentials(settings).prepare()
    worker = subprocess.Popen(
        [sys.executable, "-m", "workers.chat"],
        cwd=PROJECT,
        env={**os.environ, **environment(settings), "FUNCGEMMA_DEBUG": "1"},
        stderr=subprocess.PIPE,
    )
    assert worker.stderr is not None
    while b"No connection" not in worker.stderr.readline():
        pass
    worker.terminate()
    worker.communicate(timeout=LONG_S)
    assert worker.returncode == 0


@pytest.mark.parametrize("name", ["journal", "router", "functions", "chat"])
def test_worker_has_a_command_line(name: str) -> None:
    """Each worker is a program that tells how it is used."""
    shown = subprocess.run(
        [sys.executable, "-m", f"workers.{name}", "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert name in shown.stdout
