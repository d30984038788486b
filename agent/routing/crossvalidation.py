"""How good the embedded router is on batches of cases that it has not seen, as tables in Markdown.

Each batch is decided by a model trained on the other batches; its calibration, too, comes from the others.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from agent.messages import Card, Turn
from agent.routing import Decision
from agent.routing.cases import Case, folds, load_cases
from agent.routing.embedded import EmbeddedRouter
from agent.routing.gazetteer import Gazetteer
from agent.routing.heads import score
from agent.routing.model import Training, calibrate
from agent.routing.pattern_cases import pattern_cases

_BINS = 10
_MOST_FOLDS = 10


def cards_of(cases: Iterable[Case]) -> dict[str, Card]:
    """Cards with the functions and parameters that the cases use; everything is an optional string."""
    properties: dict[str, dict[str, object]] = {}
    for case in cases:
        if case.function is not None:
            known = properties.setdefault(case.function, {})
            known.update({name: {"type": "string"} for name in case.arguments})
    return {
        name: Card(name=name, description="", parameters={"type": "object", "properties": known})
        for name, known in properties.items()
    }


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


def decisions(cases: Sequence[Case], gazetteer: Gazetteer) -> list[Decision]:
    """The decision about each case by a router that has not seen its batch."""
    groups = folds(cases, _MOST_FOLDS)
    cards = cards_of(cases)
    every = [*cases, *pattern_cases()]
    everything = range(len(every))
    others = [[index for index in everything if index not in set(group)] for group in groups]
    trainings = [Training(every, gazetteer, rest) for rest in others]
    scores = np.zeros((len(cases), len(trainings[0].functions) + 1), np.float32)
    for training, group, rest in zip(trainings, groups, others, strict=True):
        heads = training.heads(rest)
        for index in group:
            scores[index] = score(heads, training.rows[index])
    found: dict[int, Decision] = {}
    for training, group, rest in zip(trainings, groups, others, strict=True):
        known = [index for index in rest if index < len(cases)]
        calibration = calibrate(scores[known], training.targets[known])
        router = EmbeddedRouter(training.model(rest, calibration), gazetteer)
        found |= {index: router.decide(turn_of(cases[index]), cards) for index in group}
    return [found[index] for index in range(len(cases))]


def report(folder: Path) -> str:
    """The tables for the cases in a folder."""
    cases = load_cases(folder)
    made = decisions(cases, Gazetteer(folder.parent / "offline"))
    pairs = list(zip(cases, made, strict=True))
    right = [case.function == decision.function for case, decision in pairs]
    lines = [f"{len(cases)} cases, {len({case.batch for case in cases})} batches", ""]
    lines += ["| cases | number | function right | false positives |", "| --- | ---: | ---: | ---: |"]
    lines += [_slice(name, pairs, chosen) for name, chosen in _slices(cases).items()]
    confidences = np.array([decision.confidence for decision in made])
    lines += ["", f"Expected calibration error: {_calibration_error(confidences, np.array(right)):.3f}", ""]
    lines += ["| function | precision | recall | F1 |", "| --- | ---: | ---: | ---: |"]
    lines += [_function(name, pairs) for name in sorted({case.function for case in cases if case.function})]
    lines += ["", *_arguments([pair for pair, good in zip(pairs, right, strict=True) if good and pair[0].function])]
    return "\n".join(lines)


Pairs = Sequence[tuple[Case, Decision]]


def _slices(cases: Sequence[Case]) -> Mapping[str, list[bool]]:
    slices = {
        "all": [True] * len(cases),
        "ja": [case.lang == "ja" for case in cases],
        "en": [case.lang == "en" for case in cases],
        "single turn": [not case.history for case in cases],
        "multi turn": [bool(case.history) for case in cases],
    }
    for batch in sorted({case.batch for case in cases}):
        slices[f"batch {batch}"] = [case.batch == batch for case in cases]
    return slices


def _slice(name: str, pairs: Pairs, chosen: Sequence[bool]) -> str:
    kept = [pair for pair, keep in zip(pairs, chosen, strict=True) if keep]
    right = sum(case.function == decision.function for case, decision in kept)
    none = [decision for case, decision in kept if case.function is None]
    alarms = sum(decision.function is not None for decision in none)
    return f"| {name} | {len(kept)} | {_percent(right, len(kept))} | {_percent(alarms, len(none))} |"


def _function(name: str, pairs: Pairs) -> str:
    both = sum(case.function == decision.function == name for case, decision in pairs)
    chosen = sum(decision.function == name for _, decision in pairs)
    wanted = sum(case.function == name for case, _ in pairs)
    mean = 2 * both / max(1, chosen + wanted)
    return f"| {name} | {_percent(both, chosen)} | {_percent(both, wanted)} | {100 * mean:.1f} % |"


def _arguments(pairs: Pairs) -> list[str]:
    """Of the turns whose function is right: each parameter exactly as labelled, left out included."""
    right: Counter[tuple[str, str]] = Counter()
    total: Counter[tuple[str, str]] = Counter()
    whole = 0
    for case, decision in pairs:
        whole += case.arguments == decision.arguments
        assert case.function is not None  # noqa: S101 - the caller has looked
        for name in case.arguments.keys() | decision.arguments.keys():
            total[case.function, name] += 1
            right[case.function, name] += case.arguments.get(name) == decision.arguments.get(name)
    whole_share, share = _percent(whole, len(pairs)), _percent(sum(right.values()), sum(total.values()))
    lines = [
        f"Where the function is right: all arguments exact in {whole_share} of turns, single arguments in {share}.",
        "",
        "| function | parameter | number | exact |",
        "| --- | --- | ---: | ---: |",
    ]
    return lines + [
        f"| {key[0]} | {key[1]} | {total[key]} | {_percent(right[key], total[key])} |" for key in sorted(total)
    ]


def _calibration_error(confidences: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((confidences * _BINS).astype(int), _BINS - 1)
    gaps = [
        abs(float(confidences[bins == number].mean()) - float(right[bins == number].mean()))
        * float((bins == number).mean())
        for number in range(_BINS)
        if (bins == number).any()
    ]
    return float(sum(gaps))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"
