"""TLS with certificates of our own, on a real broker: who trusts whom."""

import asyncio
import contextlib
import ssl
import stat
from pathlib import Path

import pytest

from agent import broker, topics
from agent.address import AccessError, Address
from agent.authority import certify
from agent.bus import BusError
from agent.certificates import CertificateError, client_file, folder
from agent.credentials import Credentials
from agent.messages import Say
from agent.mqtt import MqttBus
from agent.settings import Settings
from agent.worker import open_bus
from tests.conftest import PATIENCE_S, Mosquitto
from tests.test_bus import collect, next_of


@pytest.fixture(params=[False, True], ids=["passwords", "certificates"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """An installation with TLS, with and without certificates of clients."""
    chosen = settings.model_copy(update={"tls": True, "tls_clients": request.param})
    certify(chosen, ["broker.example"])
    return chosen


@pytest.fixture
def other(tmp_path: Path, settings: Settings) -> Settings:
    """Somebody else with an authority of their own."""
    made = settings.model_copy(update={"home": tmp_path / "other"})
    certify(made)
    return made


@pytest.fixture
def running(settings: Settings, mosquitto: Mosquitto) -> Mosquitto:
    """The broker, with a guest."""
    Credentials(settings).invite("guest", "client")
    mosquitto.stop()
    mosquitto.start()
    return mosquitto


async def test_messages_pass_over_tls(running: Mosquitto, settings: Settings) -> None:
    """Our own processes and whoever uses the URL of an invitation."""
    url = Credentials(settings).url("guest")
    assert url.startswith("mqtts://guest:")
    address = Address.from_url(url, folder(settings) / "ca.pem", Credentials(settings).address("guest").cert)
    journal = open_bus("journal", "journal", settings)
    got = collect(journal, topics.SAY, Say)
    async with asyncio.timeout(PATIENCE_S), journal, MqttBus("guest", "client", address) as guest:
        say = Say(turn_id="t", text="x" * 200_000)
        await guest.send(topics.SAY, say, client="guest", conversation="c")
        message, _ = await next_of(got)
        assert isinstance(message, Say)
        assert message.text == say.text


async def test_broker_of_somebody_else_is_not_trusted(running: Mosquitto, settings: Settings, other: Settings) -> None:
    """A certificate of an authority that we don't know, or for another name: told at once, and no password sent."""
    right = Credentials(settings).address("guest")
    for address, why in (
        (right.model_copy(update={"ca": folder(other) / "ca.pem"}), "self-signed|signature|issuer"),
        (right.model_copy(update={"ca": None}), "self-signed|issuer"),
        (right.model_copy(update={"host": "127.1"}), "mismatch"),
    ):
        async with asyncio.timeout(PATIENCE_S):
            with pytest.raises(AccessError, match=why):
                await MqttBus("guest", "client", address).__aenter__()


async def test_client_is_verified_where_that_is_wanted(running: Mosquitto, settings: Settings, other: Settings) -> None:
    """With FUNCGEMMA_TLS_CLIENTS a password alone lets nobody in, nor does a certificate of another authority."""
    right = Credentials(settings).address("guest")
    for cert in (None, client_file(other, "guest")):
        bus = MqttBus("guest", "client", right.model_copy(update={"cert": cert}))
        if not settings.tls_clients:
            async with asyncio.timeout(PATIENCE_S), bus:
                continue
        entering = asyncio.create_task(bus.__aenter__())
        assert await handshake_fails(settings, cert)
        assert not bus.connections
        entering.cancel()
        await bus.close(drain_s=0)


async def handshake_fails(settings: Settings, cert: Path | None) -> bool:
    """Whether the broker ends a connection because of the client's certificate."""
    context = ssl.create_default_context(cafile=folder(settings) / "ca.pem")
    if cert is not None:
        context.load_cert_chain(cert)
    reader, writer = await asyncio.open_connection(settings.host, settings.port, ssl=context)
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await reader.read(1) == b""
    except ssl.SSLError as error:
        return "certificate" in str(error).lower() or "unknown ca" in str(error).lower()
    finally:
        writer.close()


async def test_without_tls_nobody_comes_in(running: Mosquitto, settings: Settings) -> None:
    """The port speaks TLS only: what a client would say in the clear is not heard."""
    reader, writer = await asyncio.open_connection(settings.host, settings.port)
    writer.write(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x03abc")
    answer = b""
    with contextlib.suppress(ConnectionResetError):
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read(100)
    # No CONNACK, which the same packet gets from a broker that listens in the clear.
    assert not answer.startswith(b"\x20")
    writer.close()


def test_certificates_are_made_once_and_kept_secret(settings: Settings) -> None:
    """Making the broker's certificate anew keeps the authority, so that who trusted it still does."""
    before = (folder(settings) / "ca.pem").read_bytes(), (folder(settings) / "broker.pem").read_bytes()
    client_file(settings, "guest")
    certify(settings)
    assert (folder(settings) / "ca.pem").read_bytes() == before[0]
    assert (folder(settings) / "broker.pem").read_bytes() != before[1]
    for path in folder(settings).rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_missing_or_wrong_certificates_are_told(settings: Settings, tmp_path: Path) -> None:
    """Each with the command that mends it, or the name of the file."""
    bare = settings.model_copy(update={"home": tmp_path / "bare"})
    with pytest.raises(CertificateError, match="funcgemma certify"):
        broker.configuration(bare)
    with pytest.raises(CertificateError, match="funcgemma certify"):
        client_file(bare, "guest")
    with pytest.raises(CertificateError, match="neither"):
        certify(settings, ["é"])
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(BusError, match="can't be read"):
        Address(tls=True, ca=tmp_path / "no.pem").tls_context()
