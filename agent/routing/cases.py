"""The labelled cases that routers learn from and are measured with: `data/test`, and JSON Lines of labelled logs.

A file is a JSON array of cases (`.json`) or has one case a line (`.jsonl`). What the fields mean is in the labelling
guide. Whether labels keep to the guide is for `tools.check_data` to say, not for this module.
"""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from agent.messages import Utterance


@dataclass(frozen=True)
class Case:
    """One labelled turn.

    Attributes:
        batch: who wrote it (the third field of its id); cases of one batch are never on both sides of a validation.
        test_id: its name, empty where it has none.
        labelled: whether `arguments` says what is right; without it only the function is known.
        sure: whether the label is beyond doubt (measured apart where it is not).
    """

    text: str
    history: tuple[Utterance, ...]
    function: str | None
    arguments: dict[str, Any]
    lang: str
    batch: str
    test_id: str = ""
    labelled: bool = True
    sure: bool = True


def case_files(folder: Path) -> list[Path]:
    """The files with cases in a folder, in a fixed order; a file by itself is the only one."""
    if folder.is_file():
        return [folder]
    return sorted([*folder.glob("*.json"), *folder.glob("*.jsonl")])


def files_of(paths: Iterable[Path]) -> list[Path]:
    """The files with cases in some folders, and files named by themselves.

    Raises:
        FileNotFoundError: there is no such file or folder.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"There is no file {path}.")
        found += case_files(path)
    return found


def read_items(path: Path) -> list[dict[str, Any]]:
    """Reads a file of cases as the JSON objects that are in it.

    Args:
        path: a JSON array, or JSON Lines where the name ends in `.jsonl`; empty lines count for nothing, and neither
            do turns in an exported log that nobody has labelled.

    Raises:
        OSError: it can't be read.
        ValueError: it holds something else; the message names the file and, in JSON Lines, the line.
    """
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix != ".jsonl":
        return _objects(text, f"{path} holds no labelled cases")
    # Not `splitlines`: that one also cuts at characters that JSON allows inside a string, such as U+2028.
    lines = enumerate(text.split("\n"), start=1)
    return [
        item
        for number, line in lines
        if line.strip()
        for item in _objects(f"[{line}]", f"{path} holds no labelled case in line {number}")
        if not _is_unlabelled_log(item)
    ]


def lines_of(items: Iterable[Mapping[str, Any]]) -> str:
    """Cases as JSON Lines."""
    return "".join(f"{json.dumps(item, ensure_ascii=False)}\n" for item in items)


def write_items(path: Path, items: Iterable[Mapping[str, Any]]) -> None:
    """Writes cases, one a line: JSON Lines where the name says so, else an array."""
    lines = lines_of(items)
    write_text(path, lines if path.suffix == ".jsonl" else "[\n" + lines[:-1].replace("\n", ",\n") + "\n]\n")


def write_text(path: Path, text: str) -> None:
    """Writes a file; a reader sees the old one or the new one, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    with part.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def batch_of(item: Mapping[str, Any]) -> str:
    """The batch in a case's id, empty where there is none."""
    fields = str(item.get("test_id") or "").split("-")
    return fields[2] if len(fields) > 3 else ""


def case_of(item: Mapping[str, Any]) -> Case:
    """Reads one case.

    Raises:
        ValueError: the conversation is empty, or one of its messages is none.
        KeyError: there is no conversation or no label.
        TypeError: the conversation is no list.
    """
    said = [Utterance.model_validate(message) for message in item["conversation"]]
    if not said:
        raise ValueError("the conversation is empty")
    return Case(
        text=said[-1].content,
        history=tuple(said[:-1]),
        function=item["expected_function"],
        arguments=item.get("expected_arguments") or {},
        lang=item.get("lang") or "en",
        batch=batch_of(item),
        test_id=str(item.get("test_id") or ""),
        labelled=item.get("expected_arguments") is not None,
        sure=bool(item.get("sure", True)),
    )


def load_cases(path: Path) -> list[Case]:
    """Reads all cases in a file, or in the files of a folder.

    Raises:
        OSError: it can't be read.
        ValueError: a file is no list of cases; the message names it.
    """
    found: list[Case] = []
    for file in case_files(path):
        items = read_items(file)
        try:
            found.extend(case_of(item) for item in items)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file} holds no labelled cases: {error!r}") from error
    return found


def folds(cases: Sequence[Case], most: int = 4) -> list[list[int]]:
    """Indices of the cases by batch, for leaving one out; at most `most` groups, at least two."""
    names = sorted({case.batch for case in cases})
    group = {name: number % most for number, name in enumerate(names)}
    if len(names) == 1:
        return [
            [index for index, case in enumerate(cases) if crc32(case.text.encode()) % most == fold]
            for fold in range(most)
        ]
    return [
        [index for index, case in enumerate(cases) if group[case.batch] == fold]
        for fold in range(min(most, len(names)))
    ]


def _objects(text: str, trouble: str) -> list[dict[str, Any]]:
    try:
        items = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{trouble}: {error}") from error
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError(f"{trouble}: it is no list of JSON objects")
    return items


def _is_unlabelled_log(item: Mapping[str, Any]) -> bool:
    """Whether it is a line of an exported log (`agent.logged_turn`) that nobody has labelled, and so no case."""
    return "turn_id" in item and "expected_function" not in item
