"""Pages of Wikivoyage and Wikipedia through MediaWiki's API: finds the page of a place and cuts sentences out of it.

Listings, prices, telephone numbers and hours are left out: they change, and read badly in one line.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.messages import Lang
from functions._nearness import similarity
from functions._travel_book import fold, same
from functions.web import Web, WebError

_CUTOFF = 0.85
_LONGEST = {"ja": 130, "en": 260}
_SHORTEST = {"ja": 12, "en": 30}
_HEADING = re.compile(r"^(={2,6})\s*(.+?)\s*\1$")
_CHANGES = re.compile(r"[☏☎¥￥€£$]|https?:|\b(?:USD|JPY|GBP|EUR)\b|\d円|\d{2,4}-\d{3,4}|\d{1,2}:\d{2}|\d\s?[ap]\.?m\b")
_LISTING = re.compile(r"^\s*(?:[•*·-]|\d+\s+\S)")
_SENTENCES = {
    "ja": re.compile(r"(?<=[。！？])(?![」』）])"),
    "en": re.compile(r"(?<!\bSt\.)(?<!\bMt\.)(?<!\bDr\.)(?<!\bNo\.)(?<!\bc\.)(?<=[.!?])\s+(?=[A-Z\"“])"),
}
_LEANS_ON_WHAT_WAS_BEFORE = re.compile(
    r"^(?:(?:This|These|That|Those|It|They|He|She|Its|Their|Also|However|But|See also)\b"
    r"|また|しかし|これ|それ|この|その|ただし|なお|さらに)"
)
# Headings by kind, in order of preference: Wikivoyage's own first, then those usual in Wikipedia.
_HEADINGS: Mapping[str, Sequence[str]] = {
    "attractions": (
        *("See", "Do", "Sights", "Main sights", "Landmarks", "Attractions", "Tourist attractions", "Tourism"),
        *("観る", "見る", "する", "遊ぶ", "観光", "名所・旧跡", "観光スポット", "名所", "主な観光地", "見どころ"),
    ),
    "food": (
        *("Eat", "Drink", "Cuisine", "Food", "Food and drink"),
        *("食べる", "飲む", "食文化", "名物", "郷土料理", "料理", "食", "特産品"),
    ),
    "transportation": (
        *("Get in", "Get around", "Transport", "Transportation", "Infrastructure"),
        *("着く", "行く", "動く", "移動する", "アクセス", "交通"),
    ),
    "accommodation": ("Sleep", "Accommodation", "Hotels", "泊まる", "宿泊", "宿泊施設", "温泉"),
    "events": (
        *("Events", "Festivals", "Festivals and events", "Annual events", "Holidays"),
        *("祭り", "祭事", "催事", "イベント", "行事", "年中行事", "祭事・催事", "祭事・イベント"),
    ),
    "tips": (
        *("Stay safe", "Respect", "Cope", "Stay healthy", "Connect"),
        *("気をつける", "安全を確保する", "安全", "尊重する", "暮らす", "マナー"),
    ),
}


@dataclass(frozen=True)
class Page:
    """The page of a place as plain text with wiki headings."""

    title: str
    url: str
    text: str
    lang: Lang

    def sentences(self, kind: str, most: int) -> list[str]:
        """Some whole sentences on this kind of information; `general` is what stands before the first heading."""
        if kind == "general":
            return _prose(re.split(r"^==", self.text, maxsplit=1, flags=re.MULTILINE)[0], self.lang, most)
        sections = self._sections()
        for heading in _HEADINGS[kind]:
            if found := _prose(sections.get(heading.casefold(), ""), self.lang, most):
                return found
        return []

    def _sections(self) -> Mapping[str, str]:
        """Bodies by heading; a section's body holds those of its subsections."""
        bodies: dict[str, list[str]] = {}
        open_: list[tuple[int, str]] = []
        for line in self.text.splitlines():
            if heading := _HEADING.match(line.strip()):
                level = len(heading[1])
                open_ = [(above, name) for above, name in open_ if above < level]
                open_.append((level, heading[2].casefold()))
                continue
            for _, name in open_:
                bodies.setdefault(name, []).append(line)
        return {name: "\n".join(lines) for name, lines in bodies.items()}


async def page(web: Web, base: str, asked: str, lang: Lang, *, must_be_place: bool) -> Page | None:
    """The page of a place by its title, or else by a title that is nearly the same.

    Takes only a page with coordinates where it `must_be_place`: an encyclopedia has pages on everything.

    Raises:
        WebError: the service did not answer properly.
    """
    if found := await _titled(web, base, asked, lang, must_be_place=must_be_place):
        return found
    answer = await web.json(
        base,
        "/w/api.php",
        {"action": "query", "format": "json", "formatversion": 2, "list": "search", "srsearch": asked, "srlimit": 5},
    )
    for hit in _listed(answer, "search"):
        title = str(hit.get("title", ""))
        if title != asked and _near(asked, title):
            return await _titled(web, base, title, lang, must_be_place=must_be_place)
    return None


async def _titled(web: Web, base: str, title: str, lang: Lang, *, must_be_place: bool) -> Page | None:
    answer = await web.json(
        base,
        "/w/api.php",
        {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "prop": "extracts|info|pageprops|coordinates",
            "explaintext": 1,
            "exsectionformat": "wiki",
            "inprop": "url",
            "ppprop": "disambiguation",
            "redirects": 1,
            # A bar would ask for two pages at once.
            "titles": title.replace("|", " "),
        },
    )
    for found in _listed(answer, "pages"):
        text, url = found.get("extract"), found.get("fullurl")
        if not isinstance(text, str) or not text.strip() or not isinstance(url, str):
            continue
        if "disambiguation" in (found.get("pageprops") or {}) or (must_be_place and not found.get("coordinates")):
            continue
        return Page(str(found.get("title", title)), url, text, lang)
    return None


def _listed(answer: Any, name: str) -> list[dict[str, Any]]:
    query = answer.get("query") if isinstance(answer, dict) else None
    listed = query.get(name) if isinstance(query, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise WebError(f"The answer has no list of {name}.")
    return listed


def _near(asked: str, title: str) -> bool:
    one, other = fold(asked), fold(title)
    return same(asked, title) or (one[:1] == other[:1] and similarity(one, other) >= _CUTOFF)


def _prose(body: str, lang: Lang, most: int) -> list[str]:
    """The first sentences of running text that stand on their own."""
    found: list[str] = []
    for line in body.splitlines():
        if _LISTING.match(line) or _HEADING.match(line.strip()):
            continue
        for sentence in _SENTENCES[lang].split(line.strip()):
            text = re.sub(r"\s*[(（][\s,;、]*[)）]", "", sentence).strip()
            if not text.endswith((".", "!", "?", "。", "！", "？")) or _CHANGES.search(text):
                continue
            if not _SHORTEST[lang] <= len(text) <= _LONGEST[lang]:
                continue
            if not found and _LEANS_ON_WHAT_WAS_BEFORE.match(text):
                continue
            found.append(text)
            if len(found) == most:
                return found
    return found
