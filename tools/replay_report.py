"""A replay's comparison for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from agent.logged_turn import LoggedRoute
from agent.transcript import cut, described, one_line
from tools.replay_comparison import CHANGES, Comparison, Replayed

_MOST = 20
_LONGEST = 60


def as_text(comparison: Comparison) -> str:
    """Tables in Markdown, the turns whose route changed, and the verdict."""
    turns = comparison.turns
    conversations = len({turn.then.name for turn in turns})
    labelled = sum(turn.then.label is not None for turn in turns)
    lines = [f"{len(turns)} turns of {conversations} conversations, {labelled} of them labelled.", ""]
    if labelled:
        then, now = comparison.labels_then, comparison.labels_now
        lines += ["| labelled turns | then | now |", "| --- | ---: | ---: |"]
        lines += [
            f"| {name} | {_percent(before)} | {_percent(after)} |"
            for name, before, after in (
                ("function right", then.accuracy, now.accuracy),
                ("false positives", then.false_positives, now.false_positives),
                ("arguments exact", then.arguments, now.arguments),
            )
        ]
        lines.append("")
    functions, arguments = comparison.changed("function"), comparison.changed("arguments")
    lines.append(
        f"Routes: {len(comparison.changed('same'))} the same, {len(functions)} with another function, "
        f"{len(arguments)} with other arguments."
    )
    alike = [turn.similarity for turn in turns if turn.similarity is not None]
    other = [one for one in alike if one < 1]
    mean = f", {sum(other) / len(other):.0%} alike on average" if other else ""
    lines.append(f"Replies: {len(alike) - len(other)} the same, {len(other)} others{mean}.")
    if comparison.failed:
        lines.append(f"Failed: {len(comparison.failed)} that had a reply then.")
    if comparison.withheld:
        lines.append(f"Not called: {comparison.withheld}, whose functions don't say that they understand dry runs.")
    lines += ["", "| stage, ms | p50 then | p50 now | p95 then | p95 now |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {one_line(stage)} | {one.p50_then:.1f} | {one.p50_now:.1f} | {one.p95_then:.1f} | {one.p95_now:.1f} |"
        for stage, one in comparison.latency.items()
    ]
    lines += ["", *_list("Another route", [*functions, *arguments]), *_list("Failed", comparison.failed)]
    verdict = " ".join(comparison.worse) or "It did not get worse."
    lines.append(f"{verdict} (tolerance {comparison.tolerance:.1%})")
    return "\n".join(lines)


def as_json(comparison: Comparison) -> dict[str, Any]:
    """Everything, with each turn then and now."""
    return {
        "tolerance": comparison.tolerance,
        "worse": list(comparison.worse),
        "labels": {"then": asdict(comparison.labels_then), "now": asdict(comparison.labels_now)},
        "routes": {kind: len(comparison.changed(kind)) for kind in CHANGES},
        "failed": len(comparison.failed),
        "withheld": comparison.withheld,
        "latency": {stage: asdict(one) for stage, one in comparison.latency.items()},
        "turns": [_turn(turn) for turn in comparison.turns],
    }


def _turn(turn: Replayed) -> dict[str, Any]:
    parts = (turn.route, turn.result, turn.final)
    names = ("route", "result", "final")
    now = {name: part.model_dump(mode="json") if part else None for name, part in zip(names, parts, strict=True)}
    return {**turn.then.line(), "now": now, "route_change": turn.route_change, "similarity": turn.similarity}


def _list(title: str, turns: Sequence[Replayed]) -> list[str]:
    if not turns:
        return []
    lines = [f"{title}:", ""]
    for turn in turns[:_MOST]:
        text = cut(one_line(turn.then.text), _LONGEST)
        lines.append(f"* {text}: {_call(turn.then.route)} → {_call(turn.route)}")
    if len(turns) > _MOST:
        lines.append(f"* … and {len(turns) - _MOST} more")
    return [*lines, ""]


def _call(route: LoggedRoute | None) -> str:
    if route is None:
        return "not routed"
    return described(route.function, route.arguments, route.missing) if route.function else "none"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
