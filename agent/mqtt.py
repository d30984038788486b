"""The bus on a real broker: aiomqtt 2.5.1 over paho 2.2, MQTT 5.

The one place that knows the client library, which connects, subscribes and keeps the connection alive. Messages and
their acknowledgements, nearly all there is, pass it by (`agent.packets`): it takes each packet by the byte through a
dozen locks and copies, which was a quarter of what a worker did; it acknowledges before a handler has run; and aiomqtt
returns from a refused publish as if nothing had happened. This reaches below aiomqtt, which is why the versions are
pinned. Packets that are ready at once go out in one write, which more than halves the time per message.
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
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from agent import packets, topics
from agent.address import AccessError, Address
from agent.buffered_socket import BufferedSocket
from agent.bus import Bus, BusError, Inbound
from agent.topics import Role

log = logging.getLogger(__name__)

_FIRST_DELAY_S = 0.05
_LONGEST_DELAY_S = 5.0
_NO_SUBSCRIBERS = 0x10
_FAILURE = 0x80
"""Reason codes of a PUBACK: nobody listens; from here on it was refused."""
_MAX_INFLIGHT = 1000
_FATAL = {0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C}
"""Reasons of a refused connection that won't mend by trying again: wrong protocol, client id, password, banned."""


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
        self._unacknowledged: dict[int, asyncio.Future[int]] = {}
        self._in_flight = asyncio.Semaphore(_MAX_INFLIGHT)

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
            # Without this Nagle's algorithm and delayed acknowledgements cost 40 ms a message.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=logging.getLogger("agent.mqtt.client"),
        )
        # A connection that ends while it is being set up is noticed there.
        client._disconnected.add_done_callback(lambda ended: ended.cancelled() or ended.exception())  # noqa: SLF001
        raw = client._client  # noqa: SLF001
        # Redelivered messages follow the CONNACK at once, so all this is set before connecting.
        raw.on_connect = self._on_connect(client)
        raw.on_disconnect = self._on_disconnect(client)
        raw.on_socket_open = self._on_open(client, asyncio.get_running_loop())
        raw.on_socket_register_write = self._on_ready_to_write(asyncio.get_running_loop())
        raw.on_socket_unregister_write = None
        raw.loop_read = self._on_ready_to_read(client)  # type: ignore[assignment,method-assign]
        if not address.tls:
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

    def _on_connect(self, client: aiomqtt.Client) -> Callable[..., None]:
        """As aiomqtt does, but the broker's Receive Maximum counts: one that gets more at once ends the connection."""

        def connected(*arguments: Any) -> None:
            allowed = getattr(arguments[-1], "ReceiveMaximum", _MAX_INFLIGHT)
            self._in_flight = asyncio.Semaphore(min(allowed, _MAX_INFLIGHT))
            client._on_connect(*arguments)  # noqa: SLF001

        return connected

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
        while True:
            client = self._client
            if client is None:
                if qos == 0:
                    return False
                await self._reconnected()
                continue
            try:
                if qos == 0:
                    self._write(client, packets.publish(packets.Publish(topic, payload, 0, retain), reply_to))
                    return True
                async with self._in_flight:
                    if self._client is not client:
                        continue  # this was the wait for another connection
                    mid = client._client._mid_generate()  # noqa: SLF001
                    self._write(client, packets.publish(packets.Publish(topic, payload, mid, retain), reply_to))
                    # The PUBACK is read by this same event loop, so it can't have come before the future is there.
                    self._unacknowledged[mid] = asyncio.get_running_loop().create_future()
                    reason = await self._unacknowledged[mid]
            except _Lost:
                if qos == 0:
                    return False
                continue
            if reason >= _FAILURE:
                name = ReasonCode(PacketTypes.PUBACK, identifier=reason)
                raise BusError(f"The broker refused a message of {self.client_id} to {topic}: {name}.")
            return reason != _NO_SUBSCRIBERS

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

    def _write(self, client: aiomqtt.Client, packet: bytes) -> None:
        """Has a packet written together with all others of this round of the event loop."""
        sock: Any = client._client.socket()  # noqa: SLF001
        if sock is None:
            # The client notices the loss by itself within moments; the caller waits for the next connection.
            if self._client is client:
                self._client = None
                self.connected.clear()
            raise _Lost
        if not sock.unsent:
            asyncio.get_running_loop().call_soon(self._flush, sock)
        sock.send(packet)

    def _flush(self, sock: BufferedSocket) -> None:
        number = sock.fileno()
        if number < 0:
            return
        loop = asyncio.get_running_loop()
        # A connection that is gone shows when it is read.
        with suppress(OSError):
            if sock.flush():
                loop.remove_writer(number)
            else:
                loop.add_writer(number, self._flush, sock)

    def _on_ready_to_write(self, loop: asyncio.AbstractEventLoop) -> Callable[[Any, Any, Any], None]:
        """Has the packets that paho makes written, too."""

        def write(client: paho.Client) -> None:
            client.loop_write()
            sock: Any = client.socket()
            if sock is not None:
                self._flush(sock)

        def ready(client: paho.Client, _userdata: Any, _sock: Any) -> None:
            # The first one comes from the thread that opens the connection.
            loop.call_soon_threadsafe(write, client)

        return ready

    # ---- receiving

    def _on_ready_to_read(self, client: aiomqtt.Client) -> Callable[[], MQTTErrorCode]:
        """In paho's place: messages and acknowledgements go straight to where they belong, the rest is left to it."""
        raw = client._client  # noqa: SLF001
        leave = raw.loop_read

        def read() -> MQTTErrorCode:
            sock: Any = raw.socket()
            if sock is None:
                return MQTTErrorCode.MQTT_ERR_NO_CONN
            for packet, body in sock.packets():
                match packets.kind(packet):
                    case packets.PUBLISH:
                        self._take(client, packets.read_publish(packet, body))
                    case packets.PUBACK:
                        mid, reason = packets.read_puback(packet, body)
                        future = self._unacknowledged.pop(mid, None)
                        if future is not None and not future.done():
                            future.set_result(reason)
                    case _:
                        sock.leave(packet)
                        leave()
                if raw.socket() is not sock:
                    break
            return leave() if sock.ended else MQTTErrorCode.MQTT_ERR_SUCCESS

        return read

    def _take(self, client: aiomqtt.Client, message: packets.Publish) -> None:
        def acknowledge() -> None:
            # The number of a message means nothing to another connection: there it would acknowledge another one.
            if message.mid and self._connection is client:
                with suppress(_Lost):
                    self._write(client, packets.puback(message.mid))

        self._receive(Inbound(message.topic[len(self.root) + 1 :], message.payload, message.retain), acknowledge)
