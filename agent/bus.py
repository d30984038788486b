"""The bus: typed messages in and out, acknowledged after the handler, presence, and a connection that comes back.

`Bus` is what every process works with; a transport below it moves bytes: `agent.mqtt` to a real broker,
`agent.memory_bus` within one process for tests. What every transport promises:

* A handler runs for each message of QoS 1 at least once; the message is acknowledged when the handler has returned.
  A process killed before that gets the message again, so handlers must not mind a repeat.
* `send` returns when the broker has taken the message, over reconnects if need be, and raises when it was refused.
* At most `concurrency` handlers run at once.
* A payload that does not fit its model goes to `dead` with the reason, as does one whose handler raised, unless what it
  raised says that the process is at its end (`Unable`).
"""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import ValidationError

from agent import topics
from agent.messages import Call, Dead, Message, Status
from agent.topics import Role, Topic

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)
_SHOWN = 2000


class BusError(Exception):
    """Raised when a message can't be put on the bus: refused by the broker, or too large."""


class Unable(Exception):  # noqa: N818 - it is no fault of the message
    """Raised by a handler whose process can't go on: its message is left for the process that comes after it."""


class Unfit(Exception):  # noqa: N818 - it describes the message, not a fault of ours
    """Raised by a handler for a message that it can't accept; the message goes to `dead` with this reason."""


@dataclass(frozen=True)
class Inbound:
    """A message as the transport hands it over: topic without the root, payload as it came."""

    topic: str
    payload: bytes
    retain: bool = False


@dataclass(frozen=True)
class Subscription:
    """What a bus listens to.

    Attributes:
        filter: without the root.
        group: who shares it.
        note: whether its handler only takes note.
        admit: whether a message is handled at all, told before anything is done about it.
    """

    filter: str
    qos: int
    group: str | None
    handle: Callable[[Inbound], Awaitable[None]]
    note: bool = False
    admit: Callable[[Inbound], bool] | None = None

    def matches(self, topic: str) -> bool:
        """Whether the topic (without the root) fits the filter."""
        wanted, given = self._levels, topic.split("/")
        if len(wanted) != len(given):
            return False
        for want, have in zip(wanted, given, strict=True):  # noqa: SIM110 - a generator takes three times as long
            if want not in ("+", have):
                return False
        return True

    @cached_property
    def _levels(self) -> list[str]:
        return self.filter.split("/")


class Bus(ABC):
    """One client on the bus. Subscribe with `on`, then enter it as an async context manager.

    Args:
        client_id: fixed name of this client; the broker keeps its messages under it.
        role: what it is on the bus, told in its status.
        root: what every topic starts with.
        will: whether the broker tells everyone when this client is gone.
        persistent: whether the broker keeps messages while this client is away.
        concurrency: handlers that run at once.
        max_packet: largest payload, bytes.
        largest: the same for payloads that have a limit of their own, by the name of their model.
        share: ends the names of the groups that share a topic. Whoever knows a group's name may join it and be given
            messages that its members miss, so it is a secret of our own workers (`Credentials.share`).

    Attributes:
        connected: set while a connection stands.
        announced: id of the status told last.
        refused: why the broker does not let this client in, once it does not.
        connections: how many there have been; one more means that messages may have been lost with a broker.
    """

    def __init__(
        self,
        client_id: str,
        role: Role,
        *,
        root: str = "fg/v1",
        will: bool = True,
        persistent: bool = True,
        concurrency: int = 64,
        max_packet: int = 4 * 1024 * 1024,
        largest: Mapping[str, int] | None = None,
        share: str = "",
    ) -> None:
        self.client_id = client_id
        self.role: Role = role
        self.root = root
        self.persistent = persistent
        self._will = will
        self.max_packet = max_packet
        self._largest = largest or {}
        self._share = share
        self.connected = asyncio.Event()
        self.connections = 0
        self.announced: str | None = None
        self.refused: BusError | None = None
        self.subscriptions: list[Subscription] = []
        self._fresh = asyncio.Event()
        self._details: dict[str, Any] | None = None
        self._slots = asyncio.Semaphore(concurrency)
        self._handlers: set[asyncio.Task[None]] = set()
        self._stopping = False

    # ---- what a client does

    def on(
        self,
        topic: Topic,
        model: type[M],
        handler: Callable[[M, dict[str, str]], Awaitable[None]],
        *,
        withdrawn: Callable[[dict[str, str]], Awaitable[None]] | None = None,
        note: bool = False,
        admit: Callable[[dict[str, str]], bool] | None = None,
        **levels: str,
    ) -> None:
        """Has `handler` called with each message of the topic and the levels of its name; before connecting.

        Args:
            topic: row of the topic table; where this role shares the topic, one worker of the role gets each message.
            model: what the payload must be; one that isn't goes to `dead`.
            handler: called with the message and its topic's levels.
            withdrawn: called where a retained message was cleared (an empty payload).
            note: the handler only takes note and never waits, so it takes none of the slots: handlers that wait for
                what it notes may hold all of them.
            admit: told the topic's levels, says whether a message is handled; one that isn't is acknowledged at once.
            levels: fixed levels of the topic; the others are open.
        """

        async def handle(inbound: Inbound) -> None:
            found = topic.levels(inbound.topic) or {}
            if not inbound.payload and withdrawn is not None:
                await withdrawn(found)
                return
            largest = self._limit(topic)
            if len(inbound.payload) > largest:
                raise Unfit(f"{len(inbound.payload)} bytes; a {topic.payload.lower()} may have {largest}")
            try:
                message = model.model_validate_json(inbound.payload)
            except ValidationError as error:
                raise Unfit(_reasons(error)) from None
            await handler(message, found)

        group = None
        if self.role in topic.shared:
            group = (self.role if topic is not topics.CALL else levels["function"]) + self._share
        gate = None if admit is None else lambda inbound: admit(topic.levels(inbound.topic) or {})
        self.subscriptions.append(Subscription(topic.filter(**levels), topic.qos, group, handle, note, gate))

    async def send(self, topic: Topic, message: Message, **levels: str) -> bool:
        """Publishes a message and waits until the broker has it.

        Args:
            topic: row of the topic table.
            message: its payload; `source` is filled in. A call's `reply_to` is its MQTT 5 response topic too.
            levels: the levels of the topic's name.

        Returns:
            Whether anyone is subscribed, as far as the broker says.

        Raises:
            BusError: refused by the broker, or too large.
        """
        payload = message.model_copy(update={"source": self.client_id}).model_dump_json().encode()
        if len(payload) > (largest := self._limit(topic)):
            raise BusError(f"The {topic.payload.lower()} has {len(payload)} bytes; the bus takes {largest}.")
        name = f"{self.root}/{topic.name(**levels)}"
        reply_to = message.reply_to if isinstance(message, Call) else None
        return await self._publish(name, payload, qos=topic.qos, retain=topic.retain, reply_to=reply_to)

    async def withdraw(self, topic: Topic, **levels: str) -> None:
        """Clears a retained message."""
        await self._publish(f"{self.root}/{topic.name(**levels)}", b"", qos=topic.qos, retain=True)

    async def announce(self, **details: Any) -> None:
        """Tells everyone that this client is there; its last will tells the opposite."""
        self._details = details
        status = self._status("online")
        self.announced = status.id
        await self.send(topics.STATUS, status, client=self.client_id)

    async def connection(self, after: int) -> int:
        """Waits for a connection later than the one numbered `after` (from 1); gives its number.

        Raises:
            BusError: the broker does not let this client in any more.
        """
        while self.connections <= after:
            if self.refused is not None:
                raise self.refused
            await self._fresh.wait()
        return self.connections

    async def dead(self, topic: str, payload: bytes, reason: str) -> None:
        """Puts a refused payload where operators see it."""
        shown = payload[:_SHOWN].decode(errors="replace")
        log.warning("Refused a message on %s: %s", topic, reason)
        await self.send(topics.DEAD, Dead(topic=topic, reason=reason[:_SHOWN], payload=shown), client=self.client_id)

    # ---- life

    async def __aenter__(self) -> Self:
        """Starts connecting; returns when the first connection stands."""
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops taking messages, lets the running handlers end, tells that it is offline, disconnects."""
        await self.close()

    async def close(self, drain_s: float = 5.0) -> None:
        """Leaves the bus; handlers that take longer than `drain_s` are cancelled, their messages come again."""
        self._stopping = True
        if self._handlers:
            await asyncio.wait(self._handlers, timeout=drain_s)
        for task in self._handlers:
            task.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        if self._details is not None and self.connected.is_set():
            # A broker that goes at this very moment tells it by our last will.
            with contextlib.suppress(TimeoutError, BusError):
                async with asyncio.timeout(1.0):
                    await self.send(topics.STATUS, self._status("offline"), client=self.client_id)
        await self._stop()

    # ---- what a transport does

    @abstractmethod
    async def _start(self) -> None: ...

    @abstractmethod
    async def _stop(self) -> None: ...

    @abstractmethod
    async def _publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, reply_to: str | None = None
    ) -> bool: ...

    # ---- what a transport calls

    def _receive(self, inbound: Inbound, acknowledge: Callable[[], None]) -> None:
        """Runs the handler for a message in a task, then acknowledges; after the stop nothing is taken any more."""
        if self._stopping:
            return
        subscription = next((one for one in self.subscriptions if one.matches(inbound.topic)), None)
        if subscription is None or (subscription.admit is not None and not subscription.admit(inbound)):
            acknowledge()
            return
        handling = self._handle(subscription, inbound, acknowledge)
        task = asyncio.create_task(handling, name=f"{self.client_id}[{inbound.topic}]")
        self._handlers.add(task)
        task.add_done_callback(self._handlers.discard)

    async def _handle(self, subscription: Subscription, inbound: Inbound, acknowledge: Callable[[], None]) -> None:
        try:
            async with contextlib.nullcontext() if subscription.note else self._slots:
                await self._run(subscription, inbound)
        except Unable as error:
            log.warning("Left a message on %s to the next process: %s", inbound.topic, error)
        else:
            acknowledge()

    async def _run(self, subscription: Subscription, inbound: Inbound) -> None:
        try:
            await subscription.handle(inbound)
        except Unfit as error:
            await self.dead(inbound.topic, inbound.payload, str(error))
        except ValidationError as error:
            await self.dead(inbound.topic, inbound.payload, _reasons(error))
        except Unable:
            raise
        except Exception as error:
            # Brokers repeat an unacknowledged message only on reconnect, so holding it back would hide it:
            # it is told, and the journal sends the turn again.
            log.exception("The handler of %s failed", inbound.topic)
            await self.dead(inbound.topic, inbound.payload, f"{type(error).__name__}: {error}")

    def _limit(self, topic: Topic) -> int:
        """The largest payload of a topic, bytes."""
        return min(self.max_packet, self._largest.get(topic.payload, self.max_packet))

    def _connect(self) -> None:
        """Notes that a connection stands."""
        self.connections += 1
        self.connected.set()
        self._fresh.set()
        self._fresh = asyncio.Event()

    def _status(self, state: str) -> Status:
        details = self._details or {}
        return Status.model_validate({"state": state, "role": self.role, "details": details, "source": self.client_id})


def _reasons(error: ValidationError) -> str:
    found = (f"{'.'.join(str(part) for part in item['loc']) or 'payload'}: {item['msg']}" for item in error.errors())
    return "; ".join(found)
