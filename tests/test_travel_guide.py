import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web as server

from agent.messages import Lang
from agent.settings import PROJECT, Settings
from functions import _travel_book as book
from functions.registry import FunctionError, FunctionResult
from functions.travel_guide import _OVERVIEW, travel_guide
from tests.conftest import called

KINDS = ("general", *_OVERVIEW)

KYOTO_EN = """Kyoto is a city in the Kansai region of Japan. It was the capital for over a millennium.

== Understand ==
Nestled among mountains, Kyoto was the seat of the emperors.

== Get in ==
Fast trains from Tokyo stop at Kyoto Station. Tickets for the fastest of them cost ¥14,000 one way.

== See ==
This section lists only the best-known places of the city.
Kyoto offers an incredible number of attractions for tourists. The golden pavilion of St. Louis fame is not one of them.

=== Temples ===
1 Kinkaku-ji, 1 Kinkakujichō, ☏ +81 75-461-0013. 09:00-17:00. The golden pavilion began as the villa of a shogun.
Many temples of the east side can be reached on foot along the Philosopher's Path.

== Eat ==
If you are struck with hunger, the food halls below Kyoto Station are a good start.
"""
KYOTO_JA = """京都市(きょうとし)は、日本の都市である。長く都が置かれた。

== 観る ==
これは見どころの一覧です。
市内には世界遺産に登録された寺社が数多くある。

== 食べる ==
豆腐や湯葉を使った京料理がよく知られている。
"""


def extract(title: str, text: str, host: str, **more: Any) -> dict[str, Any]:
    """A page as MediaWiki gives it with formatversion=2."""
    page = {"pageid": 18, "ns": 0, "title": title, "extract": text, "fullurl": f"https://{host}/wiki/{title}"}
    return {"batchcomplete": True, "query": {"pages": [{**page, **more}]}}


def missing(title: str) -> dict[str, Any]:
    return {"batchcomplete": True, "query": {"pages": [{"ns": 0, "title": title, "missing": True}]}}


def hits(*titles: str) -> dict[str, Any]:
    return {"batchcomplete": True, "query": {"search": [{"ns": 0, "title": title, "pageid": 1} for title in titles]}}


class Wiki:
    """A server that answers as api.php of one wiki does."""

    def __init__(self, **pages: dict[str, Any]) -> None:
        self.pages = pages
        self.found: tuple[str, ...] = ()
        self.statuses: list[int] = []
        self.raw: str | None = None
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: server.Request) -> server.Response:
        query = dict(request.query)
        self.asked.append(query)
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return server.Response(status=status)
        if self.raw is not None:
            return server.Response(text=self.raw)
        if query.get("list") == "search":
            return server.json_response(hits(*self.found))
        return server.json_response(self.pages.get(query["titles"], missing(query["titles"])))


@asynccontextmanager
async def served(handler: Any) -> AsyncIterator[str]:
    app = server.Application()
    app.router.add_get("/w/api.php", handler.answer if isinstance(handler, Wiki) else handler)
    runner = server.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
    await runner.setup()
    site = server.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def ask(
    home: Path, destination: str, info_type: str | None = None, lang: Lang = "ja", **settings: Any
) -> FunctionResult:
    given: dict[str, Any] = {"offline": True, "replier": "offline", **settings}
    async with called(Settings(home=home, **given), lang) as context:
        arguments = {"destination": destination} | ({"info_type": info_type} if info_type else {})
        return await travel_guide.call(arguments, context)


async def ask_wikis(
    home: Path,
    wikis: tuple[Any, Any],
    destination: str,
    info_type: str | None = None,
    *,
    lang: Lang = "en",
    **settings: Any,
) -> FunctionResult:
    async with served(wikis[0]) as one, served(wikis[1]) as other:
        urls = {"wikivoyage_url": one, "wikipedia_url": other}
        return await ask(home, destination, info_type, lang, offline=False, **urls, **settings)


# ---- the written guide


def test_guide_is_large_enough() -> None:
    """The guide holds at least 36 destinations of Japan and 30 abroad, none twice."""
    assert sum(place.in_japan for place in book.places()) >= 36
    assert sum(not place.in_japan for place in book.places()) >= 30
    assert len({place.id for place in book.places()}) == len(book.places())


@pytest.mark.parametrize("place", book.places(), ids=lambda place: place.id)
def test_guide_has_every_kind_in_both_languages(place: book.Place) -> None:
    """Every entry is a whole sentence in its own language, with as many lines in the other, and no price or hour."""
    assert set(place.guide) == set(KINDS)
    for kind in KINDS:
        ja, en = place.guide[kind]["ja"], place.guide[kind]["en"]
        assert len(ja) == len(en) >= 1
        assert ja[0].endswith("。")
        assert ja[0].count("。") == 1
        assert en[0].endswith(".")
        assert all(re.search(r"[ぁ-ヿ一-鿿]", line) for line in ja)
        assert not any(re.search(r"[ぁ-ヿ一-鿿]", line) for line in en)
        for line in (*ja, *en):
            assert not re.search(r"[¥￥€£$]|\d円|\d{1,2}:\d{2}| {2}", line)
    assert len(place.guide["attractions"]["ja"]) >= 4


def test_guide_says_nothing_twice() -> None:
    """No sentence serves two destinations."""
    said = [place.guide[kind][lang][0] for place in book.places() for kind in KINDS for lang in ("ja", "en")]
    assert len(said) == len(set(said)) == 14 * len(book.places())


def test_names_belong_to_one_entry_each() -> None:
    """No name or alias leads to two entries."""
    owners: dict[str, set[str]] = {}
    for name in ("travel_japan.json", "travel_world.json"):
        content = json.loads((PROJECT / "data" / "offline" / name).read_text(encoding="utf-8"))
        for one in (*content["destinations"], *content["regions"]):
            for written in (*one["name"].values(), *one["aliases"]):
                owners.setdefault(book.fold(written), set()).add(one["id"])
    assert {name: ids for name, ids in owners.items() if len(ids) > 1} == {}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("京都", "kyoto"),
        ("きょうと", "kyoto"),
        ("Kyōto", "kyoto"),
        ("ｋｙｏｔｏ", "kyoto"),
        ("京都市", "kyoto"),
        ("京都観光", "kyoto"),
        ("冬の札幌", "sapporo"),
        ("ギンザンオンセン", "ginzan"),
        ("the city of London", "london"),
        ("東京駅周辺", "tokyo"),
        ("Hirosima", "hiroshima"),
        ("barcelna", "barcelona"),
        ("Paris, France", "paris"),
        ("フランスのパリ", "paris"),
        ("Nikko, Japan", "nikko"),
        ("北海道 札幌", "sapporo"),
        ("Asakusa, Tokyo, Japan", "tokyo"),
        ("日本", "japan"),
        ("沖縄県", "okinawa"),
        ("中国", "china"),
        ("九州", "kyushu"),
    ],
)
def test_find_reads_spellings(asked: str, found: str) -> None:
    """Scripts, suffixes, small misspellings and the country beside the name are understood."""
    match = book.find(asked)
    assert match is not None
    assert match.entry.id == found


@pytest.mark.parametrize(
    "asked", ["Paris, Texas", "London, Canada", "フランスのリヨン", "富山", "大町", "Tokushima", "の", "!"]
)
def test_find_does_not_guess(asked: str) -> None:
    """A place of the same or a similar name elsewhere is not taken for one of the guide."""
    assert book.find(asked) is None


async def test_attractions_offline_ja(tmp_path: Path) -> None:
    """Attractions of Kyoto: one sentence, the sights as points, the guide as source."""
    result = await ask(tmp_path, "京都", "attractions")
    assert result.summary.startswith("京都では、清水寺")
    assert result.summary.count("。") == 1
    assert 4 <= len(result.points) <= 6
    assert result.points[0].startswith("清水寺：")
    assert result.source == "FuncGemmaの内蔵ガイド"
    assert result.data["destination"] == "京都"


async def test_food_offline_en(tmp_path: Path) -> None:
    """The reply is in the language of the turn, whatever the destination is written in."""
    result = await ask(tmp_path, "札幌", "food", "en")
    assert "miso ramen" in result.summary
    assert result.source == "offline guide of FuncGemma"
    assert result.data["destination"] == "Sapporo"


async def test_no_info_type_offline_gives_overview(tmp_path: Path) -> None:
    """Without a kind the reply is the general sentence and a labelled line for each other kind."""
    result = await ask(tmp_path, "ロンドン")
    assert result.summary.startswith("ロンドンはイギリスの首都")
    assert [point.split("：")[0] for point in result.points] == [
        *("見どころ", "食べ物", "行き方", "泊まる場所", "行事", "旅のヒント")
    ]


async def test_region_offline_points_to_its_places(tmp_path: Path) -> None:
    """A country tells of each destination in it."""
    result = await ask(tmp_path, "イタリア", "food")
    assert result.summary.startswith("イタリアの食べ物")
    assert [point.split("：")[0] for point in result.points] == ["ローマ", "フィレンツェ", "ヴェネツィア"]
    assert result.data["places"] == ["ローマ", "フィレンツェ", "ヴェネツィア"]


async def test_region_of_one_place_says_which(tmp_path: Path) -> None:
    """Where the guide knows one destination in a country, the note names it."""
    result = await ask(tmp_path, "Taiwan", "tips", "en")
    assert "EasyCard" in result.summary
    assert result.note is not None
    assert result.note.startswith("This is about Taipei.")


async def test_region_in_general(tmp_path: Path) -> None:
    """A region asked about as a whole has a sentence of its own."""
    result = await ask(tmp_path, "Hokkaido", "general", "en")
    assert result.summary.startswith("Hokkaido is Japan's northern island")
    assert len(result.points) == 4


@pytest.mark.parametrize(("lang", "word"), [("ja", "内蔵ガイド"), ("en", "my own guide")])
async def test_unknown_offline_names_what_it_can(tmp_path: Path, lang: Lang, word: str) -> None:
    """An unknown place is an error that says which places there are."""
    with pytest.raises(FunctionError, match=word) as raised:
        await ask(tmp_path, "Narnia", lang=lang)
    assert raised.value.code == "not_found"
    assert ("京都" if lang == "ja" else "Kyoto") in str(raised.value)
    assert str(len(book.places())) in str(raised.value)


async def test_empty_destination(tmp_path: Path) -> None:
    """Nothing but spaces is asked for again."""
    with pytest.raises(FunctionError) as raised:
        await ask(tmp_path, "  ")
    assert raised.value.code == "invalid"


# ---- the web


async def test_section_online_en(tmp_path: Path) -> None:
    """The kind picks the section; listings, prices and sentences that lean on others are left out."""
    voyage = Wiki(Kyoto=extract("Kyoto", KYOTO_EN, "en.wikivoyage.org"))
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "kyoto", "attractions")
    assert result.summary == "Kyoto offers an incredible number of attractions for tourists."
    assert result.points == [
        "The golden pavilion of St. Louis fame is not one of them.",
        "Many temples of the east side can be reached on foot along the Philosopher's Path.",
    ]
    assert result.source == "Wikivoyage: Kyoto, https://en.wikivoyage.org/wiki/Kyoto (CC BY-SA 4.0)"
    assert {"action": "query", "explaintext": "1", "redirects": "1", "titles": "Kyoto"}.items() <= voyage.asked[
        0
    ].items()


async def test_section_online_ja(tmp_path: Path) -> None:
    """The same in Japanese, with the title as the guide writes it."""
    voyage = Wiki(京都=extract("京都市", KYOTO_JA, "ja.wikivoyage.org"))
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "きょうと", "attractions", lang="ja")
    assert result.summary == "市内には世界遺産に登録された寺社が数多くある。"
    assert result.source == "Wikivoyage「京都市」 https://ja.wikivoyage.org/wiki/京都市 (CC BY-SA 4.0)"


async def test_price_is_cut_out(tmp_path: Path) -> None:
    """A sentence with a price does not get through."""
    voyage = Wiki(Kyoto=extract("Kyoto", KYOTO_EN, "en.wikivoyage.org"))
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "Kyoto", "transportation")
    assert result.summary == "Fast trains from Tokyo stop at Kyoto Station."
    assert result.points == []


async def test_overview_online(tmp_path: Path) -> None:
    """Without a kind there is the first sentence and one of each section that the page has."""
    voyage = Wiki(Kyoto=extract("Kyoto", KYOTO_EN, "en.wikivoyage.org"))
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "Kyoto")
    assert result.summary == "Kyoto is a city in the Kansai region of Japan."
    assert [point.split(":")[0] for point in result.points] == ["Sights", "Food", "Getting there"]


async def test_kind_absent_online_comes_from_guide(tmp_path: Path) -> None:
    """Neither page has events: the written guide answers."""
    voyage = Wiki(Kyoto=extract("Kyoto", KYOTO_EN, "en.wikivoyage.org"))
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "Kyoto", "events")
    assert "Gion Matsuri" in result.summary
    assert result.data["origin"] == "guide"


async def test_wikipedia_follows_wikivoyage(tmp_path: Path) -> None:
    """What Wikivoyage lacks comes from Wikipedia."""
    text = "Otsu is a city.\n\n== Culture ==\n\n=== Festivals ===\n"
    text += "The Otsu Festival parades its floats through the old town in October.\n"
    pedia = Wiki(Otsu=extract("Otsu", text, "en.wikipedia.org", coordinates=[{"lat": 35.0, "lon": 135.8}]))
    result = await ask_wikis(tmp_path, (Wiki(), pedia), "Otsu", "events")
    assert result.summary == "The Otsu Festival parades its floats through the old town in October."
    assert result.data["origin"] == "wikipedia"


async def test_wikipedia_takes_places_only(tmp_path: Path) -> None:
    """An article without coordinates is no destination."""
    pedia = Wiki(Batman=extract("Batman", "Batman is a superhero of American comics.", "en.wikipedia.org"))
    with pytest.raises(FunctionError, match="Batman"):
        await ask_wikis(tmp_path, (Wiki(), pedia), "Batman", "general")


async def test_disambiguation_is_no_page(tmp_path: Path) -> None:
    """A page that only lists meanings is passed over for a title that the search finds."""
    voyage = Wiki(
        Toyama=extract("Toyama", "Toyama may refer to several places.", "x", pageprops={"disambiguation": ""}),
        **{"Toyama City": extract("Toyama City", "Toyama is a city on the Sea of Japan.", "en.wikivoyage.org")},
    )
    voyage.found = ("Toyama", "Toyama City")
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "Toyama", "general")
    assert result.summary == "Toyama is a city on the Sea of Japan."


async def test_search_takes_near_title_only(tmp_path: Path) -> None:
    """A misspelt title is found by search; a different place that the search gives as well is not taken."""
    text = "Reykjavik is the capital of Iceland and its largest city."
    voyage = Wiki(Reykjavik=extract("Reykjavik", text, "en.wikivoyage.org"), Iceland=extract("Iceland", text, "x"))
    voyage.found = ("Iceland", "Reykjavik")
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "Reykjavick", "general")
    assert result.data["destination"] == "Reykjavik"
    voyage.found = ("Iceland",)
    with pytest.raises(FunctionError):
        await ask_wikis(tmp_path, (voyage, Wiki()), "Reykjavick", "general")


async def test_error_then_good(tmp_path: Path) -> None:
    """One 500 is repeated and does not show."""
    voyage = Wiki(Kyoto=extract("Kyoto", KYOTO_EN, "en.wikivoyage.org"))
    voyage.statuses = [500]
    result = await ask_wikis(tmp_path, (voyage, Wiki()), "Kyoto", "food")
    assert result.data["origin"] == "wikivoyage"
    assert len(voyage.asked) == 2


@pytest.mark.parametrize("raw", ["<html>", "[]", '{"query": {"pages": "none"}}', '{"error": {"code": "internal"}}'])
async def test_malformed_answer_falls_back(tmp_path: Path, raw: str) -> None:
    """An answer that is not as it should be leads to the written guide, without a wait for the second service."""
    voyage, pedia = Wiki(), Wiki()
    voyage.raw = raw
    result = await ask_wikis(tmp_path, (voyage, pedia), "Kyoto", "food")
    assert result.data["origin"] == "guide"
    assert pedia.asked == []


async def test_service_away_and_unknown_place_tries_the_other(tmp_path: Path) -> None:
    """For a place outside the guide a failing Wikivoyage is not the end."""
    voyage, pedia = (
        Wiki(),
        Wiki(Otsu=extract("Otsu", "Otsu lies on Lake Biwa near Kyoto.", "w", coordinates=[{"lat": 35}])),
    )
    voyage.statuses = [404]
    result = await ask_wikis(tmp_path, (voyage, pedia), "Otsu", "general")
    assert result.data["origin"] == "wikipedia"


async def test_timeout_falls_back(tmp_path: Path) -> None:
    """A service that does not answer leads to the written guide."""

    async def silent(request: server.Request) -> server.Response:
        await asyncio.Event().wait()
        raise AssertionError("The server is closed before.")

    result = await ask_wikis(tmp_path, (silent, Wiki()), "Kyoto", "food", http_timeout_s=0.1, http_retries=0)
    assert result.data["origin"] == "guide"
