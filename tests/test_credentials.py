"""Credentials: made, lent, taken back; the files that the broker reads."""

import asyncio
import stat

import pytest

from agent import topics
from agent.address import AccessError, Address
from agent.bus import BusError
from agent.credentials import CredentialError, Credentials
from agent.messages import Card, Say
from agent.mqtt import MqttBus
from agent.settings import Settings
from tests.conftest import PATIENCE_S, Mosquitto


def test_prepare_keeps_secrets_and_hides_them(settings: Settings) -> None:
    """Starting again changes no secret, and only the owner may read them."""
    credentials = Credentials(settings)
    credentials.prepare()
    before = credentials.url("cli-0")
    credentials.prepare()
    assert credentials.url("cli-0") == before
    for name in ("credentials.json", "broker/passwd", "broker/acl"):
        assert stat.S_IMODE((settings.home / name).stat().st_mode) == 0o600
    secret = credentials.address("cli-0").password or ""
    assert len(secret) >= 32
    assert secret not in (settings.home / "broker" / "passwd").read_text()


def test_names_are_checked_and_taken_once(settings: Settings) -> None:
    """A name that would reach into other topics, or that is taken, is refused with a plain sentence."""
    credentials = Credentials(settings)
    credentials.prepare()
    for bad in ("a/b", "#", "", "ä b"):
        with pytest.raises(CredentialError, match="can't be a name"):
            credentials.invite(bad, "client")
    credentials.invite("guest", "client")
    with pytest.raises(CredentialError, match="revoke guest"):
        credentials.invite("guest", "client")
    with pytest.raises(CredentialError, match="FuncGemma's own"):
        credentials.revoke("router-0")
    with pytest.raises(CredentialError, match="Nobody"):
        credentials.revoke("stranger")
    with pytest.raises(CredentialError, match="another one"):
        credentials.permit("guest", ("f",))


def test_ids_are_lent_to_one_process_at_a_time(settings: Settings) -> None:
    """Two clients at once get two ids; one that ended gives its id back."""
    credentials = Credentials(settings)
    with credentials.borrow("cli") as first, credentials.borrow("cli") as second:
        assert (first, second) == ("cli-0", "cli-1")
    with credentials.borrow("cli") as again:
        assert again == "cli-0"


async def test_invitation_works_at_once_and_is_taken_back_at_once(mosquitto: Mosquitto, settings: Settings) -> None:
    """A running broker lets an invited worker in, to its own function only, and revoked it can't come back."""
    credentials = Credentials(settings)
    address = Address.from_url(credentials.invite("dice", "function", ("dice_roll",)))
    async with asyncio.timeout(PATIENCE_S):
        while True:
            # The broker reads its files a moment after it was told to.
            try:
                bus = MqttBus("dice", "function", address)
                await bus.__aenter__()
                break
            except AccessError:
                continue
    card = Card(name="dice_roll", description="x")
    await bus.send(topics.CARD, card, name="dice_roll")
    for topic, message, levels in (
        (topics.CARD, card, {"name": "weather_info"}),
        (topics.SAY, Say(turn_id="t", text="x"), {"client": "cli-0", "conversation": "c"}),
    ):
        with pytest.raises(BusError, match="Not authorized"):
            await bus.send(topic, message, **levels)
    assert credentials.revoke("dice") == ("dice_roll",)
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(AccessError):
            await bus.failed()
    await bus.close()
