"""The router worker: decides for each turn which function it calls, and makes the call.

A call whose function has no live worker waits a moment for one to come (back), then the turn is told as unserved. In a
dry run a function that does not say that it understands one is not called.
"""

import asyncio
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from agent import topics
from agent.availability import Upgradable
from agent.bus import Bus
from agent.credentials import Credentials
from agent.messages import Call, Route, Turn
from agent.presence import Presence
from agent.recent import Recent
from agent.routing import Decision, Router, load
from agent.seal import Seal
from agent.settings import Settings
from agent.turns import Key
from agent.worker import Worker, main

_CALLS = uuid.UUID("3f1f6d0e-52b5-4a77-9a0b-9b1f1f6f1a11")
_RETRY_S = 0.25
_REMEMBERED = 5000


class RouterWorker(Worker):
    """Routes turns with the configured router.

    Args:
        seal: seals the context of calls.
        router: decides.
    """

    def __init__(self, bus: Bus, settings: Settings, seal: Seal, router: Router) -> None:
        super().__init__(bus, settings)
        self._seal = seal
        self._router = router
        self._presence = Presence(bus)
        self._routed: Recent[Key, tuple[int, datetime]] = Recent(_REMEMBERED)
        self._called: Recent[Key, float] = Recent(_REMEMBERED)
        bus.on(topics.TURN, Turn, self._turn)

    @property
    def details(self) -> dict[str, Any]:
        """Tells which router is at work, and what is in its model's way."""
        return {**super().details, **(self._router.condition if isinstance(self._router, Upgradable) else {})}

    async def work(self) -> None:
        """Looks after the model."""
        if isinstance(self._router, Upgradable):
            await self._router.watch(self.tell)
        await super().work()

    async def _turn(self, turn: Turn, _levels: dict[str, str]) -> None:
        # A turn that had waited comes before the cards do.
        await self._presence.caught_up()
        if self._is_done(turn):
            return
        started = time.perf_counter()
        decision = await self._router.route(turn, self._presence.cards)
        route = Route(
            turn=turn,
            function=decision.function,
            arguments=decision.arguments,
            missing=decision.missing,
            confidence=decision.confidence,
            router=decision.router,
            took_ms=round((time.perf_counter() - started) * 1000, 3),
        )
        if not decision.function or decision.missing:
            await self._send_route(route)
        elif turn.dry_run and not self._runs_dry(decision.function):
            await self._send_route(route.model_copy(update={"withheld": True}))
        elif not await self._call(decision, route):
            if self._called.get(Key.of(turn), 0) > time.monotonic() - self.settings.resend_s:
                # An earlier call waits for its worker: who is told that it was not done would find it done. When that
                # has expired the journal asks again.
                return
            await self._send_route(route.model_copy(update={"unserved": True}))
        self._routed[Key.of(turn)] = (turn.attempt, datetime.now(UTC))

    def _is_done(self, turn: Turn) -> bool:
        """Whether the turn was routed after it had been sent: copies that wait in a queue would only make work."""
        attempt, at = self._routed.get(Key.of(turn), (0, turn.time))
        return turn.attempt <= attempt and turn.time < at

    def _runs_dry(self, function: str) -> bool:
        card = self._presence.cards.get(function)
        return card is not None and card.runs_dry

    async def _call(self, decision: Decision, route: Route) -> bool:
        """Publishes the route and the call once somebody serves the function; tells whether anybody does."""
        function = decision.function or ""
        until = asyncio.get_running_loop().time() + self.settings.serve_grace_s
        while self._presence.serves(function) is False:
            if asyncio.get_running_loop().time() > until:
                return False
            await self._presence.changed(_RETRY_S)
        call = self._make_call(function, decision, route)
        # The call first: the reply waits for it, and what listens to routes would take the processor from its worker.
        taken, _ = await asyncio.gather(self._send_call(call), self._send_route(route))
        while not taken and asyncio.get_running_loop().time() < until:
            # Nobody is subscribed: a worker without status and session, perhaps about to come back.
            await self._presence.changed(_RETRY_S)
            taken = await self._send_call(call)
        if taken:
            self._called[Key.of(route.turn)] = time.monotonic()
        return taken

    def _make_call(self, function: str, decision: Decision, route: Route) -> Call:
        turn = route.turn
        call_id = str(uuid.uuid5(_CALLS, f"{turn.client}\n{turn.conversation}\n{turn.turn_id}"))
        answer = topics.RESULT.name(function=function, client=turn.client, conversation=turn.conversation)
        return Call(
            call_id=call_id,
            function=function,
            arguments=decision.arguments,
            lang=turn.lang,
            said_at=turn.said_at,
            context=self._seal.close(call_id, route).model_dump(),
            reply_to=f"{self.bus.root}/{answer}",
            expires_at=datetime.now(UTC) + timedelta(seconds=self.settings.resend_s),
            dry_run=turn.dry_run,
        )

    async def _send_call(self, call: Call) -> bool:
        return await self.bus.send(topics.CALL, call, function=call.function)

    async def _send_route(self, route: Route) -> None:
        turn = route.turn
        await self.bus.send(topics.ROUTE, route, client=turn.client, conversation=turn.conversation)


def make(bus: Bus, settings: Settings) -> RouterWorker:
    """A router worker with this installation's key and router."""
    return RouterWorker(bus, settings, Seal(Credentials(settings).bus_key()), load(settings))


if __name__ == "__main__":
    main(make, "router", "router")
