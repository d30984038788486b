"""The finals that the chat workers of one home have sent: one a turn, whatever dies.

A final that its client has seen may be lost with a broker before anybody else has read it, and its worker may die in
the same moment. So a worker puts it here before it sends it; where another one is here already that one is sent. The
same file tells which worker is at a turn, so that two of them don't reply to it at once.

Writes go to the system without waiting for the disk: they outlive every process, and the journal has what must outlive
the power.
"""

import sqlite3
import time
from pathlib import Path

from agent.compaction import compact
from agent.messages import Final
from agent.turns import Key, StoreError

_BUSY_S = 10.0
_TRIES = 200
_PAUSE_S = 0.02
_KEPT_S = 3600.0
"""The journal sends a turn again for minutes at most."""
_PRUNE_EVERY = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS finals (
    client TEXT NOT NULL, conversation TEXT NOT NULL, turn_id TEXT NOT NULL,
    worker TEXT NOT NULL, at REAL NOT NULL, final TEXT,
    PRIMARY KEY (client, conversation, turn_id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS finals_by_time ON finals (at);
"""
_WHERE = "client = ? AND conversation = ? AND turn_id = ?"


class Finals:
    """The file; several processes may have it open at once.

    Args:
        path: the SQLite file; made where it is missing.
        worker: who asks, another one after each start.

    Raises:
        StoreError: the file can't be opened.
    """

    def __init__(self, path: Path, worker: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._worker = worker
        self._since_pruned = 0
        try:
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            self._use_wal()
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise StoreError(path, error) from error

    def _use_wal(self) -> None:
        for attempt in range(_TRIES):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                # Changing the journal's mode does not wait for another process that is doing the same.
                if "locked" not in str(error) or attempt == _TRIES - 1:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def begin(self, key: Key) -> tuple[str, Final | None]:
        """Notes that this worker is at the turn, unless another one is; gives who is, and the final if there is one."""
        self._prune()
        values = (key.client, key.conversation, key.turn_id, self._worker, time.time())
        worker, final = self._db.execute(
            "INSERT INTO finals VALUES (?, ?, ?, ?, ?, NULL) ON CONFLICT DO UPDATE SET worker = worker"
            " RETURNING worker, final",
            values,
        ).fetchone()
        return worker, Final.model_validate_json(final) if final else None

    def take_over(self, key: Key, worker: str) -> None:
        """Puts this worker in the place of one that is gone."""
        self._db.execute(
            f"UPDATE finals SET worker = ? WHERE {_WHERE} AND worker = ?",  # noqa: S608
            (self._worker, *_row(key), worker),
        )

    def keep(self, key: Key, final: Final) -> Final:
        """Keeps the final, unless the turn has one already; gives the one that counts."""
        values = (key.client, key.conversation, key.turn_id, self._worker, time.time(), final.model_dump_json())
        (kept,) = self._db.execute(
            "INSERT INTO finals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE"
            " SET final = coalesce(final, excluded.final) RETURNING final",
            values,
        ).fetchone()
        return Final.model_validate_json(kept)

    def latest(self, most: int) -> list[tuple[Key, Final]]:
        """The last finals that this worker kept for turns no other worker was at, oldest first."""
        rows = self._db.execute(
            "SELECT client, conversation, turn_id, final FROM finals WHERE worker = ? AND final IS NOT NULL"
            " ORDER BY at DESC LIMIT ?",
            (self._worker, most),
        ).fetchall()
        return [(Key(*row[:3]), Final.model_validate_json(row[3])) for row in reversed(rows)]

    def forget(self, client: str, conversation: str) -> None:
        """Deletes the finals of a conversation, also from the bytes of the file.

        Raises:
            StoreError: others kept the file busy.
        """
        try:
            self._db.execute("DELETE FROM finals WHERE client = ? AND conversation = ?", (client, conversation))
            compact(self._db)
        except sqlite3.Error as error:
            raise StoreError(self._path, error) from error

    def _prune(self) -> None:
        self._since_pruned += 1
        if self._since_pruned >= _PRUNE_EVERY:
            self._since_pruned = 0
            self._db.execute("DELETE FROM finals WHERE at < ?", (time.time() - _KEPT_S,))


def _row(key: Key) -> tuple[str, str, str]:
    return key.client, key.conversation, key.turn_id
