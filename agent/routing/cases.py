"""The labelled cases that the router learns from (`/data/test`, JSON arrays or JSON Lines)."""

import json
from collections.abc import Sequence
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
    """

    text: str
    history: tuple[Utterance, ...]
    function: str | None
    arguments: dict[str, Any]
    lang: str
    batch: str


def case_files(folder: Path) -> list[Path]:
    """The files with cases in a folder, in a fixed order."""
    return sorted([*folder.glob("*.json"), *folder.glob("*.jsonl")])


def load_cases(folder: Path) -> list[Case]:
    """Reads all cases in a folder.

    Raises:
        ValueError: a file is no list of cases; the message names it.
    """
    found: list[Case] = []
    for path in case_files(folder):
        text = path.read_text(encoding="utf-8")
        try:
            items = (
                json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines() if line]
            )
            found.extend(_case(item) for item in items)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{path} holds no labelled cases: {error!r}") from error
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


def _case(item: dict[str, Any]) -> Case:
    said = [Utterance.model_validate(message) for message in item["conversation"]]
    fields = str(item.get("test_id", "")).split("-")
    return Case(
        text=said[-1].content,
        history=tuple(said[:-1]),
        function=item["expected_function"],
        arguments=item.get("expected_arguments") or {},
        lang=item.get("lang", "en"),
        batch=fields[2] if len(fields) > 3 else "",
    )
