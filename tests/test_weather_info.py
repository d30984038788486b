"""The weather function against a local Open-Meteo, without a network, and its climate normals."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from agent.messages import Lang
from agent.settings import Settings
from functions import _climate, _weather_words
from functions._open_meteo import Day, words
from functions.registry import FunctionError, FunctionResult
from functions.weather_info import weather_info
from tests.conftest import SAID, called

LEEDS = {
    "id": 2644688,
    "name": "リーズ",
    "latitude": 53.79648,
    "longitude": -1.54785,
    "elevation": 48.0,
    "feature_code": "PPLA2",
    "country_code": "GB",
    "timezone": "Europe/London",
    "population": 536280,
    "country": "イギリス",
    "admin1": "イングランド",
}
OTSU = {
    "id": 1853574,
    "name": "大津",
    "latitude": 35.00444,
    "longitude": 135.86833,
    "country_code": "JP",
    "timezone": "Asia/Tokyo",
    "country": "日本",
    "admin1": "滋賀県",
}


def _answer(start: datetime, offset: int, **changes: Any) -> dict[str, Any]:
    """What /v1/forecast answers: 14 days from the local day of `start` on, at 09:00 there."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    days, hours = range(14), range(14 * 24)
    code = [3, 61, 0, 71, 1, 2, 3] * 2
    answer: dict[str, Any] = {
        "latitude": 43.05,
        "longitude": 141.35,
        "generationtime_ms": 0.12,
        "utc_offset_seconds": offset,
        "timezone": "Asia/Tokyo",
        "timezone_abbreviation": "GMT+9",
        "elevation": 22.0,
        "current_units": {"time": "iso8601", "interval": "seconds", "temperature_2m": "°C"},
        "current": {
            "time": f"{midnight:%Y-%m-%d}T09:00",
            "interval": 900,
            "temperature_2m": 3.4,
            "relative_humidity_2m": 61,
            "apparent_temperature": -0.6,
            "weather_code": 2,
            "wind_speed_10m": 4.2,
        },
        "hourly_units": {"time": "iso8601", "temperature_2m": "°C"},
        "hourly": {
            "time": [f"{midnight + timedelta(hours=hour):%Y-%m-%dT%H:%M}" for hour in hours],
            "temperature_2m": [2 + hour % 24 / 4 for hour in hours],
            "precipitation_probability": [80 if hour == 17 else 10 for hour in hours],
            "precipitation": [1.5 if hour == 17 else 0.0 for hour in hours],
            "weather_code": [63 if hour == 17 else 3 for hour in hours],
        },
        "daily_units": {"time": "iso8601", "temperature_2m_max": "°C"},
        "daily": {
            "time": [f"{midnight + timedelta(days=day):%Y-%m-%d}" for day in days],
            "weather_code": code,
            "temperature_2m_max": [9.6 - day / 2 for day in days],
            "temperature_2m_min": [1.4 - day / 2 for day in days],
            "precipitation_sum": [0.0, 6.2, 0.0, 3.0, 0.0, 0.0, 0.0] * 2,
            "precipitation_probability_max": [20, 85, 5, 70, 10, 10, 30, *[None] * 7],
        },
    }
    return answer | changes


@dataclass
class Service:
    """A local Open-Meteo: what it was asked, and what it answers."""

    url: str = ""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    fail: list[int] = field(default_factory=list)
    text: str | None = None
    hold: asyncio.Event | None = None
    places: dict[tuple[str, str], list[Mapping[str, Any]]] = field(default_factory=dict)
    forecast: dict[str, Any] = field(default_factory=lambda: _answer(SAID, 9 * 3600))

    async def answer(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        self.asked.append((request.path, query))
        if self.hold is not None:
            await self.hold.wait()
        if self.fail:
            return web.json_response({"error": True, "reason": "test"}, status=self.fail.pop(0))
        if self.text is not None:
            return web.Response(text=self.text)
        if request.path == "/v1/forecast":
            return web.json_response(self.forecast)
        found = self.places.get((query["name"], query["language"]))
        return web.json_response({"generationtime_ms": 0.5} | ({"results": found} if found else {}))


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    made = Service()
    app = web.Application()
    app.router.add_get("/v1/forecast", made.answer)
    app.router.add_get("/v1/search", made.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = site.name if not site.name.endswith(":0") else f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    if made.hold is not None:
        made.hold.set()
    await runner.cleanup()


async def _ask(
    tmp_path: Path,
    location: str,
    kind: str | None = None,
    *,
    url: str | None = None,
    lang: Lang = "ja",
    said: datetime = SAID,
    **settings: Any,
) -> FunctionResult:
    urls = {"open_meteo_url": url, "open_meteo_geocoding_url": url} if url else {}
    made = Settings(home=tmp_path, offline=url is None, replier="offline", **{**urls, **settings})
    async with called(made, lang, said) as context:
        given = {"location": location} | ({"forecast_type": kind} if kind else {})
        return await weather_info.call(given, context)


# ---- forecast


async def test_tomorrow_of_known_city_needs_no_geocoding(tmp_path: Path, service: Service) -> None:
    result = await _ask(tmp_path, "札幌市", "tomorrow", url=service.url)
    assert [path for path, _ in service.asked] == ["/v1/forecast"]
    query = service.asked[0][1]
    assert query["timezone"] == "auto"
    assert (query["latitude"], query["longitude"]) == ("43.06", "141.33")
    assert "札幌の明日（11月24日・火）" in result.summary
    assert "弱い雨、最高9℃、最低1℃、降水確率85%" in result.summary
    assert result.data["kind"] == "forecast"
    assert result.data["days"][0]["date"] == "2026-11-24"
    assert result.data["advice"] == {"umbrella": "needed", "clothes": "coat"}
    assert "傘を持ってお出かけください。" in result.points
    assert result.note is None
    assert "open-meteo.com" in str(result.source)


async def test_current_tells_temperature_and_what_it_feels_like(tmp_path: Path, service: Service) -> None:
    result = await _ask(tmp_path, "Sapporo", "current", url=service.url, lang="en")
    assert result.summary == "It is 3°C in Sapporo right now, partly cloudy."
    assert result.points[0] == "feels like -1°C, humidity 61%, wind 15 km/h"
    assert result.data["now"]["feels_like"] == -1
    assert result.data["advice"]["clothes"] == "winter coat"
    # Rain at 17:00 is more than six hours away.
    assert result.data["advice"]["umbrella"] == "no"


async def test_today_tells_the_hours_left(tmp_path: Path, service: Service) -> None:
    said = SAID.replace(hour=15)
    result = await _ask(tmp_path, "札幌", "today", url=service.url, said=said)
    assert result.points[0] == "このあと: 15時 曇り 6℃ / 18時 曇り 6℃ / 21時 曇り 7℃"
    assert "今日（11月23日・月）" in result.summary
    assert [hour["time"] for hour in result.data["hours"]] == [f"2026-11-23T{hour}:00" for hour in (15, 18, 21)]


async def test_hourly_tells_when_rain_comes(tmp_path: Path, service: Service) -> None:
    result = await _ask(tmp_path, "札幌", "hourly", url=service.url)
    assert result.summary == "札幌のこれから24時間は2℃から8℃で、17時ごろに雨の見込みです。"
    assert len(result.points) == 6
    assert result.points[0] == "9時 曇り 4℃"
    assert len(result.data["hours"]) == 24
    english = await _ask(tmp_path, "Sapporo", "hourly", url=service.url, lang="en")
    assert english.summary.endswith("and rain or snow is likely around 17:00.")


async def test_week_tells_wet_days_by_date(tmp_path: Path, service: Service) -> None:
    result = await _ask(tmp_path, "札幌", "week", url=service.url)
    assert result.summary == "札幌のこれから1週間は最高7〜10℃、最低-2〜1℃で、雨や雪の日は2日の予報です。"
    assert len(result.points) == 6
    assert result.points[0] == "今日（11月23日・月） 曇り 10/1℃、明日（11月24日・火） 弱い雨 9/1℃"
    assert result.points[4].startswith("その次の1週間: ")
    assert result.points[5] == "傘が要りそうな日: 明日、11月26日（木）"
    assert len(result.data["days"]) == 14


async def test_without_type_tells_today_and_tomorrow(tmp_path: Path, service: Service) -> None:
    result = await _ask(tmp_path, "札幌", url=service.url)
    assert result.summary == "札幌は、今日は曇りで最高10℃、明日は弱い雨で最高9℃の予報です。"
    assert [day["day"] for day in result.data["days"]] == ["今日（11月23日・月）", "明日（11月24日・火）"]
    english = await _ask(tmp_path, "Sapporo", url=service.url, lang="en")
    assert english.summary == "Sapporo: today overcast, up to 10°C; tomorrow light rain, up to 9°C."


async def test_days_are_those_of_the_place(tmp_path: Path, service: Service) -> None:
    """At 9 on Monday in Tokyo it is Sunday evening in New York: "tomorrow" there is Monday."""
    service.forecast = _answer(SAID - timedelta(days=1), -5 * 3600)
    result = await _ask(tmp_path, "ニューヨーク", "tomorrow", url=service.url)
    assert result.data["days"][0]["date"] == "2026-11-23"
    assert result.note == "日付は現地のもので、現地は今日（11月22日・日）です。"


async def test_region_is_answered_by_its_city_and_says_so(tmp_path: Path, service: Service) -> None:
    result = await _ask(tmp_path, "北海道", "today", url=service.url)
    assert result.data["place"] == "札幌"
    assert result.note == "北海道は札幌でお答えしています。"


async def test_unknown_place_is_geocoded_in_the_users_language(tmp_path: Path, service: Service) -> None:
    service.places = {("Headingley", "ja"): [{**LEEDS, "name": "ヘディングリー"}]}
    result = await _ask(tmp_path, "Headingley", "today", url=service.url)
    assert service.asked[0] == (
        "/v1/search",
        {"name": "Headingley", "count": "10", "language": "ja", "format": "json"},
    )
    assert service.asked[1][1]["latitude"] == "53.79648"
    assert result.data["place"] == "ヘディングリー"
    assert result.note == "ヘディングリー（イングランド、イギリス）の予報です。"


async def test_japanese_name_is_searched_in_japanese_with_and_without_shi(tmp_path: Path, service: Service) -> None:
    """Also for somebody who is answered in English, and the place in Japan comes before its namesakes."""
    service.places = {("大津市", "ja"): [{**OTSU, "country_code": "CN", "country": "中国", "latitude": 1.0}, OTSU]}
    result = await _ask(tmp_path, "大津", "today", url=service.url, lang="en")
    assert [query["name"] for path, query in service.asked if path == "/v1/search"] == ["大津", "大津市"]
    assert service.asked[-1][1]["latitude"] == "35.00444"
    assert result.data["place"] == "大津"


async def test_qualifier_chooses_among_places_of_a_name(tmp_path: Path, service: Service) -> None:
    texas = {"name": "Paris", "latitude": 33.66, "longitude": -95.55, "country": "United States", "admin1": "Texas"}
    france = {"name": "Paris", "latitude": 48.85, "longitude": 2.35, "country": "France"}
    service.places = {("Paris", "en"): [france, texas]}
    result = await _ask(tmp_path, "Paris, Texas", "today", url=service.url, lang="en")
    assert service.asked[-1][1]["latitude"] == "33.66"
    assert result.note is not None
    assert "Paris (Texas, United States)" in result.note


async def test_misspelt_city_is_guessed_after_the_web_found_nothing(tmp_path: Path, service: Service) -> None:
    result = await _ask(tmp_path, "Edinbrugh", "today", url=service.url, lang="en")
    assert result.data["place"] == "Edinburgh"
    assert result.note is not None
    assert 'I took "Edinbrugh" to be Edinburgh.' in result.note


@pytest.mark.parametrize(("lang", "says"), [("ja", "見つかりませんでした"), ("en", "couldn't find")])
async def test_place_nobody_knows_is_not_found(tmp_path: Path, service: Service, lang: Lang, says: str) -> None:
    with pytest.raises(FunctionError, match=says) as raised:
        await _ask(tmp_path, "Qwxzyplatz", url=service.url, lang=lang)
    assert raised.value.code == "not_found"


@pytest.mark.parametrize("where", ["アメリカ", "Australia", "ここ", "  "])
async def test_too_large_or_no_place_asks_for_a_city(tmp_path: Path, service: Service, where: str) -> None:
    with pytest.raises(FunctionError, match="市や町の名前") as raised:
        await _ask(tmp_path, where, url=service.url)
    assert raised.value.code == "invalid"
    assert service.asked == []


async def test_error_once_is_repeated(tmp_path: Path, service: Service) -> None:
    service.fail = [500]
    result = await _ask(tmp_path, "札幌", url=service.url)
    assert result.data["kind"] == "forecast"
    assert len(service.asked) == 2


# ---- falling back on normals


async def test_service_that_fails_gives_normals(tmp_path: Path, service: Service) -> None:
    service.fail = [500, 500]
    result = await _ask(tmp_path, "札幌", url=service.url)
    assert result.data["kind"] == "normals"


async def test_timeout_gives_normals(tmp_path: Path, service: Service) -> None:
    service.hold = asyncio.Event()
    result = await _ask(tmp_path, "札幌", url=service.url, http_timeout_s=0.05, http_retries=0)
    assert result.data["kind"] == "normals"


@pytest.mark.parametrize(
    "change",
    [
        {"daily": {"time": ["2026-11-23"]}},
        {"current": None},
        {"hourly": {"time": [1], "temperature_2m": []}},
        {"utc_offset_seconds": "x"},
        _answer(SAID - timedelta(days=60), 9 * 3600),
    ],
    ids=["no columns", "no current", "uneven", "no number", "long past"],
)
async def test_malformed_forecast_gives_normals(tmp_path: Path, service: Service, change: dict[str, Any]) -> None:
    service.forecast |= change
    result = await _ask(tmp_path, "札幌", url=service.url)
    assert result.data["kind"] == "normals"


@pytest.mark.parametrize("text", ["<html>", "[]", '{"results": [{"name": "X"}]}', '{"results": 3}'])
async def test_malformed_place_is_told(tmp_path: Path, service: Service, text: str) -> None:
    service.text = text
    with pytest.raises(FunctionError, match="お答えできません") as raised:
        await _ask(tmp_path, "Headingley", url=service.url)
    assert raised.value.code == "not_found"


async def test_offline_gives_normals_and_says_so(tmp_path: Path) -> None:
    result = await _ask(tmp_path, "さっぽろ", "today")
    assert (
        result.summary == "予報は取得できませんでしたが、札幌の11月の平年値は"
        "最高気温9℃、最低気温2℃、月の降水量114mmです。"
    )
    assert result.note == "平年値です。予報ではありません。"
    assert result.data["is_forecast"] is False
    assert result.data["months"] == [{"month": 11, "high": 9, "low": 2, "rain_mm": 114}]
    assert any("コートが必要" in point for point in result.points)
    english = await _ask(tmp_path, "sydney, Australia", "current", lang="en")
    assert english.summary.startswith("I can't reach the forecast, but the climate normals of Sydney for November")
    assert english.note == "These are climate normals (averages of many years), not a forecast."


@pytest.mark.parametrize("kind", [None, "current", "today", "tomorrow", "hourly", "week"])
@pytest.mark.parametrize("lang", ["ja", "en"])
async def test_normals_are_always_labelled(tmp_path: Path, kind: str | None, lang: Lang) -> None:
    result = await _ask(tmp_path, "Tokyo", kind, lang=lang)
    assert ("平年値" if lang == "ja" else "normals") in result.summary
    assert ("予報ではありません" if lang == "ja" else "not a forecast") in str(result.note)


async def test_normals_are_of_the_day_asked_about(tmp_path: Path) -> None:
    said = SAID.replace(day=30)
    assert [month["month"] for month in (await _ask(tmp_path, "東京", "today", said=said)).data["months"]] == [11]
    assert [month["month"] for month in (await _ask(tmp_path, "東京", "tomorrow", said=said)).data["months"]] == [12]
    assert [month["month"] for month in (await _ask(tmp_path, "東京", "week", said=said)).data["months"]] == [11, 12]


async def test_region_offline_says_which_city_answers(tmp_path: Path) -> None:
    result = await _ask(tmp_path, "沖縄県")
    assert result.note == "沖縄県は那覇でお答えしています。平年値です。予報ではありません。"


@pytest.mark.parametrize(("lang", "says"), [("ja", "内蔵の平年値にも「Headingley」がない"), ("en", "know offline")])
async def test_unknown_place_offline_says_it(tmp_path: Path, lang: Lang, says: str) -> None:
    with pytest.raises(FunctionError, match=says) as raised:
        await _ask(tmp_path, "Headingley", lang=lang)
    assert raised.value.code == "not_found"


# ---- advice


@pytest.mark.parametrize(
    ("code", "chance", "rain", "advice"),
    [
        (3, 50, 0.0, "needed"),
        (3, 49, 0.0, "maybe"),
        (3, 29, 0.0, "no"),
        (3, 10, 1.0, "needed"),
        (51, 10, 0.2, "maybe"),
        (61, None, 0.0, "needed"),
        (0, None, 0.0, "no"),
        (71, 10, 0.0, "snow"),
    ],
)
def test_umbrella_by_chance_amount_and_weather(code: int, chance: int | None, rain: float, advice: str) -> None:
    day = Day(SAID.date(), code, 10, 5, chance, rain)
    assert _weather_words.umbrella([Day(SAID.date(), 0, 10, 5, 0, 0.0), day]) == advice


@pytest.mark.parametrize(
    ("high", "low", "advice"),
    [
        (5, -3, "winter coat"),
        (12, 4, "coat"),
        (18, 9, "jacket"),
        (24, 14, "light layer"),
        (28, 20, "none"),
        (35, 26, "heat"),
    ],
)
def test_clothes_by_temperature(high: int, low: int, advice: str) -> None:
    assert _weather_words.clothes(high, low) == advice


@pytest.mark.parametrize(
    "code",
    [*range(4), 45, 48, 51, 53, 55, 56, 57, 61, 63, 65, 66, 67, 71, 73, 75, 77, *range(80, 83), 85, 86, 95, 96, 99],
)
def test_every_wmo_code_has_words(code: int) -> None:
    assert words(code, "ja") != words(100, "ja")
    assert words(code, "en") != words(100, "en")


# ---- names and normals


@pytest.mark.parametrize(
    ("said", "city"),
    [
        ("札幌の天気", "Sapporo"),
        ("サッポロ", "Sapporo"),
        ("北海道札幌市", "Sapporo"),
        ("北海道の函館", "Hakodate"),
        ("ﾄｳｷｮｳ", "Tokyo"),
        ("東京都", "Tokyo"),
        ("渋谷区", "Tokyo"),
        ("京都府", "Kyoto"),
        ("津市", "Tsu"),
        ("石垣島", "Ishigaki"),
        ("オーストラリアのシドニー", "Sydney"),
        ("the Leeds area", "Leeds"),
        ("new york, NY", "New York"),
        ("Washington, D.C.", "Washington, D.C."),
        ("sao paulo", "São Paulo"),
        ("ZURICH", "Zurich"),
        ("London, UK", "London"),
        ("Aomori Prefecture", "Aomori"),
        ("ハワイ", "Honolulu"),
    ],
)
def test_names_are_found_however_written(said: str, city: str) -> None:
    known = _climate.find(*_climate.split(said))
    assert known is not None
    assert known.city is not None
    assert known.city.en == city


@pytest.mark.parametrize("said", ["Paris, Texas", "大津", "山の上", "London, Ontario", "Perth, Scotland"])
def test_other_places_of_a_name_are_not_taken_for_a_known_one(said: str) -> None:
    assert _climate.find(*_climate.split(said)) is None


def test_every_prefecture_and_enough_cities_are_known() -> None:
    cities = _climate.cities()
    assert sum(city.country == "JP" for city in cities) >= 40
    assert sum(city.country != "JP" for city in cities) >= 50
    codes = {city.country for city in cities}
    for continent in ({"GB", "FR"}, {"KR", "IN"}, {"EG", "ZA"}, {"US", "CA"}, {"BR", "CL"}, {"AU", "NZ"}):
        assert continent <= codes
    prefectures = (
        "北海道 青森県 岩手県 宮城県 秋田県 山形県 福島県 茨城県 栃木県 群馬県 埼玉県 千葉県 "
        "東京都 神奈川県 新潟県 富山県 石川県 福井県 山梨県 長野県 岐阜県 静岡県 愛知県 三重県 "
        "滋賀県 京都府 大阪府 兵庫県 奈良県 和歌山県 鳥取県 島根県 岡山県 広島県 山口県 徳島県 "
        "香川県 愛媛県 高知県 福岡県 佐賀県 長崎県 熊本県 大分県 宮崎県 鹿児島県 沖縄県"
    )
    for name in prefectures.split():
        known = _climate.find(name)
        assert known is not None, name
        assert known.city is not None, name
        assert known.city.country == "JP", name


@pytest.mark.parametrize("city", _climate.cities(), ids=lambda city: city.en)
def test_normals_are_plausible(city: _climate.City) -> None:
    assert len(city.high) == len(city.low) == len(city.rain) == 12
    assert -90 < city.latitude < 90
    assert -180 < city.longitude < 180
    for high, low, rain in zip(city.high, city.low, city.rain, strict=True):
        assert 2 <= high - low <= 20
        assert low >= -30
        assert high <= 45
        assert 0 <= rain <= 900
    # Steps from month to month are smooth, December to January too.
    for values in (city.high, city.low):
        assert all(abs(values[month] - values[month - 1]) <= 10 for month in range(12))
    winter, summer = (city.high[0] + city.high[1]) / 2, (city.high[6] + city.high[7]) / 2
    if city.latitude > 30:
        assert summer - winter >= 4
    if city.latitude < -20:
        assert winter - summer >= 3
    if city.country == "JP":
        assert 20 < city.latitude < 46
        assert 122 < city.longitude < 154
        assert 900 <= sum(city.rain) <= 2800
        assert max(city.high) in city.high[6:8]


def test_card_tells_parameters_and_has_examples_in_both_languages() -> None:
    card = weather_info.card
    assert card.parameters["required"] == ["location"]
    assert card.parameters["properties"]["forecast_type"]["enum"] == ["current", "today", "tomorrow", "hourly", "week"]
    assert {example.lang for example in card.examples} == {"ja", "en"}
