"""The phrasebook in data/offline: everyday phrases and words in eight languages, found by what a user wrote.

A near match changes only small words and spelling: a phrase about another thing is never given as "near".
"""

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from agent.settings import PROJECT
from functions._nearness import nearest

LANGUAGES = ("ja", "en", "zh", "ko", "fr", "es", "de", "it")
_CUTOFF = 0.86
_SAME_WORD = 0.82

_COURTESY = {
    "en": r"^(?:please|um|well|hey|oh|so)\b[\s,]*|[\s,]*\b(?:please|now|then|thanks)\W*$",
    "fr": r"[\s,]*\bs'il (?:vous|te) plaît\W*$",
    "es": r"[\s,]*\bpor favor\W*$",
    "de": r"^bitte\b[\s,]*|[\s,]*\bbitte\W*$",
    "it": r"[\s,]*\bper (?:favore|piacere)\W*$",
    "ja": r"^(?:あの|ええと|えっと|すみませんが)[、\s]*"
    r"|(?:って|のですが|んですが|でしょうか|ですか|です|ですよ|ですね|だよ|だね|よ|ね|か)\W*$",
    "zh": r"^(?:请问|请)[，\s]*|[啊呀呢]\W*$",
    "ko": r"^(?:저기요|혹시|좀)[,\s]*",
}
_QUESTION = re.compile(r"[?？]\W*$|か\W*$|吗\W*$|どこ|いくら|何|いつ")
_NOT = re.compile(
    r"\b(?:not|no|never|cannot|nicht|kein\w*|non|pas|jamais|nie|mai|nunca)\b|n't\b"
    r"|ない|ません|なく|ず$|不|没|别|안 |못|없|아니|지 마"
)
_SENTENCES = re.compile(r"[、。，,.!?！？;；\n]+")
# What may differ in a near match: small words in Chinese; in Japanese all that is written in hiragana.
_SMALL_ZH = set("的了吗呢吧啊呀请您你我在是一个")


@dataclass(frozen=True)
class Phrase:
    """A phrase or word in every language of the phrasebook.

    Attributes:
        said: by language, the usual wording first, then other good ones.
        heard: further wordings, by which it is found but never given.
        readings: how ja, zh and ko are read, in Latin letters.
    """

    id: str
    said: Mapping[str, Sequence[str]]
    heard: Mapping[str, Sequence[str]] = field(default_factory=dict)
    readings: Mapping[str, str] = field(default_factory=dict)

    def wordings(self, lang: str) -> Iterator[str]:
        """All by which it is found in a language."""
        yield from self.said[lang]
        yield from self.heard.get(lang, ())


@dataclass(frozen=True)
class Match:
    """What was found: one phrase, or several for a text of several sentences; `near` where it is not the very text."""

    lang: str
    phrases: Sequence[Phrase]
    near: bool = False

    def text(self, lang: str) -> str:
        """The phrases in a language."""
        if len(self.phrases) == 1:
            return self.phrases[0].said[lang][0]
        stop, space = ("。", "") if lang in ("ja", "zh") else (".", " ")
        parts = [phrase.said[lang][0] for phrase in self.phrases]
        return space.join(part if part[-1] in ".!?。！？" else part + stop for part in parts)

    def reading(self, lang: str) -> str | None:
        """How that is read, where the language has a script of its own."""
        parts = [phrase.readings[lang] for phrase in self.phrases if lang in phrase.readings]
        return ", ".join(parts) or None

    def others(self, lang: str) -> Sequence[str]:
        """Other wordings of the same."""
        return self.phrases[0].said[lang][1:3] if len(self.phrases) == 1 else ()


def find_exact(text: str, lang: str) -> Match | None:
    """The text itself in the phrasebook: as it stands, without words of courtesy, or sentence by sentence."""
    if phrase := _one(text, lang):
        return Match(lang, (phrase,))
    parts = [_one(part, lang) for part in _SENTENCES.split(text) if part.strip()]
    found = [part for part in parts if part is not None]
    return Match(lang, tuple(found)) if 1 < len(found) == len(parts) else None


def find_near(text: str, lang: str) -> Match | None:
    """The phrase nearest to the text, where they differ in small words or spelling only."""
    index, key = _exact(lang), _key(text)
    for candidate in nearest(key, index, least=_CUTOFF, count=5):
        phrase = index[candidate]
        wording = next((one for one in phrase.wordings(lang) if _key(one) == candidate), None)
        if wording and _same_matter(text, wording, lang):
            return Match(lang, (phrase,), near=True)
    return None


def _one(text: str, lang: str) -> Phrase | None:
    return _exact(lang).get(_key(text)) or _loose(lang).get(_loose_key(text, lang))


@cache
def _book() -> tuple[Phrase, ...]:
    return (*_read("phrasebook"), *_read("words"))


def _read(name: str) -> Iterator[Phrase]:
    for raw in json.loads((PROJECT / "data" / "offline" / f"{name}.json").read_text(encoding="utf-8")):
        said = {lang: raw[lang] for lang in LANGUAGES}
        yield Phrase(raw["id"], said, raw.get("heard", {}), raw["readings"])


@cache
def _exact(lang: str) -> Mapping[str, Phrase]:
    index: dict[str, Phrase] = {}
    for phrase in _book():
        for wording in phrase.wordings(lang):
            index.setdefault(_key(wording), phrase)
    for phrase in _book():
        if lang in phrase.readings:
            index.setdefault(_key(phrase.readings[lang]), phrase)
    return index


@cache
def _loose(lang: str) -> Mapping[str, Phrase]:
    index: dict[str, Phrase] = {}
    twice = set()
    for phrase in _book():
        for wording in phrase.wordings(lang):
            key = _loose_key(wording, lang)
            if index.setdefault(key, phrase) is not phrase:
                twice.add(key)
    # Two phrases that only courtesy tells apart can't be told apart without it.
    return {key: phrase for key, phrase in index.items() if key and key not in twice}


def _key(text: str) -> str:
    """Letters and digits only, in one form: without accents, case, blanks, punctuation."""
    apart = unicodedata.normalize("NFKD", text).casefold().replace("œ", "oe")
    plain = "".join(char for char in apart if not "\u0300" <= char <= "\u036f")
    # Kana and hangul are put together again: their marks are no accents.
    return "".join(char for char in unicodedata.normalize("NFKC", plain) if char.isalnum() or char == "ー")


def _loose_key(text: str, lang: str) -> str:
    short, before = text.strip().casefold().replace("’", "'"), ""
    while short != before:
        before = short
        short = re.sub(_COURTESY[lang], "", short).strip()
    key = _key(short)
    # 好きですか is no 好きです: a question stays one.
    return f"{key}?" if key and _QUESTION.search(text) else key


def _same_matter(text: str, wording: str, lang: str) -> bool:
    one, other = (unicodedata.normalize("NFKC", each).casefold().replace("’", "'") for each in (text, wording))
    if bool(_NOT.search(one)) != bool(_NOT.search(other)) or re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return False
    if lang == "ja":
        asked = bool(_QUESTION.search(one)) == bool(_QUESTION.search(other))
        return asked and set(re.findall(r"[^ぁ-んー\W]", one)) == set(re.findall(r"[^ぁ-んー\W]", other))
    if lang == "zh":
        return set(re.findall(r"\w", one)) ^ set(re.findall(r"\w", other)) <= _SMALL_ZH
    if lang == "ko":
        return True
    words = [[word for word in re.findall(r"[^\W\d_]+", each) if len(word) > 3] for each in (one, other)]
    return all(nearest(word, there, least=_SAME_WORD) for here, there in (words, words[::-1]) for word in here)
