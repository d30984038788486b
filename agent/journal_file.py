"""The journal's file: opened and checked, brought to the present format, set aside where it is damaged, copied."""

import contextlib
import logging
import os
import sqlite3
from datetime import datetime
from pathlib import Path

from agent.settings import Settings

log = logging.getLogger(__name__)

_APPLICATION = 0x46754765
"""Marks the file as ours (`FuGe`), so that no other SQLite file is restored by mistake."""
_FORMATS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE IF NOT EXISTS turns (
            seq INTEGER PRIMARY KEY,
            client TEXT NOT NULL, conversation TEXT NOT NULL, turn_id TEXT NOT NULL,
            state TEXT NOT NULL, accepted_at REAL NOT NULL, turn TEXT NOT NULL,
            route TEXT, result TEXT, final TEXT, final_sent INTEGER NOT NULL DEFAULT 0,
            UNIQUE (client, conversation, turn_id)
        )""",
        "CREATE INDEX IF NOT EXISTS by_conversation ON turns (client, conversation, seq)",
        "CREATE INDEX IF NOT EXISTS unfinished ON turns (state) WHERE state <> 'done'",
        "CREATE INDEX IF NOT EXISTS unsent ON turns (final_sent) WHERE final_sent = 0",
    ),
    (f"PRAGMA application_id = {_APPLICATION}",),
)
"""What each version of the format adds to the one before; the file's `user_version` says how many it has."""
_BUSY_S = 60.0
_DAMAGE = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


class JournalError(Exception):
    """Raised when the journal's file can't be used, copied or put back; the message says what to do."""


def file_of(settings: Settings) -> Path:
    """Where the journal of an installation is."""
    return settings.home / "journal.sqlite3"


def opened(path: Path, sync: str = "full") -> tuple[sqlite3.Connection, Path | None]:
    """Opens the journal's file, made where it is missing, in the present format.

    Args:
        path: the SQLite file.
        sync: `full` writes each commit through to the disk; `normal` may lose the last ones with the power.

    Returns:
        The connection, and where a damaged file was set aside: then this is a new one.

    Raises:
        JournalError: a newer version wrote it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(path, sync), None
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        aside = set_aside(path, "damaged")
        log.error(  # noqa: TRY400 - what happened in SQLite is in the sentence
            "The journal's file is damaged (%s). It was set aside as %s, and a new one begun. "
            "To put a backup in its place: funcgemma down, then funcgemma journal restore FILE",
            error,
            aside,
        )
    return _open(path, sync), aside


def _open(path: Path, sync: str) -> sqlite3.Connection:
    # While a conversation is being forgotten, the file is written anew, which takes seconds where it is large.
    database = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(f"PRAGMA synchronous = {'FULL' if sync == 'full' else 'NORMAL'}")
        _check(database, "quick_check")
        _upgrade(database)
    except BaseException:
        database.close()
        raise
    return database


def _check(database: sqlite3.Connection, how: str) -> None:
    found = str(database.execute(f"PRAGMA {how}").fetchone()[0])
    if found != "ok":
        # The first line names the database only.
        error = sqlite3.DatabaseError(found.splitlines()[-1])
        error.sqlite_errorname = "SQLITE_CORRUPT"
        raise error


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    # Not a full disk, a missing right, a file in use: with these the file is as it was.
    return getattr(error, "sqlite_errorname", "").startswith(_DAMAGE)


def _upgrade(database: sqlite3.Connection) -> None:
    """Brings the file to the present format, in one transaction."""
    if _version(database) == len(_FORMATS):
        return
    database.execute("BEGIN IMMEDIATE")
    for statements in _FORMATS[_version(database) :]:
        for statement in statements:
            database.execute(statement)
    database.execute(f"PRAGMA user_version = {len(_FORMATS)}")
    database.execute("COMMIT")


def _version(database: sqlite3.Connection) -> int:
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > len(_FORMATS):
        raise JournalError(
            f"The journal has format {version}; this version of FuncGemma knows up to {len(_FORMATS)}. "
            "Use the version that wrote it, or restore a backup: funcgemma journal restore FILE"
        )
    return version


def copied(source: Path, target: Path) -> None:
    """Copies a journal, as it is at one moment, to a new file for its owner only, and checks the copy.

    Raises:
        JournalError: the source is no journal, is damaged, or is of a newer version.
    """
    target.unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy:
            with contextlib.closing(sqlite3.connect(source)) as database:
                database.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            _check(copy, "integrity_check")
            _check_ours(copy, source)
        flush(target)
    except BaseException as error:
        target.unlink(missing_ok=True)
        if isinstance(error, sqlite3.DatabaseError):
            what = "is damaged, or no journal at all" if _is_damage(error) else "can't be copied"
            raise JournalError(f"{source} {what}: {error}.") from error
        raise


def _check_ours(database: sqlite3.Connection, source: Path) -> None:
    marked = database.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION
    turns = database.execute("SELECT count(*) FROM sqlite_master WHERE name = 'turns'").fetchone()[0]
    # The first format had no mark.
    if not turns or not (marked or _version(database) == 1):
        raise JournalError(f"{source} is no journal of FuncGemma's.")
    _version(database)


def set_aside(path: Path, why: str) -> Path:
    """Renames the file, and what lies beside it, so that it is kept."""
    stamp = f"{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}"
    aside = path.with_name(f"{path.stem}.{why}-{stamp}{path.suffix}")
    for end in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            path.with_name(path.name + end).replace(aside.with_name(aside.name + end))
    return aside


def flush(path: Path) -> None:
    """Has the system write a file, or a folder's list of names, through to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
