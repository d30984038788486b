"""The journal's file: what is in it survives, what is wrong with it is told, and backups come back."""

import asyncio
import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent import cli
from agent.home_lock import only_one
from agent.journal_backup import backup, restore
from agent.journal_file import JournalError, file_of, opened
from agent.messages import Final, Turn
from agent.settings import PROJECT, Settings
from agent.supervisor import environment
from agent.turns import Key, TurnStore
from tests.test_processes import LONG_S, up
from tools import power_loss

FIRST_FORMAT = """
CREATE TABLE turns (
    seq INTEGER PRIMARY KEY,
    client TEXT NOT NULL, conversation TEXT NOT NULL, turn_id TEXT NOT NULL,
    state TEXT NOT NULL, accepted_at REAL NOT NULL, turn TEXT NOT NULL,
    route TEXT, result TEXT, final TEXT, final_sent INTEGER NOT NULL DEFAULT 0,
    UNIQUE (client, conversation, turn_id)
);
CREATE INDEX by_conversation ON turns (client, conversation, seq);
CREATE INDEX unfinished ON turns (state) WHERE state <> 'done';
CREATE INDEX unsent ON turns (final_sent) WHERE final_sent = 0;
PRAGMA user_version = 1;
"""
"""As the first version wrote it; never to be changed."""


def a_turn(number: int) -> Turn:
    said_at = datetime.now(UTC)
    return Turn(
        turn_id=str(number), client="cli-0", conversation="c", text=f"turn {number}", lang="en", said_at=said_at
    )


async def written(settings: Settings, number: int) -> None:
    """Writes turns with their finals, as the journal does."""
    store = TurnStore(file_of(settings))
    for turn in map(a_turn, range(number)):
        store.add(turn, "open")
        store.finish(Key.of(turn), Final(turn_id=turn.turn_id, status="ok", text="fine"), sent=True)
    await store.committed()
    store.close()


def turns_in(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return [row[0] for row in database.execute("SELECT turn_id FROM turns ORDER BY seq")]


def test_power_lost_at_random_moments(tmp_path: Path) -> None:
    """What was told as accepted is there, whatever the moment; the long form is `python -m tools.power_loss`."""
    home = tmp_path / "home"
    home.mkdir()
    tally = power_loss.run(8, seed=os.getpid(), home=home)
    assert tally.accepted
    assert not tally.faults


async def test_each_commit_goes_to_the_disk(settings: Settings) -> None:
    """Write-ahead log, each commit written through; the quicker setting is for who asks for it."""
    for sync, level in (("full", 2), ("normal", 1)):
        database, _ = opened(file_of(settings), sync)
        assert database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert database.execute("PRAGMA synchronous").fetchone()[0] == level
        database.close()


@pytest.mark.parametrize("harm", ["header", "page", "garbage"])
async def test_damaged_file_is_set_aside(settings: Settings, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is kept, a new one is begun, and a sentence says how to put a backup in its place."""
    await written(settings, 300)
    path = file_of(settings)
    content = bytearray(path.read_bytes())
    if harm == "garbage":
        content = bytearray(os.urandom(9000))
    elif harm == "header":
        content[:16] = b"something else!!"
    else:
        content[4096 * 3 : 4096 * 4] = os.urandom(4096)
    path.write_bytes(content)
    store = TurnStore(path)
    assert store.set_aside is not None
    assert store.set_aside.read_bytes() == content
    assert "funcgemma journal restore FILE" in caplog.text
    store.add(a_turn(1), "open")
    await store.committed()
    store.close()
    assert turns_in(path) == ["1"]


async def test_file_that_can_not_be_read_is_not_taken_for_damaged(settings: Settings) -> None:
    """A missing right or a folder in its place is no damage: nothing is moved."""
    path = file_of(settings)
    path.mkdir(parents=True)
    with pytest.raises(sqlite3.OperationalError):
        opened(path)
    assert path.is_dir()


async def test_file_of_the_first_format_is_taken_over(settings: Settings) -> None:
    """Turns of an earlier version are there, finished and unfinished, and the file is marked as ours."""
    path = file_of(settings)
    path.parent.mkdir(parents=True)
    turn = a_turn(1)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.executescript(FIRST_FORMAT)
        values = ("cli-0", "c", "1", "open", 1.0, turn.model_dump_json())
        database.execute(
            "INSERT INTO turns (client, conversation, turn_id, state, accepted_at, turn) VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )
        database.commit()
    store = TurnStore(path)
    assert [kept.turn_id for _, kept, _, _ in store.unfinished()] == ["1"]
    store.finish(Key.of(turn), Final(turn_id="1", status="ok", text="fine"), sent=True)
    await store.committed()
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone()[0] == 2
        assert database.execute("PRAGMA application_id").fetchone()[0] == 0x46754765
    assert turns_in(path) == ["1"]


async def test_file_of_a_later_format_is_left_alone(settings: Settings) -> None:
    """A version that does not know the format says so and changes nothing."""
    await written(settings, 1)
    path = file_of(settings)
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="format 99"):
        opened(path)
    with pytest.raises(JournalError, match="format 99"):
        restore(settings, path)
    assert turns_in(path) == ["0"]


async def test_backup_is_made_while_turns_come_in(settings: Settings, tmp_path: Path) -> None:
    """It holds all that was on disk when it was made, for its owner only, in one sound file."""
    store = TurnStore(file_of(settings))
    for number in range(40):
        store.add(a_turn(number), "open")
        await store.committed()
        if number == 20:
            # Begun and not yet on disk: no part of any backup.
            store.add(a_turn(1000), "open")
            assert await asyncio.to_thread(backup, settings, tmp_path / "copy") == 21
    store.close()
    assert turns_in(tmp_path / "copy") == [str(number) for number in range(21)]
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy"]
    with pytest.raises(JournalError, match="exists"):
        backup(settings, tmp_path / "copy")


async def test_backup_is_put_back(settings: Settings, tmp_path: Path) -> None:
    """What was there is kept; not while FuncGemma runs."""
    await written(settings, 3)
    backup(settings, tmp_path / "copy")
    await written(settings.model_copy(update={"home": tmp_path / "other"}), 5)
    other = settings.model_copy(update={"home": tmp_path / "other"})
    aside = restore(other, tmp_path / "copy")
    assert aside is not None
    assert turns_in(file_of(other)) == ["0", "1", "2"]
    assert turns_in(aside) == ["0", "1", "2", "3", "4"]
    with only_one(other) as lock:
        lock.write("1")
        lock.flush()
        with pytest.raises(JournalError, match="funcgemma down"):
            restore(other, tmp_path / "copy")


async def test_what_is_no_sound_journal_is_not_put_back(settings: Settings, tmp_path: Path) -> None:
    """A broken copy, another program's file, nothing at all: a sentence, and the journal stays."""
    await written(settings, 300)
    (tmp_path / "text").write_text("no database\n" * 1000)
    content = bytearray(file_of(settings).read_bytes())
    content[4096 * 3 : 4096 * 4] = os.urandom(4096)
    (tmp_path / "broken").write_bytes(content)
    for name, table in (("other", "things"), ("stranger", "turns")):
        with contextlib.closing(sqlite3.connect(tmp_path / name)) as database:
            database.execute(f"CREATE TABLE {table} (x)")
    for name in ("text", "broken", "other", "stranger", "missing"):
        with pytest.raises(JournalError, match=name):
            restore(settings, tmp_path / name)
    assert len(turns_in(file_of(settings))) == 300
    assert not list(settings.home.glob("*.new"))


async def test_commands_back_up_and_restore(settings: Settings, tmp_path: Path) -> None:
    """A damaged file keeps nothing from starting, and `status` tells; backed up while it runs; restored."""
    chosen = settings.model_copy(update={"router": "embedded", "replier": "offline"})
    chosen.__pydantic_fields_set__.update({"router", "replier"})

    def funcgemma(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "agent.cli", *arguments],
            cwd=PROJECT, env={**os.environ, **environment(chosen)}, capture_output=True, text=True, check=False,
            timeout=LONG_S,
        )  # fmt: skip
        return done.stdout + done.stderr

    copy = str(tmp_path / "copy")
    file_of(chosen).parent.mkdir(parents=True)
    file_of(chosen).write_bytes(b"nothing of use" * 1000)
    async with up(chosen) as client, asyncio.timeout(LONG_S):
        assert (await client.final("hello", "c")).status == "ok"
        assert "The journal was damaged and began anew" in await asyncio.to_thread(funcgemma, "status")
        assert await asyncio.to_thread(funcgemma, "journal", "backup", copy) == f"1 turns in {copy}\n"
        assert "funcgemma down" in await asyncio.to_thread(funcgemma, "journal", "restore", copy)
    assert funcgemma("journal", "restore", copy).startswith("Restored.")
    assert len(turns_in(file_of(chosen))) == 1


def test_backup_of_nothing(settings: Settings, tmp_path: Path) -> None:
    """A sentence, and no empty file."""
    with pytest.raises(JournalError, match="no journal"):
        cli._journal(cli._parser().parse_args(["journal", "backup", str(tmp_path / "copy")]), settings)
    assert not list(tmp_path.glob("copy*"))
