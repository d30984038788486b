"""Who may do what: every credential against every topic, seen by the messages that arrive, on a real mosquitto.

The broker grants every subscription and checks when it delivers, so what it answers to a SUBSCRIBE tells nothing. What
is expected is worked out here from the table's rows, and not by the code that writes the ACL.
"""

import asyncio
import contextlib
import itertools
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiomqtt
import pytest
from aiomqtt.exceptions import MqttConnectError

from agent import topics
from agent.address import AccessError
from agent.credentials import CredentialError, Credentials
from agent.messages import Call, Card, Dead, Status, Turn
from agent.presence import Presence
from agent.revocation import revoke
from agent.settings import Settings
from agent.topics import Grant, Topic
from agent.worker import open_bus
from tests.conftest import PATIENCE_S, Mosquitto
from tests.test_bus import collect, next_of

ROOT = "fg/v1"
PROBE = "probe"
"""A credential of the test's own that the ACL lets write and read everything."""
TURN = Turn.model_validate(
    {"turn_id": "t", "client": "c", "conversation": "v", "text": "x", "lang": "en", "said_at": "2026-01-01T00:00Z"}
)


@pytest.fixture
def everyone(mosquitto: Mosquitto, settings: Settings) -> list[Grant]:
    """A broker that knows our own workers and clients, an invited client, an invited worker and the probe."""
    credentials = Credentials(settings)
    credentials.invite("guest", "client")
    credentials.invite("dice", "function", ("dice_roll",))
    grants = credentials.grants()
    credentials.invite(PROBE, "operator")
    acl = settings.home / "broker" / "acl"
    acl.write_text(acl.read_text() + f"user {PROBE}\ntopic readwrite #\n")
    mosquitto.stop()
    mosquitto.start()
    return grants


@asynccontextmanager
async def connected(settings: Settings, name: str, **others: Any) -> AsyncIterator[aiomqtt.Client]:
    """A bare MQTT client, without anything of ours that would hold it back."""
    given: dict[str, Any] = {"username": name, "password": Credentials(settings).address(name).password, **others}
    async with aiomqtt.Client(
        settings.host, settings.port, protocol=aiomqtt.ProtocolVersion.V5, clean_start=True, **given
    ) as client:
        client.pending_calls_threshold = 10_000
        yield client


def names(who: Grant) -> list[tuple[str, Topic | None, dict[str, str]]]:
    """Every topic of the table, one's own and others', and topics that no row has."""
    clients = list(dict.fromkeys([who.client, "cli-0", "guest", "dice", "router-0"]))
    found: list[tuple[str, Topic | None, dict[str, str]]] = []
    for topic in topics.TABLE:
        choices = {
            "client": clients,
            "conversation": ["c"],
            "function": ["dice_roll", "weather_info"],
            "name": ["dice_roll", "weather_info"],
        }
        wanted = [level for level in choices if "{" + level + "}" in topic.pattern]
        for values in itertools.product(*(choices[level] for level in wanted)):
            levels = dict(zip(wanted, values, strict=True))
            found.append((f"{ROOT}/{topic.name(**levels)}", topic, levels))
    strange = ("fg/v1/other/guest", "fg/v2/say/guest/c", "fg/v1/reply/guest/c/other", "fg/v1/say/guest", "elsewhere")
    return [*found, *((name, None, {}) for name in strange)]


def may_write(who: Grant, topic: Topic | None, levels: dict[str, str]) -> bool:
    """Whether the table lets somebody publish there."""
    if topic is None:
        return False
    own = levels.get("client") == who.client
    if who.role == "operator":
        return topic in (topics.CARD, topics.STATUS) or (topic is topics.DEAD and own)
    if who.role not in topic.writers:
        return False
    if topic in (topics.STATUS, topics.DEAD) or who.role == "client":
        return own
    return who.role != "function" or _of_its_function(who, levels)


def may_read(who: Grant, topic: Topic | None, levels: dict[str, str], name: str) -> bool:
    """Whether the table lets somebody read there."""
    if who.role == "operator":
        return name.startswith(ROOT + "/")
    if topic is None or who.role not in topic.readers:
        return False
    if topic in (topics.STATUS, topics.CARD):
        return True
    if who.role == "client":
        return levels["client"] == who.client
    return who.role != "function" or _of_its_function(who, levels)


def _of_its_function(who: Grant, levels: dict[str, str]) -> bool:
    function = levels.get("function", levels.get("name"))
    return function is None or function in who.functions


async def published(client: aiomqtt.Client, name: str, payload: str) -> None:
    """Publishes and waits for the answer, whatever it is."""
    await client.publish(name, payload, qos=1)


async def arrived(client: aiomqtt.Client, end: str) -> list[tuple[str, str]]:
    """Everything that comes until the payload `end` does, as topic and payload."""
    found: list[tuple[str, str]] = []
    async for message in client.messages:
        text = bytes(message.payload).decode() if isinstance(message.payload, bytes | bytearray) else ""
        if text == end:
            return found
        found.append((str(message.topic), text))
    raise AssertionError("the connection ended")


async def test_each_credential_writes_what_the_table_says_and_nothing_else(
    everyone: list[Grant], settings: Settings
) -> None:
    """Each publishes to every topic; one who may read everything sees exactly what the table allows."""
    async with asyncio.timeout(PATIENCE_S), connected(settings, PROBE) as probe:
        await probe.subscribe("#", qos=1)
        for who in everyone:
            every = names(who)
            async with connected(settings, who.client) as client:
                await asyncio.gather(*(published(client, name, f"from {who.client}") for name, _, _ in every))
            await probe.publish("end", f"end {who.client}", qos=1)
            seen = {name for name, text in await arrived(probe, f"end {who.client}") if text == f"from {who.client}"}
            assert seen == {name for name, topic, levels in every if may_write(who, topic, levels)}, who.client


async def test_each_credential_reads_what_the_table_says_and_nothing_else(
    everyone: list[Grant], settings: Settings
) -> None:
    """Each subscribes to everything in every way there is; of all that is published it sees what the table allows."""
    end = f"{ROOT}/status/end"
    async with asyncio.timeout(PATIENCE_S), connected(settings, PROBE) as probe:
        for who in everyone:
            every = names(who)
            async with connected(settings, who.client) as client:
                filters = [
                    "#",
                    f"{ROOT}/#",
                    "+/+/+/+/+",
                    f"$share/{who.client}/{ROOT}/#",
                    *(name for name, _, _ in every),
                ]
                await client.subscribe([(one, 1) for one in filters])
                marked = f"for {who.client}"
                await asyncio.gather(*(published(probe, name, marked) for name, _, _ in every))
                await probe.publish(end, f"end {who.client}", qos=1)
                seen = {name for name, text in await arrived(client, f"end {who.client}") if text == marked}
            expected = {name for name, topic, levels in every if may_read(who, topic, levels, name)}
            assert seen == expected, who.client


async def test_retained_messages_of_others_are_not_shown(everyone: list[Grant], settings: Settings) -> None:
    """What the broker keeps is checked when it is handed out, too."""
    async with asyncio.timeout(PATIENCE_S):
        async with connected(settings, PROBE) as probe:
            await probe.publish(f"{ROOT}/say/cli-0/c", "kept", qos=1, retain=True)
            async with connected(settings, "guest") as guest:
                await guest.subscribe([("#", 1)])
                await probe.publish(f"{ROOT}/status/end", "end", qos=1)
                assert "kept" not in [text for _, text in await arrived(guest, "end")]


async def test_last_will_is_kept_to_the_table(everyone: list[Grant], settings: Settings) -> None:
    """Dying is no way to say what one may not say."""
    will = aiomqtt.Will(f"{ROOT}/say/cli-0/c", "from the grave", qos=1)
    async with asyncio.timeout(PATIENCE_S), connected(settings, PROBE) as probe:
        await probe.subscribe("#", qos=1)
        with contextlib.suppress(aiomqtt.MqttError):
            async with connected(settings, "guest", will=will) as guest:
                cut: Any = guest._client._sock
                cut.shutdown(socket.SHUT_RDWR)
                await guest._disconnected
        # The broker has let the dead one go when another one has its name.
        async with connected(settings, "guest"):
            await probe.publish("end", "end", qos=1)
            assert "from the grave" not in [text for _, text in await arrived(probe, "end")]


async def test_nobody_comes_in_without_a_credential(everyone: list[Grant], settings: Settings) -> None:
    """Anonymous, an unknown name, no password, another one's password."""
    guest = Credentials(settings).address("guest").password
    for username, password in ((None, None), ("nobody", "x"), ("guest", None), ("guest", ""), ("cli-0", guest)):
        with pytest.raises(MqttConnectError, match=r"Not authori[sz]ed|Bad user"):
            async with connected(settings, "guest", username=username, password=password):
                pass


async def test_stolen_client_id_takes_nothing(everyone: list[Grant], settings: Settings) -> None:
    """Who gives another one's client id gets its own session: the other one keeps its connection and its messages."""
    router, journal = open_bus("router-0", "router", settings), open_bus("journal", "journal", settings)
    got = collect(router, topics.TURN, Turn)
    async with asyncio.timeout(PATIENCE_S), router, journal:
        async with connected(settings, "guest", identifier="router-0"):
            await journal.send(topics.TURN, TURN, client="c", conversation="v")
            await next_of(got)
        assert router.connections == 1
        await router.close()
        await journal.send(topics.TURN, TURN, client="c", conversation="v")
        async with connected(settings, "guest", identifier="router-0") as thief:
            await thief.subscribe("#", qos=1)
        again = open_bus("router-0", "router", settings)
        got = collect(again, topics.TURN, Turn)
        async with again:
            assert (await next_of(got))[1] == {"client": "c", "conversation": "v"}


@pytest.mark.parametrize("filter_", ["turn/+/+", "turn/#", "#"])
async def test_stranger_in_the_group_of_the_routers_takes_no_turn(
    everyone: list[Grant], settings: Settings, filter_: str
) -> None:
    """The broker gives a member that may not read its share, and loses it; so groups have names that nobody knows."""
    router, journal = open_bus("router-0", "router", settings), open_bus("journal", "journal", settings)
    got = collect(router, topics.TURN, Turn)
    async with asyncio.timeout(PATIENCE_S), router, journal, connected(settings, "guest") as thief:
        await thief.subscribe(f"$share/router/{ROOT}/{filter_}", qos=1)
        for number in range(4):
            turn = TURN.model_copy(update={"turn_id": str(number)})
            await journal.send(topics.TURN, turn, client="c", conversation="v")
        assert [(await next_of(got))[0].turn_id for _ in range(4)] == ["0", "1", "2", "3"]  # type: ignore[attr-defined]


async def test_group_name_of_an_earlier_version_is_left(mosquitto: Mosquitto, settings: Settings) -> None:
    """A session that was in a group without a secret is not given each message twice."""
    former = open_bus("router-0", "router", settings, share="")
    collect(former, topics.TURN, Turn)
    async with former:
        pass
    router, journal = open_bus("router-0", "router", settings), open_bus("journal", "journal", settings)
    got = collect(router, topics.TURN, Turn)
    async with asyncio.timeout(PATIENCE_S), router, journal:
        for turn_id in ("1", "2"):
            turn = TURN.model_copy(update={"turn_id": turn_id})
            await journal.send(topics.TURN, turn, client="c", conversation="v")
        assert [(await next_of(got))[0].turn_id for _ in range(2)] == ["1", "2"]  # type: ignore[attr-defined]
        assert got.empty()


async def test_wrong_passwords_disturb_nobody_and_are_logged(everyone: list[Grant], settings: Settings) -> None:
    """Guessing cuts no connection of the one whose name is tried, and leaves a line for each try."""
    journal, client = open_bus("journal", "journal", settings), open_bus("cli-0", "client", settings)
    async with asyncio.timeout(PATIENCE_S), journal, client:
        for number in range(50):
            with pytest.raises(MqttConnectError):
                async with connected(settings, "cli-0", password=f"guess {number}", identifier="cli-0"):
                    pass
        await client.announce()
        assert (client.connections, journal.connections) == (1, 1)
    log = (settings.home / "broker.log").read_text()
    assert log.count("not authorised") >= 50
    assert "guess" not in log


async def test_stranger_is_not_taken_for_one_of_our_workers(everyone: list[Grant], settings: Settings) -> None:
    """A status that claims another one's role is refused: the journal waits for roles and acts on who comes."""
    guest, journal = open_bus("guest", "client", settings), open_bus("journal", "journal", settings)
    operator = open_bus("operator-0", "operator", settings)
    came: list[str] = []
    presence = Presence(journal, lambda client, _status: came.append(client))
    dead = collect(operator, topics.DEAD, Dead)
    async with asyncio.timeout(PATIENCE_S), operator, journal, guest:
        for role in ("router", "chat", "journal"):
            await guest.send(topics.STATUS, Status(state="online", role=role), client="guest")
            message, _ = await next_of(dead)
            assert getattr(message, "reason", "") == f"guest is no {role}"
            assert not presence.online(role)
    assert "guest" not in came


async def test_revoked_worker_is_cut_off_and_its_session_goes(mosquitto: Mosquitto, settings: Settings) -> None:
    """A live connection ends, the credential lets nobody in, and no session stays behind to swallow calls."""
    Credentials(settings).invite("dice", "function", ("dice_roll",))
    mosquitto.stop()
    mosquitto.start()
    router, operator = open_bus("router-0", "router", settings), open_bus("operator-1", "operator", settings)
    presence = Presence(operator)
    call = Call(call_id="1", function="dice_roll")
    async with asyncio.timeout(PATIENCE_S), router, operator:
        dice = open_bus("dice", "function", settings)
        collect(dice, topics.CALL, Call, function="dice_roll")
        await dice.__aenter__()
        await dice.announce()
        await dice.send(topics.CARD, Card(name="dice_roll", description="x", source="another"), name="dice_roll")
        while "dice" not in presence.statuses or "dice_roll" not in presence.cards:
            await presence.changed(PATIENCE_S)
        assert await router.send(topics.CALL, call, function="dice_roll")
        await revoke(settings, "dice", reachable=True)
        with pytest.raises(AccessError):
            await dice.failed()
        await dice.close(drain_s=0)
        assert not await router.send(topics.CALL, call, function="dice_roll")
        while "dice" in presence.statuses or "dice_roll" in presence.cards:
            await presence.changed(PATIENCE_S)
    with pytest.raises(CredentialError, match="Nobody"):
        await revoke(settings, "dice", reachable=True)


async def test_broker_that_starts_again_still_knows_who_may_do_what(
    everyone: list[Grant], mosquitto: Mosquitto, settings: Settings
) -> None:
    """A broker that was killed lets no stranger in when it comes back."""
    mosquitto.stop(signal.SIGKILL)
    mosquitto.start()
    await test_nobody_comes_in_without_a_credential(everyone, settings)
