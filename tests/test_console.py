"""The terminal client: its two faces on an in-memory bus, with the workers played by the test."""

import asyncio
import contextlib
import io
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit import PromptSession
from prompt_toolkit.application import create_app_session, get_app, run_in_terminal
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from agent import topics
from agent.bus import BusError
from agent.client import Client
from agent.console import Prompted, _History, chat
from agent.dialogue import Dialogue
from agent.memory_bus import MemoryBroker, MemoryBus
from agent.messages import (
    Accepted,
    Call,
    Cancel,
    Card,
    Chunk,
    Final,
    Message,
    Notice,
    Result,
    Route,
    Say,
    Turn,
    Utterance,
)
from agent.phrases import language
from agent.piped import Piped, lines
from agent.settings import Settings
from agent.topics import Topic
from agent.transcript import DIM, Reply, Screen, clean, cut, described, duration, one_line, pad, stages, width

PATIENCE_S = 20.0
"""Longest wait for something that must happen; a test that works never waits as long."""

EVIL = "a\x1b[31mb\x1b]0;title\x07c\x9b2Jd\x07e\u202ef\x1bPq\x1b\\g\rh\x00i\x1b"
HARMLESS = "abcdefghi"


class Page(io.StringIO):
    """What was written, with a way to wait for it."""

    def __init__(self, *, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal
        self._written = asyncio.Event()

    def isatty(self) -> bool:
        return self._terminal

    def write(self, text: str) -> int:
        self._written.set()
        return super().write(text)

    async def until(self, text: str, times: int = 1) -> str:
        """Waits until the text is there, that often; gives the whole page."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while self.getvalue().count(text) < times:
                    self._written.clear()
                    await self._written.wait()
        except TimeoutError:
            raise AssertionError(f"{text!r} is not in {self.getvalue()!r}") from None
        return self.getvalue()


class World:
    """A bus with a client on it, and the workers' side in the test's hands."""

    def __init__(self) -> None:
        broker = MemoryBroker()
        self.journal = MemoryBus("journal", "journal", broker)
        self.router = MemoryBus("router-0", "router", broker)
        self.function = MemoryBus("functions-0", "function", broker)
        self.chat = MemoryBus("chat-0", "chat", broker)
        self.bus = MemoryBus("cli-0", "client", broker, will=False)
        self.client = Client(self.bus, repeat_s=PATIENCE_S)
        self.says: asyncio.Queue[tuple[Say, str]] = asyncio.Queue()
        self.cancels: asyncio.Queue[Cancel] = asyncio.Queue()
        self.answers: dict[str, str] = {}
        self.conversation = ""
        self.say = Say(turn_id="none", text="none")
        self.journal.on(topics.SAY, Say, self._say)
        self.chat.on(topics.CANCEL, Cancel, self._cancel)
        self.function.on(topics.CALL, Call, self._call, function="weather_info")

    async def _say(self, say: Say, levels: dict[str, str]) -> None:
        self.says.put_nowait((say, levels["conversation"]))

    async def _cancel(self, cancel: Cancel, _levels: dict[str, str]) -> None:
        self.cancels.put_nowait(cancel)

    async def _call(self, _call: Call, _levels: dict[str, str]) -> None: ...

    async def said(self) -> str:
        """Takes the next turn; what follows is about it. Gives its text."""
        self.say, self.conversation = await asyncio.wait_for(self.says.get(), PATIENCE_S)
        return self.say.text

    async def send(self, bus: MemoryBus, topic: Topic, message: Message, **levels: str) -> None:
        await bus.send(topic, message, client="cli-0", conversation=self.conversation, **levels)

    async def accept(self) -> None:
        await self.send(self.journal, topics.ACCEPTED, Accepted(turn_id=self.say.turn_id))

    def turn(self, **others: Any) -> Turn:
        return Turn(
            turn_id=self.say.turn_id,
            client="cli-0",
            conversation=self.conversation,
            text=self.say.text,
            lang="en",
            said_at=self.say.time,
            **others,
        )

    async def route(self, function: str | None = None, turn: Turn | None = None, **others: Any) -> None:
        route = Route(
            turn=turn or self.turn(), function=function, confidence=0.97, router="embedded", took_ms=0.8, **others
        )
        await self.send(self.router, topics.ROUTE, route)

    async def chunk(self, seq: int, text: str, attempt: int = 1) -> None:
        await self.send(self.chat, topics.CHUNK, Chunk(turn_id=self.say.turn_id, attempt=attempt, seq=seq, text=text))

    async def final(self, text: str, **others: Any) -> None:
        fields = {"status": "ok", "router": "embedded", "replier": "offline", **others}
        await self.send(self.chat, topics.FINAL, Final(turn_id=self.say.turn_id, text=text, **fields))

    async def answer(self, text: str, **others: Any) -> str:
        """Does a whole turn of conversation; gives what was said."""
        said = await self.said()
        await self.accept()
        await self.route()
        await self.final(text, **others)
        return said


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    workers = (world.journal, world.router, world.function, world.chat)
    async with contextlib.AsyncExitStack() as stack:
        for bus in (*workers, world.bus):
            await stack.enter_async_context(bus)
        for bus in workers:
            await bus.announce()
        # Its own handlers must have run: a test that looks at statuses must not be ahead of them.
        while len(world.client.presence.statuses) < len(workers):
            await world.client.presence.changed(PATIENCE_S)
        yield world


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", lang="en", max_text=100)


class Terminal:
    """A person at a terminal: what they press, and what they see."""

    def __init__(self, keys: PipeInput, page: Page, task: "asyncio.Task[None]", prompted: Prompted) -> None:
        self.keys = keys
        self.page = page
        self.task = task
        self.prompted = prompted

    def press(self, keys: str) -> None:
        self.keys.send_text(keys)

    async def left(self) -> str:
        """Waits until the chat has ended; gives all that was shown."""
        await asyncio.wait_for(self.task, PATIENCE_S)
        return self.page.getvalue()


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as source:
        yield source


async def ended(task: "asyncio.Task[None]") -> None:
    """Cancels a face, which must not mind."""
    task.cancel()
    done, _ = await asyncio.wait({task}, timeout=PATIENCE_S)
    assert done, "It could not be cancelled."


@contextlib.asynccontextmanager
async def terminal(
    world: World, settings: Settings, keys: PipeInput, patience_s: float = PATIENCE_S, **others: Any
) -> AsyncIterator[Terminal]:
    """The interactive face at a made-up terminal, past its greeting."""
    page = Page()
    output = DummyOutput()
    with create_app_session(input=keys, output=output):
        session: PromptSession[str] = PromptSession(history=_History(settings), input=keys, output=output)
        prompted = Prompted(
            world.client, world.bus, settings, Screen(page), session=session, patience_s=patience_s, **others
        )
        task = asyncio.create_task(prompted.run())
        try:
            yield Terminal(keys, page, task, prompted)
            if task.done():
                task.result()
        finally:
            await ended(task)


async def looked(dialogue: Dialogue, times: int = 5) -> None:
    """Waits until it has looked a few times more for a reason why its turn waits."""
    left = times
    enough = asyncio.Event()
    reason = dialogue._reason

    def counting(turn: Any) -> str | None:
        nonlocal left
        left -= 1
        if left <= 0:
            enough.set()
        return reason(turn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialogue, "_reason", counting)
        await asyncio.wait_for(enough.wait(), PATIENCE_S)


# ---- a turn at the terminal


async def test_reply_streams_and_tells_its_stages(world: World, settings: Settings, keys: PipeInput) -> None:
    """Pieces are shown before the final; one line tells the call and the times."""
    async with terminal(world, settings, keys) as at:
        at.press("明日の札幌の天気は？\r")
        assert await world.said() == "明日の札幌の天気は？"
        await world.accept()
        arguments = {"location": "札幌", "forecast_type": "tomorrow"}
        await world.route("weather_info", arguments=arguments)
        result = Result(
            call_id="1", function="weather_info", status="ok", context={"turn_id": world.say.turn_id}, took_ms=1.1
        )
        await world.send(world.function, topics.RESULT, result, function="weather_info")
        await world.chunk(0, "晴れ")
        await at.page.until("晴れ")
        await world.chunk(1, "です。")
        await at.page.until("晴れです。")
        took = {"router": 0.8, "chat": 0.3, "function": 1.1}
        await world.final("晴れです。", function="weather_info", arguments=arguments, took_ms=took)
        shown = await at.page.until("total ")
        assert shown.count("晴れです。") == 1
        assert (
            '\nweather_info(location="札幌", forecast_type="tomorrow")'
            " · router 0.8 ms (embedded, 0.97) · function 1.1 ms · reply 0.3 ms · total "
        ) in shown


async def test_reply_after_crash_is_not_shown_twice(world: World, settings: Settings, keys: PipeInput) -> None:
    """A reply that starts again from 0 goes on where the first one stopped."""
    async with terminal(world, settings, keys) as at:
        at.press("hello\r")
        await world.said()
        await world.chunk(0, "Hello, ")
        await world.chunk(1, "nice ")
        await at.page.until("nice ")
        await world.chunk(0, "Hello, ", attempt=2)
        await world.chunk(1, "nice ", attempt=2)
        await world.chunk(2, "to meet you!", attempt=2)
        shown = await at.page.until("to meet you!")
        assert shown.endswith("\nHello, nice to meet you!")
        await world.final("Hello, nice to meet you!", attempt=2)
        assert (await at.page.until("total ")).count("Hello") == 1


async def test_notice_shows_while_reply_streams(world: World, settings: Settings, keys: PipeInput) -> None:
    """A notice has a line of its own in the middle of a reply, once, and no control characters."""
    async with terminal(world, settings, keys) as at:
        at.press("hello\r")
        await world.said()
        await world.chunk(0, "Hello, ")
        await at.page.until("Hello, ")
        notice = Notice(function="schedule_reminder", text="dentist\n\x1b[2Jat ten")
        await world.send(world.function, topics.NOTICE, notice)
        await world.send(world.function, topics.NOTICE, notice)
        await at.page.until("🔔")
        await world.chunk(1, "you.")
        await world.final("Hello, you.")
        assert "Hello, \n🔔 dentist at ten\nyou.\nconversation" in await at.page.until("total ")
        assert at.page.getvalue().count("🔔") == 1


async def test_notice_at_prompt_keeps_what_is_typed(
    world: World, settings: Settings, keys: PipeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notice above the prompt, which is taken off the screen meanwhile, leaves the line being typed alone."""
    written: list[bool] = []

    def above(show: Callable[[], None]) -> Awaitable[None]:
        def noted() -> None:
            show()
            written.append(get_app()._running_in_terminal)

        return run_in_terminal(noted)

    monkeypatch.setattr("agent.console.run_in_terminal", above)
    async with terminal(world, settings, keys) as at:
        await at.page.until("FuncGemma")
        at.press("hel")
        world.conversation = at.prompted.conversation
        await world.send(world.function, topics.NOTICE, Notice(function="schedule_reminder", text="dentist"))
        await at.page.until("🔔 dentist\n")
        at.press("lo\r")
        assert await world.said() == "hello"
        assert written == [True]


async def test_waiting_turn_names_component_that_is_away(world: World, settings: Settings, keys: PipeInput) -> None:
    """The stage that the turn is at is named when nobody is there, once, and the turn goes on when somebody is."""
    await world.router.kill()
    async with terminal(world, settings, keys, patience_s=0) as at:
        at.press("hello\r")
        await world.said()
        await world.accept()
        await at.page.until("router is offline, your turn is waiting\n")
        assert "journal" not in at.page.getvalue()
        await world.chat.kill()
        await world.route()
        await at.page.until("chat is offline, your turn is waiting\n")
        await world.final("Hello!")
        shown = await at.page.until("total ")
        assert shown.count("router is offline") == shown.count("chat is offline") == 1


async def test_waiting_turn_in_japanese(world: World, settings: Settings, keys: PipeInput) -> None:
    """The messages are in the user's language."""
    await world.router.kill()
    async with terminal(world, settings.model_copy(update={"lang": "ja"}), keys, patience_s=0) as at:
        at.press("こんにちは\r")
        await world.said()
        await world.accept()
        await at.page.until("ルーターが停止中です。順番が来るまでお待ちください\n")


async def test_waiting_turn_names_function_that_is_away(world: World, settings: Settings, keys: PipeInput) -> None:
    """A call waits for its function, not for the chat."""
    await world.function.send(topics.CARD, Card(name="weather_info", description="weather"), name="weather_info")
    await world.function.kill()
    await world.chat.kill()
    async with terminal(world, settings, keys, patience_s=0) as at:
        at.press("weather?\r")
        await world.said()
        await world.accept()
        await world.route("weather_info")
        shown = await at.page.until("weather_info is offline, your turn is waiting\n")
        assert "chat is offline" not in shown


async def test_waiting_turn_tells_of_lost_bus(world: World, settings: Settings, keys: PipeInput) -> None:
    """Without a connection that is what the turn waits for."""
    async with terminal(world, settings, keys, patience_s=0) as at:
        await at.page.until("FuncGemma")
        world.bus.connected.clear()
        at.press("hello\r")
        shown = await at.page.until("the bus is not reachable, your turn is waiting\n")
        assert "offline" not in shown
        world.bus.connected.set()


async def test_turn_that_is_under_way_says_nothing_of_waiting(
    world: World, settings: Settings, keys: PipeInput
) -> None:
    """Roles that the turn has passed may be away."""
    async with terminal(world, settings, keys, patience_s=0) as at:
        at.press("hello\r")
        await world.said()
        await world.accept()
        await world.route()
        await world.chunk(0, "Hel")
        await at.page.until("Hel")
        # These did their part before they went.
        await world.journal.kill()
        await world.router.kill()
        await looked(at.prompted)
        await world.final("Hello!")
        shown = await at.page.until("total ")
        assert "offline" not in shown
        assert "\nHello!\n" in shown


# ---- keys


async def test_ctrl_c_cancels_the_reply(world: World, settings: Settings, keys: PipeInput) -> None:
    """Ctrl-C asks for the end of this very turn; its final is shown, and the chat goes on."""
    async with terminal(world, settings, keys) as at:
        at.press("tell me a story\r")
        await world.said()
        await world.accept()
        await world.route()
        await world.chunk(0, "Once upon ")
        await at.page.until("Once upon ")
        at.press("\x03")
        cancel = await asyncio.wait_for(world.cancels.get(), PATIENCE_S)
        assert cancel.turn_id == world.say.turn_id
        await world.final("Once upon a time")
        shown = await at.page.until("total ")
        assert "\nOnce upon a time\nconversation · cancelled · " in shown
        at.press("hello\r")
        assert await world.answer("Hello!") == "hello"
        await at.page.until("Hello!")


async def test_second_ctrl_c_stops_waiting(world: World, settings: Settings, keys: PipeInput) -> None:
    """Where no final comes, the user gets the prompt back; the late final is not shown as another turn's."""
    async with terminal(world, settings, keys, patience_s=0) as at:
        at.press("hello?\r")
        await world.said()
        await world.accept()
        at.press("\x03")
        await at.page.until("press Ctrl-C again")
        at.press("\x03")
        await at.page.until("Stopped waiting for the reply.\n")
        await world.final("too late")
        at.press("hello\r")
        await world.answer("Hello!")
        assert "too late" not in await at.page.until("Hello!")
        assert world.cancels.qsize() == 1


async def test_keys_during_a_reply_are_for_the_next_prompt(world: World, settings: Settings, keys: PipeInput) -> None:
    """What is typed ahead becomes the next turn."""
    async with terminal(world, settings, keys) as at:
        at.press("one\r")
        await world.said()
        await world.chunk(0, "first")
        await at.page.until("first")
        at.press("two\r")
        await world.final("first")
        assert await world.answer("second") == "two"
        await at.page.until("second")


async def test_ctrl_c_at_empty_prompt_hints_then_quits(world: World, settings: Settings, keys: PipeInput) -> None:
    """Once is perhaps a mistake, twice is meant."""
    async with terminal(world, settings, keys) as at:
        await at.page.until("FuncGemma")
        at.press("\x03")
        await at.page.until("type /quit or press Ctrl-C again")
        assert not at.task.done()
        at.press("\x03")
        assert (await at.left()).count("/quit or") == 1


async def test_ctrl_c_drops_the_line_being_typed(world: World, settings: Settings, keys: PipeInput) -> None:
    """It doesn't count towards leaving, and nothing is said."""
    async with terminal(world, settings, keys) as at:
        await at.page.until("FuncGemma")
        at.press("wrong\x03")
        at.press("wrong again\x03")
        at.press("right\r")
        assert await world.said() == "right"
        assert "/quit or" not in at.page.getvalue()


async def test_ctrl_d_quits(world: World, settings: Settings, keys: PipeInput) -> None:
    """The end of input is the end of the chat."""
    async with terminal(world, settings, keys) as at:
        at.press("\x04")
        await at.left()


# ---- commands


@pytest.mark.parametrize("word", ["/quit", "quit", "exit", "QUIT", " ／ｑｕｉｔ "])
async def test_quit_words(world: World, settings: Settings, keys: PipeInput, word: str) -> None:
    """Also from a Japanese keyboard."""
    async with terminal(world, settings, keys) as at:
        at.press(f"{word}\r")
        await at.left()
        assert world.says.empty()


async def test_help_and_unknown_command_and_empty_line(world: World, settings: Settings, keys: PipeInput) -> None:
    """Nothing of these is said on the bus."""
    async with terminal(world, settings, keys) as at:
        at.press("/help\r\r   \r\u200b\r/hlep me\r/\r/quit\r")
        shown = await at.left()
        assert "  /functions  what can be called\n" in shown
        assert "There is no command /hlep; see /help.\n" in shown
        assert "There is no command /; see /help.\n" in shown
        assert world.says.empty()


async def test_functions_tells_who_is_served(world: World, settings: Settings, keys: PipeInput) -> None:
    """Cards, with whether a worker is there; nothing on them reaches the terminal raw."""
    schema = {"type": "object", "properties": {"location": {}, "day\x1b[2J": {}}}
    card = Card(name="weather_info", description=f"weather {EVIL}g. More for the router.", parameters=schema)
    await world.function.send(topics.CARD, card, name="weather_info")
    await world.chat.send(topics.CARD, Card(name="old_one", description="消えた。ほかにも。"), name="old_one")
    await world.chat.kill()
    async with terminal(world, settings, keys) as at:
        at.press("/functions\r")
        shown = await at.page.until(f"    weather {HARMLESS}.\n")
        assert "old_one() · not connected\n    消えた。\n" in shown
        assert "weather_info(location, day) · connected\n    weather" in shown


async def test_functions_without_any(world: World, settings: Settings, keys: PipeInput) -> None:
    """An empty list is told."""
    async with terminal(world, settings, keys) as at:
        at.press("/functions\r")
        await at.page.until("No function has connected yet.\n")


async def test_history_and_new_conversation(world: World, settings: Settings, keys: PipeInput) -> None:
    """/history has this conversation's turns; /new begins another, which the bus sees."""
    async with terminal(world, settings, keys) as at:
        at.press("history\r")
        await at.page.until("Nothing was said")
        at.press("one\r")
        await world.answer("first reply")
        await at.page.until("total ")
        before = world.conversation
        at.press("/history\r")
        await at.page.until("> one\nfirst reply\n")
        at.press("/new\r/history\r")
        await at.page.until("Nothing was said", times=2)
        at.press("two\r")
        await world.answer("second reply")
        assert world.conversation != before


async def test_history_of_a_resumed_conversation(world: World, settings: Settings, keys: PipeInput) -> None:
    """What was said before we came is known from the turn's context."""
    async with terminal(world, settings, keys, conversation="earlier") as at:
        at.press("and tomorrow?\r")
        await world.said()
        assert world.conversation == "earlier"
        history = [Utterance(role="user", content="weather?"), Utterance(role="assistant", content="sunny")]
        await world.route(turn=world.turn(history=history))
        await world.final("rain")
        await at.page.until("total ")
        at.press("/history\r")
        await at.page.until("> weather?\nsunny\n> and tomorrow?\nrain\n")


async def test_text_over_the_limit_is_not_sent(world: World, settings: Settings, keys: PipeInput) -> None:
    """A plain sentence instead; the limit itself is fine."""
    async with terminal(world, settings, keys) as at:
        at.press("x" * 101 + "\r")
        await at.page.until("That is too long (101 characters). Please keep it under 100.\n")
        at.press("y" * 100 + "\r")
        assert await world.said() == "y" * 100


async def test_nothing_from_the_bus_reaches_the_terminal_raw(world: World, settings: Settings, keys: PipeInput) -> None:
    """Pieces, also cut within an escape sequence, the final, and the line below it."""
    async with terminal(world, settings, keys) as at:
        at.press("hello\r")
        await world.said()
        await world.accept()
        text = "one \x1b[31mtwo\x1b]0;title\x07 three\x1b"
        for seq, piece in enumerate(text):
            await world.chunk(seq, piece)
        await at.page.until("one two three")
        await world.final(text + "\x1b[2J.", function=f"evil\n{EVIL}", arguments={"a\x1b[1m": EVIL})
        shown = await at.page.until("total ")
        assert shown.count("one two three") == 1
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\r", "\x00", "\u202e"}
        assert shown.splitlines()[-1].startswith(f"evil {HARMLESS}(a=")


async def test_typed_text_is_remembered_for_the_next_time(world: World, settings: Settings, keys: PipeInput) -> None:
    """The history file is private, and text that is no UTF-8 neither breaks it nor the turn."""
    async with terminal(world, settings, keys) as at:
        keys.send_bytes(b"caf\xe9\r")
        assert await world.answer("Hello!") == "caf�"
        await at.page.until("total ")
    file = settings.home / "history"
    assert "+caf�" in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    async with terminal(world, settings, keys) as at:
        at.press("\x1b[A\r")
        assert await world.said() == "caf�"


async def test_history_that_cannot_be_written_is_done_without(
    world: World, settings: Settings, keys: PipeInput
) -> None:
    """A folder in its place, for example."""
    (settings.home / "history").mkdir(parents=True)
    async with terminal(world, settings, keys) as at:
        at.press("hello\r")
        await world.answer("Hello!")
        await at.page.until("Hello!")


# ---- a reply in pieces


def shown_of(*events: Chunk | Final) -> str:
    """What a screen shows of chunks and a final."""
    page = io.StringIO()
    reply = Reply(Screen(page))
    for event in events:
        if isinstance(event, Chunk):
            reply.chunk(event)
        else:
            reply.final(event)
    return page.getvalue()


def chunk(seq: int, text: str, attempt: int = 1) -> Chunk:
    return Chunk(turn_id="1", seq=seq, text=text, attempt=attempt)


def final(text: str, **others: Any) -> Final:
    return Final.model_validate({"turn_id": "1", "status": "ok", "text": text, **others})


def test_reply_with_a_lost_chunk_is_whole_in_the_end() -> None:
    """Nothing is shown past a gap; the final fills it."""
    assert shown_of(chunk(0, "a"), chunk(2, "c")) == "a"
    assert shown_of(chunk(0, "a"), chunk(2, "c"), final("abcd")) == "abcd\n"


def test_reply_without_any_chunk() -> None:
    """The final alone will do."""
    assert shown_of(final("abc")) == "abc\n"


def test_reply_puts_late_chunks_in_order() -> None:
    """A piece that overtakes another waits for it."""
    assert shown_of(chunk(1, "b"), chunk(2, "c"), chunk(0, "a")) == "abc"


def test_reply_ignores_chunks_of_an_earlier_attempt() -> None:
    """They are late, whatever their number."""
    assert shown_of(chunk(0, "x", 2), chunk(1, "b", 1), chunk(0, "z", 1), chunk(1, "y", 2)) == "xy"


def test_reply_that_starts_again_within_an_attempt() -> None:
    """The journal repeats an attempt after a broker's crash; the pieces may be cut elsewhere."""
    assert shown_of(chunk(0, "one "), chunk(1, "two"), chunk(0, "one two"), chunk(1, " three")) == "one two three"


def test_reply_that_starts_again_otherwise_begins_a_new_line() -> None:
    """Only where it differs; what is the same so far is not repeated."""
    assert shown_of(chunk(0, "one "), chunk(1, "two"), chunk(0, "one ", 2)) == "one two"
    assert shown_of(chunk(0, "one "), chunk(1, "two"), chunk(0, "one ", 2), chunk(1, "too", 2)) == "one two\none too"


def test_reply_whose_final_differs_is_shown_anew() -> None:
    """The final is the truth, also where it is shorter."""
    assert shown_of(chunk(0, "one two"), final("one")) == "one two\none\n"
    assert shown_of(chunk(0, "one"), final("The chat did not answer.")) == "one\nThe chat did not answer.\n"


# ---- what lines look like


@pytest.mark.parametrize("end", range(len(EVIL) + 1))
def test_clean_beginning_is_beginning_of_clean_text(end: int) -> None:
    """Wherever a chunk ends."""
    assert clean(EVIL) == HARMLESS
    assert clean(EVIL).startswith(clean(EVIL[:end]))


def test_clean_keeps_lines_and_ordinary_text() -> None:
    """Newlines, emoji and accents stay; a title without an end takes no more than its line."""
    assert clean("日本語\n🔔 é ñ\tx") == "日本語\n🔔 é ñ x"
    assert clean("\x1b]0;no end\nnext") == "\nnext"
    assert clean("\ud800") == "�"
    assert one_line(" a\n\n b\u2028c ") == "a b c"


def test_width_counts_wide_characters() -> None:
    """Kanji take two columns, combining marks none; a cut never goes over."""
    assert width("札幌ab") == 6
    assert width("e\u0301") == 1
    assert cut("札幌の天気", 10) == "札幌の天気"
    assert cut("札幌の天気", 9) == "札幌の天…"
    assert cut("札幌の天気", 8) == "札幌の…"
    assert cut("札幌", 0) == ""
    assert pad("札", 4) == "札  "


def test_call_is_described_on_one_line() -> None:
    """Values as JSON, cut where they are long; what is missing has a question mark."""
    assert described("f", {"a": "x\ny", "b": 2, "c": None}, ["d"]) == 'f(a="x\\ny", b=2, c=null, d=?)'
    assert width(described("f", {"a": "長" * 500})) < 80


def test_durations_for_people() -> None:
    """No more digits than one reads."""
    assert [duration(ms) for ms in (0, 0.84, 9.94, 9.96, 999.4, 999.6, 12345)] == [
        "0.0 ms",
        "0.8 ms",
        "9.9 ms",
        "10 ms",
        "999 ms",
        "1.0 s",
        "12.3 s",
    ]


def test_stages_of_a_turn_that_nobody_decided() -> None:
    """The journal's own final names no router and no call."""
    assert stages(final("no", status="failed", replier="journal"), None, 40200) == "failed · total 40.2 s"


def test_colours_only_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where NO_COLOR says otherwise; an empty NO_COLOR says nothing."""

    def shown(*, terminal: bool) -> str:
        page = io.StringIO()
        page.isatty = lambda: terminal  # type: ignore[method-assign]
        Screen(page).line("x", DIM)
        return page.getvalue()

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert shown(terminal=True) == "\x1b[2mx\x1b[0m\n"
    assert shown(terminal=False) == "x\n"
    monkeypatch.setenv("NO_COLOR", "")
    assert shown(terminal=True) == "\x1b[2mx\x1b[0m\n"
    monkeypatch.setenv("NO_COLOR", "1")
    assert shown(terminal=True) == "x\n"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"LANG": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "ja_JP.UTF-8", "LC_ALL": ""}, "ja"),
    ],
)
def test_language_of_the_environment(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The setting goes before it."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert language(Settings(home=tmp_path, lang=None)) == expected
    assert language(Settings(home=tmp_path, lang="ja")) == "ja"


# ---- pipes


@contextlib.asynccontextmanager
async def pipe(
    world: World, settings: Settings, text: str, patience_s: float = PATIENCE_S
) -> AsyncIterator[tuple["asyncio.Task[None]", Page, Page, Piped]]:
    """The face for pipes, with a text at its standard input."""
    page, errors = Page(), Page()
    piped = Piped(world.client, world.bus, settings, Screen(page), errors=Screen(errors), patience_s=patience_s)
    task = asyncio.create_task(piped.run(lines(io.StringIO(text))))
    try:
        yield task, page, errors, piped
    finally:
        await ended(task)


async def test_pipe_answers_line_by_line(world: World, settings: Settings) -> None:
    """The line, the reply, and nothing else; failures too; the same conversation; no greeting, no stages."""
    async with pipe(world, settings, "hello\n\n  \nweather?") as (task, page, errors, _):
        assert await world.answer("Hello!\x1b[2J") == "hello"
        first = world.conversation
        assert await world.answer("No weather today.", status="failed") == "weather?"
        assert world.conversation == first
        await asyncio.wait_for(task, PATIENCE_S)
        assert page.getvalue() == "> hello\nHello!\n> weather?\nNo weather today.\n"
        assert errors.getvalue() == ""


async def test_pipe_ends_at_quit(world: World, settings: Settings) -> None:
    """What follows is not said."""
    async with pipe(world, settings, "quit\nhello\n") as (task, _, _, _):
        await asyncio.wait_for(task, PATIENCE_S)
        assert world.says.empty()


async def test_pipe_shows_no_notices_and_no_pieces(world: World, settings: Settings) -> None:
    """A reply is shown whole, however it came."""
    async with pipe(world, settings, "hello\n") as (task, page, _, _):
        await world.said()
        await world.send(world.function, topics.NOTICE, Notice(function="schedule_reminder", text="dentist"))
        await world.chunk(0, "Hel")
        await world.chunk(0, "Goodbye", attempt=2)
        await world.final("Goodbye.", attempt=2)
        await asyncio.wait_for(task, PATIENCE_S)
        assert page.getvalue() == "> hello\nGoodbye.\n"


async def test_pipe_with_debug_tells_stages(world: World, settings: Settings) -> None:
    """For those who look for the time that a turn takes."""
    async with pipe(world, settings.model_copy(update={"debug": True}), "hello\n") as (task, page, _, _):
        await world.answer("Hello!", took_ms={"router": 0.8, "chat": 0.2})
        await asyncio.wait_for(task, PATIENCE_S)
        assert (
            page.getvalue()
            .splitlines()[2]
            .startswith("conversation · router 0.8 ms (embedded, 0.97) · reply 0.2 ms · total ")
        )


async def test_pipe_tells_errors_apart_and_once(world: World, settings: Settings) -> None:
    """What stands in the way goes to the other stream, once for all the turns that wait for it."""
    await world.chat.kill()
    async with pipe(world, settings, "one\ntwo\nthree\n", patience_s=0) as (task, page, errors, piped):
        for number in ("one", "two"):
            assert await world.said() == number
            await world.accept()
            await world.route()
            await errors.until("chat is offline")
            await looked(piped)
            await world.send(
                world.journal,
                topics.FINAL,
                Final(turn_id=world.say.turn_id, status="failed", text="The chat is not running."),
            )
        await world.answer("It is back.")
        await asyncio.wait_for(task, PATIENCE_S)
        assert errors.getvalue() == "chat is offline, your turn is waiting\n"
        assert page.getvalue() == (
            "> one\nThe chat is not running.\n> two\nThe chat is not running.\n> three\nIt is back.\n"
        )


async def test_pipe_refuses_text_over_the_limit(world: World, settings: Settings) -> None:
    """And goes on."""
    async with pipe(world, settings, "x" * 101 + "\nhello\n") as (task, page, _, _):
        assert await world.answer("Hello!") == "hello"
        await asyncio.wait_for(task, PATIENCE_S)
        assert "\nThat is too long (101 characters). Please keep it under 100.\n> hello\nHello!\n" in page.getvalue()


async def test_lines_of_a_real_pipe() -> None:
    """As they come, whatever the bytes; the last one needs no end."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stream, os.fdopen(writing, "wb", buffering=0) as other:
        source = lines(stream)
        other.write("\ufeff一行\r\ncaf".encode() + b"\xe9")
        assert (await asyncio.wait_for(anext(source), PATIENCE_S)).strip("\ufeff\r") == "一行"
        other.write(b"\n\nend")
        assert await asyncio.wait_for(anext(source), PATIENCE_S) == "caf�"
        other.close()
        assert [line async for line in source] == ["", "end"]


async def test_conversation_must_fit_a_topic(world: World, settings: Settings) -> None:
    """A slash would make it another topic, a wildcard would end the connection."""
    for name in ("a/b", "+", "#", "", "x" * 65):
        with pytest.raises(BusError, match="can't name a conversation"):
            await chat(world.client, world.bus, settings, conversation=name)
