"""Words that mean something to the router: concepts written by hand, and names out of `data/offline`.

The names are optional: a folder without these files only gives less evidence. Only names are read, not what is said
about them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agent.routing.lexicon import CONCEPTS
from agent.routing.string_array import joined, split
from agent.routing.text import is_japanese, normalise

_LONGEST = 10
"""Longest Japanese entry in characters; longer names are found by their beginning."""
_MOST_WORDS = 4
_SOURCES = (
    ("climate.json", "cities", "PLACE"),
    ("travel_japan.json", "destinations", "PLACE"),
    ("travel_world.json", "destinations", "PLACE"),
    ("people.json", "people", "PERSON"),
    ("names.json", "places", "PLACE"),
    ("names.json", "people", "PERSON"),
    ("names.json", "products", "product"),
    ("names.json", "fiction", "fiction"),
    ("names.json", "food", "dish"),
    ("names.json", "topics", "topic"),
    ("names.json", "groups", "group"),
    ("names.json", "devices", "device"),
)
NAMED = sorted({kind for _, _, kind in _SOURCES} - CONCEPTS.keys())
"""The concepts that only names have."""
_COMMON = re.compile("[ぁ-ゟ]{1,3}")
"""Too short in hiragana to be told from other words: 「なら」 is hardly ever the town."""
_EDGES = " .,!?;:\"'()[]{}<>「」『』、。！？…~〜-/\n"

Table = Mapping[str, tuple[str, ...]]


class Gazetteer:
    """Finds concepts and names in a normalised text."""

    def __init__(self, japanese: Table, english: Table) -> None:
        """Takes what each entry stands for."""
        self._japanese = japanese
        self._english = english
        # Most words begin no entry, and most beginnings of one lead nowhere.
        self._lengths: dict[str, int] = {}
        for entry in japanese:
            self._lengths[entry[:2]] = max(len(entry), self._lengths.get(entry[:2], 0))
        self._first = {entry[0] for entry in japanese}
        self._leading = {entry.partition(" ")[0] for entry in english if " " in entry}

    @classmethod
    def read(cls, names: Path | None = None) -> "Gazetteer":
        """The table of concepts, and the names in the folder `names` where it is there."""
        japanese: dict[str, tuple[str, ...]] = {}
        english: dict[str, tuple[str, ...]] = {}
        for entry, concept in _entries(names):
            key = normalise(entry)
            if is_japanese(key):
                key, table = key[:_LONGEST], japanese
            else:
                table = english
            if key and concept not in table.get(key, ()):
                table[key] = (*table.get(key, ()), concept)
        return cls(japanese, english)

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> "Gazetteer":
        """The one that these arrays came from.

        Raises:
            KeyError: one is missing.
        """
        kinds = [tuple(kind) for kind in json.loads(arrays["kinds"].tobytes())]
        tables = (
            dict(zip(split(arrays[name]), map(kinds.__getitem__, arrays[f"{name}.kinds"].tolist()), strict=True))
            for name in ("japanese", "english")
        )
        return cls(*tables)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All that is needed to make it again; reading the files takes twenty times as long."""
        tables = {"japanese": self._japanese, "english": self._english}
        kinds = sorted({kind for table in tables.values() for kind in table.values()})
        numbers = {kind: number for number, kind in enumerate(kinds)}
        found: dict[str, NDArray[Any]] = {"kinds": np.frombuffer(json.dumps(kinds).encode(), np.uint8)}
        for name, table in tables.items():
            found[name] = joined(table)  # normalised: no line breaks
            found[f"{name}.kinds"] = np.array([numbers[kind] for kind in table.values()], np.int16)
        return found

    def spans(self, text: str) -> list[tuple[int, int, str]]:
        """Where the entries lie in a normalised text: (start, end, concept), offsets in characters."""
        found: list[tuple[int, int, str]] = []
        japanese, first, lengths = self._japanese, self._first, self._lengths
        length = len(text)
        for start, character in enumerate(text):
            if character in first:
                for end in range(start + 1, min(length, start + lengths.get(text[start : start + 2], 1)) + 1):
                    concepts = japanese.get(text[start:end])
                    if concepts is not None:
                        found.extend((start, end, concept) for concept in concepts)
        if text.isascii() or any("a" <= character <= "z" for character in text):
            found.extend(self._english_spans(text))
        return found

    def _english_spans(self, text: str) -> Iterator[tuple[int, int, str]]:
        words: list[tuple[int, int, str]] = []
        start = 0
        for piece in text.split(" "):
            word = piece.strip(_EDGES)
            if word:
                at = start + piece.index(word)
                words.append((at, at + len(word), word))
            start += len(piece) + 1
        english = self._english
        for index, (at, end, word) in enumerate(words):
            key = word
            concepts = english.get(key) or english.get(_stem(word))
            if concepts:
                yield from ((at, end, concept) for concept in concepts)
            if word not in self._leading:
                continue
            for _, further_end, further in words[index + 1 : index + _MOST_WORDS]:
                key = f"{key} {further}"
                concepts = english.get(key)
                if concepts:
                    yield from ((at, further_end, concept) for concept in concepts)


def _entries(names: Path | None) -> Iterator[tuple[str, str]]:
    """Entries with their concepts: those written by hand, and the names of a folder."""
    for concept, entries in CONCEPTS.items():
        yield from ((entry.replace("_", " "), concept) for entry in entries.split())
    if names is not None:
        yield from _names(names)


def _stem(word: str) -> str:
    if word.endswith("'s"):
        return word[:-2]
    return word[:-1] if word.endswith("s") and len(word) > 3 else word


def _names(folder: Path) -> Iterator[tuple[str, str]]:
    contents = {file: _content(folder / file) for file in {file for file, _, _ in _SOURCES}}
    for file, key, kind in _SOURCES:
        content = contents[file]
        entries = content.get(key, []) if isinstance(content, dict) else content
        for entry in entries if isinstance(entries, list) else []:
            spellings = _spellings(entry) if isinstance(entry, dict) else _strings(entry)
            yield from ((name, kind) for name in spellings if not _COMMON.fullmatch(name))


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None  # optional: others write these files, and a half-written one is not worth a crash


def _spellings(entry: dict[str, Any]) -> Iterator[str]:
    for key in ("ja", "en", "name", "names", "also", "aliases"):
        yield from _strings(entry.get(key))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) > 1:
            yield value
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
