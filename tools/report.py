"""A run of `tools.evaluate` on disk: all of it as JSON, the figures as Markdown, the confusion matrix as PNG."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.settings import PROJECT
from tools.confusion_chart import save_confusions
from tools.measures import Measures, Share
from tools.outcomes import Outcome

RESULTS = PROJECT / "data" / "results"
_MOST_CONFUSIONS = 20


class ReportError(Exception):
    """Raised when a file is no report; the message names it."""


@dataclass(frozen=True)
class Report:
    """One run.

    Attributes:
        about: what was measured and how: `router`, `data`, `number`, and what else the tool has to say.
        measures: the figures.
        cases: one object a case: label, decision and time.
    """

    about: Mapping[str, Any]
    measures: Mapping[str, Any]
    cases: Sequence[Mapping[str, Any]]


def dated(about: Mapping[str, Any], number: int) -> dict[str, Any]:
    """What a run has to say of itself, with the number of cases, the commit and the time."""
    return {**about, "number": number, "commit": _commit(), "time": datetime.now(UTC).isoformat("T", "seconds")}


def write(about: Mapping[str, Any], measures: Measures, outcomes: Sequence[Outcome], path: Path) -> list[Path]:
    """Writes the JSON to `path`, and Markdown and PNG beside it; without matplotlib there is no PNG.

    Returns:
        The files written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    head = json.dumps({"about": about, "measures": asdict(measures)}, ensure_ascii=False, indent=1)
    rows = ",\n".join(json.dumps(_row(outcome), ensure_ascii=False) for outcome in outcomes)
    path.write_text(f'{head[:-2]},\n "cases": [\n{rows}\n ]\n}}\n', encoding="utf-8")
    page = path.with_suffix(".md")
    page.write_text(markdown(about, measures), encoding="utf-8")
    picture = path.with_suffix(".png")
    try:
        save_confusions(measures.matrix, f"{about['router']} on {about['data']}", picture)
    except ImportError:
        return [path, page]
    return [path, page, picture]


def read(path: Path) -> Report:
    """Reads a run back.

    Raises:
        ReportError: there is none in this file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Report(content["about"], content["measures"], content["cases"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path} holds no report of tools.evaluate ({error}).") from error


def markdown(about: Mapping[str, Any], measures: Measures) -> str:
    """The figures as tables."""
    lines = [f"# {about['router']} on {about['data']}", ""]
    lines += [f"- {name}: {value}" for name, value in about.items() if name not in ("router", "data")]
    lines += ["", "| cases | number | function right | 95 % | false positives | 95 % |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {name} | {part.accuracy.whole} | {_cells(part.accuracy)} | {_cells(part.false_positives)} |"
        for name, part in measures.slices.items()
    ]
    lines += ["", f"Expected calibration error: {measures.ece:.3f}", ""]
    lines += [f"A decision: p50 {measures.p50_ms:.2f} ms, p95 {measures.p95_ms:.2f} ms", ""]
    if len(measures.paths) > 1:
        lines += ["| decided by | number |", "| --- | ---: |"]
        lines += [*(f"| {path} | {number} |" for path, number in measures.paths.items()), ""]
    lines += ["| function | precision | recall | F1 |", "| --- | ---: | ---: | ---: |"]
    for name, found in measures.functions.items():
        f1 = "–" if found.f1 is None else f"{100 * found.f1:.1f} %"
        lines.append(f"| {name} | {percent(found.precision)} | {percent(found.recall)} | {f1} |")
    arguments = measures.arguments
    if arguments.calls_exact.whole:
        lines += [
            "",
            f"Function and required arguments right: {percent(arguments.calls_exact)} of turns that want one.",
        ]
        required, whole = percent(arguments.required_exact), percent(arguments.all_exact)
        lines.append(f"Where the function is right: required arguments exact in {required}, all arguments in {whole}.")
        lines += [
            "",
            "| parameter | number | exact |",
            "| --- | ---: | ---: |",
        ]
        lines += [f"| {name} | {part.whole} | {percent(part)} |" for name, part in arguments.parameters.items()]
    lines += ["", "| labelled | decided | number | for example |", "| --- | --- | ---: | --- |"]
    for confusion in measures.confusions[:_MOST_CONFUSIONS]:
        examples = " · ".join(text.replace("|", "\\|").replace("\n", " ")[:80] for text in confusion.examples)
        lines.append(f"| {confusion.expected} | {confusion.got} | {confusion.number} | {examples} |")
    return "\n".join(lines) + "\n"


def percent(found: Share) -> str:
    """A share as a table shows it."""
    return "–" if found.value is None else f"{100 * found.value:.1f} %"


def _cells(found: Share) -> str:
    interval = "–" if found.value is None else f"{100 * found.low:.1f} to {100 * found.high:.1f}"
    return f"{percent(found)} | {interval}"


def _row(outcome: Outcome) -> dict[str, Any]:
    case, decision = outcome.case, outcome.decision
    return {
        "test_id": case.test_id,
        "lang": case.lang,
        "history": [said.content for said in case.history],
        "text": case.text,
        "expected_function": case.function,
        "expected_arguments": case.arguments if case.labelled else None,
        "function": decision.function,
        "arguments": decision.arguments,
        "confidence": round(decision.confidence, 4),
        "router": decision.router,
        "took_ms": round(outcome.took_ms, 3),
    }


def _commit() -> str | None:
    """The commit of the checkout, with a plus where files differ from it; None outside a checkout."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--exclude=*"],  # noqa: S607 - git as the user has it
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or None if told.returncode == 0 else None
