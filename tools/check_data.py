"""Checks labelled cases: `python -m tools.check_data [FILES] [--batch] [--json OUT]`.

Without FILES the whole of `data/test` is checked: each case by the rules of the labelling guide (`label_rules`), exact
and near duplicates (`near_duplicates`), variety (`variety`), and how many cases there are of what (`data_report`). With
`--batch`, or where single files are named, the amounts asked of the whole are not asked of them; a batch is compared
with `data/test` too.
A problem is one line; with any, the exit status is 1.

Not covered: whether a label is the right one, and whether a sentence sounds natural.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from agent.routing.cases import case_files, files_of, write_text
from agent.settings import settings
from tools.data_report import Cell, Report, check


def table(report: Report) -> str:
    """The report for people, problems left out."""
    lines = [f"{report.cases} cases in {len(report.batches)} batches", ""]
    head = ("function", "", "cases", "dialogue", "lacking", "dist-2", "dist-3", "hard", "most frequent pattern", "name")
    widths = (18, 2, 5, 8, 7, 6, 6, 4, 26, 0)
    rows = [head, *map(_row, report.cells)]
    lines += ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.append("")
    for name, counted in report.closed.items():
        shown = [f"{value} {number}" for value, number in list(counted.items())[:12]]
        more = len(counted) - len(shown)
        lines.append(f"{name}: {', '.join(shown)}" + (f" and {more} more" if more > 0 else ""))
    return "\n".join(lines)


def _row(cell: Cell) -> tuple[str, ...]:
    return (
        cell.category,
        cell.lang,
        str(cell.cases),
        f"{100 * cell.history:.0f} %",
        f"{100 * cell.lacking:.0f} %",
        f"{cell.distinct[2]:.2f}",
        f"{cell.distinct[3]:.2f}",
        "" if cell.hard is None else f"{100 * cell.hard:.0f} %",
        f"{cell.pattern[1]}x {cell.pattern[0]}"[:24] if cell.pattern else "",
        f"{cell.entity[1]}x {cell.entity[0]}" if cell.entity else "",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.check_data", description="Checks labelled cases.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="files or a folder (data/test)")
    parser.add_argument("--batch", action="store_true", help="they are to join data/test, and repeat nothing there")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write everything that was found to a file")
    chosen = parser.parse_args(arguments)
    data = settings().cases
    given: list[Path] = chosen.files or [data]
    whole = not chosen.batch and all(path.is_dir() for path in given)
    try:
        files = files_of(given)
        report = check(files, whole=whole, against=case_files(data) if chosen.batch else ())
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(report))
    print()
    for problem in report.problems:
        print(problem)
    print(f"{len(report.problems)} problems" if report.problems else "no problems")
    if chosen.json:
        write_text(chosen.json, json.dumps(asdict(report), ensure_ascii=False, indent=1) + "\n")
    return int(bool(report.problems))


if __name__ == "__main__":
    sys.exit(main())
