"""The repliers behind one protocol: they put a reply into words, in pieces."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from agent.messages import Card, Result, Route

__all__ = ["Replier", "Task"]


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

    name: str

    def reply(self, task: Task) -> AsyncIterator[str]:
        """Yields the reply in pieces; together they are the whole text."""
        ...
