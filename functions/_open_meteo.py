"""Open-Meteo: places by name, and the forecast for a place.

Covers the two requests, the check of what they answer, and WMO weather codes in words. What is said of a forecast is
composed in `weather_info`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from agent.messages import Lang
from functions._climate import key
from functions.registry import Context
from functions.web import WebError

DAYS = 14
_Given = TypeVar("_Given")
_Made = TypeVar("_Made")
_WORDS: dict[int, tuple[str, str]] = {
    0: ("快晴", "clear"),
    1: ("晴れ", "mostly clear"),
    2: ("晴れ時々曇り", "partly cloudy"),
    3: ("曇り", "overcast"),
    45: ("霧", "fog"),
    48: ("霧（着氷あり）", "freezing fog"),
    51: ("弱い霧雨", "light drizzle"),
    53: ("霧雨", "drizzle"),
    55: ("強い霧雨", "dense drizzle"),
    56: ("弱い着氷性の霧雨", "light freezing drizzle"),
    57: ("着氷性の霧雨", "freezing drizzle"),
    61: ("弱い雨", "light rain"),
    63: ("雨", "rain"),
    65: ("強い雨", "heavy rain"),
    66: ("弱い着氷性の雨", "light freezing rain"),
    67: ("着氷性の雨", "freezing rain"),
    71: ("弱い雪", "light snow"),
    73: ("雪", "snow"),
    75: ("大雪", "heavy snow"),
    77: ("霧雪", "snow grains"),
    80: ("弱いにわか雨", "light showers"),
    81: ("にわか雨", "showers"),
    82: ("激しいにわか雨", "violent showers"),
    85: ("にわか雪", "snow showers"),
    86: ("強いにわか雪", "heavy snow showers"),
    95: ("雷雨", "thunderstorms"),
    96: ("ひょうを伴う雷雨", "thunderstorms with hail"),
    99: ("ひょうを伴う激しい雷雨", "severe thunderstorms with hail"),
}
_SNOW = {71, 73, 75, 77, 85, 86}
_CURRENT = "temperature_2m,relative_humidity_2m,apparent_temperature,weather_code,wind_speed_10m"
_HOURLY = "temperature_2m,precipitation_probability,precipitation,weather_code"
_DAILY = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum,precipitation_probability_max"


@dataclass(frozen=True)
class Place:
    """A place on the map, named in the user's language; `area` says which one of that name."""

    name: str
    latitude: float
    longitude: float
    area: str | None = None


@dataclass(frozen=True)
class Now:
    """The weather at a moment, wind in m/s."""

    code: int
    temperature: int
    feels_like: int
    humidity: int
    wind: float


@dataclass(frozen=True)
class Hour:
    """An hour of the forecast, in the place's local time."""

    time: datetime
    code: int
    temperature: int
    chance: int | None
    rain: float


@dataclass(frozen=True)
class Day:
    """A day of the forecast, in the place's local time; `chance` of rain is not known for days far off."""

    date: date
    code: int
    high: int
    low: int
    chance: int | None
    rain: float


@dataclass(frozen=True)
class Forecast:
    """What Open-Meteo says of a place; times are local to it."""

    offset: timedelta
    now: Now
    hours: Sequence[Hour]
    days: Sequence[Day]


def words(code: int, lang: Lang) -> str:
    """A WMO weather code in words."""
    ja, en = _WORDS.get(code, ("不明な天気", "unknown weather"))
    return ja if lang == "ja" else en


def is_snow(code: int) -> bool:
    """Whether a WMO weather code means snow."""
    return code in _SNOW


def is_wet(code: int) -> bool:
    """Whether a WMO weather code means anything that falls."""
    return code >= 51


async def geocode(name: str, within: str | None, context: Context) -> Place | None:
    """The place of that name that is meant most likely, or None.

    Raises:
        WebError: no answer, or not one as documented.
    """
    japanese = bool(re.search(r"[\u3040-\u30ff\u4e00-\u9fff]", name))
    first: Lang = "ja" if japanese else context.lang
    # A name is found by what GeoNames has in the language asked for: with 市 or without, in Japanese or not.
    if not japanese:
        attempts = [(name, first), (name, "en" if first == "ja" else "ja")]
    elif name.endswith("市"):
        attempts = [(name, first), (name[:-1], first)]
    else:
        attempts = [(name, first), (name + "市", first)]
    if within is not None:
        attempts.insert(0, (f"{name}, {within}", first))
    for spelling, lang in attempts:
        answer = await context.web.json(
            context.settings.open_meteo_geocoding_url,
            "/v1/search",
            {"name": spelling, "count": 10, "language": lang, "format": "json"},
        )
        if places := _checked(_results, answer):
            return _checked(lambda given: _place(given, within, japanese, context), places)
    return None


async def forecast(latitude: float, longitude: float, context: Context) -> Forecast:
    """The forecast for a point.

    Raises:
        WebError: no answer, or not one as documented.
    """
    answer = await context.web.json(
        context.settings.open_meteo_url,
        "/v1/forecast",
        {
            "latitude": latitude,
            "longitude": longitude,
            "current": _CURRENT,
            "hourly": _HOURLY,
            "daily": _DAILY,
            "timezone": "auto",
            "wind_speed_unit": "ms",
            "forecast_days": DAYS,
        },
    )
    return _checked(_forecast, answer)


def _checked(make: Callable[[_Given], _Made], given: _Given) -> _Made:
    try:
        return make(given)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise WebError(f"Open-Meteo answered in an unknown form: {error!r}") from error


def _place(results: Sequence[Mapping[str, Any]], within: str | None, japanese: bool, context: Context) -> Place:
    fitting = list(results)
    if within is not None:
        wanted = key(within)
        fitting = [result for result in results if wanted in _areas(result)] or fitting
    elif japanese:
        # Whoever writes in Japanese means the 福島 in Japan, not its namesake in China.
        fitting = [result for result in results if result.get("country_code") == "JP"] or fitting
    chosen = fitting[0]
    area = [chosen[part] for part in ("admin1", "country") if chosen.get(part) and chosen[part] != chosen["name"]]
    said = context.say(ja="、", en=", ").join(area)
    return Place(str(chosen["name"]), float(chosen["latitude"]), float(chosen["longitude"]), said or None)


def _results(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The places found; where there is none, Open-Meteo leaves `results` out."""
    return [dict(result) for result in answer.get("results") or []]


def _areas(result: Mapping[str, Any]) -> set[str]:
    return {key(str(result.get(part, ""))) for part in ("country", "country_code", "admin1", "admin2", "admin3")}


def _forecast(answer: Mapping[str, Any]) -> Forecast:
    now = answer["current"]
    return Forecast(
        offset=timedelta(seconds=int(answer["utc_offset_seconds"])),
        now=Now(
            code=int(now["weather_code"]),
            temperature=round(now["temperature_2m"]),
            feels_like=round(now["apparent_temperature"]),
            humidity=round(now["relative_humidity_2m"]),
            wind=float(now["wind_speed_10m"]),
        ),
        hours=[
            Hour(
                time=datetime.fromisoformat(row["time"]),
                code=int(row["weather_code"]),
                temperature=round(row["temperature_2m"]),
                chance=_whole(row["precipitation_probability"]),
                rain=float(row["precipitation"] or 0),
            )
            for row in _rows(answer["hourly"], ("weather_code", "temperature_2m"))
        ],
        days=[
            Day(
                date=date.fromisoformat(row["time"]),
                code=int(row["weather_code"]),
                high=round(row["temperature_2m_max"]),
                low=round(row["temperature_2m_min"]),
                chance=_whole(row["precipitation_probability_max"]),
                rain=float(row["precipitation_sum"] or 0),
            )
            for row in _rows(answer["daily"], ("weather_code", "temperature_2m_max", "temperature_2m_min"))
        ],
    )


def _rows(columns: Mapping[str, Sequence[Any]], needed: Iterable[str]) -> list[dict[str, Any]]:
    """The rows of a table given by columns; rows without what is needed, such as the last days, are left out."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [row for row in rows if all(row[name] is not None for name in needed)]


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)
