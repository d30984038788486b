"""Trains a LoRA adapter that makes FunctionGemma a better router.

    python -m tools.finetune_peft                                 # the newest split, 500 steps
    python -m tools.finetune_peft --run-id 7 --max-steps 1500 --lr 1e-4
    python -m tools.finetune_peft --run-id 7 --resume-from-checkpoint
    python -m tools.finetune_peft --objective none:3              # fewer calls that nobody asked for

Reads `data/finetune/run_N/` (`tools.split_data`), writes `data/peft_adapters/run_N/` (see `tools.adapters`). Prompts
and answers are FunctionGemma's own format; only the answer is learned. `--max-length` counts a case's dialogue and
answer: the declarations are read once for all cases of a step, whatever their length.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from agent.settings import settings
from functions import registry
from tools import adapters
from tools.adapters import AdapterRun, TuningError
from tools.arguments import positive
from tools.split_data import RUNS as SPLITS

if TYPE_CHECKING:
    from tools.tuner import Tuner

_LATEST = "latest"


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; a mistake ends in one plain sentence."""
    given = _parser().parse_args(arguments)
    try:
        finetune(given)
    except (TuningError, ModuleNotFoundError) as error:
        if given.debug or settings().debug:
            raise
        said = str(error) if isinstance(error, TuningError) else adapters.EXTRA_MISSING
        sys.exit(f"finetune_peft: {said}")
    except KeyboardInterrupt:
        sys.exit(130)


def finetune(given: argparse.Namespace) -> AdapterRun:
    """Trains as the command line says.

    Raises:
        TuningError: it can't be done here or with these.
        ModuleNotFoundError: the `train` extra is not installed.
    """
    from agent.routing.functiongemma import Toolset  # noqa: PLC0415 - torch is an extra, and slow to load
    from agent.routing.peft_vocabulary import Vocabulary  # noqa: PLC0415
    from tools import tuning_examples, tuning_model  # noqa: PLC0415
    from tools.tuner import Options, Tuner  # noqa: PLC0415

    number = adapters.newest(given.splits) if given.run_id is None else given.run_id
    split, run = given.splits / f"run_{number}", AdapterRun(given.out / f"run_{number}")
    cases = tuning_examples.read_split(split)
    cards = registry.cards()
    toolset, options = Toolset(cards), Options(**{field.name: getattr(given, field.name) for field in fields(Options)})
    base: str = given.base_model or settings().peft_base
    try:
        vocabulary = Vocabulary(tuning_model.tokenizer_of(base))
    except ValueError as error:
        raise TuningError(f"{base} can't be tuned: {error}") from error
    declarations = vocabulary.encode(toolset.prefix)
    _check_room(len(declarations), options.max_length)
    made = {
        part: tuning_examples.examples(cases[part], toolset, vocabulary, options.max_length)
        for part in tuning_examples.PARTS
    }
    device = tuning_model.device_of(given.device)
    precision = tuning_model.precision_of(device)
    lengths = [one.length for one in made["train"].found]
    manifest = {
        "format": 1,
        "options": asdict(options),
        "base": {"name": base, "sha256": tuning_model.fingerprint(base)},
        "data": {"run": split.name, "manifest_sha256": adapters.sha256(split / "manifest.json")},
        "cards_sha256": adapters.cards_hash(cards),
        "tokens": {
            "declarations": len(declarations),
            "of_a_case": {"mean": round(sum(lengths) / len(lengths), 1), "longest": max(lengths)},
            "cut": sum(part.cut for part in made.values()),
            "left_out": sum(part.left_out for part in made.values()),
        },
    }
    _say(f"{run.folder}: {base} on {device}, {str(precision).removeprefix('torch.')}")
    _say(f"{len(lengths)} cases, {manifest['tokens']}")
    resumed = _place(run, manifest, given.resume_from_checkpoint)
    tuner = Tuner(
        tuning_model.load_base(base, device, precision),
        declarations,
        made["train"].found,
        options,
        checkpointing=not given.no_checkpointing,
    )
    if resumed is not None:
        tuner.resume(resumed)
        _say(f"Goes on from step {tuner.step}.")
    else:
        run.write_manifest(manifest)
    checked = made["validation"].found
    checked = Random(options.seed).sample(checked, min(given.validation_cases, len(checked)))
    _train(tuner, run, checked, options.max_steps, options.every)
    _finish(run, manifest, tuner, str(device))
    return run


def _train(tuner: "Tuner", run: AdapterRun, checked: Sequence[Any], steps: int, every: int) -> None:
    from tqdm import tqdm  # noqa: PLC0415 - of the extra

    kept = [row for row in read_log(run) if row["step"] <= tuner.step]
    validated = [row["validation"] for row in kept if "validation" in row]
    with (
        run.log.open("w", encoding="utf-8") as log,
        tqdm(total=steps, initial=tuner.step, unit="step", disable=None, dynamic_ncols=True) as bar,
    ):

        def note(row: Mapping[str, Any]) -> None:
            log.write(json.dumps(row) + "\n")
            log.flush()

        def validate() -> None:
            found = asdict(tuner.validate(checked))
            note({"step": tuner.step, "validation": found})
            validated.append(found)
            bar.write(f"step {tuner.step}: {_sentence(found)}", file=sys.stderr)

        for row in kept:
            note(row)
        if not validated:
            validate()
        while tuner.step < steps:
            rate = tuner.rate
            loss = tuner.advance()
            note({"step": tuner.step, "loss": loss, "rate": rate})
            if tuner.step % every == 0 or tuner.step == steps:
                validate()
                tuner.save(run.checkpoint(tuner.step))
            bar.set_postfix(loss=f"{loss:.3f}", right=f"{100 * validated[-1]['accuracy']:.1f} %", refresh=False)
            bar.update()


def _finish(run: AdapterRun, manifest: Mapping[str, Any], tuner: "Tuner", device: str) -> None:
    """Chooses the best checkpoint, draws the curves, completes the manifest."""
    import peft  # noqa: PLC0415 - of the extra
    import torch  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    from tools.curves import save_curves  # noqa: PLC0415

    log = read_log(run)
    found = {row["step"]: row["validation"] for row in log if row.get("validation") and row["step"] > 0}
    # More whole calls right, then the smaller loss.
    best = max(found, key=lambda step: (found[step]["exact"], -found[step]["loss"]))
    part = run.folder / "adapter.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    for path in run.checkpoint(best).glob("adapter_*"):
        shutil.copy2(path, part)
    adapters.place(part, run.best)
    try:
        save_curves(log, f"{run.folder.name}: {manifest['base']['name']}", run.folder / "curves.png")
    except ImportError:
        _say("There is no picture without matplotlib. Install it with: pip install -e '.[train]'")
    versions = {module.__name__: module.__version__ for module in (torch, transformers, peft)}
    chosen = {
        "checkpoint": best,
        "parameters": tuner.trained_parameters(),
        "sha256": adapters.sha256(run.best / "adapter_model.safetensors"),
        "validation": found[best],
    }
    run.write_manifest({**manifest, "adapter": chosen, "versions": versions, "device": device})
    print(f"Best of {len(found)} checkpoints, step {best}: {_sentence(found[best])}")
    print(f"{run.best}\nMeasure it with: python -m tools.evaluate_peft --run-id {run.number}")


def read_log(run: AdapterRun) -> list[dict[str, Any]]:
    """The rows of a run's log; none where it has not begun. A last line that was not finished is left out."""
    if not run.log.exists():
        return []
    lines = run.log.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in lines]


def _place(run: AdapterRun, manifest: Mapping[str, Any], resume: str | None) -> Path | None:
    """Makes the folder ready; gives the checkpoint to go on from."""
    if resume is None:
        if run.checkpoints():
            raise TuningError(
                f"{run.folder} holds checkpoints. Go on with --resume-from-checkpoint, remove it, or split the cases "
                f"into another run than {run.number}."
            )
        run.folder.mkdir(parents=True, exist_ok=True)
        run.log.unlink(missing_ok=True)
        return None
    before = run.manifest()
    for name, what in (("base", "another base model"), ("data", "another split"), ("cards_sha256", "other cards")):
        if before[name] != manifest[name]:
            raise TuningError(f"{run.folder} was trained with {what}. Train anew, in another run.")
    if resume != _LATEST:
        return Path(resume)
    found = run.checkpoints()
    if not found:
        raise TuningError(f"{run.folder} has no checkpoint yet. Train without --resume-from-checkpoint.")
    return found[max(found)]


def _check_room(declarations: int, longest: int) -> None:
    room = settings().num_ctx
    if declarations + longest > room:
        raise TuningError(
            f"The functions' declarations take {declarations} tokens; with --max-length {longest} that is more than "
            f"the context of {room}. Raise FUNCGEMMA_NUM_CTX to {declarations + longest}."
        )


def _sentence(found: Mapping[str, Any]) -> str:
    false = found["false_positives"]
    return (
        f"loss {found['loss']:.3f}, function right {100 * found['accuracy']:.1f} %, "
        f"whole call right {100 * found['exact']:.1f} %"
        + ("" if false is None else f", false positives {100 * false:.1f} %")
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.finetune_peft", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--run-id", type=int, metavar="N", help="number of the split, and of the run (the newest split)")
    add("--max-steps", type=positive, default=500, metavar="N", help="updates of the adapter (500)")
    add("--lora-rank", type=positive, default=16, metavar="R", help="rank of its matrices (16)")
    add("--lora-alpha", type=positive, default=32, metavar="A", help="they are scaled by A/R (32)")
    add("--lr", type=float, default=3e-5, help="highest learning rate (3e-5)")
    add("--batch-size", type=positive, default=1, metavar="N", help="cases read side by side (1)")
    add("--accumulate", type=positive, default=16, metavar="N", help="batches to a step (16)")
    add("--max-length", type=positive, default=512, metavar="TOKENS", help="longest dialogue with its answer (512)")
    add(
        "--objective",
        type=_objective,
        default=1.0,
        dest="none_weight",
        metavar="none:W",
        help="cases of no function count W times: the odds of none rise W times (none:1)",
    )
    add("--seed", type=int, default=0, help="of the adapter's first weights and the order of the cases (0)")
    add("--every", type=positive, default=100, metavar="N", help="validate and write a checkpoint every N steps (100)")
    add("--validation-cases", type=positive, default=200, metavar="N", help="how many to validate with (200)")
    add(
        "--resume-from-checkpoint",
        nargs="?",
        const=_LATEST,
        metavar="FOLDER",
        help="go on from a checkpoint (the latest)",
    )
    add("--base-model", metavar="NAME", help="folder or hub name (FUNCGEMMA_PEFT_BASE)")
    add("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto")
    add("--no-checkpointing", action="store_true", help="keep activations: faster, with more memory")
    add("--splits", type=Path, default=SPLITS, metavar="FOLDER", help="where splits lie (data/finetune)")
    add("--out", type=Path, default=adapters.RUNS, metavar="FOLDER", help="where runs lie (data/peft_adapters)")
    add("--debug", action="store_true", help="stack traces")
    return parser


def _objective(text: str) -> float:
    name, _, weight = text.partition(":")
    if name != "none" or not weight or float(weight) <= 0:
        raise argparse.ArgumentTypeError("none:W, such as none:3")
    return float(weight)


if __name__ == "__main__":
    main()
