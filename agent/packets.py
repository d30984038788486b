"""The two packets of MQTT 5 that nearly all traffic consists of: messages and their acknowledgements.

Source of the format: MQTT Version 5.0, OASIS Standard, 7 March 2019, sections 1.5 (data types), 2.1 (fixed header), 3.3
(PUBLISH) and 3.4 (PUBACK). Not covered: properties of a message that comes in, which nobody of ours asks for.
"""

from typing import NamedTuple

PUBLISH = 0x30
PUBACK = 0x40
_QOS_1 = 0x02
_QOS = 0x06
_RETAIN = 0x01
_RESPONSE_TOPIC = b"\x08"
_LONGEST_INTEGER = 4


class MalformedError(ConnectionError):
    """Raised when what came is no MQTT; nothing after it can be understood."""


class Publish(NamedTuple):
    """A message; `mid` is what it is acknowledged by, 0 where it is not (QoS 0)."""

    topic: str
    payload: bytes
    mid: int = 0
    retain: bool = False


def kind(packet: bytes) -> int:
    """What a packet is, such as `PUBLISH`."""
    return packet[0] & 0xF0


def bounds(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """Where the body of the packet that begins at `at` begins and ends; None while not all of it is there.

    Raises:
        MalformedError: no packet begins like this.
    """
    size, shift = 0, 0
    for position in range(at + 1, min(len(data), at + 1 + _LONGEST_INTEGER)):
        size |= (data[position] & 0x7F) << shift
        if data[position] < 0x80:  # the last byte of an integer
            end = position + 1 + size
            return (position + 1, end) if end <= len(data) else None
        shift += 7
    if shift == 7 * _LONGEST_INTEGER:
        raise MalformedError("a packet's length has more than four bytes")
    return None


def read_publish(packet: bytes, body: int) -> Publish:
    """Reads a PUBLISH packet whose body begins at `body`.

    Raises:
        MalformedError: it is none.
    """
    end = body + 2 + int.from_bytes(packet[body : body + 2])
    try:
        topic = packet[body + 2 : end].decode()
    except UnicodeDecodeError:
        raise MalformedError("a topic is no UTF-8") from None
    mid = 0
    if packet[0] & _QOS:
        mid = int.from_bytes(packet[end : end + 2])
        end += 2
    # The properties are laid out as a packet is after its first byte.
    properties = bounds(packet, end - 1)
    if properties is None:
        raise MalformedError("a message ends too early")
    return Publish(topic, packet[properties[1] :], mid, bool(packet[0] & _RETAIN))


def read_puback(packet: bytes, body: int) -> tuple[int, int]:
    """Reads a PUBACK packet whose body begins at `body`: the `mid` of the message, and the reason code.

    Raises:
        MalformedError: it is none.
    """
    if len(packet) < body + 2:
        raise MalformedError("an acknowledgement ends too early")
    # A reason of 0, success, may be left out.
    return int.from_bytes(packet[body : body + 2]), packet[body + 2] if len(packet) > body + 2 else 0


def publish(message: Publish, reply_to: str | None = None) -> bytes:
    """A PUBLISH packet, of QoS 1 where the message has a `mid`.

    Args:
        message: what is published.
        reply_to: its response topic.

    Raises:
        ValueError: the topic has a wildcard; a broker would end the connection.
    """
    if "+" in message.topic or "#" in message.topic:
        raise ValueError(f"{message.topic!r} is no topic to publish to.")
    first = PUBLISH | (_QOS_1 if message.mid else 0) | (_RETAIN if message.retain else 0)
    mid = message.mid.to_bytes(2) if message.mid else b""
    properties = _RESPONSE_TOPIC + _text(reply_to) if reply_to else b""
    head = b"".join((_text(message.topic), mid, _integer(len(properties)), properties))
    return b"".join((bytes((first,)), _integer(len(head) + len(message.payload)), head, message.payload))


def puback(mid: int) -> bytes:
    """A PUBACK packet: the message was handled."""
    return bytes((PUBACK, 2)) + mid.to_bytes(2)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2) + encoded


def _integer(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)
