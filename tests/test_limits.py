"""What happens at each limit: who caused it is told in a sentence, and the others notice nothing."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import aiomqtt
import pytest

from agent import topics
from agent.bus import BusError
from agent.client import Client
from agent.credentials import CredentialError, Credentials
from agent.messages import Accepted, Call, Card, Final, Result, Say
from agent.mqtt import MqttBus
from agent.quota import Quota
from agent.routing.validation import validate
from agent.settings import Settings
from agent.worker import open_bus
from functions.registry import FunctionResult, function
from tests.conftest import PATIENCE_S, Mosquitto
from tests.test_access import connected
from tests.test_turn import Assembly, Halting, test_functions

Begin = Callable[..., Awaitable[Assembly]]


@pytest.fixture
async def begin(mosquitto: Mosquitto, settings: Settings) -> AsyncIterator[Begin]:
    """Starts all workers on a real broker with settings of the test's choice."""
    Credentials(settings).permit("tester", (*test_functions(), "huge"))
    Credentials(settings).permit("other", ("foreign",))
    mosquitto.stop()
    mosquitto.start()
    async with AsyncExitStack() as stack:

        async def start(replier: Any = None, **changed: Any) -> Assembly:
            chosen = settings.model_copy(update=changed)
            assembly = Assembly(lambda name, role, **others: open_bus(name, role, chosen, **others), chosen)
            assembly.replier = replier or assembly.replier
            await stack.enter_async_context(assembly.operator)
            await stack.enter_async_context(assembly.bus)
            assembly.start("journal", "router", "functions", "chat")
            stack.push_async_callback(assembly.stop_all)
            await assembly.ready()
            return assembly

        yield start


async def another(assembly: Assembly) -> Final:
    """What another client gets meanwhile."""
    bus = open_bus("cli-1", "client", assembly.settings)
    client = Client(bus, repeat_s=0.2)
    async with bus:
        return await client.final("hello", "c", timeout=PATIENCE_S)


async def refused(assembly: Assembly) -> str:
    """Why the next message was refused, as the operators see it."""
    async with asyncio.timeout(PATIENCE_S):
        return (await assembly.dead.get()).reason


async def test_text_over_the_limit(begin: Begin) -> None:
    """A turn that is too long is told its limit; a copy goes to the operators."""
    assembly = await begin(max_text=10)
    final = await assembly.final("x" * 11)
    assert (final.status, final.text) == (
        "failed",
        "That is too long (11 characters). Please keep it under 10.",
    )
    assert await refused(assembly) == "11 characters in a turn"
    assert (await another(assembly)).status == "ok"


async def test_client_over_its_rate(begin: Begin) -> None:
    """Who sends too fast is told so, the same for a repeat, and only accepted turns are answered."""
    assembly = await begin(max_rate=2.0, max_turns=1000)
    texts = [f"call echo word={number}" for number in range(40)]
    finals = await asyncio.gather(*(assembly.final(text, f"c{number}") for number, text in enumerate(texts)))
    over = [final for final in finals if final.status == "failed"]
    assert len(over) >= 20
    assert {final.text for final in over} == {
        "That is too fast: 2 turns a second at most. Please wait a moment and say it again."
    }
    assert (await another(assembly)).status == "ok"
    conversation = f"c{finals.index(over[0])}"
    # Also where nobody remembers it any more, and there would be room now.
    await assembly.stop("journal")
    assembly.start("journal")
    again = [one async for one in assembly.client.say("x", conversation, turn_id=over[0].turn_id, timeout=PATIENCE_S)]
    assert [type(one) for one in again] == [Final]
    assert again[0].id == over[0].id
    assert len(assembly.router.turns) == len(finals) - len(over) + 1
    assert assembly.dead.empty()


def test_rate_is_saved_up_while_a_client_is_quiet() -> None:
    """A burst of two seconds' turns, then one as each becomes due."""
    time = 0.0
    quota = Quota(rate=2.0, turns=1, conversations=1, now=lambda: time)

    def said(client: str) -> bool:
        assert quota.admit(client)
        return quota.in_time(client)

    assert [said("a") for _ in range(5)] == [True] * 4 + [False]
    assert said("b")
    time = 0.5
    assert [said("a") for _ in range(2)] == [True, False]


def test_flood_is_passed_over() -> None:
    """Who goes on though it was refused a hundred times is answered now and then only; nobody else is."""
    time = 0.0
    quota = Quota(rate=2.0, turns=1, conversations=1, now=lambda: time)
    assert sum(quota.admit("a") for _ in range(1000)) == 4 + 100
    assert quota.passed_over == {"a": 1000 - 104}
    assert quota.admit("b")
    time = 1.0
    assert sum(quota.admit("a") for _ in range(1000)) == 2 + 10


async def test_client_with_too_many_turns_waiting(begin: Begin) -> None:
    """The turn after the last that may wait is told; when one has had its reply there is room again."""
    replier = Halting()
    assembly = await begin(replier, max_turns=3)
    client = assembly.client
    waiting = [await begun(assembly, "c") for _ in range(3)]
    final = await client.final("one more", "c", timeout=PATIENCE_S)
    assert final.text == "Too many turns are waiting for a reply: 3 at most. Please say it again after the next reply."
    replier.go_on.set()
    assert (await another(assembly)).status == "ok"
    assert {final.status for final in await asyncio.gather(*waiting)} == {"ok"}
    assert (await assembly.final("one more", "c")).status == "ok"


async def test_client_with_too_many_conversations_waiting(begin: Begin) -> None:
    """The same with conversations; a journal that starts again remembers what waits."""
    replier = Halting()
    assembly = await begin(replier, max_conversations=2)
    waiting = [await begun(assembly, f"c{number}") for number in range(2)]
    await assembly.stop("journal")
    assembly.start("journal")
    final = await assembly.final("hello", "c2")
    assert final.status == "failed"
    assert "conversations" in final.text
    replier.go_on.set()
    assert {final.status for final in await asyncio.gather(*waiting)} == {"ok"}
    assert (await assembly.final("hello", "c2")).status == "ok"


async def begun(assembly: Assembly, conversation: str) -> "asyncio.Task[Final]":
    """Says something; returns when the journal has it, with what will be its final."""
    accepted = asyncio.Event()

    async def follow() -> Final:
        async for event in assembly.client.say("hello", conversation, timeout=PATIENCE_S):
            if isinstance(event, Accepted):
                accepted.set()
        assert isinstance(event, Final)
        return event

    task = asyncio.create_task(follow())
    async with asyncio.timeout(PATIENCE_S):
        await accepted.wait()
    return task


def test_more_functions_than_allowed(settings: Settings) -> None:
    """Whoever wants to let one more in is told the limit; the broker takes cards of those let in only."""
    credentials = Credentials(settings)
    credentials.prepare()
    there = len({one for grant in credentials.grants() for one in grant.functions})
    credentials = Credentials(settings.model_copy(update={"max_functions": there + 1}))
    credentials.invite("a", "function", ("first",))
    for add in (credentials.invite, lambda name, _role, functions: credentials.permit(name, functions)):
        with pytest.raises(CredentialError, match=f"{there + 2} functions"):
            add("b", "function", ("second",))
    credentials.invite("c", "function", ("first",))


async def test_card_over_the_limit(begin: Begin) -> None:
    """Its own worker does not get it out; forced onto the bus it goes to the operators, and the other cards stay."""
    assembly = await begin(max_card=20_000)
    card = Card(name="foreign", description="x", parameters={"x": "y" * 20_000})
    bus = assembly.make_bus("other", "function")
    async with bus:
        with pytest.raises(BusError, match=r"The card has .* takes 20000"):
            await bus.send(topics.CARD, card, name="foreign")
        await bus._publish("fg/v1/function/foreign", card.model_dump_json().encode(), qos=1, retain=True)
        assert "a card may have 20000" in await refused(assembly)
        assert (await assembly.final("call echo word=x")).status == "ok"
        assert "foreign" not in assembly.client.presence.cards


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"$ref": "file:///etc/passwd"}, "$ref is not read here"),
        ({"properties": {"a": {"items": {"$dynamicRef": "#x"}}}}, "$dynamicRef is not read here"),
        ({"properties": {"a": {"patternProperties": {"(a+)+$": {}}}}}, "patternProperties is not read here"),
        ({"properties": {"a": 7}}, "no JSON Schema"),
        ({"type": "array"}, "an object with properties"),
    ],
)
async def test_card_whose_schema_could_do_harm(begin: Begin, parameters: dict[str, Any], reason: str) -> None:
    """A schema that would fetch something, or go round in circles, is refused with the reason."""
    assembly = await begin()
    async with assembly.make_bus("other", "function") as bus:
        await bus.send(topics.CARD, Card(name="foreign", description="x", parameters=parameters), name="foreign")
        assert reason in await refused(assembly)
    assert "foreign" not in assembly.client.presence.cards


async def test_card_that_is_nested_without_end(begin: Begin) -> None:
    """Neither the reader's stack nor its patience is at the mercy of a card."""
    assembly = await begin()
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(60):
        deep = {"not": deep}
    async with assembly.make_bus("other", "function") as bus:
        card = Card(name="foreign", description="x", parameters={"properties": {"a": deep}})
        await bus.send(topics.CARD, card, name="foreign")
        assert "nested deeper" in await refused(assembly)


def test_pattern_of_a_card_is_left_to_its_worker() -> None:
    """An expression of a stranger's could hold a router up for ever, so routers don't try it."""
    card = Card(name="f", description="", parameters={"properties": {"a": {"type": "string", "pattern": "^b$"}}})
    assert validate("f", {"a": "x"}, card) == ({"a": "x"}, [])


async def test_result_over_the_limit_of_a_function_of_ours(begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user is told; the next turn carries none of it."""

    @function()
    async def huge() -> FunctionResult:
        """Finds too much."""
        return FunctionResult("x" * 30_000)

    monkeypatch.setattr("tests.test_turn.test_functions", lambda: {**test_functions(), "huge": huge})
    assembly = await begin(max_result=20_000)
    events = await assembly.events("call huge")
    final = events[-1]
    assert isinstance(final, Final)
    assert max(len(event.model_dump_json()) for event in events) < 5000
    assert (final.status, final.text) == ("failed", "What huge found is too large: 30,008 bytes, 20,000 at most.")
    assert (await assembly.final("call echo word=x")).status == "ok"


async def test_result_over_the_limit_of_a_stranger(begin: Begin) -> None:
    """A worker that minds no limit: its turn is told so, and the journal keeps nothing of it."""
    assembly = await begin(max_result=20_000)
    bus = assembly.make_bus("other", "function")

    async def answer(call: Call, _levels: dict[str, str]) -> None:
        result = Result(
            call_id=call.call_id, function="foreign", status="ok", context=call.context, data={"x": "y" * 1_000_000}
        )
        await bus.send(topics.RESULT, result, function="foreign", client="cli-0", conversation="c")

    bus.on(topics.CALL, Call, answer, function="foreign")
    async with bus:
        await bus.send(topics.CARD, Card(name="foreign", description="x"), name="foreign")
        await bus.announce(functions=["foreign"])
        final = await assembly.final("call foreign")
        assert final.status == "failed"
        assert final.text[:48] == "What foreign found is too large: 1,000,014 bytes"
    await assembly.final("call echo word=x")
    assert sum(len(one.content) for one in assembly.router.turns[-1].history) < 1000
    with contextlib.closing(sqlite3.connect(assembly.settings.home / "journal.sqlite3")) as database:
        assert database.execute("SELECT max(length(result)), count(result) FROM turns").fetchone() < (1000, 2)


async def test_long_reply_is_cut_in_the_history(begin: Begin) -> None:
    """A reply may be longer than a turn; what the next turns carry of it is not."""
    assembly = await begin(max_text=200)
    await assembly.final(f"call echo word={'x' * 185}")
    assembly.router.turns.clear()
    await assembly.final("hello")
    assert max(len(one.content) for one in assembly.router.turns[-1].history) <= 200


async def test_packet_over_the_limit(mosquitto: Mosquitto, settings: Settings) -> None:
    """The broker cuts whoever sends more than a packet may hold; nobody else notices."""
    journal = open_bus("journal", "journal", settings)
    got: asyncio.Queue[Say] = asyncio.Queue()

    async def keep(say: Say, _levels: dict[str, str]) -> None:
        got.put_nowait(say)

    journal.on(topics.SAY, Say, keep)
    async with asyncio.timeout(PATIENCE_S), journal:
        with contextlib.suppress(aiomqtt.MqttError):
            async with connected(settings, "cli-0") as client:
                client._client.publish("fg/v1/say/cli-0/c", b"x" * (settings.max_packet + 70_000), 1)
                with pytest.raises(aiomqtt.MqttError):
                    await client._disconnected
        async with open_bus("cli-1", "client", settings) as other:
            await other.send(topics.SAY, Say(turn_id="t", text="x"), client="cli-1", conversation="c")
        assert (await got.get()).source == "cli-1"
        assert journal.connections == 1


async def test_turn_that_can_not_be_sent_does_not_stop_the_journal(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up with a final; the others go on."""
    assembly = await begin(resend_s=0.1)
    send = MqttBus.send

    async def refuse(self: MqttBus, topic: topics.Topic, message: Any, **levels: str) -> bool:
        if topic is topics.TURN and message.text == "poison":
            raise BusError("refused")
        return await send(self, topic, message, **levels)

    monkeypatch.setattr(MqttBus, "send", refuse)
    final = await assembly.final("poison")
    assert final.status == "failed"
    assert (await assembly.final("hello")).status == "ok"
