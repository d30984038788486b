"""Values out of a closed list: which information, which forecast, which action, or none of them.

One softmax a parameter over the features that also choose the function; "left out" is a class like the others. Each
case is learned from twice, by its words alone and with its meaning, which is asked for only where the words are not
sure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.routing.cases import Case
from agent.routing.features import Reading
from agent.routing.heads import Floats, score, softmax, train
from agent.routing.tagger import SPANS

BITS = 15
WHOLE = "text:whole"
"""Whether the text of `sentiment_label` is the whole turn."""
_PENALTY = 1e-3
_SURE = 0.6
"""From here on the words alone are right nearly as often as with the meaning (batches left out)."""


@dataclass(frozen=True)
class Choice:
    """A trained parameter: its values (None: left out) and weights [2 ** BITS + width + 1, values]."""

    values: Sequence[str | None]
    weights: Floats

    def choose(self, turn: Reading) -> str | None:
        """The likeliest value."""
        scores = score(self.weights, turn.words)
        if softmax(scores).max() < _SURE:
            scores = score(self.weights, turn.meaning)
        return self.values[int(np.argmax(scores))]


def back(parameter: str) -> str:
    """The name of the choice whether `parameter`, absent from the turn, is taken out of the dialogue before."""
    return f"{parameter}:back"


def train_choices(cases: Sequence[Case], readings: Sequence[Reading]) -> dict[str, Choice]:
    """Trains all choices; keys are `function.parameter`."""
    examples: dict[str, list[tuple[Reading, str | None]]] = {}
    closed = _parameters(cases)
    for case, turn in zip(cases, readings, strict=True):
        if case.function is None:
            continue
        spans = SPANS.get(case.function, {})
        for name in closed.get(case.function, ()):
            value = case.arguments.get(name)
            examples.setdefault(f"{case.function}.{name}", []).append((turn, value))
        for name in spans:
            value = case.arguments.get(name)
            if case.history and (value is None or value not in case.text):
                key = f"{case.function}.{back(name)}"
                examples.setdefault(key, []).append((turn, "yes" if value is not None else None))
        if "text" in spans and "text" in case.arguments:
            key = f"{case.function}.{WHOLE}"
            examples.setdefault(key, []).append((turn, "yes" if case.arguments["text"] == case.text else None))
    return {key: _choice(found) for key, found in examples.items()}


def _parameters(cases: Sequence[Case]) -> Mapping[str, list[str]]:
    found: dict[str, set[str]] = {}
    for case in cases:
        if case.function is not None:
            free = SPANS.get(case.function, {})
            names = {name for name in case.arguments if name not in free and not name.endswith("_language")}
            found.setdefault(case.function, set()).update(names)
    return {function: sorted(names) for function, names in found.items()}


def _choice(examples: Sequence[tuple[Reading, str | None]]) -> Choice:
    values = sorted({value for _, value in examples}, key=lambda value: value or "")
    targets = np.zeros((len(examples), len(values)), np.float32)
    for index, (_, value) in enumerate(examples):
        targets[index, values.index(value)] = 1.0
    rows = [turn.words for turn, _ in examples] + [turn.meaning for turn, _ in examples]
    twice = np.tile(targets, (2, 1))
    return Choice(values, train(rows, twice, bits=BITS, penalty=_PENALTY, independent=False, steps=25))
