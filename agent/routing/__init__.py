"""The routers behind one protocol, and the validation that all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.messages import Card, Turn
from agent.settings import Settings

__all__ = ["Decision", "Router", "RouterError", "load"]


class RouterError(Exception):
    """Raised when the configured router can't be used here; says in a sentence what mends it."""


@dataclass(frozen=True)
class Decision:
    """What a router decided about a turn.

    Attributes:
        function: the function to call, or None.
        arguments: values for its parameters, as far as the dialogue gives them.
        missing: required parameters that nobody gave; the assistant asks for them.
        confidence: calibrated probability that `function` (or None) is right, 0 to 1.
        router: which router decided, with the path where there are several.
    """

    function: str | None
    confidence: float
    router: str
    arguments: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


class Router(Protocol):
    """Decides which function a turn calls, if any."""

    name: str

    async def route(self, turn: Turn, cards: Mapping[str, Card]) -> Decision:
        """Decides for one turn.

        Args:
            turn: the turn with its history and the call that waits for an argument.
            cards: the functions that may be called, by name.
        """
        ...


def load(settings: Settings) -> Router:
    """The configured router, ready to route.

    Raises:
        RouterError: it can't be used here.
    """
    # Who brings a router of its own needs none of these, and one without a model not the models' modules.
    if settings.router == "peft":
        from agent.routing.peft import PeftRouter  # noqa: PLC0415

        return PeftRouter.load(settings)
    from agent.routing.embedded import EmbeddedRouter  # noqa: PLC0415

    embedded = EmbeddedRouter.load(settings)
    if settings.router == "embedded":
        return embedded
    from agent.ollama import Ollama  # noqa: PLC0415
    from agent.routing.cascade import CascadeRouter  # noqa: PLC0415

    return CascadeRouter(embedded, Ollama(settings.ollama_url), settings, leading=settings.router == "functiongemma")
