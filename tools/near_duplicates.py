"""Cases that say the same in nearly the same words.

Likeness is the normalised Indel similarity of rapidfuzz, in per cent, of the letters and digits alone. A turn that
needs its dialogue ("and tomorrow?") comes again and again in dialogues about different things: two short turns count as
the same only where the dialogues before them do too.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rapidfuzz import fuzz, process

DUPLICATE = 85.0
"""Likeness from which two cases are near duplicates: found by reading all pairs between 75 and 100."""
RELATED = 78.0
"""Likeness from which two cases must not stand on both sides of a split."""
_LONG = 15
"""Letters from which a turn says enough by itself."""
_BLOCK = 512


@dataclass(frozen=True)
class Pair:
    """Two cases by their indices, the first one smaller; likeness of their turns, per cent."""

    first: int
    second: int
    likeness: float


@dataclass(frozen=True)
class Said:
    """What is compared of a case: letters and digits of its turn and of the dialogue before it."""

    lang: str
    turn: str
    before: str


def letters(text: str) -> str:
    """The text's letters and digits in one form: NFKC, lower case."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text).lower())


def said(item: Mapping[str, Any]) -> Said:
    """What is compared of a case."""
    # A turn of nothing but signs ("?!") is compared as it is.
    *before, turn = [letters(message["content"]) or message["content"].strip() for message in item["conversation"]]
    return Said(str(item.get("lang", "en")), turn, "".join(before))


def pairs(new: Sequence[Said], least: float, old: Sequence[Said] = ()) -> list[Pair]:
    """All pairs of cases in one language that are at least so like each other, the likest first.

    Args:
        new: each of them is compared with all others.
        least: likeness, per cent.
        old: compared with `new`, not with each other; their indices follow those of `new`.
    """
    every = [*new, *old]
    found: list[Pair] = []
    for lang in sorted({one.lang for one in new}):
        mine = _by_length(every, [at for at, one in enumerate(new) if one.lang == lang])
        others = _by_length(every, [at for at in range(len(new), len(every)) if every[at].lang == lang])
        sizes, other_sizes = ([len(every[at].turn) for at in order] for order in (mine, others))
        for begin in range(0, len(mine), _BLOCK):
            block = mine[begin : begin + _BLOCK]
            # What two texts have in common is no longer than the shorter one: those of other lengths can't be so like.
            shortest = sizes[begin] * least / (200 - least)
            longest = sizes[begin + len(block) - 1] * (200 - least) / least
            near = others[bisect_left(other_sizes, shortest) : bisect_right(other_sizes, longest)]
            columns = mine[begin : bisect_right(sizes, longest)] + near
            turns = [every[at].turn for at in columns]
            likeness = process.cdist(
                turns[: len(block)], turns, scorer=fuzz.ratio, score_cutoff=least, dtype=np.float32
            )
            for row, column in zip(*np.nonzero(likeness), strict=True):
                one, other = sorted((columns[row], columns[column]))
                if row < column and alike(every[one], every[other], least):
                    found.append(Pair(one, other, round(float(likeness[row, column]), 1)))
    return sorted(found, key=lambda pair: (-pair.likeness, pair.first, pair.second))


def _by_length(every: Sequence[Said], indices: Sequence[int]) -> list[int]:
    return sorted(indices, key=lambda at: len(every[at].turn))


def alike(one: Said, other: Said, least: float) -> bool:
    """Whether two cases whose turns are that like each other are like each other as a whole."""
    return min(len(one.turn), len(other.turn)) >= _LONG or fuzz.ratio(one.before, other.before) >= least


class Pool:
    """Cases that new ones are compared with, one at a time."""

    def __init__(self) -> None:
        self._turns: dict[str, list[str]] = {}
        self._all: dict[str, list[tuple[Said, str]]] = {}

    def add(self, item: Mapping[str, Any]) -> None:
        """Takes a case in."""
        new = said(item)
        self._turns.setdefault(new.lang, []).append(new.turn)
        self._all.setdefault(new.lang, []).append((new, str(item["conversation"][-1]["content"])))

    def like(self, item: Mapping[str, Any], least: float = DUPLICATE) -> str | None:
        """The turn of a case that this one is a near duplicate of, or None."""
        return next(self._like(said(item), least), None)

    def _like(self, new: Said, least: float) -> Iterator[str]:
        found = process.extract_iter(new.turn, self._turns.get(new.lang, []), scorer=fuzz.ratio, score_cutoff=least)
        for _, _, at in found:
            old, text = self._all[new.lang][at]
            if alike(new, old, least):
                yield text
