"""`celebrity_info`: the built-in guide, Wikipedia and Wikidata as a local server plays them, and what is refused."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.messages import Lang
from agent.settings import PROJECT, Settings
from functions import celebrity_info as module
from functions._people import Day, age, alike, find, fold, people, suggest
from functions._people_text import latest, section, sentences, split
from functions.registry import FunctionError, FunctionResult
from tests.conftest import called

KINDS = ("general", "biography", "career", "achievements")

TEXTS = {
    "Marie Curie": (
        "Maria Salomea Skłodowska-Curie (7 November 1867 – 4 July 1934) was a physicist and chemist. Dr. Curie worked"
        " in Paris.\n\n\n== Life ==\n\n\n=== Early years ===\nMaria was born in Warsaw in 1867. Her father taught"
        " mathematics.\n\n\n== Awards ==\nShe won the Nobel Prize in Physics in 1903.\n\n\n== Legacy ==\nOn 20 April"
        " 1995 her remains were moved to the Panthéon. In March 2021 a new exhibition opened. A film is planned for"
        " 2031.\n\n\n== References ==\nA book of May 2024 is cited here.\n"
    ),
    "マリ・キュリー": (
        "マリ・キュリー（Marie Curie、1867年11月7日 - 1934年7月4日）は、物理学者・化学者である。放射線の研究をした。"
        "\n\n\n== 生涯 ==\nワルシャワに生まれた。「放射能」という用語を作った。\n\n\n== 没後 ==\n"
        "1995年4月20日にパンテオンに移された。2021年3月に展示が始まった。\n\n\n== 脚注 ==\n2024年5月の本を引用した。\n"
    ),
    "Ada Example": "Ada Example is a singer.",
}


def _time(time: str, precision: int = 11) -> dict[str, Any]:
    value = {
        "time": time,
        "timezone": 0,
        "before": 0,
        "after": 0,
        "precision": precision,
        "calendarmodel": "http://www.wikidata.org/entity/Q1985727",
    }
    return {"value": value, "type": "time"}


def _link(item: str) -> dict[str, Any]:
    return {"value": {"entity-type": "item", "numeric-id": int(item[1:]), "id": item}, "type": "wikibase-entityid"}


def _claim(value: dict[str, Any] | None, rank: str = "normal") -> dict[str, Any]:
    snak = {"snaktype": "somevalue"} if value is None else {"snaktype": "value", "datavalue": value}
    return {"mainsnak": snak, "type": "statement", "rank": rank}


def _item(
    names: dict[str, str], claims: dict[str, list[dict[str, Any]]] | None = None, aliases: tuple[str, ...] = ()
) -> dict[str, Any]:
    return {
        "type": "item",
        "labels": {lang: {"language": lang, "value": name} for lang, name in names.items()},
        "aliases": {"en": [{"language": "en", "value": alias} for alias in aliases]},
        "claims": claims or {},
    }


HUMAN = [_claim(_link("Q5"))]
ENTITIES = {
    "Q7186": _item(
        {"en": "Marie Curie", "ja": "マリ・キュリー"},
        {
            "P31": HUMAN,
            "P569": [_claim(_time("+1860-01-01T00:00:00Z", 9)), _claim(_time("+1867-11-07T00:00:00Z"), "preferred")],
            "P570": [_claim(_time("+1999-01-01T00:00:00Z"), "deprecated"), _claim(_time("+1934-07-04T00:00:00Z"))],
            "P19": [_claim(_link("Q270"))],
            "P106": [_claim(_link("Q169470")), _claim(_link("Q593644"))],
            "P166": [_claim(_link("Q901")), _claim(_link("Q38104"))],
        },
    ),
    "Q901": _item({"en": "Davy Medal", "ja": "デービーメダル"}),
    "Q38104": _item({"en": "Nobel Prize in Physics", "ja": "ノーベル物理学賞"}),
    "Q270": _item({"en": "Warsaw", "ja": "ワルシャワ"}),
    "Q169470": _item({"en": "physicist", "ja": "物理学者"}),
    "Q593644": _item({"en": "chemist"}),
    "Q1": _item({"en": "Example River"}, {"P31": [_claim(_link("Q4022"))]}),
    "Q2": _item(
        {"en": "Ada Example"}, {"P31": HUMAN, "P569": [_claim(_time("+1990-12-01T00:00:00Z"))]}, ("Countess Example",)
    ),
    "Q3": _item({"en": "Doraemon", "ja": "ドラえもん"}, {"P31": [_claim(_link("Q80447738"))]}),
    "Q4": _item({"en": "Somebody Else"}, {"P31": HUMAN}),
    "Q5001": _item({"en": "Old Person"}, {"P31": HUMAN, "P570": [_claim(None)]}),
    "Q4022": _item({"en": "river"}),
}
PAGES = {
    "Marie Curie": "Q7186",
    "マリ・キュリー": "Q7186",
    "Example River": "Q1",
    "Ada Example": "Q2",
    "Doraemon": "Q3",
    "Somebody Else": "Q4",
    "Old Person": "Q5001",
}
REDIRECTS = {"マリー・キュリー": "マリ・キュリー"}
SEARCHES = {
    "Smith": ["Somebody Else"],
    "Mrie Curi": ["Somebody Else", "Marie Curie"],
    "Countess Example": ["Ada Example"],
    "Example River": ["Somebody Else"],
}


class Encyclopedia:
    """Wikipedia and Wikidata on one port; `script` holds what the next requests get instead of an answer."""

    def __init__(self) -> None:
        self.script: list[str] = []
        self.asked: list[dict[str, str]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.asked.append(query)
        wrong = self.script.pop(0) if self.script else ""
        if wrong == "hang":
            await asyncio.Event().wait()
        if wrong.isdigit():
            return web.Response(status=int(wrong))
        if wrong:
            return web.Response(text=wrong, content_type="application/json")
        if query["action"] == "wbgetentities":
            found = {item: {"id": item, **ENTITIES[item]} for item in query["ids"].split("|")}
            return web.json_response({"entities": found, "success": 1})
        assert query["formatversion"] == "2"
        return web.json_response({"batchcomplete": True, **self._query(query)})

    def _query(self, query: dict[str, str]) -> dict[str, Any]:
        if "gsrsearch" in query:
            titles = SEARCHES.get(query["gsrsearch"], [])
            pages = [{**self._page(title, query), "index": index + 1} for index, title in enumerate(titles)]
            return {"query": {"pages": pages[::-1]}} if pages else {}
        title = query["titles"]
        target = REDIRECTS.get(title, title) if "redirects" in query else title
        return {"query": {"pages": [self._page(target, query)]}}

    def _page(self, title: str, query: dict[str, str]) -> dict[str, Any]:
        if title == "Smith":
            return {"pageid": 9, "ns": 0, "title": title, "pageprops": {"disambiguation": "", "wikibase_item": "Q4"}}
        if title not in PAGES:
            return {"ns": 0, "title": title, "missing": True}
        page: dict[str, Any] = {"pageid": 7, "ns": 0, "title": title}
        if query["prop"] == "extracts":
            text = TEXTS.get(title, "")
            return {**page, "extract": text.split("\n\n\n")[0] if "exintro" in query else text}
        props = {"wikibase_item": PAGES[title]}
        return {**page, "pageprops": props, "fullurl": f"https://en.wikipedia.org/wiki/{title.replace(' ', '_')}"}


@asynccontextmanager
async def _served() -> AsyncIterator[tuple[Encyclopedia, str]]:
    played = Encyclopedia()
    app = web.Application()
    app.router.add_get("/w/api.php", played.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield played, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def online() -> AsyncIterator[tuple[Encyclopedia, str]]:
    async with _served() as served:
        yield served


async def _ask(name: str, kind: str | None = None, *, lang: Lang = "ja", url: str | None = None) -> FunctionResult:
    settings = Settings(
        home=Path("/nonexistent"),
        offline=url is None,
        http_timeout_s=0.3,
        wikipedia_url=url or "http://127.0.0.1:9",
        wikidata_url=url or "http://127.0.0.1:9",
    )
    async with called(settings, lang) as context:
        arguments = {"person_name": name} | ({"info_type": kind} if kind else {})
        return await module.celebrity_info.call(arguments, context)


# ---- the built-in guide


def test_guide_covers_many_fields() -> None:
    """At least 120 people, living and dead, of every field that the function can name."""
    everybody = people()
    assert len(everybody) >= 120
    assert {person.field for person in everybody} == set(module._FIELDS)
    assert sum(person.died is None for person in everybody) >= 30


def test_guide_entries_are_whole_in_both_languages() -> None:
    """Every entry has one to three sentences about the person by name, in each language's own script and style."""
    for person in people():
        for kind in KINDS:
            ja, en = person.entries[kind]["ja"], person.entries[kind]["en"]
            assert ja.startswith(person.name("ja")), (person.id, kind)
            assert en.startswith(person.name("en")), (person.id, kind)
            assert re.search(r"(です|ます|ました|ません|でした)。$", ja), (person.id, kind)
            assert not re.search(r"[぀-ヿ一-鿿]", en), (person.id, kind)
            assert 1 <= len(split(ja, "ja")) <= 3, (person.id, kind)
            assert 1 <= len(split(en, "en")) <= 3, (person.id, kind)
            assert "".join(split(ja, "ja")) == ja, (person.id, kind)
            assert " ".join(split(en, "en")) == en, (person.id, kind)


def test_guide_dates_are_in_order() -> None:
    """Nobody dies before birth, and no living person is older than 100 at the guide's date."""
    for person in people():
        assert person.born is not None, person.id
        if person.died:
            assert person.born.year < person.died.year, person.id
        else:
            assert person.born.year > 1924, person.id


def test_guide_names_are_unambiguous() -> None:
    """No name or alias means two people."""
    owners: dict[str, str] = {}
    for person in people():
        for name in {fold(name) for names in person.names.values() for name in names}:
            assert owners.setdefault(name, person.id) == person.id, name


def test_guide_file_is_readable_json() -> None:
    """Ids are unique, and Japanese text stands unescaped, so that changes can be read."""
    raw = (PROJECT / "data" / "offline" / "people.json").read_text(encoding="utf-8")
    records = json.loads(raw)
    assert len({record["id"] for record in records}) == len(records)
    assert "\\u" not in raw


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("大谷", "shohei-ohtani"),
        ("大谷翔平選手", "shohei-ohtani"),
        ("Otani Shohei", None),
        ("ohtani shohei", "shohei-ohtani"),
        ("まりー・きゅりー", "marie-curie"),
        ("キュリー夫人", "marie-curie"),
        ("MARIE  CURIE", "marie-curie"),
        ("ダーウイン", "charles-darwin"),
        ("ベートーベン", "ludwig-van-beethoven"),
        ("小沢征爾さん", "seiji-ozawa"),
        ("宮﨑駿監督", "hayao-miyazaki"),
        ("Miyazaki Hayao", "hayao-miyazaki"),
        ("President Obama", "barack-obama"),
        ("Pele", "pele"),
        ("Ｊ・Ｋ・ローリング", "jk-rowling"),
        ("the Michael Jordan", "michael-jordan"),
    ],
)
def test_find_reads_names_generously(written: str, expected: str | None) -> None:
    """Script, case, order, titles and honorifics do not matter."""
    found = find(written)
    assert found is not None
    assert found.person.id == (expected or "shohei-ohtani")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Marie Curry", "marie-curie"),
        ("Albert Einstien", "albert-einstein"),
        ("Tailor Swift", "taylor-swift"),
        ("Shakespear", "william-shakespeare"),
        ("Stephan Hawking", "stephen-hawking"),
        ("Beyonse", "beyonce"),
        ("アインシュタインン", "albert-einstein"),
    ],
)
def test_find_forgives_typos(written: str, expected: str) -> None:
    """A small misspelling is read, and marked as such."""
    found = find(written)
    assert found is not None
    assert (found.person.id, found.exact) == (expected, False)


@pytest.mark.parametrize(
    "written",
    [
        "Michael B. Jordan",
        "Michael Johnson",
        "Elizabeth I",
        "徳川家光",
        "Henry Fonda",
        "Stephen King",
        "Charles Dickens",
        "織田信成",
        "村上春香",
        "x",
        "!?",
    ],
)
def test_find_does_not_mistake_others(written: str) -> None:
    """Other people with a similar name are not found."""
    assert find(written) is None


def test_suggest_offers_a_similar_name() -> None:
    """A kanji slip is a hint only."""
    near = suggest("大谷昇平")
    assert near is not None
    assert near.id == "shohei-ohtani"
    assert suggest("山") is None


def test_alike_needs_the_same_initials() -> None:
    """An initial tells people apart."""
    assert alike("John F Kenedy", "John F. Kennedy")
    assert not alike("John B Kennedy", "John F. Kennedy")


async def test_offline_biography_reckons_age_in_japanese() -> None:
    """A living person's age is the age on the day the user asks."""
    result = await _ask("大谷翔平", "biography")
    assert result.summary.startswith("大谷翔平（1994年7月5日生まれ、32歳）は、")
    assert result.summary.count("。") == 1
    assert result.data["age"] == 32
    assert result.data["living"] is True
    assert "2024年" in (result.note or "")
    assert result.source == "FuncGemmaの内蔵ガイド"
    assert result.points[-1] == "分野: スポーツ"


async def test_offline_biography_in_english_of_the_dead() -> None:
    """Both dates and the age at death; nothing about what the guide may have missed."""
    result = await _ask("marie curie", "biography", lang="en")
    assert result.summary.startswith("Marie Curie (7 November 1867–4 July 1934, aged 66) was born in Warsaw")
    assert result.data["living"] is False
    assert result.note is None
    assert result.source == "offline guide of FuncGemma"


async def test_offline_general_gives_an_overview() -> None:
    """Without an info type there is a line of life, career and achievements each."""
    result = await _ask("夏目漱石")
    assert result.data["info_type"] == "general"
    assert len(result.points) == 4
    assert any("朝日新聞" in point or "松山" in point for point in result.points)


async def test_offline_news_needs_the_network() -> None:
    """News are not made up: the user is told, and gets the general entry."""
    result = await _ask("Taylor Swift", "news", lang="en")
    assert "needs the network" in result.summary
    assert any("singer-songwriter" in point for point in result.points)
    ja = await _ask("テイラー・スウィフト", "news")
    assert "ネットワークが必要" in ja.summary


async def test_offline_title_with_full_stop_stays_whole() -> None:
    """The full stop of a film's title does not cut the summary."""
    assert (await _ask("新海誠")).summary.endswith("『君の名は。』で知られる、日本のアニメーション映画監督です。")


async def test_offline_typo_is_said() -> None:
    """An answer for a misspelt name says whose it is."""
    result = await _ask("Marie Curry", "achievements", lang="en")
    assert "Nobel" in result.data["entry"]
    assert "Read “Marie Curry” as Marie Curie." in (result.note or "")


async def test_offline_before_christ() -> None:
    """Uncertain years and years before Christ are worded."""
    result = await _ask("クレオパトラ")
    assert result.summary.startswith("クレオパトラ（紀元前69年ごろ–紀元前30年）は、")


@pytest.mark.parametrize(("lang", "word"), [("ja", "見つかりません"), ("en", "nobody called")])
async def test_offline_unknown_is_not_found(lang: Lang, word: str) -> None:
    """An unknown name is refused in the user's language."""
    with pytest.raises(FunctionError, match=word) as refused:
        await _ask("Zzyzx Qwfpgj", lang=lang)
    assert refused.value.code == "not_found"


@pytest.mark.parametrize("name", ["", "  ", "「」", "あ" * 101])
async def test_empty_name_is_invalid(name: str) -> None:
    """Without a name there is nothing to look up."""
    with pytest.raises(FunctionError) as refused:
        await _ask(name)
    assert refused.value.code == "invalid"


# ---- dates and texts


def test_age_counts_birthdays_and_no_year_zero() -> None:
    """The birthday itself counts; a vague date gives no age; there was no year 0."""
    born = Day.parse("1990-11-23")
    assert age(born, Day(2026, 11, 23)) == 36
    assert age(born, Day(2026, 11, 22)) == 35
    assert age(Day(1990), Day(2026, 11, 22)) is None
    assert age(Day(-1, 1, 1), Day(1, 1, 1)) == 1
    with pytest.raises(ValueError, match="no date"):
        Day.parse("gestern")


def test_sentences_keep_abbreviations_and_quotes_whole() -> None:
    """Neither `Dr.` nor a quoted full stop ends a sentence."""
    assert sentences("Dr. Curie met J. Smith there. She left (again).", "en") == [
        "Dr. Curie met J. Smith there.",
        "She left.",
    ]
    assert sentences("彼は「行く。必ず。」と言った。そして（その後）去った。", "ja") == [
        "彼は「行く。必ず。」と言った。",
        "そして去った。",
    ]


def test_section_falls_back_to_the_introduction() -> None:
    """A section with subsections is taken whole; where none fits, the introduction is."""
    assert "born in Warsaw" in section(TEXTS["Marie Curie"], "biography", "en")
    assert "Nobel" in section(TEXTS["Marie Curie"], "achievements", "en")
    assert section("Only this.\n\n== Trivia ==\nx", "career", "en").strip() == "Only this."


def test_latest_ignores_the_future_and_references() -> None:
    """Newest first, nothing that is still to come, nothing from the references."""
    dates = [day for day, _ in latest(TEXTS["Marie Curie"], "en", date(2026, 11, 23))]
    assert dates[:2] == ["2021-03", "1995-04-20"]
    assert latest(TEXTS["マリ・キュリー"], "ja", date(2026, 11, 23))[0] == ("2021-03", "2021年3月に展示が始まった。")


# ---- with the network


async def test_online_biography_comes_from_wikidata(online: tuple[Encyclopedia, str]) -> None:
    """Preferred dates, labels and the fitting section."""
    _, url = online
    result = await _ask("Marie Curie", "biography", lang="en", url=url)
    assert result.summary == (
        "Marie Curie (7 November 1867–4 July 1934, aged 66) was a physicist and chemist born in Warsaw."
    )
    assert result.points[0] == "Maria was born in Warsaw in 1867."
    assert result.data["offline"] is False
    assert (result.data["born"], result.data["died"]) == ("1867-11-07", "1934-07-04")
    assert result.source == "Wikipedia, Wikidata: https://en.wikipedia.org/wiki/Marie_Curie"


async def test_online_follows_redirects_in_japanese(online: tuple[Encyclopedia, str]) -> None:
    """The alias of the guide leads to the article; labels fall back to English."""
    played, url = online
    result = await _ask("キュリー夫人", url=url)
    assert result.summary == "マリ・キュリー（1867年11月7日–1934年7月4日、66歳没）は、物理学者、chemistです。"
    assert result.points[0] == "マリ・キュリーは、物理学者・化学者である。"
    assert played.asked[0]["titles"] == "マリー・キュリー"
    assert "exintro" in played.asked[-1]


async def test_online_achievements_name_major_awards_first(online: tuple[Encyclopedia, str]) -> None:
    """The Nobel prize stands before other medals."""
    _, url = online
    result = await _ask("マリー・キュリー", "achievements", url=url)
    assert "ノーベル物理学賞、デービーメダルを受けています。" in result.summary


async def test_online_news_is_no_newspaper(online: tuple[Encyclopedia, str]) -> None:
    """The latest dated sentences, with the plain note what they are."""
    _, url = online
    result = await _ask("Marie Curie", "news", lang="en", url=url)
    assert result.summary == "The latest that Wikipedia has on Marie Curie is dated March 2021."
    assert result.points[0] == "In March 2021 a new exhibition opened."
    assert "no newspaper" in (result.note or "")


async def test_online_news_without_dates(online: tuple[Encyclopedia, str]) -> None:
    """An article without dates says so."""
    _, url = online
    result = await _ask("Ada Example", "news", lang="en", url=url)
    assert "no dated recent entry" in result.summary


async def test_online_search_finds_by_spelling_and_alias(online: tuple[Encyclopedia, str]) -> None:
    """A search hit counts where its name is meant, not where it only mentions the name."""
    _, url = online
    result = await _ask("Mrie Curi", lang="en", url=url)
    assert result.data["name"] == "Marie Curie"
    other = await _ask("Countess Example", lang="en", url=url)
    assert other.data["name"] == "Ada Example"
    assert other.data["age"] == 35
    assert other.data["living"] is True


async def test_online_disambiguation_is_no_person(online: tuple[Encyclopedia, str]) -> None:
    """A page of names is not taken for a person, nor is a hit with another name."""
    played, url = online
    with pytest.raises(FunctionError) as refused:
        await _ask("Smith", lang="en", url=url)
    assert refused.value.code == "not_found"
    assert any("gsrsearch" in query for query in played.asked)


@pytest.mark.parametrize(
    ("name", "word"), [("Doraemon", "fictional character"), ("Example River", "does not seem to be a person")]
)
async def test_online_refuses_what_is_no_human(name: str, word: str, online: tuple[Encyclopedia, str]) -> None:
    """Characters and things are refused politely, each for what it is."""
    _, url = online
    with pytest.raises(FunctionError, match=word) as refused:
        await _ask(name, lang="en", url=url)
    assert refused.value.code == "not_found"


async def test_online_death_without_date_is_a_death(online: tuple[Encyclopedia, str]) -> None:
    """`somevalue` says that somebody died, not when."""
    _, url = online
    result = await _ask("Old Person", lang="en", url=url)
    assert result.data["living"] is False
    assert result.summary == "Old Person was a real person."


async def test_online_repeats_after_a_500(online: tuple[Encyclopedia, str]) -> None:
    """One failed request does not lose the answer."""
    played, url = online
    played.script = ["500"]
    result = await _ask("Marie Curie", lang="en", url=url)
    assert result.data["offline"] is False
    assert played.asked[0] == played.asked[1]


@pytest.mark.parametrize(
    "script",
    [
        ["500", "500"],
        ["404"],
        ["hang", "hang"],
        ["not json"],
        ['{"query": {"pages": "?"}}'],
        ['{"error": {"code": "maxlag", "info": "Waiting"}}'],
        ["[]"],
        ["null"],
    ],
)
async def test_online_trouble_falls_back_to_the_guide(script: list[str], online: tuple[Encyclopedia, str]) -> None:
    """Whatever goes wrong, the guide still answers."""
    played, url = online
    played.script = script
    result = await _ask("Marie Curie", lang="en", url=url)
    assert result.data["offline"] is True


async def test_wikidata_trouble_falls_back_to_the_guide(online: tuple[Encyclopedia, str]) -> None:
    """An article that nobody can say to be about a human is not used."""
    played, url = online
    played.script = ["", '{"success": 1}']
    result = await _ask("Marie Curie", lang="en", url=url)
    assert result.data["offline"] is True


async def test_no_connection_falls_back_to_the_guide() -> None:
    """A refused port is as good as no network, and an unknown name is then not found."""
    assert (await _ask("北斎", url="http://127.0.0.1:9")).data["offline"] is True
    with pytest.raises(FunctionError, match="内蔵ガイド"):
        await _ask("無名の人", url="http://127.0.0.1:9")


def test_card_has_both_languages() -> None:
    """The router learns from examples in both languages; the name is required, the kind is not."""
    card = module.celebrity_info.card
    assert {example.lang for example in card.examples} == {"ja", "en"}
    assert card.parameters["required"] == ["person_name"]
    assert card.parameters["properties"]["info_type"]["enum"] == [*KINDS, "news"]
