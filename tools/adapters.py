"""Adapters on disk, and the options that name one: `data/peft_adapters/run_N/`, written by `tools.finetune_peft`.

- `manifest.json`: what was trained on what, and how, with hashes.
- `log.jsonl`: loss of each step, figures of each validation.
- `checkpoint-N/`: adapter and training state after N steps; an adapter by itself is the folder's two `adapter_*` files.
- `adapter/`: the adapter of the checkpoint that did best in validation.
- `curves.png`: losses and figures by step, where matplotlib is installed.
- `merged/`: the model that `tools.deploy` has made of it.

What is not covered: what is in an adapter. None of this needs torch.
"""

import argparse
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.messages import Card
from agent.routing.cases import write_text
from agent.routing.functiongemma import Toolset
from agent.settings import PROJECT
from tools import split_data

RUNS = PROJECT / "data" / "peft_adapters"
"""Where adapters lie; not in git."""
EXTRA_MISSING = "This needs packages that are not installed. Run: .venv/bin/pip install -e '.[train]'"
_CHECKPOINT = "checkpoint-"


class TuningError(Exception):
    """Raised when something of a training run can't be used; says why in a sentence, and what mends it."""


@dataclass(frozen=True)
class AdapterRun:
    """One run's folder."""

    folder: Path

    @property
    def number(self) -> int:
        """The N of `run_N`."""
        return int(self.folder.name.removeprefix("run_"))

    @property
    def log(self) -> Path:
        """The steps' losses and the validations' figures."""
        return self.folder / "log.jsonl"

    @property
    def best(self) -> Path:
        """The adapter of the best checkpoint."""
        return self.folder / "adapter"

    def manifest(self) -> dict[str, Any]:
        """What was trained on what, and how.

        Raises:
            TuningError: there is no such run.
        """
        try:
            content: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TuningError(
                f"{self.folder} holds no trained adapter. Train one with: python -m tools.finetune_peft"
            ) from error
        return content

    def write_manifest(self, content: Mapping[str, Any]) -> None:
        """Writes the manifest, at once or not at all."""
        write_text(self.folder / "manifest.json", json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    def checkpoint(self, step: int) -> Path:
        """The folder of a checkpoint, there or not."""
        return self.folder / f"{_CHECKPOINT}{step}"

    def checkpoints(self) -> dict[int, Path]:
        """The checkpoints by step, in order."""
        found = {
            int(path.name.removeprefix(_CHECKPOINT)): path
            for path in self.folder.glob(f"{_CHECKPOINT}*")
            if path.name.removeprefix(_CHECKPOINT).isdigit()
        }
        return dict(sorted(found.items()))

    def adapter(self, step: int | None = None) -> Path:
        """The adapter of a checkpoint; of the best one where none is named.

        Raises:
            TuningError: there is none.
        """
        if step is None:
            if not self.best.is_dir():
                self.manifest()
                raise TuningError(f"{self.folder} is not trained to its end; name a checkpoint with --checkpoint N.")
            return self.best
        found = self.checkpoints()
        if step not in found:
            there = f"there are {', '.join(map(str, found))}" if found else "there are none yet"
            raise TuningError(f"{self.folder} has no checkpoint {step}; {there}.")
        return found[step]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options that name a trained adapter and the device it computes on, and `--debug`."""
    add = parser.add_argument
    add("--run-id", type=int, metavar="N", help="number of the run (the newest)")
    add("--checkpoint", type=int, metavar="STEP", help="one of its checkpoints (the best)")
    add("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto", help="where the adapter computes")
    add("--splits", type=Path, default=split_data.RUNS, metavar="FOLDER", help="where splits lie (data/finetune)")
    add("--runs", type=Path, default=RUNS, metavar="FOLDER", help="where runs lie (data/peft_adapters)")
    add("--debug", action="store_true", help="stack traces")


def run_of(given: argparse.Namespace) -> AdapterRun:
    """The run that the options name, there or not."""
    return AdapterRun(given.runs / f"run_{newest(given.runs) if given.run_id is None else given.run_id}")


def newest(runs: Path) -> int:
    """The highest number of the `run_N` in a folder; 1 where there are none."""
    return max(split_data.numbers(runs), default=1)


def place(part: Path, whole: Path) -> None:
    """Puts a folder that was written under another name in its place; a reader never sees half of it."""
    for path in part.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    if whole.exists():
        shutil.rmtree(whole)
    part.rename(whole)


def sha256(path: Path) -> str:
    """A file's hash, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cards_hash(cards: Mapping[str, Card]) -> str:
    """A hash of what a model is told of the cards: another one means that an adapter was trained for others."""
    return hashlib.sha256(Toolset(cards).prefix.encode()).hexdigest()
