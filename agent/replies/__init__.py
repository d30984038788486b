"""The repliers behind one protocol: they put a reply into words, in pieces."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from agent.messages import Card, Result, Route
from agent.settings import Settings

__all__ = ["Piece", "Replier", "Start", "Task", "load"]


@dataclass(frozen=True)
class Start:
    """What a reply begins with. Another one begins it anew: what came before does not count.

    Attributes:
        replier: who says what follows, for the final.
    """

    replier: str


Piece = str | Start


@dataclass(frozen=True)
class Task:
    """What a reply is made from.

    Attributes:
        route: what was decided about the turn, with the turn and its history.
        result: what the function gave; None for conversation and for a question about what is missing.
        cards: the functions that there are, for "what can you do".
    """

    route: Route
    result: Result | None
    cards: tuple[Card, ...] = ()


class Replier(Protocol):
    """Makes replies."""

    def reply(self, task: Task) -> AsyncIterator[Piece]:
        """Yields a `Start`, then the reply in pieces; those after the last `Start` are the whole text."""
        ...


def load(settings: Settings) -> Replier:
    """The configured replier: the chat model with the offline one behind it, or that one alone."""
    # What runs without models loads none of their modules.
    from agent.replies.offline import OfflineReplier  # noqa: PLC0415

    offline = OfflineReplier(settings.chunk_chars)
    if settings.replier == "offline":
        return offline
    from agent.ollama import Ollama  # noqa: PLC0415
    from agent.replies.ollama import OllamaReplier  # noqa: PLC0415

    return OllamaReplier(Ollama(settings.ollama_url), settings, offline)
