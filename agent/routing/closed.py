"""Values out of a closed list: which information, which forecast, which action, or none of them.

One softmax a parameter over the features that also choose the function; "left out" is a class like the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from agent.routing.cases import Case
from agent.routing.features import Row
from agent.routing.heads import Floats, score, train
from agent.routing.tagger import SPANS

BITS = 15
WHOLE = "text:whole"
"""Whether the text of `sentiment_label` is the whole turn."""
_PENALTY = 1e-3


@dataclass(frozen=True)
class Choice:
    """A trained parameter: its values (None: left out) and weights [2 ** BITS + 1, values]."""

    values: Sequence[str | None]
    weights: Floats

    def choose(self, row: Row) -> str | None:
        """The likeliest value."""
        return self.values[int(np.argmax(score(self.weights, row)))]


def back(parameter: str) -> str:
    """The name of the choice whether `parameter`, absent from the turn, is taken out of the dialogue before."""
    return f"{parameter}:back"


def train_choices(cases: Sequence[Case], rows: Sequence[Row]) -> dict[str, Choice]:
    """Trains all choices; keys are `function.parameter`."""
    examples: dict[str, list[tuple[Row, str | None]]] = {}
    closed = _parameters(cases)
    for case, row in zip(cases, rows, strict=True):
        if case.function is None:
            continue
        spans = SPANS.get(case.function, {})
        for name in closed.get(case.function, ()):
            value = case.arguments.get(name)
            examples.setdefault(f"{case.function}.{name}", []).append((row, value))
        for name in spans:
            value = case.arguments.get(name)
            if case.history and (value is None or value not in case.text):
                key = f"{case.function}.{back(name)}"
                examples.setdefault(key, []).append((row, "yes" if value is not None else None))
        if "text" in spans and "text" in case.arguments:
            key = f"{case.function}.{WHOLE}"
            examples.setdefault(key, []).append((row, "yes" if case.arguments["text"] == case.text else None))
    return {key: _choice(found) for key, found in examples.items()}


def _parameters(cases: Sequence[Case]) -> Mapping[str, list[str]]:
    found: dict[str, set[str]] = {}
    for case in cases:
        if case.function is not None:
            free = SPANS.get(case.function, {})
            names = {name for name in case.arguments if name not in free and not name.endswith("_language")}
            found.setdefault(case.function, set()).update(names)
    return {function: sorted(names) for function, names in found.items()}


def _choice(examples: Sequence[tuple[Row, str | None]]) -> Choice:
    values = sorted({value for _, value in examples}, key=lambda value: value or "")
    targets = np.zeros((len(examples), len(values)), np.float32)
    for index, (_, value) in enumerate(examples):
        targets[index, values.index(value)] = 1.0
    rows = [row for row, _ in examples]
    return Choice(values, train(rows, targets, bits=BITS, penalty=_PENALTY, independent=False, steps=25))
