"""The small client: say a text, get the events of that turn.

A `say` is repeated until it is accepted, and again after each reconnect, so that nothing is lost with a broker. What
comes in twice is shown once.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from agent import topics
from agent.bus import Bus, BusError
from agent.messages import Accepted, Cancel, Chunk, Final, Lang, Name, Notice, Result, Route, Say
from agent.presence import Presence
from agent.recent import Recent

Event = Accepted | Route | Result | Chunk | Final
_NOTICES = 1000
_NAME: TypeAdapter[str] = TypeAdapter(Name)


class NoAnswer(Exception):  # noqa: N818 - it is no fault of the caller's
    """Raised when a turn was not accepted, or got no final, within the time that its caller set."""


def check_conversation(name: str) -> None:
    """Checks that a conversation's name can be part of a topic.

    Raises:
        BusError: it can't.
    """
    try:
        _NAME.validate_python(name)
    except ValidationError:
        message = f"{name!r} can't name a conversation: use letters, digits, '-', '_' and '.'."
        raise BusError(message) from None


@dataclass
class _Listening:
    """A turn that somebody waits for."""

    events: asyncio.Queue[Event | Exception] = field(default_factory=asyncio.Queue)
    accepted: asyncio.Event = field(default_factory=asyncio.Event)


class Client:
    """One client on a bus, which is connected by the caller after this has been made.

    Attributes:
        presence: who is there and which functions there are.
    """

    def __init__(self, bus: Bus, repeat_s: float = 2.0) -> None:
        self.presence = Presence(bus)
        self._notices: asyncio.Queue[tuple[Notice, asyncio.Event]] = asyncio.Queue()
        self._bus = bus
        self._repeat_s = repeat_s
        self._turns: dict[str, _Listening] = {}
        self._told: Recent[str, None] = Recent(_NOTICES)
        own = bus.client_id
        bus.on(topics.ACCEPTED, Accepted, self._event, client=own)
        bus.on(topics.ROUTE, Route, self._route, client=own)
        bus.on(topics.RESULT, Result, self._result, client=own)
        bus.on(topics.CHUNK, Chunk, self._event, client=own)
        bus.on(topics.FINAL, Final, self._event, client=own)
        bus.on(topics.NOTICE, Notice, self._notice, note=True, client=own)

    async def say(
        self,
        text: str,
        conversation: str,
        *,
        turn_id: str | None = None,
        lang: Lang | None = None,
        said_at: datetime | None = None,
        dry_run: bool = False,
        timeout: float | None = None,
    ) -> AsyncIterator[Event]:
        """Says something and yields the events of the turn; the last one is its final.

        Args:
            text: what to say.
            conversation: the dialogue it belongs to.
            turn_id: chosen here where not given; the same one again gives the recorded final again.
            lang: language of the reply, where the text should not decide.
            said_at: when it was said, with an offset; now where not given.
            dry_run: nothing outside the conversation is changed.
            timeout: seconds until the final.

        Raises:
            NoAnswer: there was no final in time.
            BusError: the conversation can't be part of a topic, or the broker refuses the message.
        """
        check_conversation(conversation)
        say = Say(
            turn_id=turn_id or uuid.uuid4().hex,
            text=text,
            said_at=said_at or datetime.now().astimezone(),
            lang=lang,
            dry_run=dry_run,
        )
        listening = self._turns[say.turn_id] = _Listening()
        repeat = asyncio.create_task(self._repeat(say, conversation, listening), name=f"{self._bus.client_id}[say]")
        try:
            async with asyncio.timeout(timeout):
                while True:
                    event = await listening.events.get()
                    if isinstance(event, Exception):
                        raise event
                    yield event
                    if isinstance(event, Final):
                        return
        except TimeoutError:
            raise NoAnswer(f"No answer within {timeout:g} seconds.") from None
        finally:
            repeat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await repeat
            del self._turns[say.turn_id]

    async def final(self, text: str, conversation: str, *, timeout: float | None = None) -> Final:
        """Says something and gives the final; raises as `say` does."""
        async for event in self.say(text, conversation, timeout=timeout):
            if isinstance(event, Final):
                return event
        raise NoAnswer("The turn ended without a final.")

    async def notices(self) -> AsyncIterator[Notice]:
        """Yields what happens by itself, each once.

        One that nobody takes is not acknowledged: it comes again to who asks for it later.
        """
        while True:
            notice, taken = await self._notices.get()
            if notice.id not in self._told:
                yield notice
                self._told[notice.id] = None
            taken.set()

    async def cancel(self, turn_id: str, conversation: str) -> None:
        """Asks for the end of a reply; its final holds what was said so far."""
        cancel = Cancel(turn_id=turn_id)
        await self._bus.send(topics.CANCEL, cancel, client=self._bus.client_id, conversation=conversation)

    # ---- within

    async def _repeat(self, say: Say, conversation: str, listening: _Listening) -> None:
        """Sends the `say` until it is accepted, and anew on each connection."""
        connection = 0
        try:
            while True:
                connection = await self._bus.connection(after=connection)
                listening.accepted.clear()
                while not listening.accepted.is_set():
                    await self._bus.send(topics.SAY, say, client=self._bus.client_id, conversation=conversation)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(self._repeat_s):
                            await listening.accepted.wait()
        except Exception as error:  # noqa: BLE001 - it is raised where the caller waits
            listening.events.put_nowait(error)

    def _tell(self, turn_id: str, event: Event) -> None:
        if (listening := self._turns.get(turn_id)) is None:
            return
        if isinstance(event, Accepted | Final):
            listening.accepted.set()
        listening.events.put_nowait(event)

    async def _event(self, event: Accepted | Chunk | Final, _levels: dict[str, str]) -> None:
        self._tell(event.turn_id, event)

    async def _route(self, route: Route, _levels: dict[str, str]) -> None:
        self._tell(route.turn.turn_id, route)

    async def _result(self, result: Result, _levels: dict[str, str]) -> None:
        self._tell(str(result.context.get("turn_id")), result)

    async def _notice(self, notice: Notice, _levels: dict[str, str]) -> None:
        taken = asyncio.Event()
        self._notices.put_nowait((notice, taken))
        await taken.wait()
