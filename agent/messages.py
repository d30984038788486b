"""A model for each payload on the bus, and nothing else.

Payloads are JSON objects in UTF-8; every one bears `id`, `source` and `time`. Readers ignore fields that they don't
know, so that a newer sender does not break an older reader.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Lang = Literal["ja", "en"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
"""A client, conversation or function in a topic: one level, no wildcard, no slash."""
Key = Annotated[str, Field(min_length=1, max_length=128)]

# No process needs all of them: each is made ready when it is first used.
_LENIENT = ConfigDict(extra="ignore", frozen=True, defer_build=True)


def _now() -> datetime:
    return datetime.now(UTC)


def _fresh() -> str:
    return uuid4().hex


class Message(BaseModel):
    """What every payload bears."""

    # What is no number in JSON would be written as null, which the next reader refuses.
    model_config = ConfigDict(**_LENIENT, allow_inf_nan=False)

    id: Key = Field(default_factory=_fresh)
    source: str = ""
    time: AwareDatetime = Field(default_factory=_now)


class Say(Message):
    """A client says something; repeated with the same `turn_id` until it is accepted.

    `dry_run`: the turn goes its whole way, but changes nothing outside the conversation.
    """

    turn_id: Key
    text: str
    said_at: AwareDatetime | None = None
    lang: Lang | None = None
    dry_run: bool = False


class Accepted(Message):
    """The turn is on disk."""

    turn_id: Key


class Utterance(BaseModel):
    """One message of the dialogue."""

    model_config = _LENIENT

    role: Literal["user", "assistant"]
    content: str


class Pending(BaseModel):
    """A call that waits for an argument: the user has been asked for `missing`."""

    model_config = _LENIENT

    function: Name
    arguments: dict[str, Any] = Field(default_factory=dict)
    missing: list[str] = Field(default_factory=list)


class Turn(Message):
    """A user's turn with its context, as routers see it."""

    turn_id: Key
    client: Name
    conversation: Name
    text: str
    lang: Lang
    said_at: AwareDatetime
    history: list[Utterance] = Field(default_factory=list)
    pending: Pending | None = None
    attempt: int = Field(1, ge=1)
    dry_run: bool = False


class Route(Message):
    """What a router decided.

    `unserved`: the function has no live worker, so no call was made. `withheld`: the turn is a dry run, and the
    function's card does not say that a dry run of it changes nothing, so no call was made.
    """

    turn: Turn
    function: Name | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    missing: list[str] = Field(default_factory=list)
    confidence: float = Field(ge=0, le=1)
    router: str
    took_ms: float
    unserved: bool = False
    withheld: bool = False

    @property
    def calls(self) -> bool:
        """Whether a call goes with it, so that a result follows."""
        return self.function is not None and not (self.missing or self.unserved or self.withheld)


class CallContext(BaseModel):
    """What a function worker returns untouched: whose turn it is, and the turn itself, sealed.

    The seal keeps the dialogue from function workers and proves that the call was made (`agent.seal`).
    """

    model_config = _LENIENT

    client: Name
    conversation: Name
    turn_id: Key
    sealed: str


class Call(Message):
    """A call of a function; `call_id` is the same for every attempt of the turn."""

    call_id: Key
    function: Name
    arguments: dict[str, Any] = Field(default_factory=dict)
    lang: Lang = "en"
    said_at: AwareDatetime = Field(default_factory=_now)
    context: dict[str, Any] = Field(default_factory=dict)
    reply_to: str = ""
    expires_at: AwareDatetime | None = None
    dry_run: bool = False


class Error(BaseModel):
    """Why a call failed."""

    model_config = _LENIENT

    code: str
    message: str


class Result(Message):
    """What a function gave."""

    call_id: Key
    function: Name
    status: Literal["ok", "error"]
    data: dict[str, Any] = Field(default_factory=dict)
    summary: str = ""
    error: Error | None = None
    context: dict[str, Any] = Field(default_factory=dict)
    took_ms: float = 0


class Chunk(Message):
    """A piece of a reply while it is being made; `seq` counts from 0."""

    turn_id: Key
    attempt: int = 1
    seq: int = Field(ge=0)
    text: str


class Final(Message):
    """The reply to a turn, whole. Each accepted turn gets one."""

    turn_id: Key
    attempt: int = 1
    status: Literal["ok", "failed"]
    text: str
    function: str | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    router: str | None = None
    replier: str | None = None
    took_ms: dict[str, float] = Field(default_factory=dict)


class Cancel(Message):
    """Stop generating the reply to this turn."""

    turn_id: Key


class Notice(Message):
    """Something that happens by itself, such as a reminder that falls due."""

    function: str
    text: str
    data: dict[str, Any] = Field(default_factory=dict)


class Example(BaseModel):
    """A sentence that calls the function, with the arguments that it gives."""

    model_config = _LENIENT

    text: Annotated[str, Field(min_length=1, max_length=1000)]
    arguments: dict[str, Any] = Field(default_factory=dict)
    lang: Lang | None = None


class Card(Message):
    """What a function does and takes, as its worker says it. Retained under `function/{name}`.

    `effects` tells what a call changes: `none` (it only reads), `dry_run` (something, but nothing where the call's
    `dry_run` is set), anything else is not known. Turns that are dry runs call functions of the first two kinds only.
    """

    name: Name
    description: Annotated[str, Field(max_length=2000)]
    parameters: Mapping[str, Any] = Field(default_factory=dict)
    examples: Annotated[list[Example], Field(max_length=500)] = Field(default_factory=list)
    version: str = "1"
    effects: str = "unknown"

    @property
    def runs_dry(self) -> bool:
        """Whether a call with `dry_run` changes nothing."""
        return self.effects in ("none", "dry_run")


class Status(Message):
    """Who is there. Retained; `offline` is the client's last will."""

    state: Literal["online", "offline"]
    role: str
    details: dict[str, Any] = Field(default_factory=dict)


class Dead(Message):
    """A payload that was refused, where it came from and why. Long payloads are cut."""

    topic: str
    reason: str
    payload: str
