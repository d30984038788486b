"""Lets a model write labelled cases: `python -m tools.generate_test_data [-f FUNCTION] [--count N] [--lang LANG]`.

The model (`FUNCGEMMA_DATA_MODEL`, qwen2.5:7b) answers through Ollama in structured output. Each case is held to the
labelling guide, to what is there already (also in `data/test`, which stays written by hand), and to a second answer of
the model that has to find the label again. What passes is on disk at once, in files like those of `data/test`;
`report.json` beside them says what was refused and why. A run that was broken off goes on with `--resume`.

While it runs no other model is in memory; those that were are put back at the end.
"""

import argparse
import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prompt_toolkit.shortcuts import ProgressBar, ProgressBarCounter

from agent.model_shelf import alone
from agent.ollama import ModelMissing, Ollama, OllamaError, plain
from agent.settings import PROJECT, Settings, settings
from functions import registry
from tools.arguments import positive
from tools.generation import Generation
from tools.generation_plan import wanted
from tools.label_rules import LANGUAGES, NONE

GENERATED = PROJECT / "data" / "generated"
"""Where cases go; not in git: `tools.check_data --batch` says whether they may join the others."""


async def generate(run: Generation, chosen: Settings) -> None:
    """Runs it with no other model in memory; stopped by SIGTERM, it still puts the others back."""
    task = asyncio.current_task()
    with contextlib.suppress(NotImplementedError):  # on Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel if task else lambda: None)
    async with Ollama(chosen.ollama_url) as ollama:
        if plain(chosen.data_model) not in await ollama.installed():
            raise ModelMissing(
                f"Ollama does not have the model {chosen.data_model}; get it with: funcgemma models --data --pull", 404
            )
        async with alone(ollama, chosen.data_model, chosen):
            with _bar(sum(run.plan.wanted.values())) as tell:
                tell(run.plan.done)
                await run.run(ollama, tell)


@contextmanager
def _bar(total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar; nothing where nobody looks."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    with ProgressBar() as shown:
        counter: ProgressBarCounter[object] = shown(label="cases", total=total)

        def tell(done: int) -> None:
            counter.items_completed = done
            shown.invalidate()

        yield tell


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status: 1 where something is missing in the end."""
    known = registry.cards()
    parser = argparse.ArgumentParser(
        prog="python -m tools.generate_test_data", description="Lets a model write labelled cases."
    )
    parser.add_argument("-f", "--function", action="append", choices=sorted(known), help="only this one; repeatable")
    parser.add_argument("--count", type=positive, default=50, metavar="N", help="cases a function and language (50)")
    parser.add_argument("--skip-no-function", action="store_true", help="no cases without a function (else 2 N)")
    parser.add_argument("--lang", choices=LANGUAGES, help="only this language")
    parser.add_argument("--resume", action="store_true", help="go on with what is there")
    parser.add_argument("--out", type=Path, default=GENERATED, metavar="FOLDER", help="where to (data/generated)")
    parser.add_argument("--batch", default="g1", metavar="NAME", help="batch in the ids (g1)")
    parser.add_argument("--seed", type=int, default=0, help="another one asks otherwise (0)")
    given = parser.parse_args(arguments)
    if not re.fullmatch(r"[a-z0-9_]+", given.batch):
        parser.error("--batch takes small letters and digits")
    functions = given.function or sorted(known)
    langs = [given.lang] if given.lang else list(LANGUAGES)
    if not given.resume and any((given.out / f"{name}.json").exists() for name in [*known, NONE]):
        print(f"{given.out} holds cases already: go on with --resume, or take another --out.", file=sys.stderr)
        return 1
    chosen = settings()
    try:
        plan = wanted(functions, langs, given.count, none=not given.skip_no_function)
        run = Generation(given.out, given.batch, plan, chosen, given.seed)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    try:
        asyncio.run(generate(run, chosen))
    except OllamaError as error:
        print(f"{error}\n{run.summary()}\nWhat is there is kept; go on with --resume.", file=sys.stderr)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        print(f"{run.summary()}\nStopped; go on with --resume.", file=sys.stderr)
        return 130
    print(run.summary())
    return int(bool(run.plan.missing))


if __name__ == "__main__":
    sys.exit(main())
