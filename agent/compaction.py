"""How deleted rows leave an SQLite file for good."""

import sqlite3
import time

_TRIES = 40
_PAUSE_S = 0.25


def compact(database: sqlite3.Connection) -> None:
    """Writes the file anew with what is left in it, and empties its write-ahead log.

    Deleting alone leaves the bytes in free pages and in the log. Others may have the file open in the meantime; those
    that write wait until it is done.

    Args:
        database: connected in autocommit mode, without an open transaction.

    Raises:
        sqlite3.OperationalError: others kept the file busy.
    """
    database.execute("VACUUM")
    for _ in range(_TRIES):
        # The log is emptied only once nobody reads from it: https://sqlite.org/pragma.html#pragma_wal_checkpoint
        busy = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if not busy:
            return
        time.sleep(_PAUSE_S)
    raise sqlite3.OperationalError("database is locked")
