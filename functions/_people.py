"""People that the assistant knows without a network, and how a name as somebody writes it finds one of them.

Covered: kana and kanji variants, romanised names in either order, honorifics, small misspellings. Not covered: names
in other scripts, and misspelt kanji, since one wrong kanji is usually somebody else (徳川家康, 徳川家光).
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from agent.messages import Lang
from agent.settings import PROJECT
from functions._nearness import nearest, similarity

KNOWN_UNTIL = 2024
"""The year up to which `people.json` knows the lives of living people."""

_FILE = PROJECT / "data" / "offline" / "people.json"
_VARIANTS = str.maketrans("澤齋齊髙﨑條邊邉廣龍國濱嶋槇會惠瀨黑眞", "沢斎斉高崎条辺辺広竜国浜島槙会恵瀬黒真")
_SMALL_KANA = str.maketrans("ぁぃぅぇぉっゃゅょ", "あいうえおつやゆよ")
_HONORIFICS = (
    r"(さん|さま|様|氏|くん|君|ちゃん|選手|監督|先生|博士|教授|元?大統領|元?首相|女王|皇帝|棋士|投手|画伯|師匠)$"
)
_TITLES = r"^(the|mr|mrs|ms|miss|dr|sir|dame|lord|lady|prof|professor|president|king|queen|emperor|pope|saint|st)\.?\s+"
_JA = re.compile(r"[぀-ヿ一-鿿々]")
_NUMERALS = frozenset({"i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "jr", "sr"})


@dataclass(frozen=True)
class Day:
    """A date of which the month and the day may be unknown; years before Christ are negative.

    Attributes:
        about: the year itself is uncertain.
    """

    year: int
    month: int | None = None
    day: int | None = None
    about: bool = False

    @classmethod
    def parse(cls, text: str) -> "Day":
        """Reads `1867-11-07`, `1867-11`, `1867`, `-30` or `c-69`, where `c` is for circa.

        Raises:
            ValueError: it is none of these.
        """
        found = re.fullmatch(r"(c?)(-?\d{1,4})(?:-(\d{2})(?:-(\d{2}))?)?", text)
        if found is None:
            raise ValueError(f"{text!r} is no date.")
        month, day = (int(part) if part else None for part in found.group(3, 4))
        return cls(int(found[2]), month, day, about=bool(found[1]))

    def text(self, lang: Lang) -> str:
        """The date in words: 1867年11月7日, 7 November 1867, 69 BC."""
        if lang == "ja":
            year = f"紀元前{-self.year}年" if self.year < 0 else f"{self.year}年"
            month = f"{self.month}月" if self.month else ""
            return year + month + (f"{self.day}日" if self.day else "") + ("ごろ" if self.about else "")
        year = f"{-self.year} BC" if self.year < 0 else str(self.year)
        month = f"{date(2000, self.month, 1):%B} " if self.month else ""
        return ("c. " if self.about else "") + (f"{self.day} " if self.day else "") + month + year

    def iso(self) -> str:
        """The form that `parse` reads."""
        year = ("c" if self.about else "") + str(self.year)
        return year + (f"-{self.month:02}" if self.month else "") + (f"-{self.day:02}" if self.day else "")


def age(born: Day, at: Day) -> int | None:
    """Full years from `born` to `at`, or nothing where the dates are too vague to tell."""
    if not (born.month and born.day and at.month and at.day):
        return None
    years = at.year - born.year - (1 if born.year < 0 < at.year else 0)  # there was no year 0
    return years - ((at.month, at.day) < (born.month, born.day))


def lifespan(born: Day | None, died: Day | None, today: Day | None, lang: Lang) -> str:
    """Birth, death and age in a few words, such as `1867年11月7日–1934年7月4日、享年66`.

    Args:
        born: the birth, where known.
        died: the death, where known.
        today: the day on which a living person's age is reckoned; nothing for the dead.
        lang: language of the words.
    """
    at = died or today
    years = age(born, at) if born and at else None
    if born and died:
        aged = "" if years is None else (f"、{years}歳没" if lang == "ja" else f", aged {years}")
        return f"{born.text(lang)}–{died.text(lang)}{aged}"
    if died:
        return f"{died.text(lang)}没" if lang == "ja" else f"died {died.text(lang)}"
    if born is None:
        return ""
    if today is None:
        return f"{born.text(lang)}生まれ" if lang == "ja" else f"b. {born.text(lang)}"
    aged = "" if years is None else (f"、{years}歳" if lang == "ja" else f", aged {years}")
    return f"{born.text(lang)}生まれ{aged}" if lang == "ja" else f"b. {born.text(lang)}{aged}"


@dataclass(frozen=True)
class Person:
    """A record of `data/offline/people.json`; `names` and `entries` by language, the first name is the usual one."""

    id: str
    field: str
    born: Day | None
    died: Day | None
    names: Mapping[str, tuple[str, ...]]
    entries: Mapping[str, Mapping[str, str]]

    def name(self, lang: Lang) -> str:
        """The usual name in this language."""
        return self.names[lang][0]


@dataclass(frozen=True)
class Found:
    """A person, and whether the name had to be read generously."""

    person: Person
    exact: bool


@cache
def people() -> tuple[Person, ...]:
    """Everybody in the offline guide."""
    return tuple(_person(record) for record in json.loads(_FILE.read_text(encoding="utf-8")))


def find(name: str) -> Found | None:
    """The person of this name, as somebody writes it, or nobody."""
    index = _index()
    for tried in _readings(name):
        if (person := index.get(fold(tried))) is not None:
            return Found(person, exact=True)
    for tried in _readings(name):
        for key in nearest(fold(tried), index, least=0.75, count=5):
            spelt = next(alias for alias in _spellings(index[key]) if fold(alias) == key)
            if alike(tried, spelt):
                return Found(index[key], exact=False)
    return None


def suggest(name: str) -> Person | None:
    """Whom the name may have meant, where nobody is found: a hint, not an answer."""
    index = _index()
    folded = fold(name)
    # Three of four kanji are a strong hint; three of four Latin letters are not.
    cutoff = 0.8 if folded.isascii() else 0.7
    close = nearest(folded, index, least=cutoff if len(folded) > 3 else 1.0)
    return index[close[0]] if close else None


@cache
def fold(name: str) -> str:
    """The name without what people write differently: case, accents, spaces, dots, kana script, old kanji."""
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(c for c in unicodedata.normalize("NFD", text) if not "̀" <= c <= "ͯ")
    text = unicodedata.normalize("NFC", text).translate(_VARIANTS)
    for old, new in (("ヴァ", "バ"), ("ヴィ", "ビ"), ("ヴェ", "ベ"), ("ヴォ", "ボ"), ("ヴ", "ブ")):
        text = text.replace(old, new)
    text = "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in text).translate(_SMALL_KANA)
    return "".join(c for c in text if c.isalnum() and c != "ー")


def alike(written: str, name: str) -> bool:
    """Whether `written` is `name` with a slip of the pen, and not somebody else with a similar name."""
    left, right = fold(written), fold(name)
    if left == right:
        return True
    # A difference in an initial or a numeral is another person: Michael B. Jordan, Elizabeth I.
    if min(len(left), len(right)) < 4 or abs(len(left) - len(right)) > 2 or _marks(written) != _marks(name):
        return False
    ratio = similarity(left, right)
    if re.search(r"[一-鿿]", left + right):
        return False
    if _JA.search(left + right):
        return ratio >= 0.85
    return ratio >= 0.88 or (ratio >= 0.75 and _skeleton(left) == _skeleton(right))


def _marks(name: str) -> set[str]:
    words = re.findall(r"[a-z]+", unicodedata.normalize("NFKC", name).casefold())
    return {word for word in words if len(word) == 1 or word in _NUMERALS}


def _skeleton(folded: str) -> str:
    """First letter and consonants, doubled ones once: what a misspelling usually leaves as it is."""
    sounds = re.sub(r"c(?=[eiy])", "s", folded.replace("ph", "f").replace("ck", "k")).replace("c", "k")
    consonants = re.sub(r"[aeiouyhw]", "", sounds[1:])
    return sounds[:1] + re.sub(r"(.)\1+", r"\1", consonants)


def _readings(name: str) -> list[str]:
    """The name as written, then without quotes, titles and honorifics."""
    text = unicodedata.normalize("NFKC", name).strip(" 　\"'「」『』“”‘’?!。、.")
    text = re.sub(r"['’]s$", "", text)
    bare = re.sub(_HONORIFICS, "", text)
    plain = re.sub(_TITLES, "", bare, flags=re.IGNORECASE)
    return list(dict.fromkeys(reading for reading in (name, text, bare, plain) if fold(reading)))


def _spellings(person: Person) -> list[str]:
    """All names of a person, the two-part Latin ones in both orders."""
    given = [name for names in person.names.values() for name in names]
    turned = [" ".join(reversed(name.split())) for name in person.names["en"] if len(name.split()) == 2]
    return given + turned


@cache
def _index() -> dict[str, Person]:
    index: dict[str, Person] = {}
    for person in people():
        for spelling in _spellings(person):
            index.setdefault(fold(spelling), person)
    return index


def _person(record: Mapping[str, Any]) -> Person:
    return Person(
        id=record["id"],
        field=record["field"],
        born=Day.parse(record["born"]) if record.get("born") else None,
        died=Day.parse(record["died"]) if record.get("died") else None,
        names={lang: tuple(names) for lang, names in record["names"].items()},
        entries={kind: record[kind] for kind in ("general", "biography", "career", "achievements")},
    )
