"""Each batch of cases decided by an embedded router that has learned from the other batches.

What is measured is what runs: every router is trained by the same code as the shipped one, its calibration included.
"""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from agent.messages import Card
from agent.routing.cases import Case, folds
from agent.routing.embedded import EmbeddedRouter
from agent.routing.gazetteer import Gazetteer
from agent.routing.model import train_model
from tools.outcomes import Outcome, outcomes, progress


def left_out(cases: Sequence[Case], cards: Mapping[str, Card], names: Path, *, groups: int, jobs: int) -> list[Outcome]:
    """The outcome of each case, in the order of the cases.

    Args:
        cases: labelled cases of at least two batches, or of one that is then cut by chance.
        cards: the functions that may be called.
        names: folder of the gazetteer's names.
        groups: batches are left out in at most so many groups.
        jobs: processes at a time.
    """
    members = folds(cases, groups)
    found: dict[int, Outcome] = {}
    with ProcessPoolExecutor(jobs) as pool:
        runs = pool.map(_group, repeat(cases), members, repeat(cards), repeat(names))
        for number, (indices, made) in enumerate(zip(members, runs, strict=True), 1):
            found |= dict(zip(indices, made, strict=True))
            progress(number, len(members), "groups of batches left out")
    return [found[index] for index in range(len(cases))]


def _group(cases: Sequence[Case], group: Sequence[int], cards: Mapping[str, Card], names: Path) -> list[Outcome]:
    unseen = set(group)
    model = train_model([case for index, case in enumerate(cases) if index not in unseen], Gazetteer.read(names))
    return asyncio.run(outcomes(EmbeddedRouter(model), [cases[index] for index in group], cards))
