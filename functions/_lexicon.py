"""The words of feeling in data/offline/sentiment.json, and where they stand in a text.

Japanese words are found by their stems, so that つらかった and 悲しすぎる are found;
English words by their usual endings.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from agent.settings import PROJECT

Emotion = Literal[
    "joy", "love", "gratitude", "pride", "relief", "excitement", "surprise", "sadness", "anger", "fear", "anxiety",
    "disgust", "frustration", "loneliness", "exhaustion", "disappointment", "regret", "embarrassment", "neutral",
]  # fmt: skip

Kind = Literal["adjective", "godan", "ichidan", "fixed", "pattern"]

_ADJECTIVE = r"(?:い|く|かった|かっ|かろ|けれ|さ|み|げ|(?=そう|すぎ|過ぎ|がる|がっ|っ|ぇ|ー|…|[！!。、]|$))"
_ICHIDAN = r"(?:る|た|て|(?=な|ま|そう|ら|れ|ず|ち|よ|す|過|っ|ん|…|[！!。、]|$))"
_ROWS = {
    "う": "わいうえおっ", "く": "かきくけこい", "ぐ": "がぎぐげごい", "す": "さしすせそ", "つ": "たちつてとっ",
    "ぬ": "なにぬねのん", "む": "まみむめもん", "ぶ": "ばびぶべぼん", "る": "らりるれろっ",
}  # fmt: skip
# Only what is shown as evidence grows by this: びっくり is shown as びっくりした.
_FIXED_TAIL = r"(?:[しっいきちりみ]?(?:ました|ます|た|て|る|つ|う|く|ぐ|す|む|ぶ)|んで|んだ)?"

_WORD_EN = re.compile(r"[a-z]+(?:'[a-z]+)*")
_ENDINGS_EN = (
    ("ies", "y"), ("ied", "y"), ("ier", "y"), ("iest", "y"), ("ily", "y"), ("s", ""), ("es", ""), ("d", ""), ("ed", ""),
    ("ing", ""), ("ing", "e"), ("ly", ""), ("er", ""), ("est", ""), ("r", ""), ("st", ""),
)  # fmt: skip
_LONGEST_EN = 7
# These only look like an inflected word of feeling.
_AS_THEY_ARE = {"goods", "kinds", "likes", "slower", "beats", "beating", "means", "fines", "contents", "interests"}


@dataclass(frozen=True)
class Entry:
    """A word of feeling.

    Attributes:
        weight: from -1 (negative) to 1 (positive).
        kind: how a Japanese word is inflected; English words are fixed.
        pattern: the regular expression to look for, where the kind is `pattern`.
    """

    word: str
    weight: float
    emotion: str
    kind: Kind = "fixed"
    pattern: str = ""

    def regex(self) -> re.Pattern[str]:
        """What finds this Japanese word in its inflected forms."""
        stem = re.escape(self.word[:-1])
        if self.kind == "pattern":
            return re.compile(self.pattern)
        if self.kind == "adjective":
            return re.compile(stem + _ADJECTIVE)
        if self.kind == "ichidan":
            return re.compile(stem + _ICHIDAN)
        if self.kind == "godan":
            return re.compile(f"{stem}[{_ROWS[self.word[-1]]}](?:ました|ます|て|た|(?<=[いん])[でだ])?")
        return re.compile(re.escape(self.word))


@dataclass(frozen=True)
class Hit:
    """An entry found in a text, from character `start` to `end`."""

    entry: Entry
    start: int
    end: int


@dataclass(frozen=True)
class Token:
    """An English word of a text; `text` is in lower case."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Lexicon:
    """All entries, and what finds them."""

    ja: Sequence[Entry]
    en: Sequence[Entry]
    symbols: Sequence[Entry]

    @cached_property
    def _ja_by_first(self) -> Mapping[str, Sequence[tuple[Entry, re.Pattern[str]]]]:
        index: dict[str, list[tuple[Entry, re.Pattern[str]]]] = {}
        for entry in self.ja:
            if entry.kind != "pattern":
                index.setdefault(entry.word[0], []).append((entry, entry.regex()))
        return index

    @cached_property
    def _ja_patterns(self) -> Sequence[tuple[Entry, re.Pattern[str]]]:
        return [(entry, entry.regex()) for entry in self.ja if entry.kind == "pattern"]

    @cached_property
    def _en_by_words(self) -> Mapping[tuple[str, ...], Entry]:
        return {tuple(_WORD_EN.findall(entry.word)): entry for entry in self.en}

    def find_ja(self, text: str) -> list[Hit]:
        """The Japanese words and the symbols in the text, in order; of two that overlap the first and longest."""
        hits = [Hit(entry, *found.span()) for entry, regex in self._ja_patterns for found in regex.finditer(text)]
        for at, char in enumerate(text):
            for entry, regex in self._ja_by_first.get(char, ()):
                if found := regex.match(text, at):
                    hits.append(Hit(entry, *found.span()))
        for entry in self.symbols:
            hits += (Hit(entry, *found.span()) for found in re.finditer(re.escape(entry.word), text))
        return _without_overlap(hits)

    def find_en(self, tokens: Sequence[Token]) -> list[tuple[Entry, int, int]]:
        """The English words among the tokens: entry, first token, the token after the last."""
        found, at = [], 0
        while at < len(tokens):
            for length in range(min(_LONGEST_EN, len(tokens) - at), 0, -1):
                words = [token.text for token in tokens[at : at + length]]
                if entry := self._look_up(words):
                    found.append((entry, at, at + length))
                    at += length
                    break
            else:
                at += 1
        return found

    def _look_up(self, words: Sequence[str]) -> Entry | None:
        if exact := self._en_by_words.get(tuple(words)):
            return exact
        # In an idiom it is the first word that is inflected ("lets me down"); a single word is its own first.
        for first in _stems(words[0]):
            if entry := self._en_by_words.get((first, *words[1:])):
                return entry
        return None


def tokens_en(text: str) -> list[Token]:
    """The English words of a text, with their places."""
    return [Token(found[0], *found.span()) for found in _WORD_EN.finditer(text.lower().replace("’", "'"))]


def shown(text: str, hit: Hit) -> str:
    """The found words as evidence: with the ending they have in the text."""
    if hit.entry.kind != "fixed":
        return text[hit.start : hit.end]
    tail = re.compile(_FIXED_TAIL).match(text, hit.end)
    return text[hit.start : tail.end() if tail else hit.end]


def _without_overlap(hits: Sequence[Hit]) -> list[Hit]:
    kept: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end, hit.entry.kind != "fixed")):
        if not kept or hit.start >= kept[-1].end:
            kept.append(hit)
    return kept


def _stems(word: str) -> Iterator[str]:
    if word in _AS_THEY_ARE or len(word) < 4:
        return
    for ending, instead in _ENDINGS_EN:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 3:
            continue
        yield stem + instead
        if stem[-1] == stem[-2] and ending in ("ed", "ing", "er", "est"):
            yield stem[:-1]


@cache
def lexicon() -> Lexicon:
    """The lexicon, read once."""
    raw = json.loads((PROJECT / "data" / "offline" / "sentiment.json").read_text(encoding="utf-8"))
    return Lexicon(**{name: tuple(Entry(**entry) for entry in entries) for name, entries in raw.items()})
