"""Names that are nearly the one asked for: misspellings of what a function knows."""

from collections.abc import Iterable

from rapidfuzz import fuzz, process


def nearest(asked: str, known: Iterable[str], *, least: float, count: int = 1) -> list[str]:
    """The known names most like the one asked for, the likest first.

    Args:
        asked: what was written.
        known: the names to choose from.
        least: least similarity, 0 to 1: twice the longest common subsequence over both lengths.
        count: most names to give.
    """
    found = process.extract(asked, list(known), scorer=fuzz.ratio, limit=count, score_cutoff=100 * least)
    return [name for name, _, _ in found]


def similarity(one: str, other: str) -> float:
    """How alike two names are, 0 to 1, as `nearest` measures it."""
    return fuzz.ratio(one, other) / 100
