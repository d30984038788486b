"""Arguments for functions that only their cards describe, by the type of each parameter.

Strings are found by the words that stand around them in the card's examples, by quotation marks, or, where a function
takes one string, as what remains of the turn after the words that its examples share.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.messages import Card
from agent.routing.numerals import boolean, numbers
from agent.routing.stripping import bare
from agent.routing.text import is_japanese, normalise, tokens

_QUOTED = re.compile(r"「([^」]+)」|『([^』]+)』|“([^”]+)”|\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)")
_CONTEXT = 2
_FILLERS = frozenset(
    [
        "a",
        "an",
        "the",
        "to",
        "of",
        "in",
        "on",
        "at",
        "for",
        "me",
        "my",
        "please",
        "can",
        "could",
        "you",
        "would",
        "i",
        "want",
        "を",
        "に",
        "は",
        "が",
        "の",
        "で",
        "と",
        "へ",
        "って",
        "も",
        "か",
        "ね",
        "よ",
    ]
)


@dataclass(frozen=True)
class Contexts:
    """What the examples show.

    Attributes:
        around: for each string parameter, the words before and after its value, longest first.
        spoken: for each parameter with a closed list, what people said for a value: word to value.
        commands: words of the examples that belong to no value.
    """

    around: Mapping[str, Sequence[tuple[tuple[str, ...], tuple[str, ...]]]] = field(default_factory=dict)
    spoken: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    commands: frozenset[str] = frozenset()

    @classmethod
    def of(cls, card: Card) -> "Contexts":
        """Reads the contexts out of the examples of a card."""
        around: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
        commands: set[str] = set()
        for example in card.examples:
            cut = tokens(example.text)
            outside = set(range(len(cut.words)))
            for name, value in example.arguments.items():
                start = example.text.find(value) if isinstance(value, str) else -1
                if start < 0:
                    continue
                end = start + len(value)
                inside = [at for at in outside if cut.starts[at] < end and cut.ends[at] > start]
                if not inside:
                    continue
                outside -= set(inside)
                first, last = min(inside), max(inside)
                before = tuple(["^", *cut.words[:first]][-_CONTEXT:])
                after = tuple([*cut.words[last + 1 :], "$"][:_CONTEXT])
                around.setdefault(name, []).append((before, after))
            commands |= {cut.words[at] for at in outside}
        return cls(around, _spoken(card), frozenset(commands))


def fill(card: Card, contexts: Contexts, text: str) -> dict[str, Any]:
    """The arguments that a turn gives, as far as they can be told."""
    properties = card.parameters.get("properties", {})
    required = card.parameters.get("required", [])
    filled: dict[str, Any] = {}
    strings = [name for name, schema in properties.items() if schema.get("type") == "string" and "enum" not in schema]
    figures = numbers(text)
    for name, schema in properties.items():
        kind = schema.get("type")
        if "enum" in schema:
            value = _mentioned(text, schema["enum"], contexts.spoken.get(name, {}))
        elif kind in ("integer", "number"):
            value = figures.pop(0) if figures else None
            value = int(value) if value is not None and kind == "integer" and value == int(value) else value
        elif kind == "boolean":
            value = boolean(text)
        elif name in strings:
            alone = len(strings) == 1 or [other for other in strings if other in required] == [name]
            value = _string(name, text, contexts, alone=alone and name in required)
        else:
            value = None
        if value is not None:
            filled[name] = value
    return filled


def answer(schema: Mapping[str, Any], text: str) -> Any:
    """The value that a short answer gives to a question about one parameter, or None."""
    kind = schema.get("type")
    if "enum" in schema:
        return _mentioned(text, schema["enum"], {})
    if kind in ("integer", "number"):
        figures = numbers(text)
        return figures[0] if figures else None
    if kind == "boolean":
        return boolean(text)
    return bare(text) or None


def _spoken(card: Card) -> dict[str, dict[str, Any]]:
    """What people call the values of a closed list where they don't name them: 寝室 for "bedroom".

    Learned from examples that don't name their value, as words that no example with another value has. Where all
    examples in a language have the same value, nothing tells its word from the others.
    """
    properties = card.parameters.get("properties", {})
    found: dict[str, dict[str, Any]] = {}
    for name, schema in properties.items():
        if "enum" not in schema:
            continue
        seen: dict[str, set[str]] = {}
        unnamed: set[str] = set()
        shown: dict[bool, set[str]] = {}
        for example in card.examples:
            key = _key(example.arguments.get(name))
            shown.setdefault(is_japanese(example.text), set()).add(key)
            words = set(_words(example.text))
            for word in words:
                seen.setdefault(word, set()).add(key)
            if not _named(example.text, schema["enum"]):
                unnamed |= words
        values = {_key(value): value for value in schema["enum"]}
        found[name] = {
            word: values[next(iter(keys))]
            for word, keys in seen.items()
            if word in unnamed
            and len(keys) == 1
            and next(iter(keys)) in values
            and len(shown[is_japanese(word)]) > 1
            and _telling(word)
        }
    return found


def _words(text: str) -> list[str]:
    """Words, and in Japanese runs of one script: 寝室, not 寝 and 室, which also stand in other words."""
    cut = tokens(text)
    found: list[str] = []
    for at, (word, kind) in enumerate(zip(cut.words, cut.kinds, strict=True)):
        if found and kind in "HC" and cut.kinds[at - 1] == kind and cut.ends[at - 1] == cut.starts[at]:
            found[-1] += word
        else:
            found.append(word)
    return found


def _telling(word: str) -> bool:
    """Whether a word can stand for a value: no filler, no number, no switch, nothing in hiragana only."""
    return (
        word not in _FILLERS
        and word.isalnum()
        and not word.isdigit()
        and boolean(word) is None
        and boolean(f"{word}して") is None
        and not all("ぁ" <= one <= "ゟ" for one in word)
        and (len(word) > 1 or "㐀" <= word <= "鿿")
    )


def _key(value: Any) -> str:
    return normalise(str(value))


def _kana(text: str) -> str:
    """Normalised, katakana as hiragana: コーヒー and こーひー are the same word."""
    return "".join(chr(ord(one) - 0x60) if "ァ" <= one <= "ヶ" else one for one in normalise(text))


def _mentioned(text: str, values: Sequence[Any], spoken: Mapping[str, Any]) -> Any:
    places = _named(text, values)
    if places:
        return min(places, key=lambda place: place[:2])[2]
    votes = [spoken[word] for word in _words(text) if word in spoken]
    return max(votes, key=votes.count) if votes else None


def _named(text: str, values: Sequence[Any]) -> list[tuple[int, int, Any]]:
    """Values of a closed list that a text names: minus the length of the name, where it is, the value."""
    plain = _kana(text)
    places: list[tuple[int, int, Any]] = []
    for value in values:
        for form in {_kana(str(value)), _kana(str(value)).replace("_", " ").replace("-", " ")}:
            pattern = rf"(?<![a-z0-9]){re.escape(form)}(?![a-z0-9])" if form.isascii() else re.escape(form)
            found = re.search(pattern, plain)
            if found:
                places.append((-len(form), found.start(), value))
    return places


def _string(name: str, text: str, contexts: Contexts, *, alone: bool) -> str | None:
    quoted = _QUOTED.search(text)
    if quoted:
        return next(group for group in quoted.groups() if group)
    cut = tokens(text)
    words = ["^", *cut.words, "$"]
    for size in range(_CONTEXT, 0, -1):
        for before, after in contexts.around.get(name, ()):
            found = _between(words, before[-size:], after[:size])
            if found is not None:
                return bare(cut.cut(found[0], found[1])) or None
    return _remaining(cut.words, cut.cut, contexts) if alone else None


def _between(words: Sequence[str], before: Sequence[str], after: Sequence[str]) -> tuple[int, int] | None:
    """First and last token between two contexts; `words` has an edge mark at each end, the result does not count it."""
    for start in range(len(before), len(words)):
        if tuple(words[start - len(before) : start]) == tuple(before):
            for end in range(start + 1, len(words) - len(after) + 1):
                if tuple(words[end : end + len(after)]) == tuple(after):
                    return start - 1, end - 2
    return None


def _remaining(words: Sequence[str], cut: Any, contexts: Contexts) -> str | None:
    """The longest run of words that the examples don't use as commands."""
    known = contexts.commands | _FILLERS
    best: tuple[int, int] | None = None
    start: int | None = None
    for at, word in enumerate([*words, ""]):
        if word and word not in known and (word.isalnum() or start is not None):
            start = at if start is None else start
        elif start is not None:
            if best is None or at - start > best[1] - best[0] + 1:
                best = (start, at - 1)
            start = None
    return (bare(cut(*best)) or None) if best is not None else None
