"""A socket that gathers what is written until it is flushed, and reads ahead.

paho reads a packet's header byte by byte and writes each packet by itself. A turn is some forty packets, and on a busy
machine most of its time went into these system calls; with this socket there is one for all that is ready.
"""

import contextlib
import socket
from typing import Any, Self

_READ = 65536


class BufferedSocket(socket.socket):
    """A connected, later non-blocking stream socket; the owner calls `flush` when it has written what it had.

    Attributes:
        unsent: bytes written and not yet handed to the system.
    """

    unsent: bytearray
    _ahead: bytes
    _position: int

    @classmethod
    def adopt(cls, plain: socket.socket) -> Self:
        """Takes a socket over; the plain one is of no use any more."""
        made = cls(plain.family, plain.type, plain.proto, fileno=plain.detach())
        made.unsent, made._ahead, made._position = bytearray(), b"", 0
        return made

    def send(self, data: Any, flags: int = 0, /) -> int:  # noqa: ARG002 - the signature is the system's
        """Keeps the bytes until `flush`; takes all of them."""
        self.unsent += data
        return len(data)

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """Up to `size` bytes, out of what was read ahead where there is some.

        Raises:
            BlockingIOError: there is nothing to read now.
        """
        if self._position == len(self._ahead):
            self._ahead, self._position = super().recv(_READ, flags), 0
        found = self._ahead[self._position : self._position + size]
        self._position += len(found)
        return found

    def pending(self) -> int:
        """Bytes that were read ahead: the system won't tell that these are there."""
        return len(self._ahead) - self._position

    def flush(self) -> bool:
        """Hands what was written to the system; tells whether all of it was taken.

        Raises:
            OSError: the connection is gone.
        """
        while self.unsent:
            try:
                sent = super().send(self.unsent)
            except BlockingIOError:
                return False
            del self.unsent[:sent]
        return True

    def close(self) -> None:
        """Flushes what it can, then closes."""
        with contextlib.suppress(OSError):
            self.flush()
        super().close()
