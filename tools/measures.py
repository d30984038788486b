"""How good a router is on labelled cases: the figures of `tools.evaluate` and `tools.evaluate_peft`.

Everything is counted from outcomes, in plain dataclasses that `dataclasses.asdict` turns into JSON. What is not
covered: how it is shown (`tools.report`), how two runs differ (`tools.comparison`), and how replayed turns agree with
labels (`tools.replay_comparison`): a turn that was never routed is no outcome, wrong but no false positive.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from agent.messages import Card
from tools.outcomes import Outcome

NONE = "none"
"""How "no function" is called in tables."""
_Z = 1.959964
"""The normal distribution's quantile for an interval of 95 %."""
_BINS = 10
_EXAMPLES = 3


@dataclass(frozen=True)
class Share:
    """A part of a whole.

    Attributes:
        part: how many.
        whole: out of how many.
        value: their quotient, None out of nothing.
        low: lower end of its 95 % interval (Wilson's), 0 to 1; `high` the upper end.
    """

    part: int
    whole: int
    value: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Slice:
    """Some of the cases: how often the function was right, and how often a call was made that nobody asked for."""

    accuracy: Share
    false_positives: Share


@dataclass(frozen=True)
class FunctionFigures:
    """How well one function, or none, is recognised; F1 is None where it neither occurs nor is called."""

    precision: Share
    recall: Share
    f1: float | None


@dataclass(frozen=True)
class ArgumentFigures:
    """Arguments where the function is right and arguments are labelled.

    Attributes:
        all_exact: turns with all arguments as labelled, left out included.
        required_exact: turns with all required arguments as labelled.
        calls_exact: of all turns that want a function, those with function and required arguments right.
        parameters: each parameter by `function.parameter`, counted where label or decision has it.
    """

    all_exact: Share
    required_exact: Share
    calls_exact: Share
    parameters: Mapping[str, Share]


@dataclass(frozen=True)
class Bin:
    """Decisions of about one confidence: how many, their mean confidence and how often they were right."""

    number: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Confusion:
    """One function taken for another, with a few of the texts."""

    expected: str
    got: str
    number: int
    examples: Sequence[str]


@dataclass(frozen=True)
class Measures:
    """All figures of one run.

    Attributes:
        slices: by name: `all`, languages, single and multi turn, batches, and sure labels where some are not.
        functions: by name, `none` included.
        ece: expected calibration error over bins of equal width (Guo et al. 2017), 0 to 1.
        p50_ms: median time of a decision in milliseconds; `p95_ms` the 95th percentile.
        paths: how often each router, or path of a cascade, decided.
        confusions: the most frequent first.
        matrix: counts by expected and decided function.
    """

    slices: Mapping[str, Slice]
    functions: Mapping[str, FunctionFigures]
    arguments: ArgumentFigures
    ece: float
    bins: Sequence[Bin]
    p50_ms: float
    p95_ms: float
    paths: Mapping[str, int]
    confusions: Sequence[Confusion]
    matrix: Mapping[str, Mapping[str, int]]


def share(part: int, whole: int) -> Share:
    """A share with Wilson's score interval (Wilson 1927), which stays inside 0 and 1 for small numbers, too."""
    if whole == 0:
        return Share(part, whole, None, 0.0, 1.0)
    value = part / whole
    scale = 1 + _Z**2 / whole
    middle = (value + _Z**2 / (2 * whole)) / scale
    half = _Z * math.sqrt(value * (1 - value) / whole + _Z**2 / (4 * whole**2)) / scale
    return Share(part, whole, value, max(0.0, middle - half), min(1.0, middle + half))


def measure(outcomes: Sequence[Outcome], cards: Mapping[str, Card]) -> Measures:
    """Counts everything.

    Args:
        outcomes: at least one.
        cards: the functions, for which parameters are required.
    """
    confidences = [outcome.decision.confidence for outcome in outcomes]
    bins = calibration_bins(confidences, [outcome.right for outcome in outcomes])
    matrix = _matrix(outcomes)
    times = sorted(outcome.took_ms for outcome in outcomes)
    return Measures(
        slices=_slices(outcomes),
        functions=_functions(matrix),
        arguments=_arguments(outcomes, cards),
        ece=sum(found.number * abs(found.confidence - found.accuracy) for found in bins) / len(outcomes),
        bins=bins,
        p50_ms=percentile(times, 0.5),
        p95_ms=percentile(times, 0.95),
        paths=dict(Counter(outcome.decision.router for outcome in outcomes).most_common()),
        confusions=_confusions(outcomes),
        matrix=matrix,
    )


def percentile(ordered: Sequence[float], part: float) -> float:
    """The smallest of the ordered values that at least this part of them does not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def calibration_bins(confidences: Sequence[float], right: Sequence[bool]) -> list[Bin]:
    """The decisions by confidence, 0 to 1, in ten bins of equal width; empty bins are left out."""
    members: dict[int, list[tuple[float, bool]]] = defaultdict(list)
    for confidence, good in zip(confidences, right, strict=True):
        members[min(int(confidence * _BINS), _BINS - 1)].append((confidence, good))
    return [
        Bin(len(found), sum(one for one, _ in found) / len(found), sum(good for _, good in found) / len(found))
        for _, found in sorted(members.items())
    ]


def _slices(outcomes: Sequence[Outcome]) -> dict[str, Slice]:
    groups: dict[str, list[Outcome]] = {"all": list(outcomes)}
    if not all(outcome.case.sure for outcome in outcomes):
        groups["sure"] = [outcome for outcome in outcomes if outcome.case.sure]
        groups["not sure"] = [outcome for outcome in outcomes if not outcome.case.sure]
    for lang in sorted({outcome.case.lang for outcome in outcomes}):
        groups[lang] = [outcome for outcome in outcomes if outcome.case.lang == lang]
        if "sure" in groups:
            groups[f"{lang}, sure"] = [outcome for outcome in groups[lang] if outcome.case.sure]
    groups["single turn"] = [outcome for outcome in outcomes if not outcome.case.history]
    groups["multi turn"] = [outcome for outcome in outcomes if outcome.case.history]
    for batch in sorted({outcome.case.batch for outcome in outcomes} - {""}, key=lambda name: (len(name), name)):
        groups[f"batch {batch}"] = [outcome for outcome in outcomes if outcome.case.batch == batch]
    return {name: _slice(members) for name, members in groups.items() if members}


def _slice(outcomes: Sequence[Outcome]) -> Slice:
    none = [outcome for outcome in outcomes if outcome.case.function is None]
    return Slice(
        share(sum(outcome.right for outcome in outcomes), len(outcomes)),
        share(sum(not outcome.right for outcome in none), len(none)),
    )


def _matrix(outcomes: Iterable[Outcome]) -> dict[str, dict[str, int]]:
    pairs = Counter((outcome.case.function or NONE, outcome.decision.function or NONE) for outcome in outcomes)
    names = sorted({name for pair in pairs for name in pair}, key=lambda name: (name == NONE, name))
    return {expected: {got: pairs[expected, got] for got in names} for expected in names}


def _functions(matrix: Mapping[str, Mapping[str, int]]) -> dict[str, FunctionFigures]:
    found: dict[str, FunctionFigures] = {}
    for name, row in matrix.items():
        both = row[name]
        called = sum(other[name] for other in matrix.values())
        wanted = sum(row.values())
        f1 = 2 * both / (called + wanted) if called + wanted else None
        found[name] = FunctionFigures(share(both, called), share(both, wanted), f1)
    return found


def _arguments(outcomes: Sequence[Outcome], cards: Mapping[str, Card]) -> ArgumentFigures:
    wanting = [outcome for outcome in outcomes if outcome.case.function is not None and outcome.case.labelled]
    right = [outcome for outcome in wanting if outcome.right]
    number: Counter[str] = Counter()
    exact: Counter[str] = Counter()
    for outcome in right:
        wanted, given = outcome.case.arguments, outcome.decision.arguments
        for name in wanted.keys() | given.keys():
            number[f"{outcome.case.function}.{name}"] += 1
            exact[f"{outcome.case.function}.{name}"] += wanted.get(name) == given.get(name)
    required = sum(required_exact(outcome, cards) for outcome in right)
    whole = sum(outcome.case.arguments == outcome.decision.arguments for outcome in right)
    return ArgumentFigures(
        all_exact=share(whole, len(right)),
        required_exact=share(required, len(right)),
        calls_exact=share(required, len(wanting)),
        parameters={name: share(exact[name], number[name]) for name in sorted(number)},
    )


def required_exact(outcome: Outcome, cards: Mapping[str, Card]) -> bool:
    """Whether all required arguments of the labelled function are as labelled; one that nobody gave must be absent."""
    card = cards.get(outcome.case.function or "")
    names = card.parameters.get("required", ()) if card is not None else ()
    wanted, given = outcome.case.arguments, outcome.decision.arguments
    return all(wanted.get(name) == given.get(name) for name in names)


def _confusions(outcomes: Sequence[Outcome]) -> list[Confusion]:
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for outcome in outcomes:
        if not outcome.right:
            texts[outcome.case.function or NONE, outcome.decision.function or NONE].append(outcome.case.text)
    ordered = sorted(texts.items(), key=lambda item: (-len(item[1]), item[0]))
    return [Confusion(*pair, len(found), found[:_EXAMPLES]) for pair, found in ordered]
