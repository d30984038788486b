"""Cities known without a network: their names, coordinates and monthly climate normals.

Covers the cities and the regions of `data/offline/climate.json`. Does not cover weather: that is `_open_meteo`.
"""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from agent.messages import Lang
from agent.settings import PROJECT
from functions._nearness import nearest

PATH = PROJECT / "data" / "offline" / "climate.json"

# What is said around a place's name without being part of it.
_AROUND_JA = re.compile(r"(?:の?お?天気|の?気温|周辺|付近|近辺|近郊|方面|地方|あたり|辺り|のほう|の方|市内|駅)$")
_AROUND_EN = re.compile(
    r"^(?:the |in |at |city of |downtown |central |greater )+|(?: area| region| weather)+$", re.IGNORECASE
)
_SUFFIX_JA = re.compile(r"[市区町村都府県州]$")
_SUFFIX_EN = re.compile(r"[ -](?:shi|city|ken|fu|pref\.?|prefecture|state)$")
_INSIDE_JA = re.compile(r"^(北海道|東京都|京都府|大阪府|.{2,3}県)の?(.+)$")
_KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}
_NEAR = 0.84


@dataclass(frozen=True)
class City:
    """A city with its normals: twelve months each, January first, in °C and mm."""

    ja: str
    en: str
    country: str
    latitude: float
    longitude: float
    high: tuple[int, ...]
    low: tuple[int, ...]
    rain: tuple[int, ...]

    def name(self, lang: Lang) -> str:
        """Its name in a language."""
        return self.ja if lang == "ja" else self.en


@dataclass(frozen=True)
class Known:
    """What a name stands for.

    Attributes:
        city: whose weather answers; None where the region is too large for one city to stand for it.
        region: name of the region that was asked about, by language; None where it was the city itself.
        guessed: the name was not quite one that is known.
    """

    city: City | None
    region: dict[str, str] | None = None
    guessed: bool = False


@dataclass(frozen=True)
class _Table:
    known: dict[str, Known]
    qualifiers: dict[str, set[str]]  # country, state or prefecture -> names of the cities in it


def key(text: str) -> str:
    """A name such that spelling variants of it are equal: width, case, accents, kana, spaces, points."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    # Accents of Latin letters go; the voicing marks of kana make another letter and stay.
    plain = "".join(char for char in folded if not unicodedata.combining(char) or char in "\u3099\u309a")
    return re.sub(r"[\s・.,'’\-=]", "", unicodedata.normalize("NFC", plain).translate(_KATAKANA))


def split(location: str) -> tuple[str, str | None]:
    """The place's name and what it lies in, where that is said: "Paris, Texas", "沖縄の那覇", "北海道札幌市"."""
    text = " ".join(unicodedata.normalize("NFKC", location).split())
    text = _around(text)
    # A comma inside a known name ("Washington, D.C.") separates nothing.
    if key(text) in _table().known:
        return text, None
    if found := re.match(r"^([^,、]+)[,、]\s*(.+)$", text):
        return _around(found[1].strip()), found[2].strip()
    inside = _INSIDE_JA.match(text) or re.match(r"^(.{2,})の(.{2,})$", text)
    if inside and key(inside[1]) in _table().qualifiers:
        return _around(inside[2]), inside[1]
    return text, None


def find(name: str, within: str | None = None) -> Known | None:
    """The city or region of that name, or None. `within` must fit where it is given."""
    table = _table()
    for spelling in _spellings(name):
        known = table.known.get(key(spelling))
        if known and (within is None or _fits(known, within)):
            return known
    return None


def guess(name: str, within: str | None = None) -> Known | None:
    """The city or region whose name is nearly that one, or None."""
    given = key(name)
    table = _table()
    if len(given) < 4:
        return None
    for near in nearest(given, table.known, least=_NEAR):
        known = table.known[near]
        if within is None or _fits(known, within):
            return Known(known.city, known.region, guessed=True)
    return None


def cities() -> list[City]:
    """All cities that have normals."""
    return list({id(known.city): known.city for known in _table().known.values() if known.city}.values())


def _around(text: str) -> str:
    return _AROUND_EN.sub("", _AROUND_JA.sub("", text)).strip()


def _spellings(name: str) -> Iterator[str]:
    yield name
    lower = name.casefold().strip()
    yield _SUFFIX_EN.sub("", lower)
    yield _SUFFIX_JA.sub("", name)


def _fits(known: Known, within: str) -> bool:
    names = {name for spelling in _spellings(within) for name in _table().qualifiers.get(key(spelling), ())}
    return known.city is not None and known.city.en in names


@cache
def _table() -> _Table:
    given: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    known: dict[str, Known] = {}
    qualifiers: dict[str, set[str]] = {}
    made: dict[str, City] = {}
    by_country: dict[str, set[str]] = {}
    for record in given["cities"]:
        city = City(
            ja=record["ja"],
            en=record["en"],
            country=record["country"],
            latitude=record["latitude"],
            longitude=record["longitude"],
            high=tuple(record["high"]),
            low=tuple(record["low"]),
            rain=tuple(record["rain"]),
        )
        made[city.en] = city
        by_country.setdefault(city.country, set()).add(city.en)
        for name in (city.ja, city.en, *record["also"]):
            known.setdefault(key(name), Known(city))
        for state in record.get("in", ()):
            qualifiers.setdefault(key(state), set()).add(city.en)
    for record in given["regions"]:
        region = Known(made[record["city"]] if record["city"] else None, {"ja": record["ja"], "en": record["en"]})
        inside = by_country.get(record["country"], set()) if record.get("whole") else {record["city"]}
        for name in (record["ja"], record["en"], *record["also"]):
            # The city comes first where it has the name of its region: "Aomori".
            known.setdefault(key(name), region)
            qualifiers.setdefault(key(name), set()).update(inside)
    return _Table(known, qualifiers)
