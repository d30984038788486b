"""The turns of a torture run: several clients that say them, and what each of them saw."""

import asyncio
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Self

from agent import topics
from agent.bus import Bus, Inbound, Subscription
from agent.client import Client
from agent.credentials import Credentials
from agent.messages import Accepted, Call, Card, Error, Example, Final, Result
from agent.settings import Settings
from agent.worker import open_bus

_ROUND = 200
"""Turns of all lanes after which each lane begins another conversation."""
_REPEAT_S = 1.0
_SAID = {
    "talk": ("nice to meet you", "こんにちは", "thank you very much"),
    "weather": ("明日の札幌の天気は？", "What's the weather in Tokyo tomorrow?"),
    "people": ("Who was Marie Curie?",),
    "travel": ("京都の観光スポットを教えて",),
    "reminder": ("remind me to water the plants tomorrow at 9am",),
    "slow": ("count the sheep in the meadow",),
    "hangs": ("stare into the endless void",),
    "raises": ("saw off the branch we sit on",),
    "twice": ("shout across the canyon",),
}
_OFTEN = {"talk": 22, "weather": 22, "people": 14, "travel": 12, "reminder": 20, "slow": 2, "hangs": 2, "raises": 2}
TWICE = "echoing_test"


@dataclass
class Said:
    """One turn, and what became of it as its client saw it.

    Attributes:
        finals: text by id; a final that is told again has the same id.
    """

    number: int
    kind: str
    client: str
    conversation: str
    turn_id: str
    accepted: bool = False
    status: str = ""
    took_s: float = 0
    function: str | None = None
    finals: dict[str, str] = field(default_factory=dict)


class Load:
    """Clients that say turns.

    Args:
        settings: of the installation.
        seed: chooses what is said.
        clients: how many.

    Attributes:
        said: turns by client and id.
        strays: finals that no turn of ours belongs to.
    """

    def __init__(self, settings: Settings, seed: int, clients: int) -> None:
        self._random = Random(f"{seed} load")
        self._buses = [open_bus(f"cli-{number}", "client", settings, will=False) for number in range(clients)]
        self._clients = [self._listening(bus) for bus in self._buses]
        self._numbers = 0
        self.said: dict[tuple[str, str], Said] = {}
        self.strays: list[Final] = []
        self.finished = 0
        self.stirred = time.monotonic()

    async def __aenter__(self) -> Self:
        """Connects all clients."""
        for bus in self._buses:
            await bus.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leaves the bus."""
        await asyncio.gather(*(bus.close(drain_s=0) for bus in self._buses))

    async def await_functions(self, names: set[str]) -> None:
        """Returns when all these functions have a card."""
        presence = self._clients[0].presence
        while not names <= presence.cards.keys():
            await presence.changed(1.0)

    async def say(self, lane: int) -> Said:
        """Says the next turn in the lane's conversation and waits for its final."""
        number, self._numbers = self._numbers, self._numbers + 1
        kind = self._random.choices([*_OFTEN, "twice"], [*_OFTEN.values(), 4])[0]
        text = self._random.choice(_SAID[kind])
        at = lane % len(self._clients)
        # A reminder is known by its conversation; the other turns have some before them.
        conversation = reminder_of(number) if kind == "reminder" else f"lane-{lane}-{number // _ROUND}"
        said = Said(number, kind, self._buses[at].client_id, conversation, uuid.UUID(int=number).hex)
        self.said[said.client, said.turn_id] = said
        began = time.monotonic()
        async for event in self._clients[at].say(text, conversation, turn_id=said.turn_id):
            said.accepted = said.accepted or isinstance(event, Accepted)
            if isinstance(event, Final):
                said.status, said.function = event.status, event.function
        said.took_s = time.monotonic() - began
        self.finished += 1
        self.stirred = time.monotonic()
        return said

    def _listening(self, bus: Bus) -> Client:
        client = Client(bus, repeat_s=_REPEAT_S)
        # A client shows the first final only; here every one that reaches it counts.
        at = next(
            i for i, one in enumerate(bus.subscriptions) if one.filter == topics.FINAL.filter(client=bus.client_id)
        )
        bus.subscriptions[at] = _overheard(bus.subscriptions[at], lambda inbound: self._final(bus.client_id, inbound))
        return client

    async def _final(self, client: str, inbound: Inbound) -> None:
        final = Final.model_validate_json(inbound.payload)
        said = self.said.get((client, final.turn_id))
        if said is None:
            self.strays.append(final)
        else:
            said.finals[final.id] = final.text


def reminder_of(number: int) -> str:
    """The conversation in which a turn asks for its reminder."""
    return f"reminder-{number}"


def _overheard(subscription: Subscription, listen: Callable[[Inbound], Awaitable[None]]) -> Subscription:
    async def handle(inbound: Inbound) -> None:
        await listen(inbound)
        await subscription.handle(inbound)

    return replace(subscription, handle=handle)


class Echo:
    """A function worker of somebody else's that answers every call twice, with two different results."""

    def __init__(self, settings: Settings) -> None:
        name = "worker-echo"
        Credentials(settings).permit(name, (TWICE,))
        self._bus = open_bus(name, "function", settings)
        self._bus.on(topics.CALL, Call, self._call, function=TWICE)
        self._greeting: asyncio.Task[None] | None = None
        self.calls: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        """Publishes its card on every connection."""
        await self._bus.__aenter__()
        self._greeting = asyncio.create_task(self._greet(), name="worker-echo[greet]")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leaves the bus."""
        assert self._greeting is not None  # noqa: S101 - entered
        self._greeting.cancel()
        await asyncio.gather(self._greeting, return_exceptions=True)
        await self._bus.close(drain_s=0)

    async def _greet(self) -> None:
        examples = [Example(text=text) for text in ("shout across the canyon", "please shout across the canyon")]
        card = Card(name=TWICE, description="Shouts across the canyon, and answers twice.", examples=examples)
        seen = 0
        while True:
            seen = await self._bus.connection(after=seen)
            await self._bus.send(topics.CARD, card, name=TWICE)
            await self._bus.announce(functions=[TWICE])

    async def _call(self, call: Call, _levels: dict[str, str]) -> None:
        self.calls[call.call_id] += 1
        levels = topics.RESULT.levels(call.reply_to.removeprefix(self._bus.root + "/")) or {}
        first = Result(
            call_id=call.call_id, function=TWICE, status="ok", summary="The first echo.", context=call.context
        )
        second = Result(
            call_id=call.call_id,
            function=TWICE,
            status="error",
            error=Error(code="failed", message="The second echo."),
            context=call.context,
        )
        await asyncio.gather(*(self._bus.send(topics.RESULT, one, **levels) for one in (first, second)))


def by_kind(said: dict[tuple[str, str], Said]) -> dict[str, Counter[str]]:
    """How many turns of each kind ended how."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in said.values():
        found[one.kind][one.status or "none"] += 1
    return dict(found)
