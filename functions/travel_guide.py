"""Travel guide: what to see and eat, how to get there, where to stay, what is on, at a place.

Online from Wikivoyage and Wikipedia, otherwise from the written guide in data/offline. No bookings, prices or hours.
"""

import asyncio
from dataclasses import replace
from typing import Literal

from functions import _travel_book as book
from functions._travel_book import Found, Place, Region
from functions._travel_pages import Page, page
from functions.registry import Context, FunctionError, FunctionResult, function
from functions.web import WebError

InfoType = Literal["general", "attractions", "food", "transportation", "accommodation", "events", "tips"]

_LABELS: dict[str, dict[str, str]] = {
    "ja": {
        "general": "概要",
        "attractions": "見どころ",
        "food": "食べ物",
        "transportation": "行き方",
        "accommodation": "泊まる場所",
        "events": "行事",
        "tips": "旅のヒント",
    },
    "en": {
        "general": "Overview",
        "attractions": "Sights",
        "food": "Food",
        "transportation": "Getting there",
        "accommodation": "Where to stay",
        "events": "Events",
        "tips": "Tips",
    },
}
_MOST_POINTS = 6
_OVERVIEW = ("attractions", "food", "transportation", "accommodation", "events", "tips")
_SHOWN = ("kyoto", "sapporo", "naha", "seoul", "paris", "newyork")


@function(
    effects="none",
    examples=[
        ("京都の見どころを教えて", {"destination": "京都", "info_type": "attractions"}),
        ("金沢で何を食べたらいい？", {"destination": "金沢", "info_type": "food"}),
        ("東京から箱根へはどうやって行くの？", {"destination": "箱根", "info_type": "transportation"}),
        ("来月台湾に行くんだけど、旅行の計画を手伝って", {"destination": "台湾"}),
        ("青森では8月にどんなお祭りがある？", {"destination": "青森", "info_type": "events"}),
        ("屋久島ってどんなところ？", {"destination": "屋久島", "info_type": "general"}),
        ("What should I see in Barcelona?", {"destination": "Barcelona", "info_type": "attractions"}),
        ("Where's a good area to stay in London?", {"destination": "London", "info_type": "accommodation"}),
        ("Any tips before I fly to Bali?", {"destination": "Bali", "info_type": "tips"}),
        ("How do I get from the airport into Bangkok?", {"destination": "Bangkok", "info_type": "transportation"}),
        ("I'm planning a trip to Okinawa", {"destination": "Okinawa"}),
        ("What's local food like in Hiroshima?", {"destination": "Hiroshima", "info_type": "food"}),
    ],
)
async def travel_guide(destination: str, info_type: InfoType | None = None, *, context: Context) -> FunctionResult:
    """Travel and sightseeing information about a city, region, island, hot-spring town or country to visit.

    Call it for trips, holidays and tourism: sights and things to do, local food and restaurants, how to get there and
    around, hotels and areas to stay, festivals and events, travel tips, what a place is like, planning a trip.

    Args:
        destination: The place to visit, as the user wrote it.
        info_type: What the user wants to know: general (what it is like), attractions, food, transportation (getting
            there and around), accommodation, events, tips. Left out for a trip as a whole.
        context: The turn.
    """
    asked = destination.strip()
    if not asked:
        raise FunctionError(
            "invalid",
            context.say(ja="どこへの旅行か、地名を教えてください。", en="Please tell me which place to visit."),
        )
    found = book.find(asked)
    online = await _from_web(asked, found, info_type, context)
    if online is not None:
        return online
    if found is None:
        raise _unknown(asked, context)
    if isinstance(found.entry, Region):
        return _region(found.entry, info_type, context)
    return _place(found.entry, info_type, context)


def _unknown(asked: str, context: Context) -> FunctionError:
    shown = [place.name[context.lang] for place in book.places() if place.id in _SHOWN]
    number = len(book.places())
    return FunctionError(
        "not_found",
        context.say(
            ja=f"「{asked}」の案内は見つからなかったので、{'、'.join(shown)}など内蔵ガイドの{number}か所から選んで聞いてください。",
            en=f'I found no guide to "{asked}"; '
            f"please ask about one of the {number} places in my own guide, such as {', '.join(shown)}.",
        ),
    )


# ---- the written guide


def _place(place: Place, info_type: InfoType | None, context: Context) -> FunctionResult:
    lang = context.lang
    if info_type is None:
        summary = place.guide["general"][lang][0]
        points = [_labelled(kind, place.guide[kind][lang][0], context) for kind in _OVERVIEW]
    else:
        summary, *points = place.guide[info_type][lang]
    return _written(place, info_type, summary, points, context)


def _region(region: Region, info_type: InfoType | None, context: Context) -> FunctionResult:
    """A region's own sentence, or what the guide says of its places."""
    lang, kind = context.lang, info_type or "general"
    names = [place.name[lang] for place in region.places]
    if kind == "general":
        summary = region.about[lang]
        points = [place.guide["general"][lang][0] for place in region.places]
    elif len(region.places) == 1:
        summary, *points = region.places[0].guide[kind][lang]
    else:
        summary = context.say(
            ja=f"{region.name[lang]}の{_LABELS['ja'][kind]}を、{'、'.join(names)}についてご案内します。",
            en=f"{_LABELS['en'][kind]} in {region.name[lang]}: here is what to know about {_joined(names)}.",
        )
        joint = context.say(ja="：", en=": ")
        points = [f"{place.name[lang]}{joint}{place.guide[kind][lang][0]}" for place in region.places]
    result = _written(region, info_type, summary, points, context)
    if kind != "general" and len(names) == 1:
        about = context.say(ja=f"{names[0]}についての案内です。", en=f"This is about {names[0]}. ")
        return replace(result, note=f"{about}{result.note}")
    return result


def _written(
    entry: Place | Region, info_type: InfoType | None, summary: str, points: list[str], context: Context
) -> FunctionResult:
    facts: dict[str, object] = {"destination": entry.name[context.lang], "info_type": info_type, "origin": "guide"}
    if isinstance(entry, Region):
        facts["places"] = [place.name[context.lang] for place in entry.places]
    return FunctionResult(
        summary,
        data=facts,
        points=points[:_MOST_POINTS],
        note=context.say(
            ja="内蔵ガイドの内容です。運行や休みなどの最新情報は、出発前に公式の案内で確かめてください。",
            en="This is from the built-in guide; check current timetables and closures before you go.",
        ),
        source=context.say(ja="FuncGemmaの内蔵ガイド", en="offline guide of FuncGemma"),
    )


# ---- the web


async def _from_web(
    asked: str, found: Found | None, info_type: InfoType | None, context: Context
) -> FunctionResult | None:
    """What Wikivoyage or else Wikipedia says, or None."""
    settings, lang = context.settings, context.lang
    title = found.title(lang) if found else book.bare(asked)
    sites = (("Wikivoyage", settings.wikivoyage_url), ("Wikipedia", settings.wikipedia_url))
    try:
        # The turn is sent again if nothing happens for long: a slow network must not use that time up.
        async with asyncio.timeout(2 * settings.http_timeout_s):
            for site, base in sites:
                try:
                    read = await page(
                        context.web, base.format(lang=lang), title, lang, must_be_place=site == "Wikipedia"
                    )
                except WebError:
                    # Where the written guide can answer, nobody has to wait for a second service as well.
                    if found:
                        return None
                    continue
                if read and (result := _cut(read, site, info_type, context)):
                    return result
    except TimeoutError:
        pass
    return None


def _cut(read: Page, site: str, info_type: InfoType | None, context: Context) -> FunctionResult | None:
    most = 4 if info_type else 1
    sentences = read.sentences(info_type or "general", most)
    if not sentences:
        return None
    points = sentences[1:]
    if info_type is None:
        points = [_labelled(kind, one, context) for kind in _OVERVIEW for one in read.sentences(kind, 1)]
    return FunctionResult(
        sentences[0],
        data={"destination": read.title, "info_type": info_type, "origin": site.lower(), "url": read.url},
        points=points[:_MOST_POINTS],
        source=context.say(
            ja=f"{site}「{read.title}」 {read.url} (CC BY-SA 4.0)",
            en=f"{site}: {read.title}, {read.url} (CC BY-SA 4.0)",
        ),
    )


def _labelled(kind: str, text: str, context: Context) -> str:
    return context.say(ja=f"{_LABELS['ja'][kind]}：{text}", en=f"{_LABELS['en'][kind]}: {text}")


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
