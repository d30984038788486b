"""Words that mean something to the router: concepts written by hand, and names out of `data/offline`.

The names are optional: a folder without these files only gives less evidence. Only names are read, not what is said
about them.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.routing.lexicon import CONCEPTS
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


class Gazetteer:
    """Finds concepts and names in a normalised text."""

    def __init__(self, names: Path | None = None) -> None:
        """Reads the table of concepts, and the names in the folder `names` where it is there."""
        self._japanese: dict[str, tuple[str, ...]] = {}
        self._english: dict[str, tuple[str, ...]] = {}
        for concept, entries in CONCEPTS.items():
            for entry in entries.split():
                self._add(entry.replace("_", " "), concept)
        for name, kind in _names(names) if names is not None else ():
            self._add(name, kind)
        # Most words begin no entry, and most beginnings of one lead nowhere.
        self._lengths: dict[str, int] = {}
        for entry in self._japanese:
            self._lengths[entry[:2]] = max(len(entry), self._lengths.get(entry[:2], 0))
        self._first = {entry[0] for entry in self._japanese}
        self._leading = {entry.partition(" ")[0] for entry in self._english if " " in entry}

    def _add(self, entry: str, concept: str) -> None:
        key = normalise(entry)
        if is_japanese(key):
            key, table = key[:_LONGEST], self._japanese
        else:
            table = self._english
        if key and concept not in table.get(key, ()):
            table[key] = (*table.get(key, ()), concept)

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
