"""What Ollama's answers say, as far as this project reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ToolCall:
    """A call that Ollama's parser found."""

    name: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Part:
    """What one line of a stream says.

    Attributes:
        content: text to be added to what came before.
        calls: whole calls; those without a name, which is how Ollama reports a call that it can't parse, are left out.
        done: the last line; the fields below are only there then.
        reason: `stop`, or `length` where `num_predict` ran out.
        prompt_tokens: tokens of the prompt; without those that were cached, on some versions.
        tokens: tokens generated.
    """

    content: str = ""
    calls: tuple[ToolCall, ...] = ()
    done: bool = False
    reason: str | None = None
    prompt_tokens: int | None = None
    tokens: int | None = None


@dataclass(frozen=True)
class Installed:
    """A model in store; `size` in bytes."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True)
class Progress:
    """How far a pull or an import is; bytes of the file `digest`, where there is one."""

    status: str
    digest: str | None = None
    completed: int | None = None
    total: int | None = None


def plain(model: str) -> str:
    """The model's name without `:latest`, which Ollama adds and takes for the same."""
    return model.removesuffix(":latest")


def part_of(line: Mapping[str, Any]) -> Part:
    """Reads a line of a stream of `/api/chat` (`message`) or `/api/generate` (`response`)."""
    message = line.get("message") or {}
    calls = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    return Part(
        content=str(message.get("content") or line.get("response") or ""),
        calls=tuple(
            ToolCall(call["name"], dict(call.get("arguments") or {}))
            for call in calls
            if isinstance(call.get("name"), str) and call["name"].strip()
        ),
        done=bool(line.get("done")),
        reason=line.get("done_reason"),
        prompt_tokens=line.get("prompt_eval_count"),
        tokens=line.get("eval_count"),
    )
