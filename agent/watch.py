"""The bus live, for operators: a line a stage.

It reads only, also what does not fit its model: who is concerned refuses that, and it shows up as `dead`.
"""

import asyncio
import shutil
import sys
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, TextIO

from pydantic import ValidationError

from agent import messages, topics
from agent.bus import Bus, Inbound, Subscription
from agent.messages import (
    Accepted,
    Call,
    Cancel,
    Card,
    Chunk,
    Dead,
    Final,
    Message,
    Notice,
    Result,
    Route,
    Say,
    Status,
    Turn,
)
from agent.mqtt import MqttBus
from agent.recent import Recent
from agent.topics import Topic
from agent.transcript import (
    BLUE,
    BOLD,
    CYAN,
    DIM,
    GREEN,
    MAGENTA,
    RED,
    YELLOW,
    Screen,
    cut,
    described,
    duration,
    one_line,
    pad,
)

_REMEMBERED = 10000
_WHO = 26
_SHORT = 8
_LOOK_S = 0.25
_STAGES: dict[str, tuple[Topic, str]] = {
    "say": (topics.SAY, BOLD),
    "accepted": (topics.ACCEPTED, DIM),
    "turn": (topics.TURN, DIM),
    "route": (topics.ROUTE, CYAN),
    "call": (topics.CALL, BLUE),
    "result": (topics.RESULT, MAGENTA),
    "chunk": (topics.CHUNK, DIM),
    "final": (topics.FINAL, GREEN),
    "cancel": (topics.CANCEL, YELLOW),
    "notice": (topics.NOTICE, YELLOW),
    "card": (topics.CARD, DIM),
    "status": (topics.STATUS, DIM),
    "dead": (topics.DEAD, RED),
}


class Watch:
    """Shows what happens on a bus that is not connected yet.

    Args:
        bus: of an operator; subscribed here.
        chunks: whether the pieces of replies are shown too.
        stream: file to write to; standard output where not given.
        colour: by default on a terminal without NO_COLOR.
        columns: gives the width that lines are cut to, 0 for none; by default that of the terminal.
        now: gives the time of the event loop.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        chunks: bool = False,
        stream: TextIO | None = None,
        colour: bool | None = None,
        columns: Callable[[], int] | None = None,
        now: Callable[[], float] | None = None,
    ) -> None:
        stream = stream or sys.stdout
        self._bus = bus
        self._screen = Screen(stream, colour=colour)
        self._columns = columns or (_terminal if stream.isatty() else lambda: 0)
        self._now = now or (lambda: asyncio.get_running_loop().time())
        self._begun: Recent[tuple[str, ...], float] = Recent(_REMEMBERED)
        for stage, (topic, _) in _STAGES.items():
            if chunks or topic is not topics.CHUNK:
                self._listen(stage, topic)

    async def run(self) -> None:
        """Goes on until it is cancelled; says when the bus is gone and when it is back.

        Raises:
            BusError: the broker does not let us in any more.
        """
        failed = asyncio.create_task(self._bus.failed()) if isinstance(self._bus, MqttBus) else None
        connected = True
        try:
            while failed is None or not failed.done():
                if self._bus.connected.is_set() != connected:
                    connected = not connected
                    self._show("bus", "", None, ("reachable again" if connected else "not reachable",), RED)
                await asyncio.sleep(_LOOK_S)
            failed.result()
        finally:
            if failed is not None:
                failed.cancel()

    def _listen(self, stage: str, topic: Topic) -> None:
        model: type[Message] = getattr(messages, topic.payload)

        async def handle(inbound: Inbound) -> None:
            levels = topic.levels(inbound.topic) or {}
            if not inbound.payload:
                self._show(stage, levels.get("client", levels.get("name", "")), None, ("withdrawn",), DIM)
                return
            try:
                message = model.model_validate_json(inbound.payload)
            except ValidationError:
                self._show(stage, _who(levels), None, ("unreadable", _text(inbound.payload)), RED)
                return
            self._message(stage, message, levels)

        # Not by `bus.on`, which would have each watcher report what is unreadable to `dead` once more.
        self._bus.subscriptions.append(Subscription(topic.filter(), topic.qos, None, handle))

    def _message(self, stage: str, message: Message, levels: dict[str, str]) -> None:
        style = _STAGES[stage][1]
        if isinstance(message, Final) and message.status == "failed":
            style = RED
        if isinstance(message, Result) and message.status == "error":
            style = RED
        turn = _turn(message, levels)
        if isinstance(message, Say) and turn is not None and turn not in self._begun:
            self._begun[turn] = self._now()
        self._show(stage, _who(levels), turn, _essence(message), style)

    def _show(self, stage: str, who: str, turn: "_Key | None", essence: tuple[str, ...], style: str) -> None:
        since = self._begun.get(turn) if turn else None
        after = "" if since is None else f"+{(self._now() - since) * 1000:.0f} ms"
        time = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
        if turn is not None:
            who = f"{turn.client}/{turn.conversation}"
        short = one_line(turn.turn_id)[:_SHORT] if turn else ""
        # Each part is cleaned by itself: what one leaves open must not swallow the next.
        what = "  ".join(part for part in map(one_line, essence) if part)
        line = f"{time} {after:>10}  {stage:<8}  {pad(one_line(who), _WHO)} {pad(short, _SHORT)}  {what}"
        columns = self._columns()
        self._screen.line(cut(line, columns) if columns else line, style)


class _Key(NamedTuple):
    client: str
    conversation: str
    turn_id: str


def _turn(message: Message, levels: dict[str, str]) -> _Key | None:
    """Whose turn a message belongs to; the topic says so itself, except for calls."""
    match message:
        case Say() | Accepted() | Turn() | Chunk() | Final() | Cancel():
            turn_id = message.turn_id
        case Route():
            turn_id = message.turn.turn_id
        case Call() | Result():
            turn_id = str(message.context.get("turn_id", ""))
        case _:
            return None
    named = message.context if isinstance(message, Call) else levels
    return _Key(str(named.get("client", "")), str(named.get("conversation", "")), turn_id)


def _who(levels: dict[str, str]) -> str:
    """The client and conversation, or the function, that a topic names."""
    names = ("client", "conversation") if "client" in levels else tuple(levels)
    return "/".join(levels[name] for name in names if name in levels)


def _essence(message: Message) -> tuple[str, ...]:
    """What an operator wants to know of a message."""
    match message:
        case Say():
            return (message.text,)
        case Turn():
            return message.text, _again(message.attempt)
        case Route():
            call = (
                described(message.function, message.arguments, message.missing) if message.function else "no function"
            )
            unserved = "not connected" if message.unserved else "dry run: not called" if message.withheld else ""
            decided = (f"{message.confidence:.2f}", message.router, duration(message.took_ms))
            return call, unserved, *decided, _again(message.turn.attempt)
        case Call():
            return (described(message.function, message.arguments),)
        case Result():
            said = message.summary if message.error is None else f"{message.error.code}: {message.error.message}"
            return message.function, message.status, duration(message.took_ms), said
        case Chunk():
            return str(message.seq), _again(message.attempt), message.text
        case Final():
            return message.status, message.replier or "", _again(message.attempt), message.text
        case Notice():
            return message.function, message.text
        case Card():
            return f"version {message.version}", f"{len(message.examples)} examples", message.description
        case Status():
            process = f"process {message.details['pid']}" if "pid" in message.details else ""
            return message.role, message.state, process
        case Dead():
            return message.topic, message.reason, message.payload
        case _:
            return ()


def _again(attempt: int) -> str:
    return f"(attempt {attempt})" if attempt > 1 else ""


def _text(payload: bytes) -> str:
    return payload.decode(errors="replace")


def _terminal() -> int:
    return shutil.get_terminal_size().columns
