"""Messages and acknowledgements as bytes, and a socket that reads by the packet."""

import socket

import pytest
from paho.mqtt import _packet
from paho.mqtt.enums import MQTTProtocolVersion

from agent import packets
from agent.buffered_socket import BufferedSocket

PINGRESP = b"\xd0\x00"


@pytest.mark.parametrize("size", [0, 1, 100, 127, 128, 16383, 16384, 2097151, 2097152])
@pytest.mark.parametrize("reply_to", [None, "fg/v1/result/get_weather/cli-0/会話"])
def test_message_is_read_as_paho_reads_it(size: int, reply_to: str | None) -> None:
    """What paho makes of it decides; our own reader agrees with it at every length of the length."""
    message = packets.Publish("fg/v1/say/cli-0/会話", b"x" * size, mid=513, retain=True)
    packet = packets.publish(message, reply_to)
    bounds = packets.bounds(packet, 0)
    assert bounds is not None
    body, end = bounds
    assert end == len(packet)
    judged = _packet.decode_publish(packet[0], packet[body:], MQTTProtocolVersion.MQTTv5)
    assert (judged.topic.decode(), judged.payload) == (message.topic, message.payload)
    assert (judged.mid, judged.qos, judged.retain, judged.dup) == (513, 1, True, False)
    assert getattr(judged.properties, "ResponseTopic", None) == reply_to
    assert packets.kind(packet) == packets.PUBLISH
    assert packets.read_publish(packet, body) == message


def test_message_that_nobody_acknowledges_has_no_number() -> None:
    """QoS 0."""
    packet = packets.publish(packets.Publish("a/b", b"{}"))
    assert packet == b"\x30\x08\x00\x03a/b\x00{}"
    assert packets.read_publish(packet, 2) == packets.Publish("a/b", b"{}")


def test_acknowledgement_is_read_with_and_without_reason() -> None:
    """Success may go without saying; after a reason there may be properties."""
    packet = packets.puback(513)
    assert packet == b"\x40\x02\x02\x01"
    assert packets.kind(packet) == packets.PUBACK
    assert packets.read_puback(packet, 2) == (513, 0)
    assert packets.read_puback(b"\x40\x04\x02\x01\x87\x00", 2) == (513, 0x87)


def test_wildcards_are_not_published() -> None:
    """A broker would end the connection."""
    for topic in ("a/+", "#"):
        with pytest.raises(ValueError, match="topic"):
            packets.publish(packets.Publish(topic, b""))


@pytest.mark.parametrize(
    "packet",
    [
        b"\x32\x00",
        b"\x32\x05\x00\x03a/b",
        b"\x32\x07\x00\x03a/b\x00\x01",
        b"\x30\x08\x00\x03a/b\x05{}",
        b"\x30\x04\x00\x01\xff\x00",
    ],
    ids=["empty", "no number", "no properties", "properties cut off", "no text"],
)
def test_message_that_is_none_is_refused(packet: bytes) -> None:
    """Nothing is made up for what is missing."""
    with pytest.raises(packets.MalformedError):
        packets.read_publish(packet, 2)
    with pytest.raises(packets.MalformedError):
        packets.read_puback(b"\x40\x01\x02", 2)
    with pytest.raises(packets.MalformedError):
        packets.bounds(b"\x30\xff\xff\xff\xff\x01", 0)


def test_packets_come_whole_however_they_were_cut() -> None:
    """What is not for us is left to whoever reads as from a plain socket, and so is the end."""
    here, there = socket.socketpair()
    with BufferedSocket.adopt(here) as mine, there:
        mine.setblocking(False)
        sent = [packets.publish(packets.Publish("a/b", b"x" * 200, 7)), PINGRESP, packets.puback(9)]
        stream = b"".join(sent)
        for cut in range(len(stream) + 1):
            came = []
            for part in (stream[:cut], stream[cut:]):
                there.sendall(part)
                came += [packet for packet, _ in mine.packets()]
            assert came == sent
        assert list(mine.packets()) == []
        with pytest.raises(BlockingIOError):
            mine.recv(1)
        mine.leave(PINGRESP)
        assert mine.recv(1) + mine.recv(5) == PINGRESP
        there.close()
        assert list(mine.packets()) == []
        assert mine.ended
        assert mine.recv(1) == b""
