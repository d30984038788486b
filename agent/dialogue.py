"""One conversation at a terminal or in a pipe: commands, turns, and why a turn waits.

Where lines come from and how a reply is shown is the business of `agent.console` and `agent.piped`.
"""

import asyncio
import contextlib
import itertools
import re
import unicodedata
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from agent.bus import Bus, BusError
from agent.client import Client, Event
from agent.messages import Accepted, Chunk, Final, Lang, Result, Route
from agent.model_notes import ModelNotes
from agent.phrases import language, phrase, waiting
from agent.settings import Settings
from agent.transcript import DIM, Reply, Screen, cut, encodable, one_line

PROMPT = "> "
_PATIENCE_S = 1.0
_LOOK_S = 2.0
_LONGEST_SHOWN = 40
_LONGEST_DESCRIPTION = 72
_BARE = {"history": "/history", "quit": "/quit", "exit": "/quit"}


@dataclass
class Turn:
    """A turn that is waited for: how far it got, and whether the user has had enough."""

    text: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    accepted: bool = False
    route: Route | None = None
    resulted: bool = False
    cancelled: bool = False

    def note(self, event: Event) -> None:
        """Notes how far the turn got."""
        self.accepted = True
        match event:
            case Route():
                self.route = event
            case Result():
                self.resulted = True
            case Accepted() | Chunk() | Final():
                pass


class Dialogue:
    """One conversation; what both faces have in common.

    Args:
        client: made on `bus`.
        bus: connected.
        settings: language, longest turn.
        screen: what is said goes here.
        conversation: the one to go on with.
        patience_s: how long a turn waits before it is told why.
    """

    def __init__(
        self,
        client: Client,
        bus: Bus,
        settings: Settings,
        screen: Screen,
        *,
        conversation: str | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self.conversation = conversation or _fresh()
        self._client = client
        self._bus = bus
        self._settings = settings
        self._screen = screen
        self._lang: Lang = language(settings)
        self._patience_s = patience_s
        self._said: list[tuple[str, str]] = []
        self._notes = ModelNotes(self._lang)

    async def _mind_models(self, tell: Callable[[str], Awaitable[None]]) -> None:
        """Tells for ever what becomes of the models, each change once."""
        presence = self._client.presence
        while True:
            for note in self._notes.update(presence.statuses):
                await tell(one_line(note))
            await presence.changed(_LOOK_S)

    # ---- what is typed

    async def handle(self, typed: str) -> bool:
        """Does what a line asks for; tells whether to go on."""
        text = encodable(typed).lstrip("\ufeff").strip()
        # A Japanese keyboard gives a wide slash as easily as a narrow one.
        word = unicodedata.normalize("NFKC", text).lower()
        word = _BARE.get(word, word)
        if not any(character.isprintable() and not character.isspace() for character in text):
            return True
        if word == "/quit":
            return False
        if word.startswith("/"):
            self._command(word.split()[0])
        elif len(text) > self._settings.max_text:
            self._screen.line(phrase("too_long", self._lang, len(text), self._settings.max_text))
        else:
            await self._answer(Turn(text))
        return True

    async def _answer(self, turn: Turn) -> None:
        raise NotImplementedError

    def _command(self, word: str) -> None:
        match word:
            case "/help":
                self._screen.line(phrase("help", self._lang))
            case "/functions":
                self._functions()
            case "/history":
                if not self._said:
                    self._screen.line(phrase("no_history", self._lang))
                for text, reply in self._said:
                    self._screen.line(f"{PROMPT}{text}\n{reply}")
            case "/new":
                self.conversation, self._said = _fresh(), []
                self._screen.line(phrase("new", self._lang))
            case _:
                self._screen.line(phrase("unknown", self._lang, cut(one_line(word), _LONGEST_SHOWN)))

    def _functions(self) -> None:
        presence = self._client.presence
        if not presence.cards:
            self._screen.line(phrase("no_functions", self._lang))
        for name, card in sorted(presence.cards.items()):
            served = {True: "served", False: "unserved", None: "unknown_service"}[presence.serves(name)]
            call = f"{name}({', '.join(card.parameters.get('properties', {}))})"
            self._screen.line(f"{one_line(call)} · {phrase(served, self._lang)}")
            # Descriptions are written for routers; their first sentence is for people too.
            first = re.split(r"(?<=\.) |(?<=。)", one_line(card.description), maxsplit=1)[0]
            self._screen.line(f"    {cut(first, _LONGEST_DESCRIPTION)}", DIM)

    # ---- a turn

    async def _follow(self, turn: Turn, told: set[str], tell: Callable[[str], None], reply: Reply | None) -> Final:
        """Says the turn and shows what comes back until its final."""
        minding = asyncio.create_task(self._mind(turn, told, tell), name="dialogue[mind]")
        saying = self._client.say(turn.text, self.conversation, turn_id=turn.id)
        try:
            async with contextlib.aclosing(saying) as events:  # type: ignore[type-var]  # it is a generator
                async for event in events:
                    turn.note(event)
                    if isinstance(event, Route) and not self._said:
                        self._said = list(_pairs(event))
                    if isinstance(event, Chunk) and reply is not None:
                        reply.chunk(event)
                    if isinstance(event, Final):
                        self._said.append((turn.text, event.text))
                        return event
        finally:
            await end(minding)
        raise BusError("The turn ended without a final.")

    async def _mind(self, turn: Turn, told: set[str], tell: Callable[[str], None]) -> None:
        """Tells why the turn waits, each reason once, when it has held for a while."""
        loop = asyncio.get_running_loop()
        last, from_then = None, loop.time()
        while True:
            reason = self._reason(turn)
            if reason != last:
                last, from_then = reason, loop.time()
            elif reason and reason not in told and loop.time() - from_then >= self._patience_s:
                told.add(reason)
                tell(waiting(reason, self._lang))
            # The connection tells nobody when it ends, so it is looked at.
            await asyncio.sleep(self._patience_s / 4)

    def _reason(self, turn: Turn) -> str | None:
        """Why the turn can't go on, as `agent.phrases.waiting` takes it; None where it can."""
        presence = self._client.presence
        route = turn.route
        if turn.cancelled:
            return "cancelling"
        if not self._bus.connected.is_set():
            return "bus"
        if route and route.function and route.calls and not turn.resulted:
            return route.function if presence.serves(route.function) is False else None
        role = "chat" if route else "router" if turn.accepted else "journal"
        return None if presence.online(role) else role


def _pairs(route: Route) -> Iterator[tuple[str, str]]:
    """What was said before we came, as far as the turn carries it."""
    for said, reply in itertools.pairwise(route.turn.history):
        if (said.role, reply.role) == ("user", "assistant"):
            yield said.content, reply.content


def _fresh() -> str:
    return uuid.uuid4().hex[:12]


def since(started: float) -> float:
    """Milliseconds since a time of the loop."""
    return (asyncio.get_running_loop().time() - started) * 1000


async def end(task: "asyncio.Task[Any]") -> None:
    """Cancels a task and waits until it has ended."""
    task.cancel()
    await asyncio.wait({task})
