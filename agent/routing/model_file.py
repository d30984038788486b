"""The trained model as one file, named after what it was trained from.

A changed case, name or line of code gives another name, so an old model is never used by mistake. Written under a
temporary name and renamed: two processes may train at the same time, and none sees half a file.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import astuple, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from agent.routing.cases import case_files
from agent.routing.closed import Choice
from agent.routing.encoder_file import PACKAGE
from agent.routing.features import Row
from agent.routing.gazetteer import Gazetteer
from agent.routing.model import Calibration, Model
from agent.routing.network import Network
from agent.routing.word_groups import WordGroups

_CODE = [
    "cases",
    "closed",
    "encoder",
    "encoder_file",
    "features",
    "gazetteer",
    "heads",
    "languages",
    "lexicon",
    "model",
    "model_file",
    "network",
    "pattern_cases",
    "phrases_english",
    "phrases_japanese",
    "sentences",
    "skeleton",
    "string_array",
    "tagger",
    "text",
    "vocabulary",
    "word_groups",
]
_NETWORK = [field.name for field in fields(Network)]


def model_key(cases: Path, names: Path) -> str:
    """The name of the model that these cases, these names, this code and this encoder give."""
    digest = hashlib.sha256()
    sources = [Path(__file__).with_name(f"{module}.py") for module in _CODE]
    digest.update(version(PACKAGE).encode())
    for path in [*case_files(cases), *sorted(names.glob("*.json")), *sources]:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:20]


def save_model(model: Model, path: Path) -> None:
    """Writes a model and removes the older ones beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {
        "functions": model.functions,
        "calibration": astuple(model.calibration),
        "by_words": astuple(model.by_words),
        "choices": {name: list(choice.values) for name, choice in model.choices.items()},
        "fields": sorted(model.fields),
    }
    arrays: dict[str, Any] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "first": model.first,
        **_packed_groups(model.groups),
        **{f"network.{name}": getattr(model.network, name) for name in _NETWORK},
        **{f"choice.{name}": choice.weights for name, choice in model.choices.items()},
        **{f"field.{name}": np.frombuffer(content, np.uint8) for name, content in model.fields.items()},
        **_packed(model.background),
        **{f"gazetteer.{name}": array for name, array in model.gazetteer.arrays().items()},
    }
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    for old in path.parent.glob("*.npz"):
        if old != path:
            with contextlib.suppress(OSError):
                old.unlink()


def load_model(path: Path) -> Model | None:
    """Reads a model; None where there is none or it is damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            return Model(
                functions=tuple(about["functions"]),
                first=stored["first"],
                network=Network(**{name: stored[f"network.{name}"] for name in _NETWORK}),
                groups=_unpacked_groups(stored["centres"], stored["words"], stored["sizes"], stored["groups"]),
                by_words=Calibration(*about["by_words"]),
                calibration=Calibration(*about["calibration"]),
                choices={
                    name: Choice(tuple(values), stored[f"choice.{name}"]) for name, values in about["choices"].items()
                },
                fields={name: stored[f"field.{name}"].tobytes() for name in about["fields"]},
                background=_unpacked(stored["slots"], stored["values"], stored["lengths"]),
                gazetteer=Gazetteer.of(
                    {name.removeprefix("gazetteer."): stored[name] for name in stored if name.startswith("gazetteer.")}
                ),
            )
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile):
        return None


def _packed(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    return {
        "slots": np.concatenate([row.slots for row in rows]).astype(np.int32),
        "values": np.concatenate([row.values for row in rows]),
        "lengths": np.array([len(row.slots) for row in rows], np.int32),
    }


def _packed_groups(groups: WordGroups) -> dict[str, np.ndarray]:
    known = groups.known
    return {
        "centres": groups.centres,
        "words": np.array([number for numbers in known for number in numbers], np.int32),
        "sizes": np.array([len(numbers) for numbers in known], np.int32),
        "groups": np.array(list(known.values()), np.int16),
    }


def _unpacked_groups(centres: np.ndarray, words: np.ndarray, sizes: np.ndarray, groups: np.ndarray) -> WordGroups:
    numbers, ends = words.tolist(), np.cumsum(sizes).tolist()
    starts = [0, *ends[:-1]]
    known = (tuple(numbers[start:end]) for start, end in zip(starts, ends, strict=True))
    return WordGroups(centres, dict(zip(known, groups.tolist(), strict=True)))


def _unpacked(slots: np.ndarray, values: np.ndarray, lengths: np.ndarray) -> list[Row]:
    ends = np.cumsum(lengths)[:-1]
    pieces = zip(np.split(slots.astype(np.int64), ends), np.split(values, ends), strict=True)
    return [Row(one, two) for one, two in pieces]
