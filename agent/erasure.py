"""A conversation forgotten for good: gone from every file of the installation, not just from its tables.

Besides the journal these are what functions keep (asked through `functions._forgetting`), the lines typed in the chat,
the logs of the processes, and what the broker has saved. What is not covered: exports and results of replays, which are
the user's own files, and backups.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.conversation_log import REPLAY, Conversation, ConversationLog
from agent.finals import Finals
from agent.logged_turn import LogError, LoggedTurn
from agent.settings import PROJECT, Settings
from agent.supervisor import environment
from agent.turns import StoreError

_SHORTEST = 4
"""Characters that a text must have to be blotted out of logs; shorter ones are in every line."""
_SAVE_S = 10.0
_FUNCTIONS_S = 60.0


@dataclass(frozen=True)
class Erasure:
    """A conversation that is to be forgotten.

    Attributes:
        settings: home folder.
        log: open.
        conversation: which one.
    """

    settings: Settings
    log: ConversationLog
    conversation: Conversation

    def counted_on(self) -> list[str]:
        """What functions would delete with it that is still to come, such as reminders; a line for each.

        Raises:
            LogError: a turn of the conversation is under way.
        """
        self.log.refuse_underway(self.conversation)
        return self._functions(list(self.log.turns([self.conversation])), look=True)

    def run(self) -> list[Path]:
        """Deletes everything; gives the files in which something is left, which no one but their owner can change.

        Raises:
            LogError: a turn of the conversation is under way, or a file is busy.
        """
        self.log.refuse_underway(self.conversation)
        turns = list(self.log.turns([self.conversation]))
        # First, since the ids of its calls are in the journal: should this fail, it can be tried again.
        self._functions(turns, look=False)
        copies = self._copies({turn.text for turn in turns})
        turns += list(self.log.turns(copies)) if copies else []
        for one in (self.conversation, *copies):
            self.log.delete(one)
        self.log.compact()
        home = self.settings.home
        self._finals(copies)
        _forget_typed(home / "history", {turn.text for turn in turns})
        words = sorted(_words(turns), key=len, reverse=True)
        for path in (home / "logs").glob("*.log"):
            _blot(path, words)
        save_broker(home)
        # Turns have ids of their own, and every message of a turn on the bus names it.
        ids = [turn.turn_id.encode() for turn in turns]
        return [path for path in _files(home) if any(one in path.read_bytes() for one in ids)]

    def exports(self, folder: Path) -> list[Path]:
        """The exported logs in a folder that hold the conversation."""
        mark = f'"conversation_id": "{self.conversation.id}"'.encode()
        return [path for path in sorted(folder.glob("*.jsonl")) if mark in path.read_bytes()]

    def _finals(self, copies: Sequence[Conversation]) -> None:
        finals = Finals(self.settings.home / "finals.sqlite3", "erasure")
        try:
            for one in (self.conversation, *copies):
                finals.forget(one.client, one.id)
        except StoreError as error:
            raise LogError(str(error)) from error
        finally:
            finals.close()

    def _copies(self, texts: set[str]) -> list[Conversation]:
        """What an interrupted replay has left of it."""
        replays = [one for one in self.log.conversations(replays=True) if one.client.startswith(REPLAY)]
        return [one for one in replays if any(turn.text in texts for turn in self.log.turns([one]))]

    def _functions(self, turns: Sequence[LoggedTurn], *, look: bool) -> list[str]:
        asked = {
            "client": self.conversation.client,
            "conversation": self.conversation.id,
            "call_ids": [turn.result.call_id for turn in turns if turn.result is not None],
            "look": look,
        }
        done = subprocess.run(
            [sys.executable, "-m", "functions._forgetting"],
            cwd=PROJECT,
            env={**os.environ, **environment(self.settings)},
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=_FUNCTIONS_S,
            check=False,
        )
        if done.returncode:
            raise LogError(f"The functions can't forget it: {(done.stderr.strip() or 'no reason').splitlines()[-1]}")
        found: dict[str, list[str]] = json.loads(done.stdout)
        return [f"{function}: {line}" for function, lines in found.items() for line in lines]


def save_broker(home: Path) -> None:
    """Has a running broker write its file anew, since the one on disk may show turns that were on their way."""
    saved, pid = home / "broker" / "mosquitto.db", home / "broker" / "mosquitto.pid"
    before = saved.stat().st_mtime_ns if saved.exists() else 0
    try:
        os.kill(int(pid.read_text()), signal.SIGUSR1)
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return
    until = time.monotonic() + _SAVE_S
    while time.monotonic() < until and not (saved.exists() and saved.stat().st_mtime_ns != before):
        time.sleep(0.05)


def _words(turns: Sequence[LoggedTurn]) -> set[str]:
    """What was said in these turns, as logs may show it."""
    found = {turn.text for turn in turns}
    for turn in turns:
        if turn.final is not None:
            found.add(turn.final.text)
        if turn.route is not None:
            found |= {value for value in turn.route.arguments.values() if isinstance(value, str)}
    return {word for word in found if len(word) >= _SHORTEST}


def _blot(path: Path, words: Sequence[str]) -> None:
    """Overwrites words in place: the process that writes the log has it open."""
    with path.open("r+b") as file:
        content = file.read()
        for word in words:
            data = word.encode()
            at = content.find(data)
            while at >= 0:
                file.seek(at)
                file.write(b"*" * len(data))
                at = content.find(data, at + len(data))


def _forget_typed(path: Path, texts: set[str]) -> None:
    """Takes lines out of the chat's history (prompt_toolkit's `FileHistory`: `# time`, then `+` before each line)."""
    if not path.exists():
        return
    entries = re.split("(?m)^(?=# )", path.read_bytes().decode(errors="surrogateescape"))
    kept = [entry for entry in entries if _typed(entry) not in texts]
    if len(kept) < len(entries):
        fresh = path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write("".join(kept).encode(errors="surrogateescape"))
        fresh.replace(path)


def _typed(entry: str) -> str:
    return "\n".join(line[1:] for line in entry.split("\n") if line.startswith("+")).strip()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
