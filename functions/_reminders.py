"""The reminders on disk: one SQLite file that several processes may have open at once."""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, get_args

from agent.compaction import compact
from agent.messages import Lang

_BUSY_S = 10.0
_SETUP_TRIES = 200
_VERSION = 1
_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS reminders (
    made INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client TEXT NOT NULL,
    conversation TEXT NOT NULL,
    lang TEXT NOT NULL,
    description TEXT NOT NULL,
    due REAL NOT NULL,
    offset_s INTEGER NOT NULL,
    repeat TEXT NOT NULL,
    all_day INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'delivered', 'cancelled'))
);
CREATE INDEX IF NOT EXISTS reminders_by_due ON reminders (state, due);
CREATE TABLE IF NOT EXISTS calls (
    client TEXT NOT NULL,
    call_id TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (client, call_id)
);
PRAGMA user_version = 1;
COMMIT;
"""
_COLUMNS = "id, client, conversation, lang, description, due, offset_s, repeat, all_day"


@dataclass(frozen=True)
class Reminder:
    """Something that a client is to be told at a time.

    Attributes:
        due: when, with the offset of whoever made it.
        repeat: the days of the week on which it comes again, Monday is 0; empty for once.
        all_day: made for a day without a time.
    """

    id: str
    client: str
    conversation: str
    lang: Lang
    description: str
    due: datetime
    repeat: tuple[int, ...] = ()
    all_day: bool = False

    def following(self, after: datetime) -> datetime | None:
        """The first moment later than `after` at which it comes again; None where it does not."""
        if not self.repeat:
            return None
        days = (after - self.due).days
        at = self.due + timedelta(days=max(days, 0))
        while at <= max(after, self.due) or at.weekday() not in self.repeat:
            at += timedelta(days=1)
        return at


class Reminders:
    """The store; use as a context manager.

    Every method takes the client whose reminders are meant, but for the two that serve the clock.
    """

    def __init__(self, path: Path, *, sync: Literal["full", "normal"] = "full") -> None:
        """Opens the file, and makes it where there is none.

        Args:
            path: the SQLite file.
            sync: whether each commit waits for the disk (`full`); `normal` can lose the last ones in a power cut.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            self._set_up()
            self._db.execute(f"PRAGMA synchronous = {sync}")
        except BaseException:
            self._db.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; the end of the context does it too."""
        self._db.close()

    def _set_up(self) -> None:
        if self._version() == _VERSION:
            return
        for attempt in range(_SETUP_TRIES):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.executescript(_SCHEMA)
            except sqlite3.OperationalError as error:
                # Changing the journal's mode does not wait for another process that is doing the same.
                if "locked" not in str(error) or attempt == _SETUP_TRIES - 1:
                    raise
                if self._db.in_transaction:
                    self._db.rollback()
                time.sleep(0.02)
            else:
                return

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def once(self, client: str, call_id: str, effect: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Does something and keeps what it gives, in one transaction; for a call done before gives what was kept.

        Args:
            client: whose call it is.
            call_id: the same for every attempt of the call.
            effect: changes this store and gives JSON values; where it raises, nothing is changed.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            kept = self._db.execute(
                "SELECT result FROM calls WHERE client = ? AND call_id = ?", (client, call_id)
            ).fetchone()
            result: dict[str, Any] = json.loads(kept[0]) if kept else effect()
            if not kept:
                values = (client, call_id, json.dumps(result, ensure_ascii=False))
                self._db.execute("INSERT INTO calls (client, call_id, result) VALUES (?, ?, ?)", values)
            self._db.execute("COMMIT")
        except BaseException:
            # SQLite itself ends the transaction on some errors, such as a full disk.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        return result

    def add(
        self,
        *,
        client: str,
        conversation: str,
        lang: Lang,
        description: str,
        due: datetime,
        repeat: Sequence[int],
        all_day: bool,
    ) -> Reminder:
        """Keeps a new reminder."""
        made = Reminder(uuid.uuid4().hex[:12], client, conversation, lang, description, due, tuple(repeat), all_day)
        self._db.execute(
            f"INSERT INTO reminders ({_COLUMNS}, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting')",  # noqa: S608
            (made.id, client, conversation, lang, description, *_when(due), _days(made.repeat), all_day),
        )
        return made

    def waiting(self, client: str) -> list[Reminder]:
        """The client's reminders that are still to come, the one made last first."""
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM reminders WHERE client = ? AND state = 'waiting' ORDER BY made DESC",  # noqa: S608
            (client,),
        )
        return [_reminder(row) for row in rows]

    def move(self, reminder: Reminder, due: datetime, repeat: Sequence[int], *, all_day: bool) -> None:
        """Gives a reminder another time."""
        self._db.execute(
            "UPDATE reminders SET due = ?, offset_s = ?, repeat = ?, all_day = ? WHERE id = ? AND client = ?",
            (*_when(due), _days(repeat), all_day, reminder.id, reminder.client),
        )

    def cancel(self, reminder: Reminder) -> None:
        """Takes a reminder back."""
        self._db.execute(
            "UPDATE reminders SET state = 'cancelled' WHERE id = ? AND client = ?", (reminder.id, reminder.client)
        )

    def forget(self, client: str, conversation: str, call_ids: Sequence[str]) -> None:
        """Deletes what was made in a conversation, and the kept results of its calls, for good."""
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("DELETE FROM reminders WHERE client = ? AND conversation = ?", (client, conversation))
        self._db.executemany(
            "DELETE FROM calls WHERE client = ? AND call_id = ?", [(client, call_id) for call_id in call_ids]
        )
        self._db.execute("COMMIT")
        compact(self._db)

    def copy_to(self, other: "Reminders") -> None:
        """Makes another store, an empty one, the same as this."""
        self._db.backup(other._db)  # noqa: SLF001 - one of our own kind

    def next(self) -> Reminder | None:
        """The reminder of whichever client that is due first."""
        row = self._db.execute(
            f"SELECT {_COLUMNS} FROM reminders WHERE state = 'waiting' ORDER BY due, made LIMIT 1"  # noqa: S608
        ).fetchone()
        return _reminder(row) if row else None

    def delivered(self, reminder: Reminder, now: datetime) -> None:
        """Notes that the client was told; what repeats waits for its next time after `now`.

        A reminder that was moved, taken back or noted by another process in the meantime stays as it is.
        """
        following = reminder.following(max(now, reminder.due))
        due, state = (reminder.due, "delivered") if following is None else (following, "waiting")
        self._db.execute(
            "UPDATE reminders SET due = ?, state = ? WHERE id = ? AND due = ? AND state = 'waiting'",
            (due.timestamp(), state, reminder.id, reminder.due.timestamp()),
        )


def _when(due: datetime) -> tuple[float, int]:
    offset = due.utcoffset() or timedelta()
    return due.timestamp(), round(offset.total_seconds())


def _days(repeat: Sequence[int]) -> str:
    return "".join(map(str, repeat))


def _reminder(row: tuple[Any, ...]) -> Reminder:
    identity, client, conversation, lang, description, due, offset_s, repeat, all_day = row
    at = datetime.fromtimestamp(due, timezone(timedelta(seconds=offset_s)))
    known: Lang = lang if lang in get_args(Lang) else "en"
    return Reminder(
        identity, client, conversation, known, description, at, tuple(map(int, repeat)), all_day=bool(all_day)
    )
