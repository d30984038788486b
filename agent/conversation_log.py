"""The journal's conversations for those who look back: listed, read, labelled, deleted.

Works on the journal's file beside the journal, which may run: what is written here are short transactions, and labels
are a table of their own.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.compaction import compact
from agent.logged_turn import Label, LogError, LoggedTurn

REPLAY = "replay-"
"""What the client ids of replays start with; their conversations are copies, and left out unless asked for."""
_BUSY_S = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS labels (
    client TEXT NOT NULL, conversation TEXT NOT NULL, turn_id TEXT NOT NULL,
    function TEXT, arguments TEXT, labelled_at REAL NOT NULL,
    PRIMARY KEY (client, conversation, turn_id)
)
"""
_ROWS = (
    "SELECT t.turn, t.accepted_at, t.route, t.result, t.final, l.turn_id, l.function, l.arguments"
    " FROM turns t LEFT JOIN labels l USING (client, conversation, turn_id)"
)


@dataclass(frozen=True)
class Conversation:
    """A conversation at a glance.

    Attributes:
        turns: how many; `labelled` how many of them have a label.
        langs: languages of its turns.
    """

    client: str
    id: str
    first: datetime
    last: datetime
    turns: int
    labelled: int
    langs: tuple[str, ...]

    @property
    def name(self) -> str:
        """Client and conversation, as commands take them."""
        return f"{self.client}/{self.id}"


class ConversationLog:
    """The conversations of one installation; use as a context manager.

    Args:
        home: folder with the journal's file.

    Raises:
        LogError: there is no journal yet.
    """

    def __init__(self, home: Path) -> None:
        path = home / "journal.sqlite3"
        if not path.exists():
            raise LogError(f"There are no conversations in {home} yet. Begin one with: funcgemma chat")
        self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
        try:
            self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise LogError(f"{path} can't be used: {error}.") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    # ---- questions

    def conversations(self, since: datetime | None = None, *, replays: bool = False) -> list[Conversation]:
        """All conversations, the one that was spoken in last at the end.

        Args:
            since: leaves out those whose last turn is older.
            replays: those of replays, too.
        """
        rows = self._db.execute(
            "SELECT t.client, t.conversation, min(t.accepted_at), max(t.accepted_at), count(*), count(l.turn_id),"
            " group_concat(DISTINCT json_extract(t.turn, '$.lang'))"
            " FROM turns t LEFT JOIN labels l USING (client, conversation, turn_id)"
            " GROUP BY t.client, t.conversation HAVING max(t.accepted_at) >= ? ORDER BY max(t.seq)",
            (_since(since),),
        )
        found = [
            Conversation(client, name, _time(first), _time(last), turns, labelled, tuple(sorted(langs.split(","))))
            for client, name, first, last, turns, labelled, langs in rows
        ]
        return [one for one in found if replays or not one.client.startswith(REPLAY)]

    def conversation(self, name: str) -> Conversation:
        """The conversation that is called `CLIENT/CONVERSATION`, or `CONVERSATION` where only one client has it.

        Raises:
            LogError: there is none, or there are several.
        """
        known = self.conversations(replays=True)
        found = [one for one in known if name == one.name] or [one for one in known if name == one.id]
        if not found:
            raise LogError(f"There is no conversation {name}; see: funcgemma log list")
        if len(found) > 1:
            names = ", ".join(one.name for one in found)
            raise LogError(f"Several clients have a conversation {name}; say which one: {names}")
        return found[0]

    def turns(
        self, conversations: Sequence[Conversation] | None = None, since: datetime | None = None
    ) -> Iterator[LoggedTurn]:
        """The turns of these conversations, or of all but replays, in the order they were accepted."""
        wanted = None if conversations is None else {(one.client, one.id) for one in conversations}
        rows = self._db.execute(f"{_ROWS} WHERE t.accepted_at >= ? ORDER BY t.seq", (_since(since),))
        for row in rows:
            turn = _logged(row)
            key = (turn.client, turn.conversation_id)
            if key in wanted if wanted is not None else not turn.client.startswith(REPLAY):
                yield turn

    def turn(self, turn_id: str) -> LoggedTurn:
        """The turn with this id, or whose id alone begins so.

        Raises:
            LogError: there is none, or there are several.
        """
        for condition in ("t.turn_id = ?1", "substr(t.turn_id, 1, length(?1)) = ?1"):
            found = [_logged(row) for row in self._db.execute(f"{_ROWS} WHERE {condition} LIMIT 3", (turn_id,))]
            if len(found) == 1:
                return found[0]
            if found:
                names = ", ".join(f"{one.turn_id} in {one.name}" for one in found)
                raise LogError(f"Several turns are called {turn_id}: {names}")
        raise LogError(f"There is no turn {turn_id}; see: funcgemma log show CONVERSATION")

    def refuse_underway(self, conversation: Conversation) -> None:
        """Checks that every turn of a conversation has its final.

        Raises:
            LogError: one has not.
        """
        underway = self._db.execute(
            "SELECT 1 FROM turns WHERE client = ? AND conversation = ? AND state <> 'done'",
            (conversation.client, conversation.id),
        ).fetchone()
        if underway:
            raise LogError(f"A turn of {conversation.name} is under way; try again when it has its reply.")

    # ---- changes

    def label(self, turn: LoggedTurn, label: Label) -> None:
        """Keeps what is right for a turn, in place of what was kept before."""
        arguments = None if label.arguments is None else json.dumps(label.arguments, ensure_ascii=False)
        self._db.execute(
            "INSERT OR REPLACE INTO labels VALUES (?, ?, ?, ?, ?, ?)",
            (turn.client, turn.conversation_id, turn.turn_id, label.function, arguments, time.time()),
        )

    def delete(self, conversation: Conversation) -> None:
        """Deletes a conversation with its labels; `compact` takes the bytes out of the file.

        Raises:
            LogError: a turn of it is under way.
        """
        key = (conversation.client, conversation.id)
        # What the journal is about to write counts: this waits for its transaction, and it for this one.
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self.refuse_underway(conversation)
            self._db.execute("DELETE FROM labels WHERE client = ? AND conversation = ?", key)
            self._db.execute("DELETE FROM turns WHERE client = ? AND conversation = ?", key)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise

    def compact(self) -> None:
        """Takes what was deleted out of the journal's files.

        Raises:
            LogError: others kept them busy.
        """
        try:
            compact(self._db)
        except sqlite3.OperationalError as error:
            raise LogError(f"The journal's file can't be written anew: {error}. Try again.") from None


def _since(since: datetime | None) -> float:
    return since.timestamp() if since else 0.0


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone()


def _logged(row: tuple[Any, ...]) -> LoggedTurn:
    turn, accepted_at, route, result, final, labelled, function, arguments = row
    content = json.loads(turn)
    label = {"function": function, "arguments": json.loads(arguments) if arguments else None} if labelled else None
    return LoggedTurn.model_validate(
        {
            **content,
            "conversation_id": content["conversation"],
            "accepted_at": _time(accepted_at),
            "route": json.loads(route) if route else None,
            "result": json.loads(result) if result else None,
            "final": json.loads(final) if final else None,
            "label": label,
        }
    )
