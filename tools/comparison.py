"""Two runs of `tools.evaluate` side by side, with the cases that changed."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.measures import NONE
from tools.report import Report

_MOST_CASES = 40


def compare(one: Report, other: Report, names: tuple[str, str]) -> str:
    """Tables in Markdown.

    Args:
        one: the run before.
        other: the run after.
        names: what the two are called.
    """
    pairs = _pairs(one, other)
    better = [pair for pair in pairs if not _right(pair[0]) and _right(pair[1])]
    worse = [pair for pair in pairs if _right(pair[0]) and not _right(pair[1])]
    lines = [f"| | {names[0]} | {names[1]} | change |", "| --- | ---: | ---: | ---: |", *_figures(one, other), ""]
    lines.append(
        f"{len(pairs)} cases are in both: {len(better)} became right, {len(worse)} became wrong "
        f"(p = {sign_test(len(better), len(worse)):.3f})."
    )
    for title, changed in (("Became wrong", worse), ("Became right", better)):
        if changed:
            lines += [
                "",
                f"## {title}",
                "",
                "| case | text | labelled | before | after |",
                "| --- | --- | --- | --- | --- |",
            ]
            lines += [_case(*pair) for pair in changed[:_MOST_CASES]]
            if len(changed) > _MOST_CASES:
                lines.append(f"| … | and {len(changed) - _MOST_CASES} more | | | |")
    moved = sum(
        _right(before) and _right(after) and before["arguments"] != after["arguments"] for before, after in pairs
    )
    lines += ["", f"Other arguments where the function was right both times: {moved} cases."]
    return "\n".join(lines) + "\n"


def sign_test(better: int, worse: int) -> float:
    """How likely a difference at least this large is by chance (exact sign test on the cases that changed)."""
    number = better + worse
    tail: int = sum(math.comb(number, count) for count in range(min(better, worse) + 1))
    return min(1.0, 2 * tail / int(2**number))


def _pairs(one: Report, other: Report) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    before = {_key(case): case for case in one.cases}
    return [(before[_key(case)], case) for case in other.cases if _key(case) in before]


def _key(case: Mapping[str, Any]) -> str:
    # By what was said, not by name: names are optional and may be given anew.
    return json.dumps([case["history"], case["text"]], ensure_ascii=False)


def _right(case: Mapping[str, Any]) -> bool:
    return bool(case["expected_function"] == case["function"])


def _case(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    text = str(after["text"]).replace("|", "\\|").replace("\n", " ")[:100]
    names = [after["expected_function"], before["function"], after["function"]]
    return f"| {after['test_id']} | {text} | {' | '.join(name or NONE for name in names)} |"


def _figures(one: Report, other: Report) -> Iterator[str]:
    before, after = one.measures, other.measures
    for name, part in after["slices"].items():
        if name in before["slices"]:
            for key, what in (("accuracy", "function right"), ("false_positives", "false positives")):
                yield from _row(f"{name}: {what}", before["slices"][name][key]["value"], part[key]["value"])
    for name, figures in after["functions"].items():
        if name in before["functions"]:
            yield from _row(f"{name}: F1", before["functions"][name]["f1"], figures["f1"])
    for name in ("calls_exact", "required_exact", "all_exact"):
        yield from _row(name.replace("_", " "), *(run["arguments"][name]["value"] for run in (before, after)))
    for name, part in after["arguments"]["parameters"].items():
        if name in before["arguments"]["parameters"]:
            yield from _row(f"{name} exact", before["arguments"]["parameters"][name]["value"], part["value"])
    yield from _row("calibration error", before["ece"], after["ece"])
    for name in ("p50_ms", "p95_ms"):
        yield f"| {name[:3]} | {before[name]:.2f} ms | {after[name]:.2f} ms | {after[name] - before[name]:+.2f} ms |"


def _row(name: str, before: float | None, after: float | None) -> Sequence[str]:
    if before is None or after is None:
        return ()
    return (f"| {name} | {100 * before:.1f} % | {100 * after:.1f} % | {100 * (after - before):+.1f} |",)
