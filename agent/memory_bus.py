"""The bus within one process, for tests: a broker in a few dictionaries with the behaviour that ours relies on.

Covered: persistent sessions, redelivery of what was not acknowledged, shared subscriptions, retained messages, last
wills, and a client that dies. Not covered: access control, limits, several roots.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from agent import topics
from agent.bus import Bus, Inbound, Subscription
from agent.topics import Role


@dataclass
class _Session:
    subscriptions: list[Subscription] = field(default_factory=list)
    waiting: deque[Inbound] = field(default_factory=deque)
    bus: "MemoryBus | None" = None


class MemoryBroker:
    """Sessions by client id, and what is retained."""

    def __init__(self) -> None:
        self._sessions: dict[str, _Session] = {}
        self._retained: dict[str, Inbound] = {}
        self._turns: dict[str, int] = {}

    def publish(self, inbound: Inbound) -> bool:
        """Hands a message to all who subscribed; tells whether there are any."""
        if inbound.retain:
            self._retained.pop(inbound.topic, None)
            if inbound.payload:
                self._retained[inbound.topic] = inbound
        groups: dict[str, list[_Session]] = {}
        anyone = False
        for session in self._sessions.values():
            for subscription in session.subscriptions:
                if not subscription.matches(inbound.topic):
                    continue
                if subscription.group is None:
                    self._hand(session, inbound)
                    anyone = True
                else:
                    groups.setdefault(f"{subscription.group}/{subscription.filter}", []).append(session)
        for name, members in groups.items():
            turn = self._turns[name] = self._turns.get(name, -1) + 1
            self._hand(members[turn % len(members)], inbound)
        return anyone or bool(groups)

    def attach(self, bus: "MemoryBus") -> None:
        """Connects a client: its session goes on where it stopped."""
        session = self._sessions.setdefault(bus.client_id, _Session())
        if not bus.persistent:
            session.waiting.clear()
        session.bus, session.subscriptions = bus, list(bus.subscriptions)
        for inbound in list(session.waiting):
            self._push(session, inbound)
        for inbound in self._retained.values():
            if any(one.group is None and one.matches(inbound.topic) for one in session.subscriptions):
                self._hand(session, inbound)

    def detach(self, bus: "MemoryBus") -> None:
        """Disconnects a client; what it did not acknowledge waits for it if it is persistent."""
        session = self._sessions[bus.client_id]
        if session.bus is bus:
            session.bus = None
            if not bus.persistent:
                del self._sessions[bus.client_id]

    def _hand(self, session: _Session, inbound: Inbound) -> None:
        session.waiting.append(inbound)
        self._push(session, inbound)

    def _push(self, session: _Session, inbound: Inbound) -> None:
        bus = session.bus
        if bus is None:
            return

        def acknowledge() -> None:
            if session.bus is bus:
                session.waiting = deque(one for one in session.waiting if one is not inbound)

        asyncio.get_running_loop().call_soon(bus._receive, inbound, acknowledge)  # noqa: SLF001


class MemoryBus(Bus):
    """A client of a `MemoryBroker`; arguments as of `Bus`."""

    def __init__(self, client_id: str, role: Role, broker: MemoryBroker, **others: Any) -> None:
        super().__init__(client_id, role, **others)
        self._broker = broker

    async def _start(self) -> None:
        self._broker.attach(self)
        self._connect()

    async def _stop(self) -> None:
        self.connected.clear()
        self._broker.detach(self)

    async def kill(self) -> None:
        """Ends as SIGKILL would: nothing is acknowledged any more, and the broker tells the last will."""
        self._stopping = True
        for task in self._handlers:
            task.cancel()
        await self._stop()
        if self._will:
            payload = self._status("offline").model_dump_json().encode()
            self._broker.publish(Inbound(topics.STATUS.name(client=self.client_id), payload, retain=True))

    async def _publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int,  # noqa: ARG002 - nothing is lost in memory
        retain: bool,
        reply_to: str | None = None,  # noqa: ARG002 - the payload has it too
    ) -> bool:
        await asyncio.sleep(0)
        return self._broker.publish(Inbound(topic.removeprefix(self.root + "/"), payload, retain))
