"""The written travel guide in data/offline: finds a destination or a region by any of its names. It asks no network."""

import difflib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from agent.settings import PROJECT

_FILES = ("travel_japan.json", "travel_world.json")
_NEAR = 0.83
# What people put around a place's name; taken off only where the name as written is not found.
_BEFORE = re.compile(r"^(?:(?:a |my |our )?trip to |city of |the |in |to |[春夏秋冬]の|週末の)\s*", re.IGNORECASE)
_AFTER = re.compile(
    r"(?:さん|周辺|方面|あたり|辺り|国内|(?:への|の)?(?:旅行|観光|旅)|へ|に|の|って|\s+(?:travel|trip|area))$",
    re.IGNORECASE,
)
_UNITS = ("市内", "市", "県", "府", "都", "町", "村", "区", "駅", "地方", "city", "prefecture", "island")


@dataclass(frozen=True)
class Place:
    """A destination of the guide.

    Attributes:
        guide: by kind of information and language: a sentence, then further lines.
    """

    id: str
    name: Mapping[str, str]
    guide: Mapping[str, Mapping[str, list[str]]]
    in_japan: bool


@dataclass(frozen=True)
class Region:
    """A country or region, which stands for some destinations of the guide."""

    id: str
    name: Mapping[str, str]
    about: Mapping[str, str]
    places: tuple[Place, ...]

    def holds(self, place: Place) -> bool:
        """Whether the place lies in it, as far as the guide knows."""
        return place in self.places or (self.id == "japan" and place.in_japan)


Entry = Place | Region


@dataclass(frozen=True)
class Found:
    """An entry with the name under which it was found, as the guide writes it."""

    entry: Entry
    alias: str

    def title(self, lang: str) -> str:
        """What an encyclopedia in this language may call it."""
        latin = self.alias.isascii()
        if (lang == "en" and latin) or (lang == "ja" and not latin and not re.fullmatch(r"[ぁ-ゖー]+", self.alias)):
            return self.alias
        return re.split(r"・| and |\s*[（(]", self.entry.name[lang])[0]


def fold(text: str) -> str:
    """A name without what differs between spellings: width, case, accents, katakana or hiragana, spaces, marks."""
    plain = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    plain = unicodedata.normalize("NFC", re.sub(r"[̀-ͯ]", "", plain))
    plain = "".join(chr(ord(sign) - 0x60) if "ァ" <= sign <= "ヶ" else sign for sign in plain)
    return re.sub(r"[^\w]|_", "", plain)


def bare(text: str) -> str:
    """The name without what stands around it in a sentence: "the", 旅行, 周辺 and the like."""
    text = unicodedata.normalize("NFKC", text).strip()
    while (less := _AFTER.sub("", _BEFORE.sub("", text)).strip()) and less != text:
        text = less
    return text


def same(one: str, other: str) -> bool:
    """Whether two names differ at most in spelling and in a unit such as 市 or City."""
    a, b = fold(bare(one)), fold(bare(other))
    return a == b or any(a + unit == b or b + unit == a for unit in _UNITS)


@cache
def places() -> tuple[Place, ...]:
    """Every destination of the guide, Japan first."""
    return tuple(
        Place(one["id"], one["name"], one["guide"], name == _FILES[0])
        for name in _FILES
        for one in _read(name)["destinations"]
    )


@cache
def regions() -> tuple[Region, ...]:
    """Every country and region that the guide points on from."""
    by_id = {place.id: place for place in places()}
    return tuple(
        Region(one["id"], one["name"], one["about"], tuple(by_id[each] for each in one["places"]))
        for name in _FILES
        for one in _read(name)["regions"]
    )


def find(asked: str) -> Found | None:
    """The entry for a place as the user wrote it, or None."""
    if found := _named(asked) or _within(asked):
        return found
    names, key = _names(), fold(bare(asked))
    # Kanji names that differ in one sign are different places; a misspelling is one of kana or of Latin letters.
    if len(key) < 5 or re.search(r"[一-鿿]", key):
        return None
    near = difflib.get_close_matches(key, [name for name in names if name[0] == key[0]], n=1, cutoff=_NEAR)
    return names[near[0]] if near else None


def _named(text: str) -> Found | None:
    """The entry with this name, with ever less around it."""
    names, key = _names(), fold(bare(text))
    if found := names.get(fold(text)) or names.get(key):
        return found
    units = [unit for unit in _UNITS if key.endswith(unit)]
    return next((names[short] for unit in units if (short := key.removesuffix(unit)) in names), None)


def _within(asked: str) -> Found | None:
    """The place in "Paris, France" or フランスのパリ, if it lies in what is named beside it (not so "Paris, Texas")."""
    text = unicodedata.normalize("NFKC", asked).strip()
    for sign in (",", "、", " in ", "の", " "):
        head, between, tail = text.rpartition(sign)
        if not between:
            continue
        one, other = (_named(part) or _within(part) for part in (head, tail))
        if one is None or other is None:
            continue
        for place, around in ((one, other), (other, one)):
            if isinstance(around.entry, Region) and isinstance(place.entry, Place) and around.entry.holds(place.entry):
                return place
        if one.entry is other.entry:
            return other if sign == "の" else one
    return None


@cache
def _names() -> Mapping[str, Found]:
    """Every folded name; a destination's own name goes before the aliases of others."""
    by_id: dict[str, Entry] = {f"place {place.id}": place for place in places()}
    by_id |= {f"region {region.id}": region for region in regions()}
    found: dict[str, Found] = {}
    for aliases in (False, True):
        for name in _FILES:
            content = _read(name)
            for kind, records in (("place", content["destinations"]), ("region", content["regions"])):
                for one in records:
                    written = one["aliases"] if aliases else [one["name"]["ja"], one["name"]["en"]]
                    for each in written:
                        found.setdefault(fold(each), Found(by_id[f"{kind} {one['id']}"], each))
    return found


@cache
def _read(name: str) -> Any:
    return json.loads((PROJECT / "data" / "offline" / name).read_text(encoding="utf-8"))
