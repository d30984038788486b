"""Puts labelled cases into training, validation and test: stratified, without leaks, the same for the same seed.

Strata are function, language, and whether there is a dialogue before the turn.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from agent.routing.cases import batch_of
from tools.case_groups import bonds, groups
from tools.label_rules import category_of

PARTS = ("train", "validation", "test")
SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}

Item = Mapping[str, Any]
Stratum = tuple[str, str, bool]


@dataclass
class Split:
    """Which case goes where, by index.

    Attributes:
        parts: shuffled indices by part.
        batches: the batches in each part; only where whole batches were kept together.
        dropped: left out since they are like, or of the dialogue of, a case of an unseen batch.
        groups: how many groups there are of more than one case, and how many cases are in the largest.
    """

    parts: dict[str, list[int]]
    batches: dict[str, list[str]] = field(default_factory=dict)
    dropped: list[int] = field(default_factory=list)
    groups: tuple[int, int] = (0, 0)


def stratum_of(item: Item) -> Stratum:
    """Function or `no_function`, language, and whether there is a dialogue before the turn."""
    return category_of(item), str(item.get("lang", "en")), len(item["conversation"]) > 1


def chosen(items: Sequence[Item], *, balance: bool, target: int | None, random: Random) -> list[int]:
    """The cases to be split, in order.

    Args:
        items: all there are.
        balance: as many of each function, and of none, in each language, as there are of the rarest.
        target: how many to take, in the proportions that they have; None takes all.
        random: where choices come from.

    Raises:
        ValueError: there are fewer than `target`.
    """
    strata: defaultdict[Stratum, list[int]] = defaultdict(list)
    for index in random.sample(range(len(items)), len(items)):
        strata[stratum_of(items[index])].append(index)
    if balance:
        cells = Counter((category, lang) for category, lang, _ in map(stratum_of, items))
        least = min(cells.values(), default=0)
        for cell in cells:
            mine = {stratum: len(strata[stratum]) for stratum in sorted(strata) if stratum[:2] == cell}
            for stratum, number in _shared(least, mine).items():
                del strata[stratum][number:]
    there = sum(map(len, strata.values()))
    if target is not None:
        if target > there:
            raise ValueError(f"There are {there} cases, fewer than the {target} that are wanted.")
        for stratum, number in _shared(target, {name: len(strata[name]) for name in sorted(strata)}).items():
            del strata[stratum][number:]
    return sorted(index for found in strata.values() for index in found)


def split(items: Sequence[Item], seed: int) -> Split:
    """Splits by groups: what is near each other, or of one dialogue, comes into one part."""
    random = Random(seed)
    together = groups(items)
    wanted = _wanted(Counter(map(stratum_of, items)))
    have = {part: Counter[Stratum]() for part in PARTS}
    parts: dict[str, list[int]] = {part: [] for part in PARTS}
    # The large ones first, as long as there is room everywhere; the single ones then even out what these have left.
    for group in sorted(random.sample(together, len(together)), key=len, reverse=True):
        counts = Counter(stratum_of(items[index]) for index in group)
        part = max(PARTS, key=lambda name: _room(counts, wanted[name], have[name]))
        have[part] += counts
        parts[part] += group
    return Split(
        {part: random.sample(sorted(found), len(found)) for part, found in parts.items()},
        groups=(sum(len(group) > 1 for group in together), max(map(len, together), default=0)),
    )


def split_by_batch(items: Sequence[Item], seed: int) -> Split:
    """Splits by batches: validation and test hold authors that training has not seen.

    A training case that is near one of the other parts, or of its dialogue, is left out; so is a validation case near
    one of the test. Cases without a batch are for training.

    Raises:
        ValueError: there are fewer than three batches.
    """
    random = Random(seed)
    sizes = Counter(batch_of(item) for item in items)
    names = sorted(sizes.keys() - {""})
    if len(names) < len(PARTS):
        raise ValueError(f"There are {len(names)} batches, and three are needed for three parts.")
    where = dict.fromkeys(sizes, "train")
    batches: dict[str, list[str]] = {part: [] for part in PARTS}
    left = random.sample(names, len(names))
    for part in ("test", "validation"):
        # At least one batch, and as many as come nearest to the share.
        want, got = SHARES[part] * len(items), 0
        others = PARTS.index(part)
        while len(left) > others and (not batches[part] or abs(got + sizes[left[-1]] - want) < abs(got - want)):
            batches[part].append(left.pop())
            got += sizes[batches[part][-1]]
        where |= dict.fromkeys(batches[part], part)
    batches = {"train": sorted(left), **{part: sorted(batches[part]) for part in ("validation", "test")}}
    parts = {part: [at for at, item in enumerate(items) if where[batch_of(item)] == part] for part in PARTS}
    dropped = _leaks(items, [where[batch_of(item)] for item in items])
    return Split(
        {part: random.sample(kept, len(kept)) for part, kept in _without(parts, set(dropped)).items()},
        batches=batches,
        dropped=dropped,
    )


def _leaks(items: Sequence[Item], where: Sequence[str]) -> list[int]:
    """Of cases that belong together and are in several parts, all but those in the last of these parts."""
    found: set[int] = set()
    for together in bonds(items):
        last = max((where[index] for index in together), key=PARTS.index)
        found |= {index for index in together if where[index] != last}
    return sorted(found)


def _without(parts: Mapping[str, list[int]], dropped: set[int]) -> dict[str, list[int]]:
    return {part: [index for index in found if index not in dropped] for part, found in parts.items()}


def _wanted(totals: Mapping[Stratum, int]) -> dict[str, dict[Stratum, int]]:
    """How many cases of each stratum belong in each part.

    What the strata before have lost by rounding counts for the next, so that the parts as wholes have their shares too.
    """
    found: dict[str, dict[Stratum, int]] = {part: {} for part in PARTS}
    so_far = dict.fromkeys(PARTS, 0.0)
    for stratum, number in sorted(totals.items()):
        for part in PARTS[1:]:
            after = so_far[part] + SHARES[part] * number
            found[part][stratum] = round(after) - round(so_far[part])
            so_far[part] = after
        found[PARTS[0]][stratum] = number - sum(found[part][stratum] for part in PARTS[1:])
    return found


def _room(counts: Mapping[Stratum, int], wanted: Mapping[Stratum, int], have: Mapping[Stratum, int]) -> float:
    """How much a part lacks of what the group has, as a share of what it should have."""
    return sum(
        number * (wanted[stratum] - have.get(stratum, 0)) / max(1, wanted[stratum])
        for stratum, number in counts.items()
    )


def _shared(total: int, numbers: Mapping[Stratum, int]) -> dict[Stratum, int]:
    """`total` in the proportions of `numbers`, in whole numbers: the largest remainders are rounded up."""
    whole = max(1, sum(numbers.values()))
    exact = {name: total * number / whole for name, number in numbers.items()}
    found = {name: int(share) for name, share in exact.items()}
    by_rest = sorted(exact, key=lambda name: (found[name] - exact[name], name))
    for name in by_rest[: total - sum(found.values())]:
        found[name] += 1
    return found
