"""The cascade: the embedded router shortlists, FunctionGemma decides among the few and fills arguments.

The embedded answer stands where the model is away, late, gives nothing valid, or contradicts a very sure embedded one.
Which of these it was stands in the decision's `router`.

All cards are declared to FunctionGemma each time, since a prefix that never changes is read once and then served from
Ollama's prompt cache; the shortlist is applied to what it answers.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from agent.availability import Availability, Changed
from agent.messages import Card, Turn
from agent.ollama import LEAST_FOR_FUNCTIONGEMMA, Ollama, OllamaError
from agent.routing import Decision
from agent.routing.embedded import Consideration, EmbeddedRouter
from agent.routing.functiongemma import FunctionCall
from agent.routing.ollama import NoCall, OllamaRouter
from agent.routing.text import normalise
from agent.routing.validation import missing, validate
from agent.settings import Settings

log = logging.getLogger(__name__)

_SURE = 0.8
"""From here on the embedded router is right more often than a model of 270M parameters that contradicts it."""
_POSSIBLE = 0.05
"""A function less likely than this is not on the shortlist; with none on it, no model is asked."""


class CascadeRouter:
    """The embedded router and FunctionGemma together.

    Args:
        embedded: shortlists, and stands in.
        ollama: the server that runs FunctionGemma.
        settings: model, patience, length of the shortlist.
        leading: FunctionGemma's valid answers always stand, whatever the embedded router thinks.
    """

    def __init__(self, embedded: EmbeddedRouter, ollama: Ollama, settings: Settings, *, leading: bool = False) -> None:
        self.name = "functiongemma" if leading else "cascade"
        self._embedded = embedded
        self._ollama = ollama
        self._functiongemma = OllamaRouter(ollama, settings)
        self._settings = settings
        self._leading = leading
        self._availability = Availability(
            ollama,
            settings.router_model,
            look_s=settings.look_s,
            least=LEAST_FOR_FUNCTIONGEMMA,
            prepare=self._functiongemma.prepare,
        )

    @property
    def condition(self) -> Mapping[str, Any]:
        """See `agent.availability.Upgradable`."""
        at_work = self.name if self._availability.ready else self._embedded.name
        return {"router": at_work, **self._availability.condition}

    async def watch(self, changed: Changed) -> None:
        """Looks after the model for ever."""
        async with self._ollama:
            await self._availability.run(changed)

    async def route(self, turn: Turn, cards: Mapping[str, Card]) -> Decision:
        """Decides for one turn, while `watch` runs; see `Router`."""
        thought = self._embedded.consider(turn, cards)
        await self._availability.looked(self._settings.router_s)
        if not self._availability.ready:
            return thought.decision
        shortlist = self._shortlist(thought, cards)
        if thought.settled or not shortlist:
            return self._stands(thought)
        try:
            async with asyncio.timeout(self._settings.router_s):
                call = await self._functiongemma.ask(turn, cards)
        except TimeoutError:
            return self._stands(thought, "late")
        except NoCall:
            return self._stands(thought, "invalid")
        except OllamaError as error:
            log.warning("%s", error)
            self._availability.failed(error)
            return self._stands(thought, "gone")
        if call is None:
            return self._nothing(thought)
        if call.name not in shortlist:
            return self._stands(thought, "invalid")
        return self._call(call, turn, cards[call.name], thought)

    def _shortlist(self, thought: Consideration, cards: Mapping[str, Card]) -> list[str]:
        if self._leading:
            return list(cards)
        likely = sorted(thought.chances, key=lambda name: -thought.chances[name])[: self._settings.shortlist]
        return [name for name in likely if thought.chances[name] >= _POSSIBLE]

    def _nothing(self, thought: Consideration) -> Decision:
        """FunctionGemma answers in words."""
        decision = thought.decision
        if decision.function is None:
            return replace(decision, router=self._path("agreed"))
        if decision.confidence >= _SURE and not self._leading:
            return self._stands(thought, "sure")
        return Decision(None, max(0.5, 1 - decision.confidence), self._path("functiongemma"))

    def _call(self, call: FunctionCall, turn: Turn, card: Card, thought: Consideration) -> Decision:
        decision = thought.decision
        agreed = decision.function == call.name
        sure = decision.function is not None and decision.confidence >= _SURE
        if sure and not agreed and not self._leading:
            return self._stands(thought, "sure")
        given, refused = validate(call.name, call.arguments, card)
        grounded = {name: value for name, value in given.items() if _is_said(value, name, card, turn)}
        if refused and not grounded and call.arguments:
            return self._stands(thought, "invalid")
        known = decision.arguments if agreed else self._embedded.arguments(call.name, turn, card)
        if turn.pending is not None and turn.pending.function == call.name:
            known = {**turn.pending.arguments, **known}
        arguments = {**known, **grounded}
        chance = thought.chances.get(call.name, 0.0)
        # Where two disagree, about one time in two the one that was asked last is right.
        confidence = chance if agreed else max(0.5, chance)
        path = self._path("agreed" if agreed else "functiongemma")
        return Decision(call.name, confidence, path, arguments, missing(arguments, card))

    def _stands(self, thought: Consideration, why: str = "") -> Decision:
        return replace(thought.decision, router=self._path(f"embedded-{why}" if why else "embedded"))

    def _path(self, path: str) -> str:
        return f"{self.name}:{path}"


def _is_said(value: Any, name: str, card: Card, turn: Turn) -> bool:
    """Whether a free text stands in the dialogue: small models make up dates and complete names."""
    schema = card.parameters.get("properties", {}).get(name, {})
    if not isinstance(value, str) or "enum" in schema or name.endswith("language"):
        return True
    dialogue = normalise("\n".join([*(said.content for said in turn.history), turn.text]))
    return normalise(value) in dialogue
