"""The trained model of the embedded router: what it consists of, and how it comes out of labelled cases."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agent.messages import Utterance
from agent.routing.cases import Case, folds
from agent.routing.closed import Choice, train_choices
from agent.routing.features import BITS, Features, Message, Row
from agent.routing.gazetteer import Gazetteer
from agent.routing.heads import Floats, score, train
from agent.routing.pattern_cases import BATCH, pattern_cases
from agent.routing.tagger import train_fields

FIRST_BITS = 16
"""Slots of the first stage, which only names the function of an earlier message."""
GATE = 1.0
"""How much the head "anything at all" says beside the head of a function."""
_PENALTY = 5e-5
_RARITY = 1.5
"""How much rare features count beyond frequent ones; set by leaving batches out."""
_CALIBRATION_FOLDS = 3
_NOTHING = "none"
_FIRST_SURE = -0.5
_BACKGROUND = 600
_THRESHOLD = 0.56
"""A call that nobody asked for annoys more than a question asked back, so it takes a little more than an even chance.

Fixed: the threshold that was best for some batches was a bad guide to the next one (it cost a point).
"""


@dataclass(frozen=True)
class Calibration:
    """Scores to probabilities (Platt), and the probability from which on a call is made."""

    slope: float
    offset: float
    threshold: float

    def probabilities(self, scores: Floats) -> Floats:
        """Probability of each function [functions] from scores [functions + 1]; the last one is the gate's."""
        joined = scores[..., :-1] + GATE * scores[..., -1:]
        odds = np.clip(self.slope * joined + self.offset, -30, 30)
        return (1.0 / (1.0 + np.exp(-odds))).astype(np.float32)


@dataclass(frozen=True)
class Model:
    """All that is learned.

    Attributes:
        functions: the functions of the cases, in the order of the heads.
        first: heads of the first stage [2 ** FIRST_BITS + 1, functions].
        heads: heads of the functions and the gate [2 ** BITS + 1, functions + 1].
        choices: closed values by `function.parameter`.
        fields: crfsuite models by kind of thing.
        background: a fixed sample of the cases' features, against which the heads of other cards are trained.
    """

    functions: tuple[str, ...]
    first: Floats
    heads: Floats
    calibration: Calibration
    choices: dict[str, Choice]
    fields: dict[str, bytes]
    background: list[Row]


def previous_function(
    features: Features, first: Floats, functions: Sequence[str], history: Sequence[Utterance]
) -> str | None:
    """The function that the user's last message before this turn called for, "none", or None without a dialogue."""
    for said in reversed(history):
        if said.role == "user":
            scores = score(first, features.text_row(features.message(said.content)))
            best = int(np.argmax(scores))
            return functions[best] if scores[best] > _FIRST_SURE else _NOTHING
    return None


def train_model(cases: Sequence[Case], gazetteer: Gazetteer) -> Model:
    """Trains everything on all cases; the calibration comes from leaving batches out."""
    if not cases:
        raise ValueError("There are no labelled cases to learn from.")
    every = [*cases, *pattern_cases()]
    parts = Training(every, gazetteer)
    scores = np.zeros((len(cases), len(parts.functions) + 1), np.float32)
    for fold in folds(cases, _CALIBRATION_FOLDS):
        left_out = set(fold)
        heads = parts.heads([index for index in range(len(every)) if index not in left_out])
        for index in fold:
            scores[index] = score(heads, parts.rows[index])
    return parts.model(range(len(every)), calibrate(scores, parts.targets[: len(cases)]))


class Training:
    """Labelled cases as features and targets."""

    def __init__(self, cases: Sequence[Case], gazetteer: Gazetteer, first_from: Sequence[int] | None = None) -> None:
        """Prepares all cases; the first stage learns from the cases `first_from` (all by default)."""
        self.cases = cases
        self.gazetteer = gazetteer
        self.features = Features(gazetteer)
        self.functions = tuple(sorted({case.function for case in cases if case.function is not None}))
        self.targets = np.array(
            [[float(case.function == name) for name in self.functions] for case in cases], np.float32
        )
        messages = [self.features.message(case.text) for case in cases]
        self.first = self._first(messages, range(len(cases)) if first_from is None else first_from)
        self.rows = [
            self.features.row(
                message, case.history, previous_function(self.features, self.first, self.functions, case.history)
            )
            for case, message in zip(cases, messages, strict=True)
        ]

    def heads(self, indices: Sequence[int]) -> Floats:
        """Heads of the functions and the gate, from some of the cases."""
        targets = self.targets[indices]
        targets = np.concatenate((targets, targets.sum(axis=1, keepdims=True)), axis=1)
        rows = [self.rows[index] for index in indices]
        return train(rows, targets, bits=BITS, penalty=_PENALTY, independent=True, rarity=_RARITY)

    def model(self, indices: Sequence[int], calibration: Calibration) -> Model:
        """The whole model from some of the cases, with a calibration made elsewhere."""
        cases = [self.cases[index] for index in indices]
        rows = [self.rows[index] for index in indices]
        step = max(1, len(rows) // _BACKGROUND)
        with tempfile.TemporaryDirectory() as folder:
            fields = train_fields(cases, self.gazetteer, Path(folder), self._heard)
        return Model(
            functions=self.functions,
            first=self.first,
            heads=self.heads(indices),
            calibration=calibration,
            choices=train_choices(cases, rows),
            fields=fields,
            background=[row for row, case in zip(rows, cases, strict=True) if case.batch != BATCH][::step],
        )

    def _heard(self, text: str) -> str | None:
        said = [Utterance(role="user", content=text)]
        return previous_function(self.features, self.first, self.functions, said)

    def _first(self, messages: Sequence[Message], indices: Sequence[int]) -> Floats:
        # Only turns that stand for themselves: earlier messages are read without their own history, too.
        alone = [index for index in indices if not self.cases[index].history]
        rows = [self.features.text_row(messages[index]) for index in alone]
        return train(rows, self.targets[alone], bits=FIRST_BITS, penalty=6 * _PENALTY, independent=True, steps=20)


def calibrate(scores: Floats, targets: Floats) -> Calibration:
    """Platt scaling shared by all functions.

    Args:
        scores: [cases, functions + 1] of cases that the heads had not seen.
        targets: [cases, functions].
    """
    joined = (scores[:, :-1] + GATE * scores[:, -1:]).max(axis=1).astype(np.float64)
    best = (scores[:, :-1] + GATE * scores[:, -1:]).argmax(axis=1)
    right = targets[np.arange(len(targets)), best].astype(np.float64)
    slope, offset = _platt(joined, right)
    return Calibration(slope, offset, _THRESHOLD)


def _platt(scores: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset with the greatest likelihood, by Newton's method with steps halved where they overshoot."""

    def loss(point: NDArray[np.float64]) -> float:
        odds = point[0] * scores + point[1]
        return float((np.logaddexp(0, odds) - right * odds).sum())

    point = np.array([0.1, 0.0])
    value = loss(point)
    for _ in range(30):
        probability = 1.0 / (1.0 + np.exp(-np.clip(point[0] * scores + point[1], -30, 30)))
        error, spread = probability - right, probability * (1 - probability)
        gradient = np.array([(error * scores).sum(), error.sum()])
        cross = (spread * scores).sum()
        hessian = np.array([[(spread * scores**2).sum() + 1e-3, cross], [cross, spread.sum() + 1e-3]])
        step = np.linalg.solve(hessian, gradient)
        while loss(point - step) > value and np.abs(step).max() > 1e-9:
            step /= 2
        point = point - step
        value = loss(point)
        if np.abs(step).max() < 1e-7:
            break
    return float(point[0]), float(point[1])
