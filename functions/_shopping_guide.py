"""Product categories: which one a product belongs to, what to look at, and where to look for it.

Covers the categories and search pages of `data/offline/shopping.json`. Knows no prices.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal
from urllib.parse import quote

from agent.messages import Lang
from agent.settings import PROJECT
from functions._climate import key
from functions._nearness import nearest

PATH = PROJECT / "data" / "offline" / "shopping.json"
Kind = Literal["product", "service"]
Role = Literal["prices", "shop", "reviews"]

# What is named after a product is what is wanted: a phone case is no phone.
_PART_JA = re.compile(r"\s*(?:用|台|ケース|カバー|スタンド|フィルム|充電器|ケーブル|アーム|ラック|掛け|袋|部品|の)")
_PART_EN = re.compile(
    r"\s*(?:case|stand|cover|cable|charger|mount|holder|adapter|arm|strap|rack|sleeve|protector|filter|battery|parts)s?\b"
)
_TAIL_JA = re.compile(
    r"の?(?:おすすめ|オススメ|人気|買い替え|買い換え|価格|値段|口コミ|レビュー|比較|選び方|新しいの|購入)$"
)
_TAIL_EN = re.compile(r"\s+(?:for|with|under|below|from|that|which)\s.*$")
_QUERY_LENGTH = 100
_NEAR = 0.83


@dataclass(frozen=True)
class Category:
    """A kind of product or service, with what to look at when choosing."""

    id: str
    kind: Kind
    names: Mapping[Lang, str]
    words: tuple[str, ...]
    checks: tuple[Mapping[Lang, str], ...]


@dataclass(frozen=True)
class Page:
    """A search page; `url` holds `{query}`."""

    kind: Kind
    lang: Lang
    name: str
    url: str
    role: Role

    def address(self, query: str) -> str:
        """Its address for what is looked for."""
        return self.url.replace("{query}", quote(query[:_QUERY_LENGTH], safe=""))


@dataclass(frozen=True)
class Guide:
    """All of it: categories, pages, and the checks of whatever has no category."""

    categories: tuple[Category, ...]
    pages: tuple[Page, ...]
    general: Mapping[Kind, tuple[Mapping[Lang, str], ...]]


@cache
def guide() -> Guide:
    """The guide, read once."""
    given: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))
    return Guide(
        categories=tuple(
            Category(
                id=record["id"],
                kind=record["kind"],
                names={"ja": record["ja"], "en": record["en"]},
                words=(*record["words_ja"], *record["words_en"]),
                checks=tuple(record["checks"]),
            )
            for record in given["categories"]
        ),
        pages=tuple(Page(**record) for record in given["links"]),
        general={kind: tuple(checks) for kind, checks in given["general"].items()},
    )


def category(product: str) -> Category | None:
    """The category that a product's name belongs to, or None."""
    text = _fold(product)
    text = _TAIL_EN.sub("", _TAIL_JA.sub("", text))
    best: tuple[int, int] = (0, 0)
    found: Category | None = None
    for word, pattern, each in _words():
        for match in pattern.finditer(text):
            # The head of a noun phrase stands last, in both languages: of several words the last one decides.
            rank = (match.end(), len(word))
            if rank > best and not _is_part(text[match.end() :]):
                best, found = rank, each
    return found or _near(text)


def pages(kind: Kind, lang: Lang, first: Role) -> list[Page]:
    """The search pages for that language, those of the given role first."""
    given = [page for page in guide().pages if page.kind == kind and page.lang == lang]
    return sorted(given, key=lambda page: page.role != first)


def split(product: str, *, comparing: bool) -> list[str]:
    """The products named: two or three that are to be compared, otherwise one."""
    text = re.sub(r"(?:の違い|のどちら|のどっち|の?比較|、?どっち|、?どちら)$", "", product).strip()
    parts = re.split(r"\s+(?:vs\.?|versus|or)\s+|\s*(?:対|または|それとも)\s*", text, flags=re.IGNORECASE)
    if len(parts) > 1:
        parts = [each for part in parts for each in re.split(r"\s*[,、]\s*", part)]
    elif comparing:
        parts = re.split(r"\s+(?:and|to|with)\s+|\s*[,、/]\s*", text)
    if len(parts) == 1:
        parts = _split_ja(text, comparing=comparing)
    parts = [part.strip(" 　,、") for part in parts]
    return parts[:3] if len(parts) > 1 and all(parts) else [product]


def _split_ja(text: str, *, comparing: bool) -> list[str]:
    """Splits at と and か, but not inside a word: ひとり用, ふとん, おもちゃ箱とか."""
    for found in re.finditer(r"とか|[とか]", text):
        left, right = text[: found.start()], text[found.end() :]
        if len(left) < 2 or len(right) < 2 or left[-1] == "っ" or right[0] in "んっゃゅょー":
            continue
        kana = re.match(r"[\u3041-\u3096]", left[-1]) and re.match(r"[\u3041-\u3096]", right[0])
        if (kana or found[0] != "と") and not comparing:
            continue
        return [left, *_split_ja(right, comparing=comparing)]
    return [text]


def _fold(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


@cache
def _words() -> list[tuple[str, re.Pattern[str], Category]]:
    return [(word, _pattern(_fold(word)), each) for each in guide().categories for word in each.words]


def _pattern(word: str) -> re.Pattern[str]:
    if word.isascii():
        return re.compile(rf"(?<![a-z0-9]){re.escape(word)}(?:e?s)?(?![a-z])")
    # A word goes on in its own script: 靴下 are no 靴, a ジムニー is no ジム. One kanji stands alone: no 本 in 日本.
    before = r"(?<![\u4e00-\u9fff])" if len(word) == 1 else ""
    after = r"(?![\u30a1-\u30fa\u30fc])" if re.match(r"[\u30a1-\u30fc]", word[-1]) else r"(?![\u4e00-\u9fff])"
    return re.compile(before + re.escape(word) + after)


def _is_part(rest: str) -> bool:
    return bool(_PART_JA.match(rest) or _PART_EN.match(rest))


def _near(text: str) -> Category | None:
    """Kana for kanji, and small misspellings, of the whole name."""
    by_key = _by_key()
    given = key(text)
    if given in by_key:
        return by_key[given]
    near = nearest(given, by_key, least=_NEAR) if len(given) >= 5 else []
    return by_key[near[0]] if near else None


@cache
def _by_key() -> dict[str, Category]:
    return {key(word): each for word, _, each in _words()}
