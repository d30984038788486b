"""Measures an adapter of `tools.finetune_peft`, by default on its run's own test part.

    python -m tools.evaluate_peft                                 # the newest run's adapter
    python -m tools.evaluate_peft --run-id 7 --checkpoint 300
    python -m tools.evaluate_peft --run-id 7 --data labelled.jsonl

Figures and files are those of `tools.evaluate`, in `data/results/`; its `--compare` puts two of them side by side.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.routing import RouterError
from agent.settings import Settings, settings
from functions import registry
from tools import adapters, evaluate, report, routers
from tools.adapters import TuningError
from tools.arguments import positive
from tools.outcomes import Outcome, outcomes


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; a mistake ends in one plain sentence."""
    given = _parser().parse_args(arguments)
    try:
        _evaluate(given, settings())
    except (TuningError, RouterError, evaluate.EvaluationError) as error:
        if given.debug or settings().debug:
            raise
        sys.exit(f"evaluate_peft: {error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _evaluate(given: argparse.Namespace, chosen: Settings) -> None:
    run = adapters.run_of(given)
    manifest = run.manifest()
    adapter = run.adapter(given.checkpoint)
    cards = registry.cards()
    if manifest["cards_sha256"] != adapters.cards_hash(cards):
        print("The functions' cards are not those that the adapter was trained with.", file=sys.stderr)
    data = given.data or given.splits / manifest["data"]["run"] / "test.jsonl"
    cases = evaluate.chosen_cases(data, given.limit)
    step = manifest["adapter"]["checkpoint"] if given.checkpoint is None else given.checkpoint
    update = {"peft_base": manifest["base"]["name"], "peft_adapter": adapter, "peft_device": given.device}

    async def routed() -> list[Outcome]:
        async with routers.ready("peft", chosen.model_copy(update=update)) as router:
            return await outcomes(router, cases, cards)

    about = {"router": "peft", "data": data.name, "run": run.folder.name, "checkpoint": step}
    about["none counts"] = manifest["options"]["none_weight"]
    path = given.json or report.RESULTS / f"peft-{run.folder.name}-{step}-{data.stem}.json"
    evaluate.publish(about, asyncio.run(routed()), cards, path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.evaluate_peft", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    adapters.add_options(parser)
    add = parser.add_argument
    add("--data", type=Path, metavar="FILE_OR_FOLDER", help="labelled cases (the run's test part)")
    add("--limit", type=positive, metavar="N", help="measure on a sample of so many cases")
    add("--json", type=Path, metavar="OUT", help="where to write the JSON, the rest beside it")
    return parser


if __name__ == "__main__":
    main()
