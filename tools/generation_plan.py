"""How many cases of which kind are to be written, and which kind comes next.

Kinds are told apart by function, language, whether there is a dialogue before the turn, and for none cases whether they
are provably hard. A quarter has a dialogue, half of the none cases are hard.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.hard_negatives import Hardness
from tools.label_rules import NONE, category_of

HISTORY = 4
"""One case in so many has a dialogue before its turn."""
NONE_TIMES = 2
"""None cases for one of a function: they have more to be unlike."""
_VAIN = 6
"""Answers in a row without a case that is good, after which a kind is given up."""


@dataclass(frozen=True, order=True)
class Kind:
    """What a case is like; `hard` is False where there is a function."""

    category: str
    lang: str
    history: bool
    hard: bool = False


def kind_of(item: Mapping[str, Any], hardness: Hardness) -> Kind:
    """The kind that a case is of."""
    category = category_of(item)
    hard = category == NONE and hardness(item)
    return Kind(category, str(item["lang"]), len(item["conversation"]) > 1, hard)


def wanted(functions: Iterable[str], langs: Sequence[str], count: int, *, none: bool) -> dict[Kind, int]:
    """How many cases of each kind.

    Args:
        functions: names.
        langs: `ja`, `en`.
        count: cases of each function in each language.
        none: whether cases of no function are wanted too.
    """
    found: dict[Kind, int] = {}
    for lang in langs:
        for name in functions:
            found[Kind(name, lang, history=True)] = count // HISTORY
            found[Kind(name, lang, history=False)] = count - count // HISTORY
        if none:
            for hard in (True, False):
                found[Kind(NONE, lang, history=True, hard=hard)] = count // HISTORY
                found[Kind(NONE, lang, history=False, hard=hard)] = NONE_TIMES * count // 2 - count // HISTORY
    return {kind: number for kind, number in found.items() if number}


@dataclass
class Plan:
    """What is wanted, what there is, and what has been given up."""

    wanted: Mapping[Kind, int]
    have: Counter[Kind] = field(default_factory=Counter)
    _vain: Counter[Kind] = field(default_factory=Counter)

    def next(self) -> Kind | None:
        """The kind that is furthest behind, so that a run that is broken off has some of each; None at the end."""
        left = [kind for kind in self.wanted if self.lacks(kind) and self._vain[kind] < _VAIN]
        return min(left, key=lambda kind: (self.have[kind] / self.wanted[kind], self._vain[kind]), default=None)

    def lacks(self, kind: Kind) -> int:
        """How many are still wanted of a kind."""
        return max(0, self.wanted.get(kind, 0) - self.have[kind])

    def tried(self, kind: Kind, good: int) -> None:
        """Notes how many good cases an answer had."""
        self._vain[kind] = 0 if good else self._vain[kind] + 1

    @property
    def missing(self) -> dict[Kind, int]:
        """What there is too little of."""
        return {kind: self.lacks(kind) for kind in self.wanted if self.lacks(kind)}

    @property
    def done(self) -> int:
        """How many cases that were wanted there are."""
        return sum(min(number, self.have[kind]) for kind, number in self.wanted.items())
