"""The operator's view of the bus."""

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from agent import topics
from agent.bus import Inbound
from agent.memory_bus import MemoryBroker, MemoryBus
from agent.messages import (
    Accepted,
    Call,
    Cancel,
    Card,
    Chunk,
    Dead,
    Error,
    Final,
    Message,
    Notice,
    Result,
    Route,
    Say,
    Turn,
)
from agent.topics import Topic
from agent.transcript import width
from agent.watch import Watch

PATIENCE_S = 20.0
"""Longest wait for something that must happen; a test that works never waits as long."""

TURN = Turn(
    turn_id="0123456789",
    client="cli-0",
    conversation="talk",
    text="明日の札幌の天気は？",
    lang="ja",
    said_at=datetime(2026, 10, 1, 9, tzinfo=UTC),
)
ARGUMENTS = {"location": "札幌"}
CONTEXT = {"client": "cli-0", "conversation": "talk", "turn_id": "0123456789"}
PLACE = {"client": "cli-0", "conversation": "talk"}


class Page(io.StringIO):
    """What was written, with a way to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def until(self, text: str) -> list[str]:
        """Waits until the text is there; gives all lines so far."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while text not in self.getvalue():
                    self._written.clear()
                    await self._written.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in {self.getvalue()!r}") from None
        return self.getvalue().splitlines()


class Desk:
    """An operator who watches, and somebody who sends."""

    def __init__(self, *, chunks: bool = False, colour: bool = False, columns: int = 0) -> None:
        self.broker = MemoryBroker()
        self.clock = 100.0
        self.page = Page()
        self.sender = MemoryBus("anyone", "journal", self.broker)
        self.bus = MemoryBus("operator-0", "operator", self.broker, will=False, persistent=False)
        self.watch = Watch(
            self.bus,
            chunks=chunks,
            stream=self.page,
            colour=colour,
            columns=lambda: columns,
            now=lambda: self.clock,
        )

    async def see(self, topic: Topic, message: Message, seen: str, **levels: str) -> str:
        """Sends a message and gives the line with `seen` in it."""
        self.clock += 0.001
        await self.sender.send(topic, message, **(levels or PLACE))
        return next(line for line in await self.page.until(seen) if seen in line)


@pytest.fixture
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    desk = Desk(**getattr(request, "param", {}))
    async with desk.sender, desk.bus:
        yield desk


def columns_of(line: str) -> tuple[str, str, str, str]:
    """After, stage, who and essence of a line."""
    found = re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} ([ \d+ms.]{10})  (\w+) +(\S*) +(.*)", line)
    assert found is not None, line
    return found[1].strip(), found[2], found[3], " ".join(found[4].split())


async def test_watch_shows_a_turn_stage_by_stage(desk: Desk) -> None:
    """Each with the time since the turn was said, whose it is, and what it is about."""
    turn = {"turn_id": "0123456789"}
    route = Route(turn=TURN, function="weather_info", arguments=ARGUMENTS, confidence=0.97, router="emb", took_ms=0.8)
    call = Call(call_id="c", function="weather_info", arguments=ARGUMENTS, context=CONTEXT)
    result = Result(
        call_id="c", function="weather_info", status="ok", summary="晴れです。", context=CONTEXT, took_ms=1.1
    )
    said = [
        await desk.see(topics.SAY, Say(text=TURN.text, **turn), " say "),
        await desk.see(topics.ACCEPTED, Accepted(**turn), " accepted "),
        await desk.see(topics.TURN, TURN, " turn "),
        await desk.see(topics.ROUTE, route, " route "),
        await desk.see(topics.CALL, call, " call ", function="weather_info"),
        await desk.see(topics.RESULT, result, " result ", function="weather_info", **PLACE),
        await desk.see(topics.CANCEL, Cancel(**turn), " cancel "),
        await desk.see(topics.FINAL, Final(status="ok", text="晴れです。", replier="offline", **turn), " final "),
    ]
    who = "cli-0/talk"
    assert [columns_of(line) for line in said] == [
        ("+0 ms", "say", who, "01234567 明日の札幌の天気は？"),
        ("+1 ms", "accepted", who, "01234567"),
        ("+2 ms", "turn", who, "01234567 明日の札幌の天気は？"),
        ("+3 ms", "route", who, '01234567 weather_info(location="札幌") 0.97 emb 0.8 ms'),
        ("+4 ms", "call", who, '01234567 weather_info(location="札幌")'),
        ("+5 ms", "result", who, "01234567 weather_info ok 1.1 ms 晴れです。"),
        ("+6 ms", "cancel", who, "01234567"),
        ("+7 ms", "final", who, "01234567 ok offline 晴れです。"),
    ]


async def test_watch_counts_from_the_first_say(desk: Desk) -> None:
    """A client repeats it until it is accepted."""
    await desk.see(topics.SAY, Say(turn_id="1", text="x"), "+0 ms")
    await desk.see(topics.SAY, Say(turn_id="1", text="x"), "+1 ms")


async def test_watch_aligns_its_columns(desk: Desk) -> None:
    """Names of any length, also wide ones."""
    place = {"client": "a-client-with-quite-a-long-name", "conversation": "長い会話"}
    lines = [
        await desk.see(topics.SAY, Say(turn_id="0123456789", text="#one"), "#one"),
        await desk.see(topics.SAY, Say(turn_id="長い", text="#two"), "#two", **place),
    ]
    assert len({width(line.partition("#")[0]) for line in lines}) == 1


async def test_watch_shows_what_belongs_to_no_turn(desk: Desk) -> None:
    """Notices, cards, statuses, refused payloads, and what is withdrawn."""
    notice = Notice(function="schedule_reminder", text="dentist")
    assert "schedule_reminder  dentist" in await desk.see(topics.NOTICE, notice, " notice ")
    card = Card(name="weather_info", description="the weather", version="3")
    assert "weather_info" in await desk.see(topics.CARD, card, "version 3", name="weather_info")
    await desk.sender.withdraw(topics.CARD, name="weather_info")
    assert any("weather_info" in line and " card " in line for line in await desk.page.until("withdrawn"))
    await desk.sender.announce(pid=7)
    await desk.page.until("journal  online  process 7")
    dead = Dead(topic="say/x/y\x1b", reason="no text\x1b]", payload="{}")
    assert "say/x/y  no text  {}" in await desk.see(topics.DEAD, dead, " dead ", client="journal")


async def test_watch_shows_failures_with_their_reason(desk: Desk) -> None:
    """A result's error, a route without a worker, a later attempt."""
    error = Error(code="timeout", message="took too long")
    result = Result(call_id="c", function="f", status="error", error=error, context=CONTEXT)
    assert "f  error  0.0 ms  timeout: took too long" in await desk.see(
        topics.RESULT, result, " result ", function="f", **PLACE
    )
    again = TURN.model_copy(update={"attempt": 2})
    route = Route(turn=again, function="f", missing=["x"], confidence=1, router="r", took_ms=1, unserved=True)
    line = await desk.see(topics.ROUTE, route, " route ")
    assert "f(x=?)  not connected" in line
    assert "(attempt 2)" in line


async def test_watch_leaves_time_out_where_it_did_not_see_the_beginning(desk: Desk) -> None:
    """Rather than a time since something else."""
    await desk.see(topics.SAY, Say(turn_id="other", text="x"), " say ")
    line = await desk.see(topics.ACCEPTED, Accepted(turn_id="0123456789"), " accepted ")
    assert columns_of(line)[0] == ""


@pytest.mark.parametrize("desk", [{"chunks": True}, {"chunks": False}], indirect=True)
async def test_watch_shows_chunks_where_asked(desk: Desk, request: pytest.FixtureRequest) -> None:
    """They are many."""
    await desk.sender.send(topics.CHUNK, Chunk(turn_id="1", seq=3, text="晴れ"), **PLACE)
    await desk.see(topics.FINAL, Final(turn_id="1", status="ok", text="the end"), "the end")
    assert ("3  晴れ" in desk.page.getvalue()) is request.node.callspec.params["desk"]["chunks"]


async def test_watch_takes_no_part(desk: Desk) -> None:
    """What is unreadable is shown, and reported to `dead` by nobody but whom it concerns."""
    reports: list[str] = []

    async def report(dead: Dead, _levels: dict[str, str]) -> None:
        reports.append(dead.reason)

    other = MemoryBus("operator-1", "operator", desk.broker, will=False, persistent=False)
    other.on(topics.DEAD, Dead, report)
    async with other:
        desk.broker.publish(Inbound("say/cli-0/talk", b"\xff{not json\x1b[2J"))
        line = next(line for line in await desk.page.until("unreadable") if "unreadable" in line)
        assert "cli-0/talk" in line
        assert "{not json" in line
        assert "\x1b" not in line
        # One that is known to come after it.
        await desk.see(topics.DEAD, Dead(topic="t", reason="the only one", payload=""), "the only one", client="x")
    assert reports == ["the only one"]


@pytest.mark.parametrize("desk", [{"columns": 70}], indirect=True)
async def test_watch_cuts_lines_to_the_terminal(desk: Desk) -> None:
    """In columns, on one line."""
    line = await desk.see(topics.SAY, Say(turn_id="1", text="長い\n" * 100), " say ")
    assert 69 <= width(line) <= 70
    assert line.endswith("…")
    assert len(desk.page.getvalue().splitlines()) == 1


@pytest.mark.parametrize("desk", [{"colour": True}], indirect=True)
async def test_watch_colours_stages_and_nothing_else_does(desk: Desk) -> None:
    """Failures are red; escape sequences from the bus are gone."""
    failed = Final(turn_id="1", status="failed", text="\x1b[32mno\x1b[0m")
    line = await desk.see(topics.FINAL, failed, " final ")
    assert line.startswith("\x1b[31m")
    assert line.endswith("no\x1b[0m")
    assert line.count("\x1b") == 2


async def test_watch_tells_when_the_bus_is_gone_and_back(desk: Desk) -> None:
    """Silence may mean that nothing happens, or that nothing is heard."""
    task = asyncio.create_task(desk.watch.run())
    try:
        await asyncio.sleep(0)
        desk.bus.connected.clear()
        await desk.page.until("not reachable")
        desk.bus.connected.set()
        await desk.page.until("reachable again")
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_watch_does_not_cut_lines_in_a_file() -> None:
    """They are for other programs there."""
    broker = MemoryBroker()
    sender = MemoryBus("anyone", "client", broker)
    bus = MemoryBus("operator-0", "operator", broker, will=False, persistent=False)
    page = Page()
    Watch(bus, stream=page)
    async with sender, bus:
        await sender.send(topics.SAY, Say(turn_id="1", text="x" * 500 + "!"), **PLACE)
        await page.until("x" * 500 + "!\n")
