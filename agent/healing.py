"""What starting again what died does not heal: a process that hangs, and a slot that stays away.

A process that hangs is told as offline by the broker after one and a half keep-alives; it is ended, so that it is
started again. A slot that stays away goes on getting its share of its role's messages, for mosquitto shares them out
among absent members too. So its session is ended, once another slot is there to do its work; what it held the journal
sends again.

What is not covered: workers of somebody else's, which have no slots.
"""

import asyncio
import contextlib
import logging
import re
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping

from agent import topics
from agent.bus import Bus, BusError
from agent.credentials import CredentialError
from agent.messages import Status
from agent.presence import Presence
from agent.settings import Settings
from agent.topics import Role
from agent.worker import open_bus

log = logging.getLogger(__name__)

_LOOK_S = 0.5
_BURY_S = 5.0
_SLOT = re.compile(r"(router|functions|chat)-\d+")


class Healer:
    """Looks after the slots and the broker.

    Args:
        bus: the supervisor's.
        presence: on that bus.
        settings: of the installation.
        processes: those that run, by name; the broker is `broker`.
        tell: gets a line for each thing done.
    """

    def __init__(
        self,
        bus: Bus,
        presence: Presence,
        settings: Settings,
        processes: Mapping[str, Process],
        tell: Callable[[str], None],
    ) -> None:
        self._bus = bus
        self._presence = presence
        self._settings = settings
        self._processes = processes
        self._tell = tell
        self._was_online: dict[str, object] = {}
        self._away: dict[str, float] = {}
        self._buried: set[str] = set()

    def saw(self, client: str, status: Status) -> None:
        """Takes note of a status."""
        if status.state == "online":
            self._was_online[client] = status.details.get("pid")
            self._away.pop(client, None)
            self._buried.discard(client)

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            if not self._bus.connected.is_set():
                # Nobody's status can be told now; each gets its time anew.
                self._away = {"broker": self._away.get("broker", _now())}
                if self._too_long("broker"):
                    self._end("broker")
                continue
            self._away.pop("broker", None)
            for client, status in list(self._presence.statuses.items()):
                if (client == "journal" or _SLOT.fullmatch(client)) and self._is_away(client, status):
                    self._away.setdefault(client, _now())
                    if self._too_long(client):
                        await self._heal(client, status)

    def _is_away(self, client: str, status: Status) -> bool:
        """A broker that was killed had no time to tell who went with it, so a dead process counts as well."""
        process = self._processes.get(client)
        return status.state == "offline" or (process is not None and process.returncode is not None)

    def _too_long(self, name: str) -> bool:
        return _now() - self._away[name] >= self._settings.away_s

    async def _heal(self, client: str, status: Status) -> None:
        process = self._processes.get(client)
        # One that has not been online yet may still be loading.
        if process is not None and process.returncode is None and process.pid == self._was_online.get(client):
            self._end(client)
        elif client not in self._buried and self._others(client):
            await self._bury(client, status)

    def _end(self, name: str) -> None:
        process = self._processes.get(name)
        self._away.pop(name, None)
        if process is not None and process.returncode is None:
            self._tell(f"{name} hangs; it is ended.")
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)

    def _others(self, client: str) -> bool:
        module = client.split("-", maxsplit=1)[0]
        return any(
            status.state == "online" and other != client and other.split("-", maxsplit=1)[0] == module
            for other, status in self._presence.statuses.items()
            if _SLOT.fullmatch(other)
        )

    async def _bury(self, client: str, status: Status) -> None:
        """Ends a slot's session: who connects anew under its name, and goes, takes all that was kept for it along."""
        role: Role = (
            "function" if client.startswith("functions-") else "router" if client.startswith("router-") else "chat"
        )
        try:
            async with asyncio.timeout(_BURY_S):
                session = open_bus(client, role, self._settings, will=False, persistent=False)
                async with session:
                    pass
        except (TimeoutError, BusError, CredentialError) as error:
            log.info("The session of %s can't be ended now: %s", client, error)
            return
        self._buried.add(client)
        self._tell(f"{client} stays away; its messages go to the others.")
        gone = Status(state="offline", role=status.role, details={"gone": True})
        await self._bus.send(topics.STATUS, gone, client=client)


def _now() -> float:
    return asyncio.get_running_loop().time()
