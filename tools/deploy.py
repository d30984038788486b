"""Puts a trained adapter to work: merges it, makes a model of it in Ollama, checks that, makes it the router's model.

    python -m tools.deploy                              # the newest run's adapter, as funcgemma-router:run-N
    python -m tools.deploy --run-id 7 --checkpoint 300 --name my-router --quantize q8_0

The merged model stays in `data/peft_adapters/run_N/merged/` with a Modelfile, for `ollama create` by hand. Ollama has
no adapters for Gemma 3, so they are merged. Versions of it that take no safetensors want the folder converted by
llama.cpp (`python convert_hf_to_gguf.py data/peft_adapters/run_N/merged`) and the file named with `--gguf`.

Nothing is changed for the router unless the deployed model does as the adapter did: the same function, or none, in nine
of ten cases.
"""

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from agent.ollama import Ollama, OllamaError
from agent.routing import RouterError
from agent.routing.cases import Case, load_cases
from agent.routing.ollama import OllamaRouter
from agent.settings import Settings, settings
from functions import registry
from tools import adapters, routers
from tools.adapters import TuningError
from tools.arguments import positive

_ALIKE = 0.9
"""Share of the cases in which the function must be the same: rounding to 16 bits or fewer may tip one that is close."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; a mistake ends in one plain sentence."""
    given = _parser().parse_args(arguments)
    try:
        _deploy(given, settings())
    except (TuningError, RouterError, OllamaError, ModuleNotFoundError) as error:
        if given.debug or settings().debug:
            raise
        sys.exit(f"deploy: {adapters.EXTRA_MISSING if isinstance(error, ModuleNotFoundError) else error}")
    except KeyboardInterrupt:
        sys.exit(130)


def _deploy(given: argparse.Namespace, chosen: Settings) -> None:
    from tools import deployment, merged_model  # noqa: PLC0415 - torch is an extra, and slow to load

    run = adapters.run_of(given)
    manifest, adapter = run.manifest(), run.adapter(given.checkpoint)
    name = given.name or f"funcgemma-router:run-{run.number}"
    cards = registry.cards()
    if manifest["cards_sha256"] != adapters.cards_hash(cards):
        raise TuningError(f"The functions' cards have changed since {run.folder} was trained. Train anew.")
    cases = _sample(given.splits / manifest["data"]["run"] / "validation.jsonl", given.cases)
    base = manifest["base"]["name"]
    folder = run.folder / "merged"
    parameters = merged_model.parameters(chosen.num_ctx)
    if given.gguf is None:
        _say(f"Merging {adapter} into {base} …")
        files = merged_model.merge(base, adapter, folder)
        merged_model.write_modelfile(folder / "Modelfile", parameters)
        if folder / "tokenizer.model" not in files:
            _say(f"{base} has no tokenizer.model; Ollama may cut texts into other tokens than it was trained with.")
    elif given.gguf.is_file():
        files = [given.gguf]
    else:
        raise TuningError(f"There is no file {given.gguf}.")

    async def deployed() -> list[deployment.Compared]:
        update = {"peft_base": base, "peft_adapter": adapter, "peft_device": given.device, "router_model": name}
        using = chosen.model_copy(update=update)
        async with Ollama(chosen.ollama_url) as ollama, routers.ready("peft", using) as trained:
            _say(f"Making {name} in Ollama …")
            try:
                await deployment.create(ollama, name, files, parameters=parameters, quantize=given.quantize)
            except OllamaError as error:
                if given.gguf is not None or error.status is None:
                    raise
                raise TuningError(
                    f"Ollama makes no model of safetensors: {error} Convert them with llama.cpp's "
                    f"convert_hf_to_gguf.py {folder}, then deploy the file with --gguf FILE."
                ) from error
            _say(f"Comparing on {len(cases)} cases …")
            return await deployment.compare(cases, cards, trained, OllamaRouter(ollama, using))

    found = asyncio.run(deployed())
    same = sum(one.same_function for one in found)
    for one in found:
        if not one.same:
            print(f"{one.case.text!r}: the adapter {_call(one.adapter)}, {name} {_call(one.deployed)}")
    print(f"{same} of {len(found)} functions and {sum(one.same for one in found)} whole calls are the adapter's.")
    if same < _ALIKE * len(found):
        raise TuningError(
            f"{name} answers otherwise than the adapter, so the router keeps {chosen.router_model}."
            + (" Try it without --quantize." if given.quantize else "")
        )
    file = Path(str(Settings.model_config["toml_file"]))
    deployment.choose(name, file)
    now = Settings().router_model
    if now != name:
        raise TuningError(
            f"{name} is made and written into {file.name}, but FUNCGEMMA_ROUTER_MODEL in the environment or in .env "
            f"says {now}. Set it to {name} there."
        )
    print(f"{name} is the router's model ({file}). Restart what runs: funcgemma down, then funcgemma up")


def _sample(path: Path, number: int) -> list[Case]:
    """Some cases, of each function about as many."""
    try:
        cases = load_cases(path)
    except (OSError, ValueError) as error:
        raise TuningError(f"{path} holds no cases to compare with: {error}") from error
    by_function: dict[str | None, list[Case]] = {}
    for case in Random(0).sample(cases, len(cases)):
        by_function.setdefault(case.function, []).append(case)
    ranked = [(place, case) for found in by_function.values() for place, case in enumerate(found)]
    return [case for _, case in sorted(ranked, key=lambda pair: pair[0])[:number]]


def _call(call: tuple[str | None, Mapping[str, object]]) -> str:
    return f"calls {call[0]} {dict(call[1])}" if call[0] else "calls nothing"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.deploy", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    adapters.add_options(parser)
    add = parser.add_argument
    add("--name", help="the model's name in Ollama (funcgemma-router:run-N)")
    add("--quantize", metavar="LEVEL", help="such as q8_0: smaller and faster, a little less exact (16 bits)")
    add("--gguf", type=Path, metavar="FILE", help="the merged model as converted by llama.cpp, for newer Ollamas")
    add("--cases", type=positive, default=24, metavar="N", help="how many cases to compare with (24)")
    return parser


if __name__ == "__main__":
    main()
