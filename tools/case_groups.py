"""Cases that must stay together when a set is split: near duplicates, and turns of one dialogue.

A case doesn't say which dialogue it is from. Two are taken for turns of one where they share two messages in a row, or
one long message, or where the whole of one is how the other begins. Dialogues that only begin alike are thereby held
together too, which does no harm.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tools.near_duplicates import RELATED, letters, pairs, said

_LONG = 12
"""Letters from which one shared message tells that a dialogue is the same."""


def groups(items: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The groups as indices: each in order, the groups in the order of their first case.

    Args:
        items: cases as read from JSON.
    """
    parents = list(range(len(items)))
    for first, *others in bonds(items):
        for other in others:
            low, high = sorted((_root(parents, first), _root(parents, other)))
            parents[high] = low
    found: dict[int, list[int]] = {}
    for index in range(len(items)):
        found.setdefault(_root(parents, index), []).append(index)
    return list(found.values())


def bonds(items: Sequence[Mapping[str, Any]]) -> Iterator[list[int]]:
    """Two or more cases each that must stay together; a group is what hangs together by such bonds."""
    for pair in pairs([said(item) for item in items], RELATED):
        yield [pair.first, pair.second]
    # What the cases share, and who shares it; a whole dialogue is also the beginning of a longer one.
    shared: defaultdict[Hashable, list[int]] = defaultdict(list)
    wholes: set[tuple[str, ...]] = set()
    for index, item in enumerate(items):
        messages = [letters(message["content"]) or message["content"].strip() for message in item["conversation"]]
        beginnings = (tuple(messages[:size]) for size in range(1, len(messages) + 1))
        for mark in {*(text for text in messages if len(text) >= _LONG), *map(_Row, pairwise(messages)), *beginnings}:
            shared[mark].append(index)
        wholes.add(tuple(messages))
    for mark, together in shared.items():
        if len(together) > 1 and (not isinstance(mark, tuple) or mark in wholes):
            yield together


@dataclass(frozen=True)
class _Row:
    """Two messages in a row, which are not the beginning of a dialogue by being two."""

    messages: tuple[str, str]


def _root(parents: list[int], index: int) -> int:
    while parents[index] != index:
        parents[index] = parents[parents[index]]
        index = parents[index]
    return index
