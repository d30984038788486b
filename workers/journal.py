"""The journal: keeps every turn on disk before anything else happens to it, and sees to it that it gets its final.

It is the one part with state. It opens a conversation's turns one after another, so that each sees the reply before
it; sends a turn again that makes no progress; and gives up with a final of its own when that does not help.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from agent import topics
from agent.bus import Bus, BusError, Unfit
from agent.credentials import Credentials
from agent.finals import Finals
from agent.journal_file import file_of
from agent.language import detect
from agent.messages import Accepted, Final, Lang, Result, Route, Say, Status, Turn
from agent.presence import Presence
from agent.quota import Limit, Quota
from agent.recent import Recent
from agent.replies import texts
from agent.results import fitting
from agent.seal import Seal, SealError
from agent.settings import Settings
from agent.turns import Key, TurnStore
from agent.worker import Worker, main

log = logging.getLogger(__name__)

_LOOK_S = 0.25
_RECORD_S = 0.05
"""What nobody waits for is written with what comes next, which is mostly the turn's final."""
_AFTER_RECONNECT_S = 1.0
_REMEMBERED = 10000
"""Refused turns whose answer is kept."""
_LOOKED_BACK = 6
"""Messages that are looked at for the language of a dialogue."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass
class _Open:
    """A turn on its way: where it is, and when it is looked at again."""

    turn: Turn
    due: float
    stage: str = "router"
    function: str | None = None
    again: bool = False
    """The next sending only repeats the attempt: the broker or this process was gone."""


class Journal(Worker):
    """Writes down, accepts, sends, records, sends again, gives up.

    Args:
        seal: opens the context of results.
    """

    def __init__(self, bus: Bus, settings: Settings, seal: Seal) -> None:
        super().__init__(bus, settings)
        self._seal = seal
        self._presence = Presence(bus, self._worker_changed, cards=False)
        self._open: dict[Key, _Open] = {}
        self._waiting: dict[tuple[str, str], deque[Turn]] = {}
        self._ready: deque[tuple[str, str]] = deque()
        self._refused: Recent[Key, Final] = Recent(_REMEMBERED)
        self._quota = Quota(
            rate=settings.max_rate, turns=settings.max_turns, conversations=settings.max_conversations, now=_now
        )
        bus.on(topics.SAY, Say, self._say, admit=lambda levels: self._quota.admit(levels["client"]))
        bus.on(topics.ROUTE, Route, self._route)
        bus.on(topics.RESULT, Result, self._result)
        bus.on(topics.FINAL, Final, self._final)

    @property
    def details(self) -> dict[str, Any]:
        """Tells where a damaged file was put."""
        if self._store.set_aside is None:
            return super().details
        return {**super().details, "note": f"The journal was damaged and began anew; see {self._store.set_aside}"}

    async def prepare(self) -> None:
        """Opens the files and takes up what was left."""
        self._finals = Finals(self.settings.home / "finals.sqlite3", self.bus.client_id)
        # A turn that was refused stays refused, also where its client says it once more after a restart.
        for key, final in self._finals.latest(_REMEMBERED):
            self._refused[key] = final
        self._store = TurnStore(file_of(self.settings), self.settings.journal_sync)
        for state, turn, function, resulted in self._store.unfinished():
            conversation = (turn.client, turn.conversation)
            self._quota.enter(*conversation)
            self._waiting.setdefault(conversation, deque())
            if state == "waiting":
                self._waiting[conversation].append(turn)
            else:
                stage = "chat" if resulted else "function" if function else "router"
                self._open[Key.of(turn)] = _Open(turn, _now(), stage, function)
        busy = {(key.client, key.conversation) for key in self._open}
        self._ready.extend(conversation for conversation in self._waiting if conversation not in busy)

    async def finish(self) -> None:
        """Closes the files."""
        self._store.close()
        self._finals.close()

    # ---- what comes in

    async def _say(self, say: Say, levels: dict[str, str]) -> None:
        key = Key(levels["client"], levels["conversation"], say.turn_id)
        text = _CONTROL.sub("", say.text).strip()
        lang = say.lang or detect(text) or self._spoken(key) or self.settings.lang or "en"
        if not text or len(text) > self.settings.max_text:
            # Not accepted, but its sender is told, since a client repeats what is not accepted.
            said = texts.empty(lang) if not text else texts.too_long(lang, len(text), self.settings.max_text)
            await self._publish_final(key, Final(turn_id=say.turn_id, status="failed", text=said, replier="journal"))
            raise Unfit("an empty turn" if not text else f"{len(text)} characters in a turn")
        in_time = self._quota.in_time(key.client)
        if key in self._refused:
            await self._publish_final(key, self._refused[key])
            return
        if key not in self._open and (found := self._store.find(key)) is None:
            over = self._quota.full(key.client, key.conversation) if in_time else "rate"
            if over is not None:
                await self._refuse(key, lang, over)
                return
            await self._accept(key, text, lang, say)
        elif not in_time:
            return  # it is known and goes on its way; the client says it again
        elif key not in self._open and found is not None and found[1] is not None:
            await self._publish_final(key, found[1])
        await self._store.committed()
        accepted = Accepted(turn_id=key.turn_id)
        telling = asyncio.create_task(
            self.bus.send(topics.ACCEPTED, accepted, client=key.client, conversation=key.conversation)
        )
        try:
            if (opened := self._open.get(key)) is not None and opened.due == 0:
                # First, since it is what the reply waits for: it is written before any other task has its turn.
                await self._send(opened)
        finally:
            await telling

    def _spoken(self, key: Key) -> Lang | None:
        """The language of a dialogue so far, for a turn that shows none ("!!!")."""
        history, _ = self._store.context(key.client, key.conversation, _LOOKED_BACK)
        return next((lang for said in reversed(history) if (lang := detect(said.content))), None)

    async def _refuse(self, key: Key, lang: Lang, limit: Limit) -> None:
        """Tells a client that it is over its quota, and the same again should the turn come twice."""
        said = texts.too_much(lang, limit, self._quota.number(limit))
        refusal = Final(turn_id=key.turn_id, status="failed", text=said, replier="journal")
        final = self._refused[key] = self._finals.keep(key, refusal)
        await self._publish_final(key, final)

    async def _accept(self, key: Key, text: str, lang: Lang, say: Say) -> None:
        turn = Turn(
            turn_id=key.turn_id,
            client=key.client,
            conversation=key.conversation,
            text=text,
            lang=lang,
            said_at=say.said_at or datetime.now().astimezone(),
            dry_run=say.dry_run,
        )
        conversation = (key.client, key.conversation)
        self._quota.enter(*conversation)
        if conversation in self._waiting:
            self._waiting[conversation].append(turn)
            self._store.add(turn, "waiting")
        elif len(self._open) >= self.settings.max_open:
            self._waiting[conversation] = deque([turn])
            self._ready.append(conversation)
            self._store.add(turn, "waiting")
        else:
            self._waiting[conversation] = deque()
            turn = self._with_context(turn)
            self._open[key] = _Open(turn, 0)
            self._store.add(turn, "open")

    async def _route(self, route: Route, _levels: dict[str, str]) -> None:
        key = Key.of(route.turn)
        if (opened := self._open.get(key)) is None:
            return
        self._progress(opened, "function" if route.calls else "chat", route.function)
        self._store.routed(key, route)
        await self._store.committed(within=_RECORD_S)

    async def _result(self, result: Result, levels: dict[str, str]) -> None:
        key = Key(levels["client"], levels["conversation"], str(result.context.get("turn_id", "")))
        if (opened := self._open.get(key)) is None:
            return
        try:
            route = self._seal.open(result.context, result.call_id, result.function)
        except SealError:
            return  # no call of ours; the chat worker says so
        if Key.of(route.turn) != key:
            return
        if opened.function is None:
            # It overtook its route: the router sends the call first, since the reply waits for that.
            self._store.routed(key, route)
        elif opened.function != result.function:
            return
        self._progress(opened, "chat", result.function)
        self._store.resulted(key, fitting(result, self.settings.max_result, opened.turn.lang))
        await self._store.committed(within=_RECORD_S)

    async def _final(self, final: Final, levels: dict[str, str]) -> None:
        key = Key(levels["client"], levels["conversation"], final.turn_id)
        if key in self._open:
            self._store.finish(key, final, sent=True)
            await self._close(key)

    # ---- what goes out

    async def work(self) -> None:
        """Looks after the open turns, for ever."""
        for key, final in self._store.unsent():
            await self._publish_final(key, final)
            self._store.sent(key)
        connections = 0
        while True:
            if self.bus.connections != connections:
                connections = self.bus.connections
                for opened in self._open.values():
                    opened.due, opened.again = _now() + _AFTER_RECONNECT_S, True
            for key, opened in list(self._open.items()):
                if 0 < opened.due < _now():
                    await self._overdue(key, opened)
            while (following := self._open_next()) is not None:
                await self._store.committed()
                await self._send(following)
            for client, number in self._quota.passed_over.items():
                log.warning("%s sends far too fast: %d turns were passed over", client, number)
            self._quota.passed_over.clear()
            await self._store.committed()
            await asyncio.wait({self._store.broken}, timeout=_LOOK_S)
            if self._store.broken.done():
                self._store.broken.result()

    def _worker_changed(self, _client: str, status: Status) -> None:
        """What a worker that came (back) may have missed, and what one had that is gone, is sent once more, soon."""
        if status.state == "online" or status.details.get("gone"):
            for opened in self._open.values():
                if opened.stage == status.role and opened.due > 0:
                    opened.due, opened.again = min(opened.due, _now() + _AFTER_RECONNECT_S), True

    async def _overdue(self, key: Key, opened: _Open) -> None:
        if opened.again:
            opened.again = False
        elif opened.turn.attempt > self.settings.max_attempts:
            await self._give_up(key, opened)
            return
        else:
            opened.turn = opened.turn.model_copy(update={"attempt": opened.turn.attempt + 1})
            self._store.open(opened.turn)
            await self._store.committed()
        opened.stage = "router"
        try:
            await self._send(opened)
        except BusError:
            # Whatever is wrong with this turn, the others go on.
            log.exception("Turn %s can't be sent", key.turn_id)
            await self._give_up(key, opened)

    async def _give_up(self, key: Key, opened: _Open) -> None:
        turn = opened.turn
        online = self._presence.online(opened.stage)
        if opened.stage == "function" and opened.function:
            text = texts.no_answer_from_function(turn.lang, opened.function)
        else:
            text = texts.no_answer_from_role(turn.lang, opened.stage, online=online)
        gave_up = Final(turn_id=turn.turn_id, attempt=turn.attempt, status="failed", text=text, replier="journal")
        # A chat worker that hangs may have one that it has not sent yet, and finds this one when it goes on.
        final = self._finals.keep(key, gave_up)
        # On disk first: a journal killed after this sends it when it comes back.
        self._store.finish(key, final, sent=False)
        await self._close(key)
        await self._store.committed()
        await self._publish_final(key, final)
        self._store.sent(key)
        await self._store.committed()

    async def _close(self, key: Key) -> None:
        """Ends a turn and opens the next one."""
        del self._open[key]
        conversation = (key.client, key.conversation)
        self._quota.leave(*conversation)
        if self._waiting[conversation]:
            self._ready.append(conversation)
        else:
            del self._waiting[conversation]
        following = self._open_next()
        await self._store.committed(within=0 if following else _RECORD_S)
        if following is not None:
            await self._send(following)

    def _open_next(self) -> _Open | None:
        """Opens the turn that has waited longest, of a conversation that has none on its way, where there is room."""
        if not self._ready or len(self._open) >= self.settings.max_open:
            return None
        turn = self._with_context(self._waiting[self._ready.popleft()].popleft())
        following = self._open[Key.of(turn)] = _Open(turn, 0)
        self._store.open(turn)
        return following

    def _with_context(self, turn: Turn) -> Turn:
        history, pending = self._store.context(turn.client, turn.conversation, self.settings.history_messages)
        # A reply may be longer than any turn: what is left of it here is enough to go on with.
        most = self.settings.max_text
        cut = [
            one if len(one.content) <= most else one.model_copy(update={"content": one.content[:most]})
            for one in history
        ]
        return turn.model_copy(update={"history": cut, "pending": pending})

    def _send(self, opened: _Open) -> Coroutine[Any, Any, bool]:
        """Notes at once that it is on its way; the coroutine sends it."""
        # A worker tells by the time whether it has answered before this was sent.
        turn = opened.turn = opened.turn.model_copy(update={"time": datetime.now(UTC)})
        opened.due = _now() + self.settings.resend_s
        return self.bus.send(topics.TURN, turn, client=turn.client, conversation=turn.conversation)

    async def _publish_final(self, key: Key, final: Final) -> None:
        await self.bus.send(topics.FINAL, final, client=key.client, conversation=key.conversation)

    def _progress(self, opened: _Open, stage: str, function: str | None) -> None:
        # A function that runs long is not called again while it may still answer.
        patience = self.settings.reply_s if stage == "chat" else self.settings.function_s + self.settings.resend_s
        opened.stage, opened.function, opened.again = stage, function, False
        opened.due = _now() + patience


def _now() -> float:
    return asyncio.get_running_loop().time()


def make(bus: Bus, settings: Settings) -> Journal:
    """A journal with this installation's key."""
    return Journal(bus, settings, Seal(Credentials(settings).bus_key()))


if __name__ == "__main__":
    main(make, "journal", "journal")
