"""The embedded router: decides in about a millisecond, without a download and without a GPU.

It learns from the labelled cases in `data/test` and from the cards. `python -m agent.routing.embedded` trains it
(set-up does so); `python -m tools.evaluate --leave-batch-out` tells how good it is on batches it has not seen.
"""

import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np

from agent.messages import Card, Pending, Turn
from agent.routing import Decision
from agent.routing.arguments import Arguments
from agent.routing.cases import load_cases
from agent.routing.features import Features, Reading
from agent.routing.foreign import ForeignFunctions
from agent.routing.gazetteer import Gazetteer
from agent.routing.model import THRESHOLD, Model, heard, previous_function, train_model
from agent.routing.model_file import load_model, model_key, save_model
from agent.routing.pending import completed, refuses
from agent.routing.references import References
from agent.routing.sentences import sentences
from agent.routing.stripping import bare
from agent.routing.tagger import Tagger
from agent.routing.validation import missing, validate
from agent.settings import Settings, settings

_ANSWERED = 0.9
"""Confidence that a turn which gives the missing argument completes the pending call."""
_ANOTHER = 0.85
"""A turn that calls another function with this confidence is no answer to the question."""
_KEPT = 1024


@dataclass(frozen=True)
class Consideration:
    """A decision with what it was taken from.

    Attributes:
        decision: what the router would do.
        chances: calibrated probability of each function, 0 to 1; they need not add up to 1.
        settled: the turn answers the question for a missing argument, or refuses to: nothing is left to decide.
    """

    decision: Decision
    chances: Mapping[str, float]
    settled: bool = False


class EmbeddedRouter:
    """Routes by a small network over words and meaning; fills arguments by conditional random fields."""

    name = "embedded"

    def __init__(self, model: Model, threshold: float = 0.5) -> None:
        """Takes a trained model.

        Args:
            model: what was learned.
            threshold: least confidence for a call; 0.5 stands for the model's own.
        """
        sentences()  # loaded now, not with the first turn
        self._model = model
        self._features = Features(model.gazetteer)
        self._foreign = ForeignFunctions(self._features, model.background)
        # Of the messages of a dialogue, which come again with every turn.
        self._heard = lru_cache(_KEPT)(partial(heard, self._features, model.first, model.functions))
        tagger = Tagger(model.fields, model.gazetteer, model.groups)
        self._arguments = Arguments(tagger, model.choices, References(tagger, self._heard))
        self._threshold = _shifted(THRESHOLD, threshold)

    @classmethod
    def load(cls, chosen: Settings) -> "EmbeddedRouter":
        """The router with the model of these settings, trained first where there is none that fits the data."""
        names = chosen.cases.parent / "offline"
        path = chosen.router_models / f"{model_key(chosen.cases, names)}.npz"
        model = load_model(path)
        if model is None:
            model = train_model(load_cases(chosen.cases), Gazetteer.read(names))
            save_model(model, path)
            sentences().forget()
        return cls(model, chosen.threshold)

    async def route(self, turn: Turn, cards: Mapping[str, Card]) -> Decision:
        """Decides for one turn; see `Router`."""
        return self.decide(turn, cards)

    def decide(self, turn: Turn, cards: Mapping[str, Card]) -> Decision:
        """The same, without a coroutine: nothing in it waits."""
        return self.consider(turn, cards).decision

    def consider(self, turn: Turn, cards: Mapping[str, Card]) -> Consideration:
        """Decides for one turn, and tells how likely each function was."""
        self._foreign.update(cards, self._model.functions)
        if turn.pending is None and not _says_something(turn.text):
            return Consideration(Decision(None, _ANSWERED, self.name), {})
        reading = self._read(turn)
        chances = self._chances(reading, cards)
        if cards.keys() - set(self._model.functions):
            alone = self._features.text_row(self._features.message(turn.text))
            chances |= self._foreign.probabilities(alone)
        function = max(chances, key=lambda name: chances[name], default=None)
        chance = chances[function] if function is not None else 0.0
        if turn.pending is not None and turn.pending.function in cards:
            decision = self._pending(turn, cards, function, chance)
            if decision is not None:
                return Consideration(decision, chances, settled=True)
        if function is None or chance < self._threshold:
            return Consideration(Decision(None, 1.0 - chance, self.name), chances)
        decision = self._call(function, self._fill(function, turn, reading), cards[function], chance)
        return Consideration(decision, chances)

    def arguments(self, function: str, turn: Turn, card: Card) -> dict[str, Any]:
        """What the dialogue gives for the parameters of a function, also of one that was not decided for."""
        return validate(function, self._fill(function, turn, self._read(turn)), card)[0]

    def _read(self, turn: Turn) -> Reading:
        previous = previous_function(turn.history, self._heard)
        return self._features.reading(self._features.message(turn.text), turn.history, previous)

    def _chances(self, reading: Reading, cards: Mapping[str, Card]) -> dict[str, float]:
        chances = zip(self._model.functions, self._model.chances(reading).tolist(), strict=True)
        return {name: chance for name, chance in chances if name in cards}

    def _fill(self, function: str, turn: Turn, reading: Reading) -> dict[str, Any]:
        if function in self._model.functions:
            return self._arguments.fill(function, turn.text, turn.history, reading)
        return self._foreign.arguments(function, turn.text)

    def _call(self, function: str, arguments: Mapping[str, Any], card: Card, confidence: float) -> Decision:
        fitting, _ = validate(function, arguments, card)
        return Decision(function, confidence, self.name, fitting, missing(fitting, card))

    def _pending(self, turn: Turn, cards: Mapping[str, Card], function: str | None, chance: float) -> Decision | None:
        pending = turn.pending
        assert pending is not None  # noqa: S101 - the caller has looked
        if refuses(turn.text):
            return Decision(None, _ANSWERED, self.name)
        card = cards[pending.function]
        arguments = completed(pending, card, turn.text, self._arguments)
        if arguments is None:
            return None
        another = function not in (None, pending.function) and chance >= _ANOTHER
        if another and not self._is_bare(turn.text, pending):
            return None
        return self._call(pending.function, arguments, card, _ANSWERED)

    def _is_bare(self, text: str, pending: Pending) -> bool:
        """Whether the turn is a missing value and nothing else ("in Boston please").

        Such a turn answers the question, whatever function the place makes likely by itself.
        """
        return any(self._arguments.answer(pending.function, name, text) == bare(text) for name in pending.missing)


def _says_something(text: str) -> bool:
    """Whether there is a letter, a number or a symbol such as an emoji in a text: "!!!" asks for nothing."""
    return any(unicodedata.category(character)[0] in "LNS" for character in text)


def _shifted(tuned: float, wanted: float) -> float:
    """The tuned threshold, moved by as much (in log odds) as the setting is away from 0.5."""
    edge = 1e-6
    wanted = min(max(wanted, edge), 1 - edge)
    odds = tuned / (1 - tuned) * wanted / (1 - wanted)
    return float(np.clip(odds / (1 + odds), 0.0, 1.0))


def main() -> None:
    """Trains the router where there is no model that fits the data."""
    start = time.perf_counter()
    EmbeddedRouter.load(settings())
    print(f"The embedded router is ready ({time.perf_counter() - start:.1f} s).")


if __name__ == "__main__":
    main()
