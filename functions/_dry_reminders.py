"""The reminders that dry runs work on: copies in memory, one a conversation, of which nothing reaches the disk.

A reminder that a dry run makes can be looked up, moved and taken back later in the same conversation. It never falls
due, and another process that serves the function does not know of it.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from functions._reminders import Reminders
from functions.registry import Context

_MOST = 256
_copies: OrderedDict[tuple[str, str], Reminders] = OrderedDict()


@contextlib.contextmanager
def dry_store(context: Context) -> Iterator[Reminders]:
    """The conversation's copy: of what is on disk at its first dry run, and what dry runs have changed since."""
    key = (context.client, context.conversation)
    if key not in _copies:
        _copies[key] = _copy(context)
        while len(_copies) > _MOST:
            _copies.popitem(last=False)[1].close()
    _copies.move_to_end(key)
    yield _copies[key]


def _copy(context: Context) -> Reminders:
    copy = Reminders(Path(":memory:"))
    path = context.settings.home / "reminders.sqlite3"
    if path.exists():
        with Reminders(path) as kept:
            kept.copy_to(copy)
    return copy
