"""What a replay is compared by: routes, labels, replies and times, then and now, and whether it got worse.

Worse is, each by more than the tolerance:

* of the labelled turns: a lower share with the right function, a higher share of those labelled none that call one, or
  a lower share with exactly the labelled arguments where the function is right;
* of the turns without a label: the share whose route (function, arguments, what is missing) is not the one of then;
* of all turns: the share that had a reply then and has none, or a failed one, now.

In a dry run functions with side effects have nothing of what they did before the log begins, so their refusals are not
held against the replay.
"""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from rapidfuzz import fuzz

from agent.logged_turn import Label, LoggedFinal, LoggedResult, LoggedRoute, LoggedTurn
from tools.measures import percentile, share

Change = Literal["same", "function", "arguments"]
CHANGES: tuple[Change, ...] = ("same", "function", "arguments")


@dataclass(frozen=True)
class Replayed:
    """A logged turn, and what became of it now; None where it did not come to that."""

    then: LoggedTurn
    route: LoggedRoute | None
    result: LoggedResult | None
    final: LoggedFinal | None

    @property
    def route_change(self) -> Change | None:
        """What is other about the route; None where there was none then."""
        before, after = self.then.route, self.route
        if before is None:
            return None
        if after is None or before.function != after.function:
            return "function"
        same = (before.arguments, sorted(before.missing)) == (after.arguments, sorted(after.missing))
        return "same" if same else "arguments"

    @property
    def similarity(self) -> float | None:
        """How alike the two replies are, 0 to 1 (normalised indel similarity); None where one is missing."""
        if self.then.final is None or self.final is None:
            return None
        return fuzz.ratio(self.then.final.text, self.final.text) / 100


@dataclass(frozen=True)
class LabelFigures:
    """How routes agree with labels.

    Attributes:
        accuracy: share of turns with the labelled function, or none.
        false_positives: share of the turns labelled none that call a function; None without such turns.
        arguments: share with exactly the labelled arguments, of those with the right function and labelled arguments.
    """

    accuracy: float | None
    false_positives: float | None
    arguments: float | None


@dataclass(frozen=True)
class Latency:
    """Milliseconds that a stage took: median and 95th percentile, then and now."""

    p50_then: float
    p50_now: float
    p95_then: float
    p95_now: float


@dataclass(frozen=True)
class Comparison:
    """A replay against its log.

    Attributes:
        turns: all of them, in the order of the log.
        tolerance: how much worse is still well.
        labels_then: routes of then against the labels; `labels_now` those of now.
        failed: turns that had a reply then and have none now.
        withheld: calls that a dry run did not make.
        latency: by stage, over the turns that have it both times.
        worse: why it got worse, a sentence each; empty where it did not.
    """

    turns: Sequence[Replayed]
    tolerance: float
    labels_then: LabelFigures
    labels_now: LabelFigures
    failed: Sequence[Replayed]
    withheld: int
    latency: dict[str, Latency]
    worse: Sequence[str]

    def changed(self, kind: Change) -> list[Replayed]:
        """The turns whose route changed so."""
        return [turn for turn in self.turns if turn.route_change == kind]


def compare(turns: Sequence[Replayed], tolerance: float, *, dry: Collection[str] = ()) -> Comparison:
    """Compares.

    Args:
        turns: at least one.
        tolerance: a share, 0 to 1.
        dry: functions with side effects that were run dry.
    """
    labelled = [(turn, turn.then.label) for turn in turns if turn.then.label is not None]
    then = label_figures([(label, turn.then.route) for turn, label in labelled])
    now = label_figures([(label, turn.route) for turn, label in labelled])
    failed = [turn for turn in turns if _failed(turn, dry)]
    return Comparison(
        turns=turns,
        tolerance=tolerance,
        labels_then=then,
        labels_now=now,
        failed=failed,
        withheld=sum(turn.route is not None and turn.route.withheld for turn in turns),
        latency=_latency(turns),
        worse=[*_worse_labels(then, now, tolerance), *_worse_turns(turns, failed, tolerance)],
    )


def label_figures(routed: Sequence[tuple[Label, LoggedRoute | None]]) -> LabelFigures:
    """How routes agree with labels; what was never routed is wrong."""
    right = [(label, route) for label, route in routed if route is not None and route.function == label.function]
    none = [route for label, route in routed if label.function is None]
    called = [route for route in none if route is not None and route.function is not None]
    argued = [(label, route) for label, route in right if label.function and label.arguments is not None]
    exact = sum(label.arguments == route.arguments for label, route in argued)
    return LabelFigures(
        accuracy=share(len(right), len(routed)).value,
        false_positives=share(len(called), len(none)).value,
        arguments=share(exact, len(argued)).value,
    )


def _worse_labels(then: LabelFigures, now: LabelFigures, tolerance: float) -> list[str]:
    found = []
    for what, before, after, sign in (
        ("function accuracy on labelled turns", then.accuracy, now.accuracy, 1),
        ("false positive rate on labelled turns", then.false_positives, now.false_positives, -1),
        ("share of exact arguments on labelled turns", then.arguments, now.arguments, 1),
    ):
        if before is not None and after is not None and _exceeds(sign * (before - after), tolerance):
            found.append(f"The {what} went from {before:.1%} to {after:.1%}.")
    return found


def _worse_turns(turns: Sequence[Replayed], failed: Sequence[Replayed], tolerance: float) -> list[str]:
    found = []
    unlabelled = [turn for turn in turns if turn.then.label is None and turn.route_change is not None]
    changed = sum(turn.route_change != "same" for turn in unlabelled)
    if unlabelled and _exceeds(changed / len(unlabelled), tolerance):
        found.append(f"{changed} of {len(unlabelled)} turns without a label have another route.")
    if _exceeds(len(failed) / len(turns), tolerance):
        found.append(f"{len(failed)} of {len(turns)} turns had a reply then and have none now.")
    return found


def _exceeds(loss: float, tolerance: float) -> bool:
    # Shares are quotients: a loss that is exactly the tolerance must not exceed it by a rounding error.
    return loss > tolerance and not math.isclose(loss, tolerance)


def _failed(turn: Replayed, dry: Collection[str]) -> bool:
    if turn.then.final is None or turn.then.final.status != "ok":
        return False
    if turn.final is not None and turn.final.status == "ok":
        return False
    function = turn.route.function if turn.route is not None else None
    refused = turn.result is not None and turn.result.status == "error"
    return not (function in dry and refused)


def _latency(turns: Sequence[Replayed]) -> dict[str, Latency]:
    pairs: dict[str, list[tuple[float, float]]] = {}
    for turn in turns:
        if turn.then.final is not None and turn.final is not None:
            before, after = turn.then.final.took_ms, turn.final.took_ms
            for stage in before.keys() & after.keys():
                pairs.setdefault(stage, []).append((before[stage], after[stage]))
    found = {}
    for stage, times in sorted(pairs.items()):
        then, now = sorted(one for one, _ in times), sorted(other for _, other in times)
        found[stage] = Latency(
            percentile(then, 0.5), percentile(now, 0.5), percentile(then, 0.95), percentile(now, 0.95)
        )
    return found
