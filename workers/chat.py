"""The chat worker: puts the reply into words and streams it, once a turn.

It replies to a route that makes no call, and to every result. A turn may come again (after a crash, or because the
journal sent it again); what has had its final is left alone. Finals are kept in a file before they are sent, which the
chat workers of this home and the journal share: the first one counts, and a turn that another worker is at is left to
it. Those of workers elsewhere are read from the bus: they wait for a worker that comes back in order with the rest, and
it handles nothing else before it has read them.
"""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import AsyncIterator
from typing import Any

from agent import topics
from agent.availability import Upgradable
from agent.bus import Bus, Unfit
from agent.credentials import Credentials
from agent.finals import Finals
from agent.messages import Cancel, Card, Chunk, Final, Result, Route
from agent.presence import Presence
from agent.recent import Recent
from agent.replies import Replier, Start, Task, load, texts
from agent.results import fitting
from agent.seal import Seal, SealError
from agent.settings import Settings
from agent.turns import Key, asked_for
from agent.worker import Worker, main

log = logging.getLogger(__name__)

_REMEMBERED = 1000
"""In memory; the file has the finals of an hour."""


class ChatWorker(Worker):
    """Replies.

    Args:
        seal: opens the context of results.
        replier: puts replies into words.
    """

    def __init__(self, bus: Bus, settings: Settings, seal: Seal, replier: Replier) -> None:
        super().__init__(bus, settings)
        self._seal = seal
        self._replier = replier
        self._presence = Presence(bus)
        self._finished: Recent[Key, Final] = Recent(_REMEMBERED)
        self._cancelled: Recent[Key, _Cancellation] = Recent(_REMEMBERED)
        self._running: dict[Key, asyncio.Future[None]] = {}
        self._me = f"{bus.client_id} {os.getpid()}"
        bus.on(topics.FINAL, Final, self._final, note=True)
        bus.on(topics.ROUTE, Route, self._route)
        bus.on(topics.RESULT, Result, self._result)
        bus.on(topics.CANCEL, Cancel, self._cancel, note=True)

    @property
    def details(self) -> dict[str, Any]:
        """Tells who replies, and what is in the model's way."""
        return {**super().details, **(self._replier.condition if isinstance(self._replier, Upgradable) else {})}

    async def prepare(self) -> None:
        """Opens the file of finals."""
        self._finals = Finals(self.settings.home / "finals.sqlite3", self._me)

    async def finish(self) -> None:
        """Closes it."""
        self._finals.close()

    async def work(self) -> None:
        """Looks after the model."""
        if isinstance(self._replier, Upgradable):
            await self._replier.watch(self.tell)
        await super().work()

    # ---- what comes in

    async def _final(self, final: Final, levels: dict[str, str]) -> None:
        key = Key(levels["client"], levels["conversation"], final.turn_id)
        self._finished[key] = final
        if key in self._running:
            # The journal gave up meanwhile: what would still come is not wanted any more.
            self._cancellation(key).request()

    async def _route(self, route: Route, _levels: dict[str, str]) -> None:
        if not route.calls:
            await self._once(Task(route, None, self._cards()))

    async def _result(self, result: Result, levels: dict[str, str]) -> None:
        try:
            route = self._seal.open(result.context, result.call_id, result.function)
        except SealError as error:
            raise Unfit(str(error)) from None
        turn = route.turn
        if (turn.client, turn.conversation, result.function) != tuple(
            levels[name] for name in ("client", "conversation", "function")
        ):
            raise Unfit("a result for another conversation or function than its topic says")
        await self._once(Task(route, fitting(result, self.settings.max_result, turn.lang)))

    async def _cancel(self, cancel: Cancel, levels: dict[str, str]) -> None:
        key = Key(levels["client"], levels["conversation"], cancel.turn_id)
        if key not in self._finished:
            self._cancellation(key).request()

    # ---- what goes out

    async def _once(self, task: Task) -> None:
        """Replies unless the turn has had its final; waits where the same turn is being replied to."""
        await self._presence.caught_up()
        key = Key.of(task.route.turn)
        while (running := self._running.get(key)) is not None:
            await asyncio.wait({running})
        turn = task.route.turn
        if (final := self._finished.get(key)) is not None:
            # The journal sends a turn anew only if it has not seen the final: a broker that was killed took it along.
            if turn.attempt > final.attempt or turn.time > final.time:
                await self._send(key, final.model_copy(update={"attempt": turn.attempt}))
            return
        worker, final = self._begin(key)
        if final is not None:
            # On disk, but maybe not on the bus: its worker died.
            await self._send(key, final)
            return
        if worker != self._me:
            return
        self._running[key] = asyncio.get_running_loop().create_future()
        try:
            await self._reply(key, task)
        finally:
            self._running.pop(key).set_result(None)

    async def _reply(self, key: Key, task: Task) -> None:
        started = time.perf_counter()
        turn = task.route.turn
        cancellation = self._cancellation(key)
        said: list[str] = []
        status = "ok" if _answered(task) else "failed"
        replier: str | None = None
        try:
            # A cancellation ends the wait for the next piece, too: a model may take long to begin.
            async with cancellation.scope(), contextlib.aclosing(self._replier.reply(task)) as pieces:  # type: ignore[type-var]
                async for piece in pieces:
                    if isinstance(piece, Start):
                        # A client that has chunks already begins anew with the next one, whose `seq` is 0.
                        replier = piece.replier
                        said.clear()
                        continue
                    chunk = Chunk(turn_id=key.turn_id, attempt=turn.attempt, seq=len(said), text=piece)
                    await self.bus.send(topics.CHUNK, chunk, client=key.client, conversation=key.conversation)
                    said.append(piece)
        except Exception:
            log.exception("No reply to turn %s", key.turn_id)
            status = "failed"
            said = said or [texts.unable(turn.lang)]
        if cancellation.requested and not said:
            said = [texts.cancelled(turn.lang)]
        took = {"router": task.route.took_ms, "chat": round((time.perf_counter() - started) * 1000, 3)}
        if task.result is not None:
            took["function"] = task.result.took_ms
        final = Final.model_validate(
            {
                "turn_id": key.turn_id,
                "attempt": turn.attempt,
                "status": status,
                "text": "".join(said),
                "function": task.route.function,
                "arguments": task.route.arguments,
                "router": task.route.router,
                "replier": replier,
                "took_ms": took,
            }
        )
        if key not in self._finished:
            await self._send(key, self._finals.keep(key, final))
        self._cancelled.pop(key, None)

    async def _send(self, key: Key, final: Final) -> None:
        await self.bus.send(topics.FINAL, final, client=key.client, conversation=key.conversation)
        self._finished[key] = final

    def _begin(self, key: Key) -> tuple[str, Final | None]:
        """Who replies to the turn, this worker or one that is at it and alive; and the final, where there is one."""
        worker, final = self._finals.begin(key)
        while final is None and worker != self._me and not self._alive(worker):
            self._finals.take_over(key, worker)
            worker, final = self._finals.begin(key)
        return worker, final

    def _alive(self, worker: str) -> bool:
        client, _, pid = worker.partition(" ")
        if client == self.bus.client_id:
            # One before this process; what is told of it may be old.
            return False
        status = self._presence.statuses.get(client)
        return status is not None and status.state == "online" and str(status.details.get("pid")) == pid

    def _cancellation(self, key: Key) -> "_Cancellation":
        if key not in self._cancelled:
            self._cancelled[key] = _Cancellation()
        return self._cancelled[key]

    def _cards(self) -> tuple[Card, ...]:
        return tuple(self._presence.cards[name] for name in sorted(self._presence.cards))


class _Cancellation:
    """Whether the end of a reply was asked for, maybe before it began."""

    def __init__(self) -> None:
        self.requested = False
        self._timeout: asyncio.Timeout | None = None

    def request(self) -> None:
        """Ends the reply that runs in `scope`, now or as soon as it begins."""
        self.requested = True
        if self._timeout is not None:
            self._timeout.reschedule(0)

    @contextlib.asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """What runs inside ends early, and quietly, once that is asked for."""
        try:
            async with asyncio.timeout_at(0 if self.requested else None) as self._timeout:
                yield
        except TimeoutError:
            if not self.requested:
                raise
        finally:
            self._timeout = None


def _answered(task: Task) -> bool:
    if task.result is None:
        return not task.route.unserved
    code = task.result.error.code if task.result.error else ""
    return task.result.status == "ok" or bool(asked_for(code))


def make(bus: Bus, settings: Settings) -> ChatWorker:
    """A chat worker with this installation's key and replier."""
    return ChatWorker(bus, settings, Seal(Credentials(settings).bus_key()), load(settings))


if __name__ == "__main__":
    main(make, "chat", "chat")
