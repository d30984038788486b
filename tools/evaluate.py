"""Measures a router on labelled cases.

    python -m tools.evaluate --router embedded --data data/test --leave-batch-out
    python -m tools.evaluate --router cascade --data FILE_OR_FOLDER --limit 200
    python -m tools.evaluate --compare data/results/one.json data/results/other.json

Writes all of it as JSON, tables as Markdown and the confusion matrix as PNG into `data/results/`. Without
`--leave-batch-out` the embedded router has seen the cases in `data/test`: figures on these then say nothing.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from agent.messages import Card
from agent.routing import RouterError
from agent.routing.cases import Case, load_cases
from agent.settings import Settings, settings
from functions import registry
from tools import comparison, measures, report, routers
from tools.arguments import positive
from tools.leave_batch_out import left_out
from tools.outcomes import Outcome, outcomes


class EvaluationError(Exception):
    """Raised when nothing can be measured; the message says why in a sentence."""


def main() -> None:
    """Runs the command line; a mistake ends in one plain sentence."""
    arguments = _parser().parse_args()
    try:
        if arguments.compare:
            one, other = arguments.compare
            names = (Path(one).stem, Path(other).stem)
            print(comparison.compare(report.read(Path(one)), report.read(Path(other)), names), end="")
        else:
            evaluate(arguments, settings())
    except (EvaluationError, RouterError, report.ReportError) as error:
        if arguments.debug or settings().debug:
            raise
        sys.exit(f"evaluate: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def evaluate(arguments: argparse.Namespace, chosen: Settings) -> None:
    """Measures, prints the tables and writes the files.

    Raises:
        EvaluationError: there are no cases, or the router can't be trained without a batch.
        RouterError: the router's model can't be used.
    """
    cases = chosen_cases(arguments.data, arguments.limit)
    cards = registry.cards()
    about: dict[str, Any] = {"router": arguments.router, "data": arguments.data.name}
    if arguments.leave_batch_out is not None:
        if arguments.router != "embedded":
            raise EvaluationError("Only the embedded router is trained anew for --leave-batch-out.")
        about["left out"] = f"{arguments.leave_batch_out} groups of batches"
        names = chosen.cases.parent / "offline"
        found = left_out(cases, cards, names, groups=arguments.leave_batch_out, jobs=arguments.jobs)
    else:
        found = asyncio.run(_routed(arguments.router, cases, cards, chosen))
    left = "-left-out" if arguments.leave_batch_out is not None else ""
    path = arguments.json or report.RESULTS / f"{arguments.router}{left}-{arguments.data.stem}.json"
    publish(about, found, cards, path)


def chosen_cases(data: Path, limit: int | None) -> list[Case]:
    """The cases of a file or folder; with a limit an even sample of so many, always the same.

    Raises:
        EvaluationError: there are none.
    """
    try:
        cases = load_cases(data)
    except (OSError, ValueError) as error:
        raise EvaluationError(str(error)) from error
    if not cases:
        raise EvaluationError(f"There are no labelled cases in {data}.")
    if limit is not None and limit < len(cases):
        cases = [cases[index] for index in sorted(Random(0).sample(range(len(cases)), limit))]
    return cases


def publish(about: Mapping[str, Any], found: Sequence[Outcome], cards: Mapping[str, Card], path: Path) -> None:
    """Prints the figures and writes the report; says what was written and what could not be."""
    about, figures = report.dated(about, len(found)), measures.measure(found, cards)
    print(report.markdown(about, figures))
    written = report.write(about, figures, found, path)
    print(f"Written: {', '.join(str(file) for file in written)}", file=sys.stderr)
    if path.with_suffix(".png") not in written:
        print("There is no picture without matplotlib. Install it with: pip install -e '.[train]'", file=sys.stderr)
    unknown = sorted({outcome.case.function for outcome in found if outcome.case.function} - set(cards))
    if unknown:
        print(f"No card describes these functions, so no router calls them: {', '.join(unknown)}", file=sys.stderr)


async def _routed(name: str, cases: Sequence[Case], cards: Mapping[str, Card], chosen: Settings) -> list[Outcome]:
    async with routers.ready(name, chosen) as router:
        return await outcomes(router, cases, cards)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--router", choices=routers.NAMES, default="embedded")
    parser.add_argument("--data", type=Path, default=settings().cases, metavar="FILE_OR_FOLDER", help="labelled cases")
    parser.add_argument("--json", type=Path, metavar="OUT", help="where to write the JSON, the rest beside it")
    parser.add_argument("--limit", type=positive, metavar="N", help="measure on a sample of so many cases")
    parser.add_argument(
        "--leave-batch-out",
        type=positive,
        nargs="?",
        const=1000,
        metavar="GROUPS",
        help="decide each batch by a router trained on the others; with GROUPS leave several out at once",
    )
    parser.add_argument("--jobs", type=positive, default=1, metavar="N", help="processes that train at a time")
    parser.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two JSON reports side by side")
    parser.add_argument("--debug", action="store_true", help="stack traces")
    return parser


if __name__ == "__main__":
    main()
