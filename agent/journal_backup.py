"""Backups of the journal: made while it goes on being written, and put back while nothing runs.

The file is in WAL mode, so a copy of it alone is no backup: what is new lies beside it.
"""

import contextlib
import sqlite3
from pathlib import Path

from agent.home_lock import only_one, running
from agent.journal_file import JournalError, copied, file_of, flush, set_aside
from agent.settings import Settings


def backup(settings: Settings, target: Path) -> int:
    """Copies the journal to a file of its own; gives the number of turns in it.

    Raises:
        JournalError: there is no journal, it is damaged, or the target exists.
    """
    path = file_of(settings)
    if not path.exists():
        raise JournalError(f"There is no journal in {settings.home} yet.")
    if target.exists():
        raise JournalError(f"{target} exists; choose another name.")
    if not target.parent.is_dir():
        raise JournalError(f"There is no folder {target.parent}.")
    fresh = target.with_name(target.name + ".new")
    copied(path, fresh)
    with contextlib.closing(sqlite3.connect(fresh)) as database:
        turns = int(database.execute("SELECT count(*) FROM turns").fetchone()[0])
    fresh.replace(target)
    flush(target.parent)
    return turns


def restore(settings: Settings, source: Path) -> Path | None:
    """Puts a backup in the journal's place; gives where the file that was there is kept.

    Raises:
        AlreadyRunning: FuncGemma starts just now.
        JournalError: FuncGemma runs, or the backup is none, is damaged, or is of a newer version.
    """
    if running(settings) is not None:
        raise JournalError("FuncGemma is running and writes its journal. Stop it first: funcgemma down")
    if not source.is_file():
        raise JournalError(f"There is no file {source}.")
    path = file_of(settings)
    fresh = path.with_name(path.name + ".new")
    with only_one(settings):
        copied(source, fresh)
        aside = None
        if path.exists():
            # What lies beside the file goes into it first, so that one rename keeps all of it.
            with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            aside = set_aside(path, "replaced")
        fresh.replace(path)
        flush(path.parent)
    return aside
