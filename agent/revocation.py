"""Shows somebody out: their connection, their session on the broker, and what they left for everyone to see.

A credential that is gone does not end what the broker keeps for it. A session that stays behind in a group of workers
is still given its share of the calls, which nobody would ever see. So the credential gets a new secret first, which
cuts the connection; with that its session is taken over and ended; then it goes.
"""

import asyncio
import contextlib

from agent import topics
from agent.address import AccessError
from agent.bus import BusError
from agent.credentials import Credentials
from agent.entry import operator
from agent.mqtt import MqttBus
from agent.settings import Settings

_TAKE_OVER_S = 5.0
_RETRY_S = 0.02


async def revoke(settings: Settings, name: str, *, reachable: bool) -> None:
    """Takes a credential back, at once.

    Args:
        settings: home folder, broker.
        name: whose credential.
        reachable: whether there is a broker to tell.

    Raises:
        CredentialError: there is no such credential, or it is one of our own workers'.
    """
    credentials = Credentials(settings)
    if reachable:
        credentials.renew(name)
        with contextlib.suppress(TimeoutError, BusError):
            async with asyncio.timeout(_TAKE_OVER_S):
                await _end_session(settings, name)
    functions = credentials.revoke(name)
    if reachable:
        orphaned = set(functions) - {one for grant in credentials.grants() for one in grant.functions}
        await _withdraw(settings, name, orphaned)


async def _end_session(settings: Settings, name: str) -> None:
    while True:
        bus = MqttBus(
            name,
            "client",
            Credentials(settings).address(name),
            root=settings.topic_root,
            will=False,
            persistent=False,
        )
        try:
            async with bus:
                return
        except AccessError:
            # The broker reads its files a moment after it was told to.
            await asyncio.sleep(_RETRY_S)


async def _withdraw(settings: Settings, name: str, orphaned: set[str]) -> None:
    """Clears its status, its cards, and those of functions that nobody may serve any more."""
    async with operator(settings) as (bus, presence):
        await bus.withdraw(topics.STATUS, client=name)
        for function, card in list(presence.cards.items()):
            if function in orphaned or card.source == name:
                await bus.withdraw(topics.CARD, name=function)
