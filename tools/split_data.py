"""Splits labelled cases for training: `python -m tools.split_data [FILES] [--run-id N] [--seed S]`.

Writes `data/finetune/run_N/`: `train.jsonl`, `validation.jsonl`, `test.jsonl` (8 to 1 to 1) and `manifest.json`, which
says what was split and how, with the hashes of everything read and written. The same cases, seed and options give the
same files, byte for byte. How it is done is in `splitting`; labelled logs are read as the cases are.
"""

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from agent.routing.cases import case_of, files_of, lines_of, read_items, write_text
from agent.settings import PROJECT, settings
from tools.splitting import PARTS, Split, chosen, split, split_by_batch, stratum_of

RUNS = PROJECT / "data" / "finetune"
"""Where runs lie; not in git."""


class RunTaken(Exception):  # noqa: N818 - says what happened
    """Raised when the run's folder holds another split: a model trained on that one would be measured wrongly."""


def write_split(
    files: Sequence[Path],
    folder: Path,
    *,
    seed: int = 0,
    balance: bool = False,
    target: int | None = None,
    by_batch: bool = False,
) -> dict[str, Any]:
    """Splits the cases in some files and writes them with a manifest.

    Args:
        files: JSON arrays or JSON Lines.
        folder: where to.
        seed: another one gives another split.
        balance: as many cases of each function, and of none, in each language.
        target: how many cases to take; None takes all.
        by_batch: keep batches whole: validation and test are by authors that training has not seen.

    Returns:
        The manifest.

    Raises:
        OSError: a file can't be read or written.
        ValueError: a file holds no cases, there are too few cases or batches.
        RunTaken: the folder holds another split.
    """
    every = [item for file in files for item in _read(file)]
    kept = chosen(every, balance=balance, target=target, random=Random(seed))
    items = [every[index] for index in kept]
    if len(items) < len(PARTS):
        raise ValueError(f"There are {len(items)} cases, too few to be split.")
    made = split_by_batch(items, seed) if by_batch else split(items, seed)
    options = {"seed": seed, "balance": balance, "target_count": target, "by_batch": by_batch}
    manifest = _manifest(files, items, made, options, len(every))
    path = folder / "manifest.json"
    if path.exists() and json.loads(path.read_text(encoding="utf-8")) != manifest:
        raise RunTaken(f"{folder} holds another split; take another --run-id, or remove that folder.")
    for part in PARTS:
        write_text(folder / f"{part}.jsonl", lines_of(items[index] for index in made.parts[part]))
    # Last, so that a folder with a manifest is whole.
    write_text(path, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
    return manifest


def next_run(runs: Path) -> int:
    """The first number after those that are taken."""
    return max(numbers(runs), default=0) + 1


def numbers(runs: Path) -> list[int]:
    """The numbers of the `run_N` in a folder, in no order; none where there is no such folder."""
    found = (path.name.removeprefix("run_") for path in runs.glob("run_*"))
    return [int(number) for number in found if number.isdigit()]


def table(manifest: Mapping[str, Any]) -> str:
    """What a split holds, for people."""
    lines = ["function              " + "".join(part.rjust(12) for part in PARTS)]
    outputs = manifest["outputs"]
    names = sorted({name for part in PARTS for name in outputs[part]["functions"]})
    rows = {name: [outputs[part]["functions"].get(name, 0) for part in PARTS] for name in names}
    rows |= {"with a dialogue": [outputs[part]["with_history"] for part in PARTS]}
    rows |= {"all": [outputs[part]["cases"] for part in PARTS]}
    lines += [name.ljust(22) + "".join(str(number).rjust(12) for number in row) for name, row in rows.items()]
    if manifest["batches"]:
        lines += ["", *(f"{part}: batches {', '.join(manifest['batches'][part])}" for part in PARTS)]
        lines.append(f"left out, too near another part: {manifest['dropped']}")
    return "\n".join(lines)


def _read(file: Path) -> list[dict[str, Any]]:
    items = read_items(file)
    for item in items:
        try:
            case_of(item)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} holds something that is no labelled case: {error!r}") from error
    return items


def _manifest(
    files: Sequence[Path], items: Sequence[Mapping[str, Any]], made: Split, options: Mapping[str, Any], there: int
) -> dict[str, Any]:
    outputs = {}
    for part in PARTS:
        mine = [items[index] for index in made.parts[part]]
        strata = [stratum_of(item) for item in mine]
        outputs[part] = {
            "file": f"{part}.jsonl",
            "sha256": hashlib.sha256(lines_of(mine).encode()).hexdigest(),
            "cases": len(mine),
            "functions": dict(sorted(Counter(category for category, _, _ in strata).items())),
            "languages": dict(sorted(Counter(lang for _, lang, _ in strata).items())),
            "with_history": sum(history for _, _, history in strata),
        }
    return {
        "format": 1,
        "options": dict(options),
        "inputs": [{"file": _shown(file), "sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for file in files],
        "cases": {"read": there, "taken": len(items)},
        "outputs": outputs,
        "groups": {"of_several": made.groups[0], "largest": made.groups[1]},
        "batches": made.batches,
        "dropped": len(made.dropped),
    }


def _shown(file: Path) -> str:
    """The path inside the project, else the name: where a checkout lies changes nothing."""
    whole = file.resolve()
    return str(whole.relative_to(PROJECT)) if whole.is_relative_to(PROJECT) else file.name


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.split_data", description="Splits labelled cases.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="cases or labelled logs (data/test)")
    parser.add_argument("--run-id", type=int, metavar="N", help="number of the run (the next one)")
    parser.add_argument("--seed", type=int, default=0, help="another one gives another split (0)")
    parser.add_argument("--balance", action="store_true", help="as many cases of each function in each language")
    parser.add_argument("--target-count", type=int, metavar="N", help="how many cases to take (all)")
    parser.add_argument(
        "--by-batch", action="store_true", help="keep batches whole: test on authors unseen in training"
    )
    parser.add_argument("--out", type=Path, default=RUNS, metavar="FOLDER", help="where runs lie (data/finetune)")
    given = parser.parse_args(arguments)
    paths: list[Path] = given.files or [settings().cases]
    number = next_run(given.out) if given.run_id is None else given.run_id
    folder = given.out / f"run_{number}"
    try:
        files = files_of(paths)
        manifest = write_split(
            files,
            folder,
            seed=given.seed,
            balance=given.balance,
            target=given.target_count,
            by_batch=given.by_batch,
        )
    except (OSError, ValueError, RunTaken) as error:
        print(error, file=sys.stderr)
        return 1
    print(table(manifest))
    print(f"\n{folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
