"""Takes the power from the journal at random moments: `python -m tools.power_loss --moments 200`.

A process writes turns as the journal does and tells which ones it has accepted. At random moments it is stopped dead,
its files are copied as they lie there, and the copy is opened as after a start. Every turn that was told as accepted
must be in it, every final that was told as kept, and SQLite must find nothing wrong. Each moment is tried in several
ways: with the shared-memory file (`-shm`), without it, with nothing but zeros in it, with rubbish behind the log
(`-wal`), and with the log cut anywhere, as a disk leaves it that lies about what it has written. Nothing can save the
turns from that; but then the file must be sound, or its damage be found and the file set aside.
"""

import argparse
import asyncio
import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from agent.journal_file import opened
from agent.messages import Final, Turn
from agent.settings import PROJECT
from agent.turns import Key, TurnStore

_LONGEST_S = 0.2
_AT_ONCE = 8


@dataclass
class Tally:
    """What was found.

    Attributes:
        moments: how often the power went.
        set_aside: how often a log that was cut had damaged the file, which was found.
        accepted: turns that had been accepted by the last one.
        faults: what was wrong, a sentence each.
    """

    moments: int = 0
    set_aside: int = 0
    accepted: int = 0
    faults: list[str] = field(default_factory=list)


def run(moments: int, seed: int, home: Path) -> Tally:
    """Takes the power that often from a journal in a folder of its own."""
    random = Random(seed)
    tally = Tally()
    told: dict[str, set[str]] = {"accepted": set(), "finished": set()}
    writer = subprocess.Popen(  # noqa: S603 - ourselves
        [sys.executable, "-m", "tools.power_loss", "--write", str(home)], cwd=PROJECT, stdout=subprocess.PIPE
    )
    assert writer.stdout is not None  # noqa: S101 - it is a pipe
    os.set_blocking(writer.stdout.fileno(), False)
    left = b""
    try:
        while tally.moments < moments:
            # Nothing is waited for here: the moment is what is random.
            time.sleep(random.uniform(0, _LONGEST_S))
            writer.send_signal(signal.SIGSTOP)
            os.waitpid(writer.pid, os.WUNTRACED)
            *lines, left = (left + (writer.stdout.read() or b"")).split(b"\n")
            for line in lines:
                kind, name = line.decode().split()
                told[kind].add(name)
            if told["accepted"]:
                tally.moments += 1
                _look(home, told, random, tally)
            writer.send_signal(signal.SIGCONT)
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    tally.accepted = len(told["accepted"])
    return tally


def _look(home: Path, told: dict[str, set[str]], random: Random, tally: Tally) -> None:
    for name, (harm, loses) in _HARMS.items():
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            copy = Path(folder) / "journal.sqlite3"
            for path in home.glob("journal.sqlite3*"):
                shutil.copyfile(path, copy.with_name(path.name))
            harm(copy, random)
            database, aside = opened(copy)
            rows = database.execute("SELECT turn_id, final FROM turns ORDER BY seq").fetchall()
            database.close()
        if aside is not None and not loses:
            tally.faults.append(f"{name}: the file was damaged")
        tally.set_aside += aside is not None
        there, finished = {row[0] for row in rows}, {row[0] for row in rows if row[1]}
        if not loses and (lost := told["accepted"] - there):
            tally.faults.append(f"{name}: {len(lost)} accepted turns are gone")
        if not loses and (lost := told["finished"] - finished):
            tally.faults.append(f"{name}: {len(lost)} finals are gone")


def _leave(_copy: Path, _random: Random) -> None:
    """The files as they lie there."""


def _without_index(copy: Path, _random: Random) -> None:
    copy.with_name(copy.name + "-shm").unlink()


def _empty_index(copy: Path, _random: Random) -> None:
    index = copy.with_name(copy.name + "-shm")
    index.write_bytes(bytes(index.stat().st_size))


def _rubbish(copy: Path, random: Random) -> None:
    with copy.with_name(copy.name + "-wal").open("ab") as log:
        log.write(random.randbytes(random.randrange(1, 20_000)))


def _cut(copy: Path, random: Random) -> None:
    log = copy.with_name(copy.name + "-wal")
    os.truncate(log, random.randrange(log.stat().st_size + 1))
    _without_index(copy, random)


_HARMS: dict[str, tuple[Callable[[Path, Random], None], bool]] = {
    "as it was": (_leave, False),
    "no index": (_without_index, False),
    "empty index": (_empty_index, False),
    "rubbish behind the log": (_rubbish, False),
    "log cut": (_cut, True),
}


async def _write(home: Path) -> None:
    """Accepts and finishes turns for ever, several at once, and tells each when it is on disk."""
    store = TurnStore(home / "journal.sqlite3")
    # The log is taken over into the file often, so that the power goes in the middle of that, too.
    store._db.execute("PRAGMA wal_autocheckpoint = 40")  # noqa: SLF001

    async def talk(number: int) -> None:
        count = 0
        while True:
            count += 1
            turn = Turn(
                turn_id=f"{number}-{count}",
                client=f"client-{number}",
                conversation="c",
                text="明日の札幌の天気は？" * (count % 9 + 1),
                lang="ja",
                said_at=datetime.now(UTC),
            )
            key = Key.of(turn)
            store.add(turn, "open")
            await store.committed()
            print(f"accepted {turn.turn_id}", flush=True)
            store.finish(key, Final(turn_id=turn.turn_id, status="ok", text="晴れです。" * 20), sent=True)
            await store.committed(within=0.002)
            print(f"finished {turn.turn_id}", flush=True)

    await asyncio.gather(*(talk(number) for number in range(_AT_ONCE)))


def main() -> None:
    """Runs it and prints what was found; the exit status tells whether all was well."""
    parser = argparse.ArgumentParser(prog="python -m tools.power_loss", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--moments", type=int, default=200, help="how often the power goes (200)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the moments (0)")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.write:
        asyncio.run(_write(arguments.write))
        return
    # That a damaged file was set aside is counted.
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        tally = run(arguments.moments, arguments.seed, home)
    print(f"{tally.moments} moments, each in {len(_HARMS)} ways; {tally.accepted:,} turns accepted")
    print(f"damage by a log that was cut: {tally.set_aside} times, found each time")
    print("\n".join(tally.faults) or f"nothing lost, nothing damaged (SQLite {sqlite3.sqlite_version})")
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
