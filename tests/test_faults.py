"""Faults that come from outside the processes: a full disk, a clock that is set, more turns than queues hold."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import workers.functions
import workers.journal
from agent import topics
from agent.bus import Unable
from agent.messages import Accepted, Call, Final, Result, Route, Turn
from agent.settings import Settings
from agent.turns import TurnStore
from agent.worker import open_bus
from tests import test_turn
from tests.conftest import PATIENCE_S, BusFactory, Mosquitto
from tests.test_turn import Assembly, ran
from tools.faults import plan

assembly, settings = test_turn.assembly, test_turn.settings


async def test_full_disk_accepts_nothing_and_loses_nothing(assembly: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal that can't write ends without a word about the turn; the one after it takes the turn up."""
    await assembly.stop("journal")

    def full(path: Path, sync: str) -> TurnStore:
        store = TurnStore(path, sync)
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        return store

    monkeypatch.setattr(workers.journal, "TurnStore", full)
    seen: list[Any] = []

    async def say() -> None:
        seen.extend(await assembly.events("long " * 1500))

    assembly.start("journal")
    saying = asyncio.create_task(say())
    with pytest.raises(Unable, match=r"journal\.sqlite3 can't be written .*full"):
        await asyncio.wait_for(assembly._tasks.pop("journal"), PATIENCE_S)
    assert not saying.done()
    monkeypatch.undo()
    assembly.start("journal")
    await saying
    assert [type(one) for one in seen if isinstance(one, Accepted | Final)] == [Accepted, Final]
    assert assembly.dead.empty()


async def test_nothing_is_committed_after_a_write_failed(tmp_path: Path) -> None:
    """What memory holds is not on disk then, so that nobody may be told that it is."""
    store = TurnStore(tmp_path / "journal.sqlite3")
    store._db.execute("PRAGMA query_only = 1")
    with pytest.raises(Unable):
        store.add(a_turn("t"), "open")
    with pytest.raises(Unable):
        await store.committed()
    store.close()


async def test_clock_that_is_set_back_expires_no_call(assembly: Assembly, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call made after its worker started is done, whatever the clock says of it."""

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(hours=2)

    monkeypatch.setattr("workers.functions.datetime", Earlier)
    monkeypatch.setattr("workers.router.datetime", Earlier)
    assert (await assembly.final("call echo word=hi")).text.startswith("You said hi.")


async def test_call_that_expired_before_its_worker_came_is_left_to_the_journal(
    assembly: Assembly,
) -> None:
    """Its user was told, or gets it by the next attempt: it is neither done late nor answered."""
    ran.clear()
    await assembly.stop("functions")
    late = Call(
        call_id="late",
        function="echo",
        arguments={"word": "x"},
        reply_to=f"{assembly.bus.root}/result/echo/cli-0/c",
        expires_at=datetime.now(UTC) - timedelta(hours=1),
    )
    router = assembly.make_bus("router-1", "router")
    async with router:
        await router.send(topics.CALL, late, function="echo")
        assembly.start("functions")
        while assembly.client.presence.serves("echo") is not True:
            await assembly.client.presence.changed(PATIENCE_S)
        # A clock that is an hour behind: what it says does not count for a call made now.
        skewed = late.model_copy(update={"call_id": "skewed"})
        await router.send(topics.CALL, skewed, function="echo")
    await assembly.final("call echo word=hi")
    assert "late" not in ran
    assert "skewed" in ran


async def test_copy_that_waited_is_not_routed_again(settings: Settings, make_bus: BusFactory) -> None:
    """Of copies that piled up while the router was away one is routed; one sent after that is a new question."""
    made = Assembly(make_bus, settings)
    routes: list[Route] = []
    first, new = asyncio.Event(), asyncio.Event()

    async def note(route: Route, _levels: dict[str, str]) -> None:
        routes.append(route)
        (new if first.is_set() else first).set()

    made.operator.on(topics.ROUTE, Route, note)
    journal = make_bus("journal", "journal")
    async with made.operator, made.bus, journal, asyncio.timeout(PATIENCE_S):
        made.start("router")
        turn = a_turn("t")
        while not made.client.presence.online("router"):
            await made.client.presence.changed(PATIENCE_S)
        await journal.send(topics.TURN, turn, client="cli-0", conversation="c")
        await first.wait()
        await journal.send(topics.TURN, turn, client="cli-0", conversation="c")
        again = turn.model_copy(update={"time": datetime.now(UTC)})
        await journal.send(topics.TURN, again, client="cli-0", conversation="c")
        await new.wait()
        assert [route.turn.time for route in routes] == [turn.time, again.time]
        await made.stop_all()


async def test_call_that_may_still_be_done_is_not_told_as_unserved(settings: Settings, make_bus: BusFactory) -> None:
    """A turn sent again while its call waits for its worker says nothing yet; another turn is told at once."""
    made = Assembly(make_bus, settings)
    unserved: asyncio.Queue[str] = asyncio.Queue()
    results: asyncio.Queue[Result] = asyncio.Queue()

    async def note(route: Route, _levels: dict[str, str]) -> None:
        if route.unserved:
            unserved.put_nowait(route.turn.turn_id)

    async def take(result: Result, _levels: dict[str, str]) -> None:
        results.put_nowait(result)

    made.operator.on(topics.ROUTE, Route, note)
    made.operator.on(topics.RESULT, Result, take)
    journal = make_bus("journal", "journal")
    async with made.operator, made.bus, journal, asyncio.timeout(PATIENCE_S):
        made.start("router", "functions")
        while not made.client.presence.online("router") or made.client.presence.serves("echo") is not True:
            await made.client.presence.changed(PATIENCE_S)
        called = a_turn("called").model_copy(update={"text": "call echo word=x"})
        await journal.send(topics.TURN, called, client="cli-0", conversation="c")
        await results.get()
        await made.stop("functions")
        for turn_id in ("called", "new"):
            again = called.model_copy(update={"turn_id": turn_id, "time": datetime.now(UTC)})
            await journal.send(topics.TURN, again, client="cli-0", conversation="c")
        assert await unserved.get() == "new"
        assert unserved.empty()
        await made.stop_all()


async def test_turns_beyond_the_limit_wait_in_the_journal(settings: Settings, make_bus: BusFactory) -> None:
    """No more than so many are on their way, also after a restart; the others follow in the order they came."""
    settings = settings.model_copy(update={"max_open": 2})
    made = Assembly(make_bus, settings)
    sent: list[str] = []

    async def note(turn: Turn, _levels: dict[str, str]) -> None:
        if turn.text not in sent:
            sent.append(turn.text)

    made.operator.on(topics.TURN, Turn, note)
    async with made.operator, made.bus, asyncio.timeout(PATIENCE_S):
        made.start("journal")
        accepted = [asyncio.Event() for _ in range(6)]

        async def say(number: int) -> Any:
            events = []
            async for event in made.client.say(f"number {number}", f"c{number}"):
                accepted[number].set()
                events.append(event)
            return events[-1]

        saying = []
        for number in range(6):
            saying.append(asyncio.create_task(say(number)))
            await accepted[number].wait()
        assert sent == ["number 0", "number 1"]
        await made.stop("journal")
        made.start("journal", "router", "functions", "chat")
        finals = await asyncio.gather(*saying)
        assert {final.status for final in finals} == {"ok"}
        assert sent == [f"number {number}" for number in range(6)]
        await made.stop_all()


async def test_queue_of_an_absent_worker_holds_more_than_a_thousand(mosquitto: Mosquitto, settings: Settings) -> None:
    """By default mosquitto drops what comes after 1,000 messages, and acknowledges it as if it had not."""
    got: set[str] = set()
    all_there = asyncio.Event()

    async def note(result: Result, _levels: dict[str, str]) -> None:
        got.add(result.call_id)
        if len(got) == 1500:
            all_there.set()

    def absent() -> Any:
        bus = open_bus("journal", "journal", settings)
        bus.on(topics.RESULT, Result, note)
        return bus

    async with absent():
        pass
    async with open_bus("tester", "function", settings) as worker:
        many = (Result(call_id=str(number), function="echo", status="ok") for number in range(1500))
        sends = (worker.send(topics.RESULT, one, function="echo", client="c", conversation="c") for one in many)
        await asyncio.gather(*sends)
    async with absent(), asyncio.timeout(PATIENCE_S):
        await all_there.wait()


def test_plan_of_a_torture_run_is_that_of_its_seed() -> None:
    """The same seed gives the same faults at the same times; another one gives others."""

    def begin(seed: int) -> list[Any]:
        return list(itertools.islice(plan(seed, {"any": 2.0, "broker": 9.0}, {"stop": 5.0, "clock": 7.0}), 50))

    assert begin(1) == begin(1)
    assert begin(1) != begin(2)
    assert [one.at for one in begin(1)] == sorted(one.at for one in begin(1))
    assert {one.kind for one in begin(1)} == {"kill", "stop", "clock"}


def a_turn(turn_id: str) -> Turn:
    """A turn as the journal sends it."""
    return Turn(turn_id=turn_id, client="cli-0", conversation="c", text="hello", lang="en", said_at=datetime.now(UTC))
