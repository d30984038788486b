"""Sockets that gather what is written until they are flushed, and read by the packet.

paho reads a packet's header byte by byte and writes each packet by itself. A turn is some forty packets, and on a busy
machine most of its time went into these system calls; with these sockets there is one for all that is ready.
"""

import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any, Self

from agent import packets

_READ = 65536
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BufferedSocket(socket.socket):
    """A connected, later non-blocking stream socket; the owner calls `flush` when it has written what it had.

    Attributes:
        unsent: bytes written and not yet handed to the system.
        ended: whether the connection is gone.
    """

    unsent: bytearray
    ended: bool
    _ahead: bytearray
    _left: bytes

    def __new__(cls, *arguments: Any, **others: Any) -> Self:
        """Makes the buffers, since a TLS socket is made without its constructor."""
        made = super().__new__(cls, *arguments, **others)
        made.unsent, made.ended, made._ahead, made._left = bytearray(), False, bytearray(), b""
        return made

    @classmethod
    def adopt(cls, plain: socket.socket) -> Self:
        """Takes a socket over; the plain one is of no use any more."""
        return cls(plain.family, plain.type, plain.proto, fileno=plain.detach())

    def send(self, data: Any, flags: int = 0, /) -> int:  # noqa: ARG002 - the signature is the system's
        """Keeps the bytes until `flush`; takes all of them."""
        self.unsent += data
        return len(data)

    def packets(self) -> Iterator[tuple[bytes, int]]:
        """Reads once, and gives the packets that have come whole by then, each with where its body begins.

        Raises:
            MalformedError: what has come is no MQTT.
        """
        try:
            more = super().recv(_READ)
        except _NOT_NOW:
            return
        except OSError:
            more = b""
        self.ended = not more
        self._ahead += more
        at = 0
        while (found := packets.bounds(self._ahead, at)) is not None:
            body, end = found
            yield bytes(self._ahead[at:end]), body - at
            at = end
        del self._ahead[:at]

    def leave(self, packet: bytes) -> None:
        """Leaves a packet to be read by `recv`."""
        self._left += packet

    def recv(self, size: int = _READ, flags: int = 0, /) -> bytes:  # noqa: ARG002 - the signature is the system's
        """Up to `size` bytes of what was left; none at the end of the connection.

        Raises:
            BlockingIOError: there is nothing to read now.
        """
        found, self._left = self._left[:size], self._left[size:]
        if not found and not self.ended:
            raise BlockingIOError
        return found

    def flush(self) -> bool:
        """Hands what was written to the system; tells whether all of it was taken.

        Raises:
            OSError: the connection is gone.
        """
        while self.unsent:
            try:
                sent = super().send(self.unsent)
            except _NOT_NOW:
                return False
            del self.unsent[:sent]
        return True

    def close(self) -> None:
        """Flushes what it can, then closes."""
        with contextlib.suppress(OSError):
            self.flush()
        super().close()


class SecureSocket(BufferedSocket, ssl.SSLSocket):
    """The same with TLS. Closes itself where the two don't come to terms; paho would leave it open."""

    def do_handshake(self, block: bool = False) -> None:
        """Comes to terms with the other side.

        Raises:
            OSError: they don't.
        """
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise
