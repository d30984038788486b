"""The bus on a real broker: aiomqtt 2.5.1 over paho 2.2, MQTT 5.

The one place that knows the client library. It reaches below aiomqtt in five places, which is why the versions are
pinned: messages are acknowledged by hand after their handler (paho's `manual_ack`), each publish is matched with its
PUBACK so that a refusal is seen (aiomqtt returns as if nothing had happened), and messages are taken from paho's
callback rather than from aiomqtt's queue, and packets that are ready at once go out in one write, which more than
halves the time per message, and packets share their tables of properties.
"""

import asyncio
import logging
import random
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiomqtt
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt import client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent import topics
from agent.address import AccessError, Address
from agent.buffered_socket import BufferedSocket
from agent.bus import Bus, BusError, Inbound
from agent.topics import Role

log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 5.0
_NO_SUBSCRIBERS = 0x10
_MAX_INFLIGHT = 1000
_FATAL = {0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C}
"""Reasons of a refused connection that won't mend by trying again: wrong protocol, client id, password, banned."""


def _spare_properties() -> None:
    """Has paho's packets share the three constant tables that it would build anew for each of them.

    With forty packets a turn this took a tenth of all time.
    """
    tables = dict(Properties(PacketTypes.CONNECT).__dict__)  # type: ignore[no-untyped-call]
    constant = set(tables)

    def begin(self: Properties, packetType: int) -> None:  # noqa: N803 - paho's name
        self.__dict__.update(tables, packetType=packetType)

    def clear(self: Properties) -> None:
        for name in self.__dict__.keys() - constant:
            del self.__dict__[name]

    Properties.__init__ = begin  # type: ignore[method-assign]
    Properties.clear = clear  # type: ignore[method-assign]


_spare_properties()


class _Lost(Exception):  # noqa: N818
    """Raised within this module when a connection ends before a publish was acknowledged."""


class MqttBus(Bus):
    """A bus on a real broker.

    Args:
        address: the broker and our credential.
        keepalive_s: seconds after which a silent broker counts as gone.
        session_expiry_s: how long the broker keeps our messages while we are away.
        others: as of `Bus`.
    """

    def __init__(
        self,
        client_id: str,
        role: Role,
        address: Address,
        *,
        keepalive_s: int = 15,
        session_expiry_s: int = 7 * 86400,
        **others: Any,
    ) -> None:
        super().__init__(client_id, role, **others)
        self._address = address
        self._keepalive_s = keepalive_s
        self._session_expiry_s = session_expiry_s
        self._loop_task: asyncio.Task[None] | None = None
        self._client: aiomqtt.Client | None = None
        self._connection: aiomqtt.Client | None = None
        self._stopped = False
        self._unacknowledged: dict[int, asyncio.Future[ReasonCode]] = {}

    async def _start(self) -> None:
        self._loop_task = asyncio.create_task(self._stay_connected(), name=f"{self.client_id}[connection]")
        waiting = asyncio.create_task(self.connected.wait())
        try:
            await asyncio.wait({self._loop_task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._stop()
            raise
        finally:
            waiting.cancel()
        if self._loop_task.done():
            await self._loop_task

    async def _stop(self) -> None:
        # The flag too: in Python 3.11 wait_for, by which aiomqtt connects, may swallow the cancellation.
        self._stopped = True
        if self._loop_task is not None:
            self._loop_task.cancel()
            with suppress(asyncio.CancelledError, BusError):
                await self._loop_task

    async def failed(self) -> None:
        """Returns never; raises when the connection is lost for good.

        Raises:
            AccessError: the broker does not let us in any more (credential revoked).
        """
        assert self._loop_task is not None  # noqa: S101 - entered
        await asyncio.shield(self._loop_task)

    # ---- connection

    async def _stay_connected(self) -> None:
        delay = _FIRST_DELAY_S
        while True:
            # What waited for us comes before the subscriptions are confirmed, and is acknowledged to this one.
            client = self._connection = self._new_client()
            try:
                async with client:
                    await self._set_up(client)
                    delay = _FIRST_DELAY_S
                    if self._stopped:
                        return
                    await client._disconnected  # noqa: SLF001 - ends with the connection
            except MqttConnectError as error:
                if isinstance(error.rc, ReasonCode) and error.rc.value in _FATAL:
                    self.refused = AccessError(f"The broker refused {self.client_id}: {error.rc}.")
                    raise self.refused from None
                log.info("The broker refused the connection for now: %s", error)
            except (aiomqtt.MqttError, OSError, ssl.SSLError) as error:
                if "CERTIFICATE_VERIFY_FAILED" in str(error):
                    self.refused = AccessError(
                        f"The certificate of {self._address.host}:{self._address.port} is not to be trusted: {error}. "
                        "FUNCGEMMA_TLS_CA names the authority to trust."
                    )
                    raise self.refused from None
                log.info("No connection to %s:%d: %s", self._address.host, self._address.port, error)
            finally:
                self._lose()
                # Neither paho nor aiomqtt closes a connection that was given up before the broker confirmed it.
                client._client._sock_close()  # noqa: SLF001
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, _LONGEST_DELAY_S)

    def _new_client(self) -> aiomqtt.Client:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._session_expiry_s if self.persistent else 0
        properties.ReceiveMaximum = _MAX_INFLIGHT
        properties.MaximumPacketSize = self.max_packet + 65536
        will = None
        if self._will:
            status = self._status("offline").model_dump_json()
            will = aiomqtt.Will(f"{self.root}/{topics.STATUS.name(client=self.client_id)}", status, qos=1, retain=True)
        address = self._address
        client = aiomqtt.Client(
            address.host,
            address.port,
            identifier=self.client_id,
            username=address.username,
            password=address.password,
            protocol=aiomqtt.ProtocolVersion.V5,
            # aiomqtt's default starts clean in a fresh process, which throws the session's messages away.
            clean_start=not self.persistent,
            properties=properties,
            will=will,
            keepalive=self._keepalive_s,
            tls_context=address.tls_context(),
            max_inflight_messages=_MAX_INFLIGHT,
            # Without this Nagle's algorithm and delayed acknowledgements cost 40 ms a message.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=logging.getLogger("agent.mqtt.client"),
        )
        # A connection that ends while it is being set up is noticed there.
        client._disconnected.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # noqa: SLF001
        raw = client._client  # noqa: SLF001
        # Redelivered messages follow the CONNACK at once, so all this is set before connecting.
        raw.manual_ack_set(True)
        raw.on_message = self._on_message(client)
        raw.on_publish = self._on_publish
        raw.on_disconnect = self._on_disconnect(client)
        raw.on_socket_open = self._on_open(client, asyncio.get_running_loop())
        if not address.tls:
            # TLS gathers by itself, and its sockets are none of ours.
            raw.on_socket_register_write = self._on_ready_to_write(asyncio.get_running_loop())
            raw.on_socket_unregister_write = None
            connect = raw._create_socket_connection  # noqa: SLF001
            raw._create_socket_connection = lambda: BufferedSocket.adopt(connect())  # type: ignore[method-assign]  # noqa: SLF001
        logging.getLogger("agent.mqtt.client").setLevel(logging.CRITICAL)
        return client

    def _on_open(self, client: aiomqtt.Client, loop: asyncio.AbstractEventLoop) -> Callable[..., None]:
        """As aiomqtt does, but a connection that nobody waits for any more is closed.

        A thread opens it, which a cancellation does not reach.
        """

        def close_if_given_up() -> None:
            if self._connection is not client:
                client._client._sock_close()  # noqa: SLF001

        def opened(*arguments: Any) -> None:
            client._on_socket_open(*arguments)  # noqa: SLF001
            loop.call_soon_threadsafe(close_if_given_up)

        return opened

    def _on_disconnect(self, client: aiomqtt.Client) -> Callable[..., None]:
        """As aiomqtt does, but a connection that ends before it stands is noticed at once, not after a timeout."""

        def disconnected(*arguments: Any) -> None:
            client._on_disconnect(*arguments)  # noqa: SLF001
            if not client._connected.done():  # noqa: SLF001
                client._connected.set_exception(aiomqtt.MqttError("the broker closed it"))  # noqa: SLF001

        return disconnected

    async def _set_up(self, client: aiomqtt.Client) -> None:
        filters = []
        former = []
        for subscription in self.subscriptions:
            name = f"{self.root}/{subscription.filter}"
            shared = f"$share/{subscription.group}/{name}" if subscription.group else name
            filters.append((shared, SubscribeOptions(qos=subscription.qos)))
            if subscription.group and self._share:
                # A session of the time when groups had no secret would be given each message twice.
                former.append(f"$share/{subscription.group.removesuffix(self._share)}/{name}")
        if former and self.persistent:
            await client.unsubscribe(former)
        if filters:
            await client.subscribe(filters)
        self._client = client
        self._connect()

    def _lose(self) -> None:
        self.connected.clear()
        self._client = self._connection = None
        self._fresh.set()
        self._fresh = asyncio.Event()
        for future in self._unacknowledged.values():
            if not future.done():
                future.set_exception(_Lost())
        self._unacknowledged.clear()

    # ---- publishing

    async def _publish(
        self, topic: str, payload: bytes, *, qos: int, retain: bool, reply_to: str | None = None
    ) -> bool:
        properties = None
        if reply_to:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ResponseTopic = reply_to
        while True:
            client = self._client
            if client is None:
                if qos == 0:
                    return False
                await self._reconnected()
                continue
            try:
                return await self._publish_once(client, topic, payload, qos, retain=retain, properties=properties)
            except _Lost:
                if qos == 0:
                    return False

    async def _reconnected(self) -> None:
        """Waits for a connection; raises if there will be none."""
        waiting = asyncio.create_task(self.connected.wait())
        try:
            assert self._loop_task is not None  # noqa: S101 - entered
            await asyncio.wait({waiting, self._loop_task}, return_when=asyncio.FIRST_COMPLETED)
            if self._loop_task.done():
                await self._loop_task
                raise BusError("The bus is closed.")
        finally:
            waiting.cancel()

    async def _publish_once(
        self, client: aiomqtt.Client, topic: str, payload: bytes, qos: int, *, retain: bool, properties: Any
    ) -> bool:
        sent = client._client.publish(topic, payload, qos, retain, properties)  # noqa: SLF001
        if sent.rc != 0:
            # The client notices the loss by itself within moments; the caller waits for the next connection.
            if self._client is client:
                self._client = None
                self.connected.clear()
            raise _Lost
        if qos == 0:
            return True
        # The PUBACK is read by this same event loop, so it can't have come before the future is there.
        future: asyncio.Future[ReasonCode] = asyncio.get_running_loop().create_future()
        self._unacknowledged[sent.mid] = future
        reason = await future
        if reason.is_failure:
            raise BusError(f"The broker refused a message of {self.client_id} to {topic}: {reason}.")
        return bool(reason.value != _NO_SUBSCRIBERS)

    def _on_publish(self, _client: Any, _userdata: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        future = self._unacknowledged.pop(mid, None)
        if future is not None and not future.done():
            future.set_result(reason)

    def _on_ready_to_write(self, loop: asyncio.AbstractEventLoop) -> Callable[[Any, Any, Any], None]:
        """Has all packets of one round of the event loop written at its end."""

        def write(client: paho.Client) -> None:
            client.loop_write()
            sock = client.socket()
            if isinstance(sock, BufferedSocket):
                flush(sock)

        def flush(sock: BufferedSocket) -> None:
            number = sock.fileno()
            if number < 0:
                return
            # A connection that is gone shows when it is read.
            with suppress(OSError):
                if sock.flush():
                    loop.remove_writer(number)
                else:
                    loop.add_writer(number, flush, sock)

        def ready(client: paho.Client, _userdata: Any, _sock: Any) -> None:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                # The first packet is written by the thread that opens the connection.
                loop.call_soon_threadsafe(write, client)
            else:
                loop.call_soon(write, client)

        return ready

    # ---- receiving

    def _on_message(self, client: aiomqtt.Client) -> Callable[[Any, Any, paho.MQTTMessage], None]:
        skip = len(self.root) + 1

        def receive(_client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
            def acknowledge() -> None:
                # The number of a message means nothing to another connection: there it would acknowledge another one.
                if message.qos and self._connection is client:
                    client._client.ack(message.mid, message.qos)  # noqa: SLF001

            self._receive(Inbound(message.topic[skip:], bytes(message.payload), message.retain), acknowledge)

        return receive
