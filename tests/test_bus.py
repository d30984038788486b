"""What every bus promises, in memory and on a real mosquitto; and what only a real one can show."""

import asyncio
import contextlib
import signal
import socket
import threading
from typing import Any

import pytest

from agent import packets, topics
from agent.address import AccessError, Address
from agent.bus import Bus, BusError, Unfit
from agent.credentials import Credentials
from agent.memory_bus import MemoryBus
from agent.messages import Accepted, Call, Dead, Message, Say, Status, Turn
from agent.mqtt import MqttBus
from agent.settings import Settings
from agent.worker import open_bus
from tests.conftest import PATIENCE_S, BusFactory, Mosquitto

Got = asyncio.Queue[tuple[Message, dict[str, str]]]


def collect(bus: Bus, topic: topics.Topic, model: type[Message], **levels: Any) -> Got:
    """Puts what comes in on a topic into a queue."""
    got: Got = asyncio.Queue()

    async def keep(message: Message, found: dict[str, str]) -> None:
        got.put_nowait((message, found))

    bus.on(topic, model, keep, **levels)
    return got


async def next_of(got: Got) -> tuple[Message, dict[str, str]]:
    async with asyncio.timeout(PATIENCE_S):
        return await got.get()


async def crash(bus: Bus) -> None:
    """Ends a client as SIGKILL would: nothing more is acknowledged, the broker sees the connection break."""
    if isinstance(bus, MemoryBus):
        await bus.kill()
        return
    assert isinstance(bus, MqttBus)
    bus._stopping = True
    assert bus._client is not None
    assert bus._loop_task is not None
    for task in bus._handlers:
        task.cancel()
    raw: Any = bus._client._client
    bus._loop_task.cancel()
    raw._sock.shutdown(socket.SHUT_RDWR)
    await asyncio.gather(bus._loop_task, return_exceptions=True)
    bus.connected.clear()


async def test_message_reaches_subscriber_with_levels_and_source(make_bus: BusFactory) -> None:
    """A typed message arrives whole, with its topic's levels, its sender and a time."""
    journal, client = make_bus("journal", "journal"), make_bus("cli-0", "client")
    got = collect(journal, topics.SAY, Say)
    async with journal, client:
        assert await client.send(topics.SAY, Say(turn_id="t1", text="京都🍁"), client="cli-0", conversation="c1")
        message, levels = await next_of(got)
    assert isinstance(message, Say)
    assert (message.text, message.source, levels) == ("京都🍁", "cli-0", {"client": "cli-0", "conversation": "c1"})
    assert message.time.utcoffset() is not None


async def test_message_is_repeated_after_crash_in_handler(make_bus: BusFactory) -> None:
    """A message whose handler did not finish comes again, and one that was handled does not."""
    client, first = make_bus("cli-0", "client"), make_bus("journal", "journal")
    started: asyncio.Queue[str] = asyncio.Queue()

    async def hang_on_second(say: Say, _levels: dict[str, str]) -> None:
        started.put_nowait(say.turn_id)
        if say.turn_id == "t2":
            await asyncio.Event().wait()

    first.on(topics.SAY, Say, hang_on_second)
    async with client:
        await first.__aenter__()
        await client.send(topics.SAY, Say(turn_id="t1", text="a"), client="cli-0", conversation="c")
        await client.send(topics.SAY, Say(turn_id="t2", text="b"), client="cli-0", conversation="c")
        async with asyncio.timeout(PATIENCE_S):
            assert [await started.get(), await started.get()] == ["t1", "t2"]
        await crash(first)
        await client.send(topics.SAY, Say(turn_id="t3", text="c"), client="cli-0", conversation="c")
        second = make_bus("journal", "journal")
        got = collect(second, topics.SAY, Say)
        async with second:
            found = [(await next_of(got))[0] for _ in range(2)]
            assert [say.turn_id for say in found if isinstance(say, Say)] == ["t2", "t3"]
            assert got.empty()


async def test_message_waits_for_absent_worker(make_bus: BusFactory) -> None:
    """What is sent while a persistent client is away is there when it comes back."""
    client, journal = make_bus("cli-0", "client"), make_bus("journal", "journal")
    collect(journal, topics.SAY, Say)
    async with client:
        async with journal:
            pass
        await client.send(topics.SAY, Say(turn_id="t1", text="a"), client="cli-0", conversation="c")
        again = make_bus("journal", "journal")
        got = collect(again, topics.SAY, Say)
        async with again:
            assert (await next_of(got))[0].source == "cli-0"


async def test_misfit_goes_to_dead_with_reason(make_bus: BusFactory) -> None:
    """A payload that is not JSON, or not what its topic takes, is told to operators and does no harm."""
    journal, operator = make_bus("journal", "journal"), make_bus("operator-0", "operator")
    client = make_bus("cli-0", "client")
    got, dead = collect(journal, topics.SAY, Say), collect(operator, topics.DEAD, Dead)
    async with journal, operator, client:
        for payload in (b"not json", b'{"turn_id": 7, "text": []}', b"\xff\xfe", b"[]", b"{}"):
            await client._publish(f"{client.root}/say/cli-0/c", payload, qos=1, retain=False)
            message, levels = await next_of(dead)
            assert isinstance(message, Dead)
            assert message.reason
            assert (message.topic, levels) == ("say/cli-0/c", {"client": "journal"})
        await client.send(topics.SAY, Say(turn_id="t", text="still there"), client="cli-0", conversation="c")
        assert isinstance((await next_of(got))[0], Say)


async def test_failing_handler_is_told_and_does_not_stop_the_others(make_bus: BusFactory) -> None:
    """A handler that raises costs its own message only."""
    journal, operator = make_bus("journal", "journal"), make_bus("operator-0", "operator")
    client = make_bus("cli-0", "client")
    dead = collect(operator, topics.DEAD, Dead)
    done: asyncio.Queue[str] = asyncio.Queue()

    async def handle(say: Say, _levels: dict[str, str]) -> None:
        if say.text == "bug":
            raise ZeroDivisionError("a bug")
        if say.text == "unfit":
            raise Unfit("not like this")
        done.put_nowait(say.text)

    journal.on(topics.SAY, Say, handle)
    async with journal, operator, client:
        for text in ("bug", "unfit", "fine"):
            await client.send(topics.SAY, Say(turn_id=text, text=text), client="cli-0", conversation="c")
        reasons = {(await next_of(dead))[0].reason for _ in range(2)}  # type: ignore[attr-defined]
        assert reasons == {"ZeroDivisionError: a bug", "not like this"}
        async with asyncio.timeout(PATIENCE_S):
            assert await done.get() == "fine"


async def test_shared_topic_gives_each_message_to_one_worker(make_bus: BusFactory) -> None:
    """Two routers share the turns; each turn is routed once."""
    journal, routers = make_bus("journal", "journal"), [make_bus("router-0", "router"), make_bus("router-1", "router")]
    got = [collect(router, topics.TURN, Turn) for router in routers]
    turn = Turn.model_validate(
        {"turn_id": "t", "client": "c", "conversation": "v", "text": "x", "lang": "en", "said_at": "2026-01-01T00:00Z"}
    )
    async with journal, routers[0], routers[1]:
        for _ in range(6):
            await journal.send(topics.TURN, turn, client="c", conversation="v")
        for _ in range(3):
            await next_of(got[0])
            await next_of(got[1])
        assert got[0].empty()
        assert got[1].empty()


async def test_status_is_retained_and_last_will_tells_a_crash(make_bus: BusFactory) -> None:
    """Whoever comes later sees who is there, and sees a crash at once."""
    router, journal = make_bus("router-0", "router"), make_bus("journal", "journal")
    await router.__aenter__()
    await router.announce(pid=7)
    got = collect(journal, topics.STATUS, Status)
    async with journal:
        message, levels = await next_of(got)
        assert isinstance(message, Status)
        assert (message.state, message.details, levels) == ("online", {"pid": 7}, {"client": "router-0"})
        await crash(router)
        message, _ = await next_of(got)
        assert isinstance(message, Status)
        assert message.state == "offline"


async def test_closing_drains_the_handlers(make_bus: BusFactory) -> None:
    """Leaving waits for what is being handled, takes nothing new, and tells that it leaves."""
    journal, client = make_bus("journal", "journal"), make_bus("cli-0", "client")
    watcher = make_bus("operator-0", "operator")
    started, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    statuses = collect(watcher, topics.STATUS, Status)

    async def handle(_say: Say, _levels: dict[str, str]) -> None:
        started.set()
        await go_on.wait()
        done.set()

    journal.on(topics.SAY, Say, handle)
    async with client, watcher:
        await journal.__aenter__()
        await journal.announce()
        assert (await next_of(statuses))[0].state == "online"  # type: ignore[attr-defined]
        await client.send(topics.SAY, Say(turn_id="t", text="x"), client="cli-0", conversation="c")
        await started.wait()
        closing = asyncio.create_task(journal.close())
        go_on.set()
        await closing
        assert done.is_set()
        assert (await next_of(statuses))[0].state == "offline"  # type: ignore[attr-defined]


async def test_concurrency_is_bounded(make_bus: BusFactory) -> None:
    """No more handlers run at once than allowed."""
    journal, client = make_bus("journal", "journal", concurrency=2), make_bus("cli-0", "client")
    running, most, done = 0, 0, asyncio.Semaphore(0)

    async def handle(_say: Say, _levels: dict[str, str]) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5):
            await asyncio.sleep(0)
        running -= 1
        done.release()

    journal.on(topics.SAY, Say, handle)
    async with journal, client:
        say = Say(turn_id="t", text="x")
        await asyncio.gather(*(client.send(topics.SAY, say, client="cli-0", conversation="c") for _ in range(10)))
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(10):
                await done.acquire()
    assert most == 2


async def test_too_large_a_message_is_refused_before_it_is_sent(make_bus: BusFactory) -> None:
    """A message over the limit raises and leaves the connection alone."""
    client = make_bus("cli-0", "client", max_packet=5000)
    async with client:
        with pytest.raises(BusError, match="5000"):
            await client.send(topics.SAY, Say(turn_id="t", text="x" * 6000), client="cli-0", conversation="c")
        await client.send(topics.SAY, Say(turn_id="t", text="x"), client="cli-0", conversation="c")


# ---- only on a real broker


async def test_refused_publish_raises(mosquitto: Mosquitto, settings: Settings) -> None:
    """The broker acknowledges a forbidden publish with a reason code; it must not pass as sent."""
    async with open_bus("cli-0", "client", settings) as client:
        with pytest.raises(BusError, match="Not authorized"):
            await client.send(topics.ACCEPTED, Accepted(turn_id="t"), client="cli-0", conversation="c")


async def test_publish_tells_whether_anyone_listens(mosquitto: Mosquitto, settings: Settings) -> None:
    """A call that nobody is subscribed to is seen as such."""
    async with open_bus("router-0", "router", settings) as router:
        assert not await router.send(topics.CALL, Call(call_id="1", function="f"), function="f")


async def test_wrong_password_is_refused_for_good(mosquitto: Mosquitto, settings: Settings) -> None:
    """A client with a wrong secret is told instead of trying for ever."""
    address = Credentials(settings).address("cli-0").model_copy(update={"password": "wrong"})
    with pytest.raises(AccessError, match="cli-0"):
        await MqttBus("cli-0", "client", address).__aenter__()


async def test_send_goes_on_over_a_broker_restart(mosquitto: Mosquitto, settings: Settings) -> None:
    """A publish made while the broker is away is delivered when it is back, to a session that outlived it."""
    journal, client = open_bus("journal", "journal", settings), open_bus("cli-0", "client", settings)
    got = collect(journal, topics.SAY, Say)
    async with journal, client:
        mosquitto.stop(signal.SIGTERM)
        sending = asyncio.create_task(
            client.send(topics.SAY, Say(turn_id="t", text="x"), client="cli-0", conversation="c")
        )
        mosquitto.start()
        async with asyncio.timeout(PATIENCE_S):
            await sending
        assert isinstance((await next_of(got))[0], Say)


async def test_nodelay_is_set_at_both_ends(mosquitto: Mosquitto, settings: Settings) -> None:
    """Without it each hop of QoS 1 costs 40 ms."""
    async with open_bus("cli-0", "client", settings) as client:
        assert client._client is not None
        sock: Any = client._client._client.socket()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    text = (settings.home / "broker" / "mosquitto.conf").read_text()
    assert "set_tcp_nodelay true" in text


def test_address_is_read_from_url() -> None:
    """The URL that `invite` prints is what a client connects with."""
    address = Address.from_url("mqtts://dice:p%40ss@broker.local")
    assert (address.host, address.port, address.username, address.password) == ("broker.local", 8883, "dice", "p@ss")
    with pytest.raises(ValueError, match="mqtt://"):
        Address.from_url("http://broker")


async def test_messages_that_waited_are_acknowledged(make_bus: BusFactory) -> None:
    """What waited for a client and was handled does not come again, though it comes before the subscriptions stand."""
    journal, client = make_bus("journal", "journal"), make_bus("cli-0", "client")
    collect(journal, topics.SAY, Say)
    async with client:
        async with journal:
            pass
        for number in range(5):
            await client.send(topics.SAY, Say(turn_id=str(number), text="x"), client="cli-0", conversation="c")
        second = make_bus("journal", "journal")
        got = collect(second, topics.SAY, Say)
        async with second:
            for _ in range(5):
                await next_of(got)
        third = make_bus("journal", "journal")
        got = collect(third, topics.SAY, Say)
        async with third:
            await client.send(topics.SAY, Say(turn_id="new", text="x"), client="cli-0", conversation="c")
            message, _ = await next_of(got)
            assert isinstance(message, Say)
            assert message.turn_id == "new"


async def test_handler_that_takes_note_needs_no_slot(make_bus: BusFactory) -> None:
    """Handlers that wait for what another one notes may hold all slots."""
    journal, client = make_bus("journal", "journal", concurrency=2), make_bus("cli-0", "client")
    noted, done = asyncio.Event(), asyncio.Semaphore(0)

    async def wait(_say: Say, _levels: dict[str, str]) -> None:
        await noted.wait()
        done.release()

    async def note(_status: Status, _levels: dict[str, str]) -> None:
        noted.set()

    journal.on(topics.SAY, Say, wait)
    journal.on(topics.STATUS, Status, note, note=True)
    async with journal, client:
        for number in range(4):
            await client.send(topics.SAY, Say(turn_id=str(number), text="x"), client="cli-0", conversation="c")
        await client.announce()
        async with asyncio.timeout(PATIENCE_S):
            for _ in range(4):
                await done.acquire()


async def test_sends_of_one_round_go_out_in_one_write(mosquitto: Mosquitto, settings: Settings) -> None:
    """Packets that are ready at once are handed to the system together, and all arrive."""
    journal, client = open_bus("journal", "journal", settings), open_bus("cli-0", "client", settings)
    got = collect(journal, topics.SAY, Say)
    async with journal, client:
        assert client._client is not None
        sock: Any = client._client._client.socket()
        writes: list[int] = []
        real = type(sock).flush

        def count(self: Any) -> bool:
            writes.append(len(self.unsent))
            return bool(real(self))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(sock), "flush", count)
            say = Say(turn_id="t", text="x" * 1000)
            await asyncio.gather(*(client.send(topics.SAY, say, client="cli-0", conversation="c") for _ in range(50)))
        assert max(writes) > 50_000
        for _ in range(50):
            await next_of(got)


async def test_large_messages_pass_a_full_socket(mosquitto: Mosquitto, settings: Settings) -> None:
    """More than the system takes at once is written when there is room again."""
    journal, client = open_bus("journal", "journal", settings), open_bus("cli-0", "client", settings)
    got = collect(journal, topics.SAY, Say)
    async with journal, client:
        say = Say(turn_id="t", text="x" * 1_000_000)
        await asyncio.gather(*(client.send(topics.SAY, say, client="cli-0", conversation="c") for _ in range(20)))
        for _ in range(20):
            await next_of(got)


@pytest.mark.parametrize("opening", [True, False], ids=["while it opens", "before it is confirmed"])
async def test_connection_that_is_given_up_is_closed(opening: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bus that is cancelled before the broker let it in leaves no connection behind, however far it had come."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asked = asyncio.Event()
    go_on = threading.Event()
    connect = socket.create_connection

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A broker that never answers."""
        asked.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()
        ended.set_result(None)

    def slow(*arguments: Any, **others: Any) -> socket.socket:
        sock = connect(*arguments, **others)
        go_on.wait(PATIENCE_S)
        return sock

    monkeypatch.setattr(socket, "create_connection", slow)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    bus = MqttBus("cli-0", "client", Address(host="127.0.0.1", port=server.sockets[0].getsockname()[1]))
    if not opening:
        go_on.set()
    starting = asyncio.create_task(bus.__aenter__())
    async with asyncio.timeout(PATIENCE_S):
        await asked.wait()
        if not opening:
            while bus._connection is None or bus._connection._client.socket() is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
        starting.cancel()
        await asyncio.wait({starting})
        go_on.set()
        await ended
    server.close()


def current_task() -> asyncio.Task[Any]:
    """The task that asks: what a server of these tests still has to end."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_broker_that_talks_nonsense_is_left() -> None:
    """A connection on which nothing can be understood any more is closed, and a new one made."""
    lines: list[asyncio.StreamWriter] = []
    serving: list[asyncio.Task[Any]] = []

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lets everybody in."""
        lines.append(writer)
        serving.append(current_task())
        await reader.read(1024)
        writer.write(b"\x20\x03\x00\x00\x00")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    bus = MqttBus("cli-0", "client", Address(port=server.sockets[0].getsockname()[1]), will=False)
    async with asyncio.timeout(PATIENCE_S), bus:
        number = await bus.connection(after=0)
        for nonsense in (b"\x30\xff\xff\xff\xff\x01", b"\x32\x02\x00\x09", b"\x40\x00"):
            lines[-1].write(nonsense)
            number = await bus.connection(after=number)
    server.close()
    await asyncio.wait(serving, timeout=PATIENCE_S)


async def test_broker_that_takes_few_messages_at_once_is_not_overrun() -> None:
    """A broker of somebody else's may allow few messages without acknowledgement, and end the connection after that."""
    most = 0
    serving: list[asyncio.Task[Any]] = []

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Lets everybody in, with a Receive Maximum of 3, and acknowledges all that is there at once."""
        nonlocal most
        serving.append(current_task())
        await reader.read(1024)
        writer.write(b"\x20\x06\x00\x00\x03\x21\x00\x03")
        while data := await reader.read(65536):
            at, mids = 0, []
            while (found := packets.bounds(data, at)) is not None:
                body, end = found
                if packets.kind(data[at:end]) == packets.PUBLISH:
                    mids.append(packets.read_publish(data[at:end], body - at).mid)
                at = end
            most = max(most, len(mids))
            writer.write(b"".join(packets.puback(mid) for mid in mids))
        writer.close()

    server = await asyncio.start_server(broker, "127.0.0.1", 0)
    bus = MqttBus("journal", "journal", Address(port=server.sockets[0].getsockname()[1]), will=False)
    async with asyncio.timeout(PATIENCE_S), bus:
        accepted = [Accepted(turn_id=str(number)) for number in range(50)]
        await asyncio.gather(*(bus.send(topics.ACCEPTED, one, client="cli-0", conversation="d") for one in accepted))
    server.close()
    await asyncio.wait(serving, timeout=PATIENCE_S)
    assert most == 3
