"""Words in groups of like meaning: what the taggers know of a word that no case has.

The groups are the clusters (k-means) of the encoder's embeddings of the words in the cases.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from agent.routing.sentences import Piece, sentences
from agent.routing.text import Tokens

GROUPS = 256
_ROUNDS = 8
_MOST_WORDS = 6000
"""The most frequent words make the groups; the others fall into them."""
_KEPT = 1 << 15
"""Enough for training: the words of the cases are asked for twice."""
_SEGMENT = re.compile(r"\S+")

Numbers = tuple[int, ...]


@dataclass(frozen=True)
class Word:
    """What a token belongs to.

    Attributes:
        numbers: the encoder's pieces that it lies in, empty where there are none.
        begins: whether the first of them begins with the token.
    """

    numbers: Numbers
    begins: bool


class WordGroups:
    """Finds the groups of tokens.

    Args:
        centres: [groups, sentences.WIDTH], of length 1.
        learned: groups of words that were looked for before and will come again.
    """

    def __init__(self, centres: NDArray[np.float32], learned: Mapping[Numbers, int] = MappingProxyType({})) -> None:
        self.centres = centres
        self._learned = learned
        self._others: dict[Numbers, int] = {(): -1}

    def of(self, found: Sequence[Word]) -> list[int]:
        """The numbers of the groups of words; -1 for those that have none."""
        wanted = [word.numbers for word in found]
        new = [one for one in dict.fromkeys(wanted) if one not in self._learned and one not in self._others]
        if new:
            if len(self._others) > _KEPT:
                self._others = {(): -1}
                return self.of(found)
            # All at once: a product of matrices takes hardly longer than one of its rows.
            self._others.update(zip(new, np.argmax(_meanings(new) @ self.centres.T, axis=1).tolist(), strict=True))
        return [self._learned[one] if one in self._learned else self._others[one] for one in wanted]

    @property
    def known(self) -> dict[Numbers, int]:
        """The groups of all words that were asked for."""
        return {**self._learned, **self._others}


def words(cut: Tokens) -> list[Word]:
    """The word of each token."""
    found: list[Word] = []
    pieces = iter(_pieces(cut.text))
    piece = next(pieces, None)
    for start, end in zip(cut.starts, cut.ends, strict=True):
        while piece is not None and piece.end <= start:
            piece = next(pieces, None)
        numbers: list[int] = []
        begins = piece is not None and piece.start == start
        while piece is not None and piece.start < end:
            numbers.append(piece.number)
            if piece.end > end:
                break
            piece = next(pieces, None)
        found.append(Word(tuple(numbers), begins))
    return found


def make_groups(texts: Iterable[Tokens]) -> WordGroups:
    """Groups the words of these texts; the same groups for the same texts."""
    counts = Counter(word.numbers for cut in texts for word in words(cut) if word.numbers)
    common = [numbers for numbers, _ in counts.most_common(_MOST_WORDS)]
    points = _meanings(common)
    centres = points[np.random.default_rng(0).permutation(len(points))[:GROUPS]]
    for _ in range(_ROUNDS):
        nearest = np.argmax(points @ centres.T, axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, points)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 0, sums / np.maximum(lengths, 1e-9), centres)
    return WordGroups(centres)


def _pieces(text: str) -> Sequence[Piece]:
    return [
        Piece(found.start() + piece.start, found.start() + piece.end, piece.number, piece.first)
        for found in _SEGMENT.finditer(text)
        for piece in _cut(found[0])
    ]


@lru_cache(_KEPT)
def _cut(segment: str) -> Sequence[Piece]:
    return sentences().pieces(segment)


def _meanings(several: Sequence[Numbers]) -> NDArray[np.float32]:
    """What words of one or more pieces mean: the means of their pieces [words, WIDTH], of length 1."""
    lengths = np.array([len(numbers) for numbers in several])
    pieces = sentences().embeddings([number for numbers in several for number in numbers])
    sums = np.add.reduceat(pieces, np.cumsum(lengths) - lengths, axis=0)
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)
