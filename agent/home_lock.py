"""The lock of a home folder: one supervisor at a time uses it, and anybody can see which process that is."""

import contextlib
import fcntl
from collections.abc import Iterator
from typing import IO

from agent.settings import Settings

_FILE = "supervisor.lock"


class AlreadyRunning(Exception):  # noqa: N818 - says what happened
    """Raised when somebody else holds the home folder."""

    def __init__(self) -> None:
        super().__init__("FuncGemma runs already; see: funcgemma status")


@contextlib.contextmanager
def only_one(settings: Settings) -> Iterator[IO[str]]:
    """Holds the lock of the home folder; who has started writes its process id into the file.

    Raises:
        AlreadyRunning: somebody else holds it.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / _FILE).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning from None
        lock.truncate(0)
        yield lock


def running(settings: Settings) -> int | None:
    """The process id of the supervisor of this home folder; None if none has started."""
    try:
        with (settings.home / _FILE).open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except FileNotFoundError:
        pass
    return None
