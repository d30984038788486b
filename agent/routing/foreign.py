"""Functions that the labelled cases don't know: learned from their cards, the moment they appear.

A head per card is trained on its examples against a fixed sample of the labelled cases. It has to be sure: a stranger
that takes the turns of others is worse than one that has to be called a little more plainly.
"""

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agent.messages import Card
from agent.routing.features import Features, Row
from agent.routing.foreign_arguments import Contexts, fill
from agent.routing.heads import Floats, score, train
from agent.routing.text import is_japanese, normalise

_BITS = 16
_PENALTY = 2e-4
_STEPS = 25
_UNEXEMPLIFIED = 0.7
"""Highest confidence of a function whose card shows no example."""
_OTHERS = 0.995
"""Share of the sample that a card's turns must score above."""
_MOST_EXAMPLES = 60
_STEEPNESS = 2.5
_ASIDES = {"ja": ("ねえ、{}", "{}お願い", "{}ください"), "en": ("please {}", "could you {}", "{} please", "hey, {}")}


@dataclass(frozen=True)
class _Learned:
    card: Card
    digest: bytes
    weights: Floats
    level: float
    most: float
    contexts: Contexts


class ForeignFunctions:
    """The functions that only their cards describe."""

    def __init__(self, features: Features, background: Sequence[Row]) -> None:
        """Keeps the sample of cases that new heads are trained against."""
        self._features = features
        self._background = list(background)
        self._learned: dict[str, _Learned] = {}

    def update(self, cards: Mapping[str, Card], known: Collection[str]) -> None:
        """Learns cards that are new or have changed, and forgets those that are gone."""
        for name in [name for name in self._learned if name not in cards]:
            del self._learned[name]
        for name, card in cards.items():
            if name in known:
                continue
            learned = self._learned.get(name)
            if learned is not None and learned.card is card:
                continue
            digest = _digest(card)
            if learned is None or learned.digest != digest:
                self._learned[name] = self._learn(card, digest)

    def probabilities(self, row: Row) -> dict[str, float]:
        """How likely each of them is meant by a turn, given its features (`Features.text_row`)."""
        found: dict[str, float] = {}
        for name, learned in self._learned.items():
            above = float(score(learned.weights, row)[0]) - learned.level
            found[name] = min(learned.most, 1.0 / (1.0 + float(np.exp(-np.clip(_STEEPNESS * above, -30, 30)))))
        return found

    def arguments(self, function: str, text: str) -> dict[str, Any]:
        """The arguments that a turn gives for one of these functions."""
        learned = self._learned[function]
        return fill(learned.card, learned.contexts, text)

    def _learn(self, card: Card, digest: bytes) -> _Learned:
        examples = [example.text for example in card.examples[:_MOST_EXAMPLES]]
        texts = examples + [aside for text in examples for aside in _asides(text)]
        strength = [1.0] * len(examples) + [0.4] * (len(texts) - len(examples))
        weak = _sentences(card)
        texts, strength = texts + weak, strength + [0.25 if examples else 1.0] * len(weak)
        positives = [self._features.text_row(self._features.message(text)) for text in texts]
        rows = [*positives, *self._background]
        targets = np.zeros((len(rows), 1), np.float32)
        targets[: len(positives)] = 1.0
        weights = np.ones(len(rows), np.float32)
        # The few examples weigh as much as half of the sample, however few they are.
        weights[: len(positives)] = np.array(strength) * 0.5 * len(self._background) / max(1.0, sum(strength))
        head = train(rows, targets, bits=_BITS, penalty=_PENALTY, independent=True, weights=weights, steps=_STEPS)
        others = np.array([score(head, row)[0] for row in self._background] or [0.0])
        inside = np.array([score(head, row)[0] for row in positives[: len(examples) or None]] or [0.0])
        # A few of the sample may want just this: no function served them when they were labelled.
        highest = np.quantile(others, _OTHERS)
        # Unseen wordings score lower than the examples, other turns higher than the sample: the level lies between.
        level = float(highest + 0.35 * max(0.0, np.median(inside) - highest))
        most = 0.97 if examples else _UNEXEMPLIFIED
        return _Learned(card, digest, head, level, most, Contexts.of(card))


def _digest(card: Card) -> bytes:
    content = card.model_dump(mode="json", include={"name", "description", "parameters", "examples"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()


def _asides(text: str) -> list[str]:
    lang = "ja" if is_japanese(text) else "en"
    bare = normalise(text).rstrip("。.!?！？")
    return [bare, *(pattern.format(bare) for pattern in _ASIDES[lang])]


def _sentences(card: Card) -> list[str]:
    words = card.name.replace("_", " ").replace("-", " ").replace(".", " ")
    sentences = card.description.replace("。", "。\n").replace(". ", ".\n").splitlines()
    return [words, *(sentence.strip() for sentence in sentences[:3] if sentence.strip())]
