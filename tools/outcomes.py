"""What a router makes of labelled cases: each case with its decision and the time that took."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.messages import Card, Turn
from agent.routing import Decision, Router
from agent.routing.cases import Case


@dataclass(frozen=True)
class Outcome:
    """A case, what was decided about it, and how long that took in milliseconds."""

    case: Case
    decision: Decision
    took_ms: float

    @property
    def right(self) -> bool:
        """Whether the function, or that there is none, is the labelled one."""
        return self.case.function == self.decision.function


def turn_of(case: Case) -> Turn:
    """The case as a turn on the bus."""
    return Turn(
        turn_id="case",
        client="case",
        conversation="case",
        text=case.text,
        lang="ja" if case.lang == "ja" else "en",
        said_at=datetime(2026, 1, 15, 12, tzinfo=UTC),
        history=list(case.history),
        attempt=1,
    )


async def outcomes(router: Router, cases: Sequence[Case], cards: Mapping[str, Card]) -> list[Outcome]:
    """Routes the cases one after another, with a line of progress where somebody watches."""
    found: list[Outcome] = []
    for case in cases:
        turn = turn_of(case)
        started = time.perf_counter()
        decision = await router.route(turn, cards)
        found.append(Outcome(case, decision, (time.perf_counter() - started) * 1000))
        if len(found) % 50 == 0 or len(found) == len(cases):
            progress(len(found), len(cases), router.name)
    return found


def progress(done: int, whole: int, what: str) -> None:
    """Says on a terminal how far something is, in one line that is written over."""
    if sys.stderr.isatty():
        print(f"\r{what}: {done:,} of {whole:,}", end="\n" if done == whole else "", file=sys.stderr, flush=True)
