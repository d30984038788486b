"""People in Wikipedia and Wikidata: which article is meant, whether it is about a human, and the facts of a life.

What is not covered: anybody without an article in the user's language.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions._people import Day, alike, fold
from functions.registry import Context
from functions.web import WebError

_HUMAN = "Q5"
_FICTIONAL = frozenset(
    (
        "Q95074", "Q15632617", "Q15773317", "Q15773347", "Q3658341", "Q1114461",
        "Q1569167", "Q15711870", "Q80447738", "Q87576284", "Q4271324",
    )
)  # fmt: skip
"""Fictional characters and humans, of literature, film, television, comics, manga, anime, games, and of myths."""
_MAJOR = ("Q38104", "Q44585", "Q80061", "Q37922", "Q35637", "Q47170", "Q28835", "Q133160", "Q185667")
"""Nobel prizes, Fields Medal, Pritzker Prize, Turing Award: named before other awards."""
_SHOWN = 5


class NotHumanError(Exception):
    """Raised when the article of that name is not about a human; `fictional` tells a character from other things."""

    def __init__(self, title: str, *, fictional: bool) -> None:
        """Keeps the article's title."""
        super().__init__(title)
        self.title = title
        self.fictional = fictional


@dataclass(frozen=True)
class Article:
    """An article about a human with the facts that Wikidata has; labels are in the user's language."""

    title: str
    url: str
    text: str
    born: Day | None
    died: Day | None
    dead: bool
    birthplace: str | None
    occupations: Sequence[str]
    awards: Sequence[str]
    award_count: int
    works: Sequence[str]

    @property
    def name(self) -> str:
        """The title without what sets it apart from others of that name, as in `John Smith (explorer)`."""
        return re.sub(r"\s*[（(][^（()）]*[)）]$", "", self.title)


async def article(context: Context, name: str, *, whole: bool) -> Article | None:
    """Looks a person up.

    Args:
        context: of the turn; its language says which Wikipedia.
        name: as the user wrote it.
        whole: the whole text of the article, not only the introduction.

    Returns:
        The article, or nothing where there is no person of that name.

    Raises:
        NotHumanError: there is an article of that name, but about something else.
        WebError: Wikipedia or Wikidata is out of reach or answers in an unexpected form.
    """
    try:
        return await _article(context, name, whole)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise WebError(f"The encyclopedia answered in an unexpected form: {error!r}") from error


async def _article(context: Context, name: str, whole: bool) -> Article | None:
    title = " ".join(re.sub(r"[|#<>\[\]{}_]", " ", name).split())
    named = [page for page in await _pages(context, {"titles": title, "redirects": 1}) if _usable(page)]
    entities = await _entities(context, named)
    chosen = _human(named, entities)
    if chosen is None:
        searched: dict[str, str | int] = {"generator": "search", "gsrsearch": title, "gsrlimit": 5}
        searched["gsrenablerewrites"] = 1  # so that a misspelt name finds what it means
        others = sorted(await _pages(context, searched), key=lambda page: int(page["index"]))
        others = [page for page in others if _usable(page)]
        found = await _entities(context, others)
        chosen = _human([page for page in others if _meant(title, page, found[_item(page)])], found)
        if chosen is None and named:
            kinds = set(_ids(entities[_item(named[0])], "P31"))
            raise NotHumanError(named[0]["title"], fictional=bool(kinds & _FICTIONAL))
        if chosen is None:
            _refuse_fiction(title, others, found)
            return None
        entities = found
    return await _filled(context, chosen, entities[_item(chosen)], whole)


def _refuse_fiction(name: str, pages: Iterable[Mapping[str, Any]], entities: Mapping[str, Any]) -> None:
    for page in pages:
        entity = entities[_item(page)]
        if _meant(name, page, entity) and set(_ids(entity, "P31")) & _FICTIONAL:
            raise NotHumanError(page["title"], fictional=True)


# ---- Wikipedia


async def _pages(context: Context, params: Mapping[str, str | int]) -> list[dict[str, Any]]:
    """The pages of a query with what tells disambiguations and Wikidata's items; none where nothing is found."""
    ask = {"action": "query", "format": "json", "formatversion": 2, "prop": "pageprops|info", "inprop": "url", **params}
    answer = await context.web.json(_wikipedia(context), "/w/api.php", ask)
    if "error" in answer:
        raise WebError(f"Wikipedia refused: {answer['error'].get('info', 'no reason given')}")
    pages: list[dict[str, Any]] = answer.get("query", {}).get("pages", [])
    return pages


async def _text(context: Context, title: str, whole: bool) -> str:
    params: dict[str, str | int] = {"titles": title, "prop": "extracts", "explaintext": 1, "exsectionformat": "wiki"}
    pages = await _pages(context, params if whole else {**params, "exintro": 1})
    return str(pages[0].get("extract", ""))


def _wikipedia(context: Context) -> str:
    return context.settings.wikipedia_url.format(lang=context.lang)


def _usable(page: Mapping[str, Any]) -> bool:
    props = page.get("pageprops", {})
    return not page.get("missing") and "disambiguation" not in props and "wikibase_item" in props


def _item(page: Mapping[str, Any]) -> str:
    return str(page["pageprops"]["wikibase_item"])


# ---- Wikidata


async def _entities(context: Context, pages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not pages:
        return {}
    params = {"ids": "|".join(dict.fromkeys(_item(page) for page in pages)), "props": "labels|aliases|claims"}
    return await _wikidata(context, params)


async def _labels(context: Context, ids: Iterable[str]) -> dict[str, str]:
    """Names of items in the user's language, or else in English."""
    wanted = list(dict.fromkeys(ids))[:50]
    if not wanted:
        return {}
    found = await _wikidata(context, {"ids": "|".join(wanted), "props": "labels"})
    labels: dict[str, str] = {}
    for item, entity in found.items():
        given = entity.get("labels", {})
        if label := given.get(context.lang) or given.get("en"):
            labels[item] = label["value"]
    return labels


async def _wikidata(context: Context, params: Mapping[str, str]) -> dict[str, Any]:
    ask = {"action": "wbgetentities", "format": "json", "languages": "ja|en", **params}
    answer = await context.web.json(context.settings.wikidata_url, "/w/api.php", ask)
    if "error" in answer:
        raise WebError(f"Wikidata refused: {answer['error'].get('info', 'no reason given')}")
    entities: dict[str, Any] = answer["entities"]
    return entities


def _human(pages: Iterable[Mapping[str, Any]], entities: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((page for page in pages if _HUMAN in _ids(entities[_item(page)], "P31")), None)


def _meant(name: str, page: Mapping[str, Any], entity: Mapping[str, Any]) -> bool:
    """Whether one of the item's names is `name`, or has it as a part: a search finds pages that only mention it."""
    names = [page["title"]]
    names += [label["value"] for label in entity.get("labels", {}).values()]
    names += [alias["value"] for aliases in entity.get("aliases", {}).values() for alias in aliases]
    words = set(name.casefold().split())
    folded = fold(name)
    japanese = not folded.isascii()
    return any(
        alike(name, known) or words <= set(known.casefold().split()) or (japanese and folded in fold(known))
        for known in names
    )


def _claims(entity: Mapping[str, Any], prop: str) -> list[Mapping[str, Any]]:
    """Statements of a property: the preferred ones first, never the deprecated ones."""
    claims = [claim for claim in entity.get("claims", {}).get(prop, []) if claim.get("rank") != "deprecated"]
    return sorted(claims, key=lambda claim: claim.get("rank") != "preferred")


def _ids(entity: Mapping[str, Any], prop: str) -> list[str]:
    values = (claim["mainsnak"].get("datavalue") for claim in _claims(entity, prop))
    return [value["value"]["id"] for value in values if value is not None]


def _day(entity: Mapping[str, Any], prop: str) -> Day | None:
    for claim in _claims(entity, prop):
        value = claim["mainsnak"].get("datavalue")
        if value is None or value["value"]["precision"] < 9:  # 9 is a year; below it are decades and centuries
            continue
        found = re.match(r"([+-])(\d+)-(\d\d)-(\d\d)T", value["value"]["time"])
        if found is None:
            continue
        precision = value["value"]["precision"]
        year = int(found[2]) * (-1 if found[1] == "-" else 1)
        return Day(year, int(found[3]) if precision > 9 else None, int(found[4]) if precision > 10 else None)
    return None


async def _filled(context: Context, page: Mapping[str, Any], entity: Mapping[str, Any], whole: bool) -> Article:
    birthplaces, occupations, works = (_ids(entity, prop) for prop in ("P19", "P106", "P800"))
    awards = sorted(dict.fromkeys(_ids(entity, "P166")), key=lambda item: item not in _MAJOR)
    shown = [birthplaces[:1], occupations[:_SHOWN], awards[:_SHOWN], works[:_SHOWN]]
    labels = await _labels(context, (item for items in shown for item in items))
    named = [[labels[item] for item in items if item in labels] for items in shown]
    return Article(
        title=page["title"],
        url=page.get("fullurl", _wikipedia(context)),
        text=await _text(context, page["title"], whole),
        born=_day(entity, "P569"),
        died=_day(entity, "P570"),
        dead=bool(_claims(entity, "P570")),
        birthplace=next(iter(named[0]), None),
        occupations=named[1],
        awards=named[2],
        award_count=len(awards),
        works=named[3],
    )
