"""The trained model of the embedded router: what it consists of, and how it comes out of labelled cases."""

import multiprocessing
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from agent.messages import Utterance
from agent.routing.cases import Case, folds
from agent.routing.closed import Choice, train_choices
from agent.routing.features import BITS, Features, Message, Reading, Row
from agent.routing.gazetteer import Gazetteer
from agent.routing.heads import Floats, score, train
from agent.routing.network import Network, train_networks
from agent.routing.pattern_cases import BATCH, pattern_cases
from agent.routing.sentences import sentences
from agent.routing.tagger import train_fields
from agent.routing.word_groups import WordGroups

V = TypeVar("V")

FIRST_BITS = 16
"""Slots of the first stage, which only names the function of an earlier message."""
_FIRST_SHARE, _FIRST_STEPS = 3, 20
"""It learns from every third case: half the time of 12 steps with all, and right more often (80 % against 76 %)."""
GATE = 1.0
"""How much the head "anything at all" says beside the head of a function."""
_PENALTY = 3e-4
_RARITY = 1.5
"""How much rare features count beyond frequent ones; set by leaving batches out."""
_WORDS_SHARE = 0.15
"""How much the words alone say where the meaning is asked for, too."""
_OPEN = (0.1, 0.9)
"""The meaning is asked for where the words give the likeliest function a probability between these."""
_CALIBRATION_FOLDS = 3
_MOST_LABELLED = 1600
"""Cases of a function from which arguments are learned: that takes half of all time, and gains little from more."""
_NOTHING = "none"
_FIRST_SURE = -0.5
_BACKGROUND = 600
THRESHOLD = 0.7
"""Least probability of a call: one that nobody asked for annoys more than a question asked back.

Fixed: the threshold that was best for some batches was a bad guide to the next one (it cost a point).
"""


@dataclass(frozen=True)
class Calibration:
    """Scores to probabilities (Platt)."""

    slope: float
    offset: float

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
        network: scores of the functions and the gate.
        by_words: calibrates the network's scores where they come from the words alone.
        calibration: the same where the meaning was asked for.
        choices: closed values by `function.parameter`.
        fields: crfsuite models by kind of thing.
        groups: words of like meaning, as the fields know them.
        background: a fixed sample of the cases' features, against which the heads of other cards are trained.
        gazetteer: what it reads turns with.
    """

    functions: tuple[str, ...]
    first: Floats
    network: Network
    by_words: Calibration
    calibration: Calibration
    choices: dict[str, Choice]
    fields: dict[str, bytes]
    groups: WordGroups
    background: list[Row]
    gazetteer: Gazetteer

    def chances(self, turn: Reading) -> Floats:
        """Probability of each function [functions]."""
        begun = self.network.begin(turn.words)
        scores = self.network.score(turn.words, begun)
        found = self.by_words.probabilities(scores)
        if _OPEN[0] < found.max() < _OPEN[1]:
            found = self.calibration.probabilities(_joined(scores, self.network.score(turn.meaning, begun)))
        return found


def _joined(by_words: Floats, by_both: Floats) -> Floats:
    return np.asarray(_WORDS_SHARE * by_words + (1 - _WORDS_SHARE) * by_both, np.float32)


def heard(features: Features, first: Floats, functions: Sequence[str], text: str) -> str:
    """The function that a message by itself calls for, or "none", as the first stage hears it."""
    scores = score(first, features.text_row(features.message(text)))
    best = int(np.argmax(scores))
    return functions[best] if scores[best] > _FIRST_SURE else _NOTHING


def previous_function(history: Sequence[Utterance], hears: Callable[[str], str]) -> str | None:
    """What is heard in the user's last message before a turn, None without a dialogue."""
    return next((hears(said.content) for said in reversed(history) if said.role == "user"), None)


def train_model(cases: Sequence[Case], gazetteer: Gazetteer) -> Model:
    """Trains everything on all cases; the calibrations come from a third of the batches, left out."""
    if not cases:
        raise ValueError("There are no labelled cases to learn from.")
    every = [*cases, *pattern_cases()]
    texts = sorted({case.text for case in every})
    own = len(texts) // 3
    # Another process does half the work, and so most of the encoding: the words are read here meanwhile. Spawned,
    # since this one may have threads.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        meanings = pool.submit(_meanings, texts[own:])
        parts = Training(every, gazetteer)
        fields = pool.submit(_fields, parts.for_arguments(every), gazetteer, parts.heard())
        sentences().keep(texts[:own], _meanings(texts[:own]))
        sentences().keep(texts[own:], meanings.result())
        for turn in parts.readings:
            turn.meaning  # noqa: B018 - worked out here, where the vectors are
        choices = pool.submit(train_choices, parts.for_arguments(every), parts.for_arguments(parts.readings))
        network, by_words, calibration = parts.network(folds(cases, _CALIBRATION_FOLDS)[0])
        written = [turn.words for turn, case in zip(parts.readings, every, strict=True) if case.batch != BATCH]
        trained, groups = fields.result()
    return Model(
        functions=parts.functions,
        first=parts.first,
        network=network,
        by_words=by_words,
        calibration=calibration,
        choices=choices.result(),
        fields=trained,
        groups=groups,
        background=[row.sparse() for row in written[:: max(1, len(every) // _BACKGROUND)]],
        gazetteer=gazetteer,
    )


def _meanings(texts: Sequence[str]) -> Floats:
    return sentences().vectors(texts)


def _fields(
    cases: Sequence[Case], gazetteer: Gazetteer, heard: Mapping[str, str]
) -> tuple[dict[str, bytes], WordGroups]:
    with tempfile.TemporaryDirectory() as folder:
        return train_fields(cases, gazetteer, Path(folder), heard)


class Training:
    """Labelled cases as features and targets."""

    def __init__(self, cases: Sequence[Case], gazetteer: Gazetteer) -> None:
        """Reads all cases by their words, and trains the first stage."""
        self.cases = cases
        self.features = Features(gazetteer)
        self.functions = tuple(sorted({case.function for case in cases if case.function is not None}))
        self.targets = np.array(
            [[float(case.function == name) for name in self.functions] for case in cases], np.float32
        )
        self._labelled = _labelled(cases)
        messages = [self.features.message(case.text) for case in cases]
        self.first = self._first(messages)
        self.readings = [
            self.features.reading(message, case.history, previous_function(case.history, self._heard))
            for case, message in zip(cases, messages, strict=True)
        ]

    def for_arguments(self, of_cases: Sequence[V]) -> list[V]:
        """Those of some things, one a case, whose case teaches arguments: labelled, and not too many of a function."""
        return [of_cases[index] for index in self._labelled]

    def heard(self) -> dict[str, str]:
        """The functions that the earlier messages of users call for."""
        said = {one.content for case in self.cases for one in case.history if one.role == "user"}
        return {text: self._heard(text) for text in sorted(said)}

    def network(self, unseen: Sequence[int]) -> tuple[Network, Calibration, Calibration]:
        """Scores of the functions and the gate; the calibrations of the words alone and of both.

        Args:
            unseen: the cases by which is calibrated, scored by a network that has not seen them.
        """
        targets = np.concatenate((self.targets, self.targets.sum(axis=1, keepdims=True)), axis=1)
        before, network = train_networks(self.readings, targets, unseen, bits=BITS, rarity=_RARITY)
        turns = [self.readings[index] for index in unseen]
        begun = [before.begin(turn.words) for turn in turns]
        by_words, by_both = (
            np.stack([before.score(row, start) for row, start in zip(rows, begun, strict=True)])
            for rows in ([turn.words for turn in turns], [turn.meaning for turn in turns])
        )
        wanted = self.targets[unseen]
        return network, calibrate(by_words, wanted), calibrate(_joined(by_words, by_both), wanted)

    def _heard(self, text: str) -> str:
        return heard(self.features, self.first, self.functions, text)

    def _first(self, messages: Sequence[Message]) -> Floats:
        # Only turns that stand for themselves: earlier messages are read without their own history, too.
        alone = [index for index, case in enumerate(self.cases) if not case.history][::_FIRST_SHARE]
        rows = [self.features.text_row(messages[index]) for index in alone]
        return train(rows, self.targets[alone], bits=FIRST_BITS, penalty=_PENALTY, independent=True, steps=_FIRST_STEPS)


def _labelled(cases: Sequence[Case]) -> list[int]:
    """Indices of cases with labelled arguments: all patterns, and where a function has too many, some of each batch."""
    members: dict[tuple[str, bool], list[int]] = {}
    for index, case in enumerate(cases):
        if case.function is not None and case.labelled:
            members.setdefault((case.function, case.batch == BATCH), []).append(index)
    spread = (np.unique(np.linspace(0, len(found) - 1, _MOST_LABELLED).astype(int)) for found in members.values())
    return sorted(found[at] for found, places in zip(members.values(), spread, strict=True) for at in places)


def calibrate(scores: Floats, targets: Floats) -> Calibration:
    """Platt scaling shared by all functions.

    Args:
        scores: [cases, functions + 1] of cases that the network had not seen.
        targets: [cases, functions].
    """
    joined = (scores[:, :-1] + GATE * scores[:, -1:]).max(axis=1).astype(np.float64)
    best = (scores[:, :-1] + GATE * scores[:, -1:]).argmax(axis=1)
    right = targets[np.arange(len(targets)), best].astype(np.float64)
    slope, offset = _platt(joined, right)
    return Calibration(slope, offset)


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
