"""The turns on disk: one SQLite table with what was said, what became of it, and what was answered.

Written by the journal; those who look back (`agent.conversation_log`) read it and delete conversations. Changes of all
handlers that run at the same time go into one transaction (group commit): a handler changes, then awaits `committed`.
"""

import asyncio
import json
import math
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from agent.bus import Unable
from agent.journal_file import opened
from agent.messages import Final, Pending, Result, Route, Turn, Utterance

State = Literal["waiting", "open", "done"]


@dataclass(frozen=True, order=True)
class Key:
    """A turn: ids are chosen by clients, so they count only together."""

    client: str
    conversation: str
    turn_id: str

    @classmethod
    def of(cls, turn: Turn) -> "Key":
        """The key of a turn on the bus."""
        return cls(turn.client, turn.conversation, turn.turn_id)


class StoreError(Unable):
    """Raised when turns can't be written to disk; nothing that was not written may be acknowledged."""

    def __init__(self, path: Path, error: sqlite3.Error) -> None:
        super().__init__(f"{path} can't be written ({error}). Is the disk full? It is tried again by itself.")


class TurnStore:
    """The table of turns.

    Args:
        path: the SQLite file; made where it is missing.
        sync: `full` writes each commit through to the disk; `normal` may lose the last ones with the power.

    Attributes:
        set_aside: where a damaged file was put; None where it was fine.
        broken: gets the error when a change or a commit failed (a full disk, say). What waited for it gets the error
            too, and so does all that comes later: what memory holds is no longer what the disk holds, and the process
            should end.

    Raises:
        StoreError: the file can't be opened.
        JournalError: a newer version wrote it.
    """

    def __init__(self, path: Path, sync: str = "full") -> None:
        self._path = path
        try:
            self._db, self.set_aside = opened(path, sync)
        except sqlite3.Error as error:
            raise StoreError(path, error) from error
        self._urgent: list[asyncio.Future[None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._timer: asyncio.Handle | None = None
        self._due = math.inf
        self.broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def close(self) -> None:
        """Commits what is open and closes the file."""
        if self._db.in_transaction and not self.broken.done():
            self._db.execute("COMMIT")
        self._db.close()

    async def committed(self, within: float = 0) -> None:
        """Returns when all changes made so far are on disk.

        Args:
            within: seconds that they may wait for other changes to go with.

        Raises:
            StoreError: they are not, and never will be.
        """
        if self.broken.done():
            self.broken.result()
        if not self._db.in_transaction:
            return
        loop = asyncio.get_running_loop()
        if not self._urgent and not self._waiting:
            self._due = math.inf
        due = loop.time() + within
        if due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = loop.call_later(within, self._commit) if within else loop.call_soon(self._commit)
        # One each: who is cancelled does not take the others along. Who has no time is told first.
        written = loop.create_future()
        (self._waiting if within else self._urgent).append(written)
        await written

    def _commit(self) -> None:
        waiting = [*self._urgent, *self._waiting]
        self._urgent, self._waiting = [], []
        broke: StoreError | None = None
        try:
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            broke = self._break(error)
        for written in waiting:
            if written.done():
                continue
            if broke is None:
                written.set_result(None)
            else:
                written.set_exception(broke)

    def _change(self, statement: str, *values: Any) -> None:
        if self.broken.done():
            self.broken.result()
        try:
            if not self._db.in_transaction:
                self._db.execute("BEGIN")
            self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise self._break(error) from error

    def _break(self, error: sqlite3.Error) -> StoreError:
        """Notes that the disk does not take what memory holds."""
        broke = StoreError(self._path, error)
        if not self.broken.done():
            self.broken.set_exception(broke)
            self.broken.exception()
        return broke

    # ---- changes

    def add(self, turn: Turn, state: State) -> None:
        """Keeps a new turn."""
        self._change(
            "INSERT INTO turns (client, conversation, turn_id, state, accepted_at, turn) VALUES (?, ?, ?, ?, ?, ?)",
            turn.client,
            turn.conversation,
            turn.turn_id,
            state,
            time.time(),
            turn.model_dump_json(),
        )

    def open(self, turn: Turn) -> None:
        """Keeps the turn as it is sent (again)."""
        self._change(
            f"UPDATE turns SET state = 'open', turn = ? WHERE {_WHERE}", turn.model_dump_json(), *_row(Key.of(turn))
        )

    def routed(self, key: Key, route: Route) -> None:
        """Keeps what was decided."""
        self._change(f"UPDATE turns SET route = ? WHERE {_WHERE}", route.model_dump_json(exclude={"turn"}), *_row(key))

    def resulted(self, key: Key, result: Result) -> None:
        """Keeps what the function gave."""
        text = result.model_dump_json(exclude={"context"})
        self._change(f"UPDATE turns SET result = ? WHERE {_WHERE}", text, *_row(key))

    def finish(self, key: Key, final: Final, *, sent: bool) -> None:
        """Keeps the reply; the turn is done."""
        self._change(
            f"UPDATE turns SET state = 'done', final = ?, final_sent = ? WHERE {_WHERE}",
            final.model_dump_json(),
            int(sent),
            *_row(key),
        )

    def sent(self, key: Key) -> None:
        """Notes that the final is on the bus."""
        self._change(f"UPDATE turns SET final_sent = 1 WHERE {_WHERE}", *_row(key))

    # ---- questions

    def find(self, key: Key) -> tuple[State, Final | None] | None:
        """State and final of a turn; None if it was never accepted."""
        row = self._db.execute(f"SELECT state, final FROM turns WHERE {_WHERE}", _row(key)).fetchone()
        if row is None:
            return None
        return row[0], Final.model_validate_json(row[1]) if row[1] else None

    def unfinished(self) -> Iterator[tuple[State, Turn, str | None, bool]]:
        """Turns without a final in the order they came: state, turn, function that was routed to, result there."""
        rows = self._db.execute("SELECT state, turn, route, result FROM turns WHERE state <> 'done' ORDER BY seq")
        for state, turn, route, result in rows.fetchall():
            function = json.loads(route)["function"] if route else None
            yield state, Turn.model_validate_json(turn), function, result is not None

    def unsent(self) -> list[tuple[Key, Final]]:
        """Finals that may not have reached the bus."""
        rows = self._db.execute(
            "SELECT client, conversation, turn_id, final FROM turns WHERE final_sent = 0 AND state = 'done'"
        )
        return [(Key(*row[:3]), Final.model_validate_json(row[3])) for row in rows.fetchall()]

    def context(self, client: str, conversation: str, messages: int) -> tuple[list[Utterance], Pending | None]:
        """The last messages of a dialogue, oldest first, and the call that waits for an argument."""
        rows = self._db.execute(
            "SELECT json_extract(turn, '$.text'), route, final, result FROM turns"
            " WHERE client = ? AND conversation = ? AND state = 'done' ORDER BY seq DESC LIMIT ?",
            (client, conversation, (messages + 1) // 2),
        ).fetchall()
        history: list[Utterance] = []
        for text, _, final, _ in reversed(rows):
            history.append(Utterance(role="user", content=text))
            history.append(Utterance(role="assistant", content=json.loads(final)["text"]))
        pending = _pending(*rows[0][1:]) if rows else None
        return [one for one in history if one.content][-messages:], pending


def _pending(route: str | None, final: str, result: str | None) -> Pending | None:
    """The call that the last turn left waiting: the router missed an argument, or the function asked for one."""
    if route is None or json.loads(final)["status"] != "ok":
        return None
    routed = json.loads(route)
    error = (json.loads(result)["error"] if result else None) or {}
    missing = routed["missing"] or asked_for(error.get("code", ""))
    if not routed["function"] or not missing:
        return None
    return Pending(function=routed["function"], arguments=routed["arguments"], missing=missing)


def asked_for(code: str) -> list[str]:
    """The argument that a function asks for with the error `missing_<argument>`."""
    return [code.removeprefix("missing_")] if code.startswith("missing_") else []


_WHERE = "client = ? AND conversation = ? AND turn_id = ?"


def _row(key: Key) -> tuple[str, str, str]:
    return key.client, key.conversation, key.turn_id
