"""Who is there: statuses and cards as they are told on the bus."""

import asyncio
import contextlib
from collections.abc import Callable

from agent import topics
from agent.bus import Bus, Unfit
from agent.messages import Card, Status

_CATCH_UP_S = 2.0
_OURS = ("journal", "router", "chat")
"""Roles that others wait for and act on: their workers are known by their names, which the broker has checked."""


class Presence:
    """What the retained statuses and cards say; subscribes on a bus that is not connected yet.

    A client that tells its own status sees it come back behind all that had waited for it and all that is retained.
    Until then it does not know what there is (`caught_up`).

    Args:
        bus: listens here.
        on_status: called with the client id and the status of each that comes in.
        cards: whether cards are followed, too.

    Attributes:
        statuses: by client id.
        cards: by function.
    """

    def __init__(self, bus: Bus, on_status: Callable[[str, Status], None] | None = None, *, cards: bool = True) -> None:
        self._on_status = on_status
        self._bus = bus
        self._caught_up = asyncio.Event()
        self._change = asyncio.Event()
        self.statuses: dict[str, Status] = {}
        self.cards: dict[str, Card] = {}
        bus.on(topics.STATUS, Status, self._status, withdrawn=self._gone, note=True)
        if cards:
            bus.on(topics.CARD, Card, self._card, withdrawn=self._withdrawn, note=True)

    def online(self, role: str) -> bool:
        """Whether any worker of the role is there."""
        return any(status.role == role and status.state == "online" for status in self.statuses.values())

    def serves(self, function: str) -> bool | None:
        """Whether a worker of the function is there; None where none has ever told its status."""
        source = self.cards[function].source if function in self.cards else None
        told = [
            status
            for client, status in self.statuses.items()
            if function in status.details.get("functions", [function] if client == source else ())
        ]
        return any(status.state == "online" for status in told) if told else None

    async def caught_up(self) -> None:
        """Waits until all that waited for this client has come, but not for ever: a broker may forget things."""
        if not self._caught_up.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CATCH_UP_S):
                    await self._caught_up.wait()
            self._caught_up.set()

    async def changed(self, timeout: float) -> None:
        """Waits for the next change, at most `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes with the event.
            async with asyncio.timeout(timeout):
                await self._change.wait()

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    async def _status(self, status: Status, levels: dict[str, str]) -> None:
        if status.role in _OURS and topics.own_role(levels["client"]) != status.role:
            raise Unfit(f"{levels['client']} is no {status.role}")
        self.statuses[levels["client"]] = status
        self._changed()
        if levels["client"] == self._bus.client_id and status.id == self._bus.announced:
            self._caught_up.set()
        if self._on_status is not None:
            self._on_status(levels["client"], status)

    async def _gone(self, levels: dict[str, str]) -> None:
        self.statuses.pop(levels["client"], None)
        self._changed()

    async def _card(self, card: Card, levels: dict[str, str]) -> None:
        if card.name != levels["name"]:
            raise Unfit(f"the card is for {card.name}, its topic for {levels['name']}")
        # Who follows no cards does without: it takes long to load.
        from agent import schema  # noqa: PLC0415

        try:
            schema.check(card.parameters)
        except schema.SchemaRefused as error:
            raise Unfit(str(error)) from None
        self.cards[card.name] = card
        self._changed()

    async def _withdrawn(self, levels: dict[str, str]) -> None:
        self.cards.pop(levels["name"], None)
        self._changed()
