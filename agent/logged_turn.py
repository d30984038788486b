"""A turn as the journal has kept it, and as a line of an exported log.

A line (JSON Lines, one object a turn) has everything that a replay needs, and at the same time the keys of a labelled
case: `conversation` is the dialogue up to the turn, so the conversation's own name is `conversation_id`. A line without
`expected_function` is not labelled and no case.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from agent.messages import Error, Key, Lang, Name, Pending, Utterance

BATCH = "log"
"""What stands for the batch in the `test_id` of a labelled log line."""
_DIGITS = 12


class LogError(Exception):
    """Raised when a log, or what was asked of it, can't be used; the message says what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class LoggedRoute(_Part):
    """What was decided; the fields are those of `agent.messages.Route`."""

    function: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    missing: list[str] = Field(default_factory=list)
    confidence: float = 0
    router: str = ""
    took_ms: float = 0
    unserved: bool = False
    withheld: bool = False


class LoggedResult(_Part):
    """How the function's work ended."""

    status: Literal["ok", "error"]
    error: Error | None = None
    took_ms: float = 0
    call_id: str = ""


class LoggedFinal(_Part):
    """The reply."""

    status: Literal["ok", "failed"]
    text: str
    replier: str | None = None
    took_ms: dict[str, float] = Field(default_factory=dict)


class Label(_Part):
    """What is right for a turn: a function or none, and its arguments; None where those are not labelled."""

    function: str | None
    arguments: dict[str, Any] | None = None


class LoggedTurn(_Part):
    """One turn with all that became of it.

    Attributes:
        accepted_at: when the journal had it; the order and the pace of a replay.
        history: the dialogue before it, as far as the router saw it.
        route: None where it never came to that, as with `result` and `final`.
    """

    client: Name
    conversation_id: Name
    turn_id: Key
    text: str
    lang: Lang
    said_at: AwareDatetime
    accepted_at: AwareDatetime
    history: list[Utterance] = Field(default_factory=list)
    pending: Pending | None = None
    dry_run: bool = False
    route: LoggedRoute | None = None
    result: LoggedResult | None = None
    final: LoggedFinal | None = None
    label: Label | None = None

    @property
    def name(self) -> str:
        """Client and conversation, as commands take them."""
        return f"{self.client}/{self.conversation_id}"

    def line(self) -> dict[str, Any]:
        """The turn as an object of an exported log, with the keys of a case."""
        content = self.model_dump(mode="json", exclude={"label"})
        dialogue = [*self.history, Utterance(role="user", content=self.text)]
        content["conversation"] = [one.model_dump() for one in dialogue]
        if self.label is not None:
            category = self.label.function or "no_function"
            content["test_id"] = f"{self.lang}-{category}-{BATCH}-{self._digest()}"
            content["category"] = category
            content["expected_function"] = self.label.function
            content["expected_arguments"] = self.label.arguments
        return content

    @classmethod
    def of_line(cls, content: dict[str, Any]) -> "LoggedTurn":
        """The turn of such an object; `expected_function` and `expected_arguments` are its label.

        Raises:
            ValidationError: it is none.
        """
        label = None
        if "expected_function" in content:
            label = {"function": content["expected_function"], "arguments": content.get("expected_arguments")}
        return cls.model_validate({**content, "label": label})

    def _digest(self) -> str:
        key = f"{self.client}\n{self.conversation_id}\n{self.turn_id}"
        return hashlib.sha256(key.encode()).hexdigest()[:_DIGITS]


def read_log(path: Path) -> Iterator[LoggedTurn]:
    """The turns of an exported log, in the order of the file.

    Raises:
        LogError: it can't be read, or a line is no turn; the message names file and line.
    """
    try:
        # Not by splitlines, which also splits at separators that JSON leaves as they are within a text.
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise LogError(f"{path} can't be read: {error}. Make a log with: funcgemma log export") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield LoggedTurn.of_line(json.loads(line))
            except (ValidationError, ValueError, TypeError) as error:
                why = str(error).splitlines()[0]
                raise LogError(
                    f"{path}, line {number}, is no logged turn ({why}). Make a log with: funcgemma log export"
                ) from None
