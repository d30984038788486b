"""Weather of a place: the forecast of Open-Meteo, and monthly climate normals where there is no network.

Covers current weather, hours, today, tomorrow and two weeks, with advice on umbrella and coat. Does not cover warnings,
past weather, or normals of places that are not in `data/offline/climate.json`.
"""

from datetime import date, timedelta
from typing import Any, Literal

from functions import _climate, _open_meteo, _weather_words
from functions._climate import Known
from functions._open_meteo import Forecast, Place
from functions.registry import Context, FunctionError, FunctionResult, function
from functions.web import WebError

ForecastType = Literal["current", "today", "tomorrow", "hourly", "week"]
_NOWHERE = ("", "ここ", "こっち", "この辺", "このへん", "うち", "外", "here", "outside", "myplace", "home")


@function(
    effects="none",
    examples=[
        ("明日の札幌の天気は？", {"location": "札幌", "forecast_type": "tomorrow"}),
        ("今日、京都で傘いる？", {"location": "京都", "forecast_type": "today"}),
        ("那覇って今何度？", {"location": "那覇", "forecast_type": "current"}),
        ("今週末の軽井沢、コート必要かな", {"location": "軽井沢", "forecast_type": "week"}),
        ("福岡は何時ごろから雨が降るの？", {"location": "福岡", "forecast_type": "hourly"}),
        ("ロンドンの天気を教えて", {"location": "ロンドン"}),
        ("Do I need an umbrella in Leeds?", {"location": "Leeds"}),
        ("What's the weather like in Toronto right now?", {"location": "Toronto", "forecast_type": "current"}),
        ("will it rain in Singapore tomorrow", {"location": "Singapore", "forecast_type": "tomorrow"}),
        ("Is it going to snow in Denver next week?", {"location": "Denver", "forecast_type": "week"}),
        ("hour by hour forecast for Dublin please", {"location": "Dublin", "forecast_type": "hourly"}),
    ],
)
async def weather_info(location: str, forecast_type: ForecastType | None = None, *, context: Context) -> FunctionResult:
    """Weather forecast for a place: weather, temperature, rain, snow, wind, umbrella, coat.

    Call it when the user asks about the weather, how hot or cold it is, whether it rains or snows, or what to wear or
    take along because of it, now, today, tomorrow, by the hour or in the coming days.

    Args:
        location: City, town, region or country as the user wrote it, such as 札幌, Leeds, 沖縄, Paris.
        forecast_type: Time asked about: current (right now), today (also this afternoon or tonight), tomorrow, hourly
            (by the hour), week (a weekday, the weekend, next week).
        context: The turn.
    """
    name, within = _climate.split(location)
    if _climate.key(name) in _NOWHERE:
        raise FunctionError(
            "invalid",
            context.say(
                ja="どこの天気でしょうか。市や町の名前を教えてください。", en="Which place? Please name a city or town."
            ),
        )
    known = _climate.find(name, within)
    _refuse_too_large(known, context)
    try:
        place, known = await _place(name, within, known, context)
        if place is not None:
            forecast = await _open_meteo.forecast(place.latitude, place.longitude, context)
            return _tell(place, _stands_for(known, name, context), forecast, forecast_type, context)
    except WebError as error:
        known = known or _climate.guess(name, within)
        _refuse_too_large(known, context)
        if known is None or known.city is None:
            raise FunctionError("not_found", _not_known_offline(location, context)) from error
        return _normals(known, name, forecast_type, context)
    raise FunctionError(
        "not_found",
        context.say(
            ja=f"「{location}」という場所が見つかりませんでした。市や町の名前で、もう一度お願いします。",
            en=f'I couldn\'t find a place called "{location}". Please try the name of a city or town.',
        ),
    )


async def _place(
    name: str, within: str | None, known: Known | None, context: Context
) -> tuple[Place | None, Known | None]:
    """Where that is; known places need no request, and a near miss is taken only where the web knows no better."""
    if known is None and (found := await _open_meteo.geocode(name, within, context)):
        return found, None
    known = known or _climate.guess(name, within)
    _refuse_too_large(known, context)
    if known is None or known.city is None:
        return None, None
    return Place(known.city.name(context.lang), known.city.latitude, known.city.longitude), known


def _refuse_too_large(known: Known | None, context: Context) -> None:
    if known is not None and known.city is None and known.region is not None:
        raise FunctionError(
            "invalid",
            context.say(
                ja=f"{known.region['ja']}は広いので、市や町の名前を教えてください。",
                en=f"The weather differs across {known.region['en']}: please name a city or town.",
            ),
        )


def _not_known_offline(location: str, context: Context) -> str:
    return context.say(
        ja=f"天気予報に接続できず、内蔵の平年値にも「{location}」がないため、お答えできません。"
        "近くの大きな都市の名前でお試しください。",
        en=f'The forecast is out of reach and "{location}" is not among the places I know offline: '
        "please try a large city nearby.",
    )


def _stands_for(known: Known | None, asked: str, context: Context) -> str:
    """Says whose weather it is where that is not quite the place asked about."""
    if known is None or known.city is None:
        return ""
    city = known.city.name(context.lang)
    if known.region is not None:
        region = known.region[context.lang]
        return context.say(ja=f"{region}は{city}でお答えしています。", en=f"{region} is answered by {city}. ")
    if known.guessed:
        return context.say(ja=f"「{asked}」は{city}と読みました。", en=f'I took "{asked}" to be {city}. ')
    return ""


# ---- normals


def _normals(known: Known, asked: str, kind: ForecastType | None, context: Context) -> FunctionResult:
    city = known.city
    assert city is not None  # noqa: S101 - regions too large for a city were refused before
    name = city.name(context.lang)
    first = context.said_at.date() + timedelta(days=1 if kind == "tomorrow" else 0)
    last = first + timedelta(days=6 if kind == "week" else 0)
    months = [first.month] if first.month == last.month else [first.month, last.month]
    lines = [_weather_words.normal_line(city, month, context) for month in months]
    # The summary tells the first month.
    points = [
        f"{_weather_words.month_name(month, context)}: {line}"
        for month, line in list(zip(months, lines, strict=True))[1:]
    ]
    clothes = _weather_words.clothes(city.high[first.month - 1], city.low[first.month - 1])
    points += [
        context.say(ja="平年の気温なら、", en="In a usual year: ") + line
        for line in _weather_words.advice_lines(None, clothes, context)
    ]
    points.append(_weather_words.normal_rain(city, first.month, context))
    month = _weather_words.month_name(first.month, context)
    return FunctionResult(
        summary=context.say(
            ja=f"予報は取得できませんでしたが、{name}の{month}の平年値は{lines[0]}です。",
            en=f"I can't reach the forecast, but the climate normals of {name} for {month} are: {lines[0]}.",
        ),
        data={
            "kind": "normals",
            "is_forecast": False,
            "place": name,
            "country": city.country,
            "months": [
                {
                    "month": month,
                    "high": city.high[month - 1],
                    "low": city.low[month - 1],
                    "rain_mm": city.rain[month - 1],
                }
                for month in months
            ],
            "advice": {"clothes": clothes},
        },
        points=points,
        note=_stands_for(known, asked, context)
        + context.say(
            ja="平年値です。予報ではありません。",
            en="These are climate normals (averages of many years), not a forecast.",
        ),
        source=context.say(ja="FuncGemmaの内蔵ガイド（平年値）", en="offline guide of FuncGemma (climate normals)"),
    )


# ---- forecast


def _tell(place: Place, about: str, forecast: Forecast, kind: ForecastType | None, context: Context) -> FunctionResult:
    today = _weather_words.local_time(forecast, context).date()
    tell = {
        "current": _current,
        "today": _today,
        "tomorrow": _tomorrow,
        "hourly": _hourly,
        "week": _week,
        None: _short,
    }
    told = tell[kind](place, forecast, today, context)
    notes = [about]
    if place.area:
        notes.append(
            context.say(ja=f"{place.name}（{place.area}）の予報です。", en=f"For {place.name} ({place.area}). ")
        )
    if today != context.said_at.date():
        here = _weather_words.day_name(today, today, context)
        notes.append(
            context.say(ja=f"日付は現地のもので、現地は{here}です。", en=f"Days are local: there it is {here}.")
        )
    data = {"kind": "forecast", "is_forecast": True, "place": place.name, "area": place.area, **told.data}
    source = "Open-Meteo https://open-meteo.com/"
    return FunctionResult(told.summary, data, told.points, "".join(notes).strip() or None, source)


def _day(forecast: Forecast, wanted: date) -> _open_meteo.Day:
    for day in forecast.days:
        if day.date == wanted:
            return day
    # A turn that waited long asks about days the forecast no longer has; normals answer it then.
    raise WebError(f"The forecast has no {wanted}.")


def _advice(weather: list[_open_meteo.Day], context: Context) -> tuple[dict[str, Any], list[str]]:
    umbrella = _weather_words.umbrella(weather)
    clothes = _weather_words.clothes(max(day.high for day in weather), min(day.low for day in weather))
    return {"umbrella": umbrella, "clothes": clothes}, _weather_words.advice_lines(umbrella, clothes, context)


def _current(place: Place, forecast: Forecast, today: date, context: Context) -> FunctionResult:
    now = forecast.now
    weather = _open_meteo.words(now.code, context.lang)
    day = _day(forecast, today)
    soon = _weather_words.hours_ahead(forecast, 6, 1, context)
    umbrella = _weather_words.umbrella(soon)
    clothes = _weather_words.clothes(now.feels_like, now.feels_like)
    return FunctionResult(
        summary=context.say(
            ja=f"{place.name}は今、{weather}で、気温は{now.temperature}℃です。",
            en=f"It is {now.temperature}°C in {place.name} right now, {weather}.",
        ),
        data={
            "now": {
                "weather": weather,
                "temperature": now.temperature,
                "feels_like": now.feels_like,
                "humidity": now.humidity,
                "wind_m_s": now.wind,
            },
            "days": [_weather_words.day_data(day, today, context)],
            "advice": {"umbrella": umbrella, "clothes": clothes},
        },
        points=[
            _weather_words.now_line(now, context),
            _line(day, today, context),
            *_weather_words.advice_lines(umbrella, clothes, context),
        ],
    )


def _today(place: Place, forecast: Forecast, today: date, context: Context) -> FunctionResult:
    result = _one_day(place, _day(forecast, today), today, context)
    rest = [hour for hour in _weather_words.hours_ahead(forecast, 6, 3, context) if hour.time.date() == today]
    later = context.say(ja="このあと: ", en="From now: ") + _weather_words.hours_line(rest, context)
    points = [later, *result.points] if rest else result.points
    hours = [_weather_words.hour_data(hour, context) for hour in rest]
    return FunctionResult(result.summary, {**result.data, "hours": hours}, points)


def _tomorrow(place: Place, forecast: Forecast, today: date, context: Context) -> FunctionResult:
    return _one_day(place, _day(forecast, today + timedelta(days=1)), today, context)


def _one_day(place: Place, day: _open_meteo.Day, today: date, context: Context) -> FunctionResult:
    named = _weather_words.day_name(day.date, today, context)
    line = _weather_words.day_line(day, context)
    advice, points = _advice([day], context)
    return FunctionResult(
        summary=context.say(ja=f"{place.name}の{named}の天気は{line}の予報です。", en=f"{place.name} {named}: {line}."),
        data={"days": [_weather_words.day_data(day, today, context)], "advice": advice},
        points=points,
    )


def _hourly(place: Place, forecast: Forecast, today: date, context: Context) -> FunctionResult:
    hours = _weather_words.hours_ahead(forecast, 24, 1, context)
    if not hours:
        raise WebError("The forecast has none of the coming hours.")
    temperatures = [hour.temperature for hour in hours]
    span = context.say(
        ja=f"{min(temperatures)}℃から{max(temperatures)}℃",
        en=f"between {min(temperatures)} and {max(temperatures)}°C",
    )
    umbrella = _weather_words.umbrella(hours)
    wet = next((hour for hour in hours if _weather_words.umbrella([hour]) in ("needed", "snow")), None)
    rain = context.say(ja="雨や雪の心配は少ない見込みです", en="rain or snow is unlikely")
    if wet is not None:
        day = "" if wet.time.date() == today else _weather_words.day_name(wet.time.date(), today, context, dated=False)
        rain = context.say(
            ja=f"{day}{wet.time.hour}時ごろに{_open_meteo.words(wet.code, 'ja')}の見込みです"
            if _open_meteo.is_wet(wet.code)
            else f"{day}{wet.time.hour}時ごろに雨の可能性があります",
            en=f"rain or snow is likely around {wet.time:%H:%M}" + (f" {day}" if day else ""),
        )
    shown = hours[:15:3]
    return FunctionResult(
        summary=context.say(
            ja=f"{place.name}のこれから24時間は{span}で、{rain}。",
            en=f"{place.name} over the next 24 hours: {span}, and {rain}.",
        ),
        data={
            "hours": [_weather_words.hour_data(hour, context) for hour in hours],
            "advice": {"umbrella": umbrella},
        },
        points=[
            *(_weather_words.hours_line([hour], context) for hour in shown),
            *_weather_words.advice_lines(umbrella, None, context),
        ],
    )


def _week(place: Place, forecast: Forecast, today: date, context: Context) -> FunctionResult:
    _day(forecast, today)
    ahead = [day for day in forecast.days if day.date >= today]
    week = ahead[:7]
    wet = _weather_words.wet_days(week)
    spread = _weather_words.spread(week, context)
    advice, _ = _advice(week, context)
    return FunctionResult(
        summary=context.say(
            ja=f"{place.name}のこれから1週間は{spread}で、雨や雪の日は{wet}日の予報です。",
            en=f"{place.name} over the coming week: {spread}, {_weather_words.count_days(wet)} of rain or snow.",
        ),
        data={"days": [_weather_words.day_data(day, today, context) for day in ahead], "advice": advice},
        points=_weather_words.week_lines(forecast, today, context),
    )


def _short(place: Place, forecast: Forecast, today: date, context: Context) -> FunctionResult:
    days = [_day(forecast, today), _day(forecast, today + timedelta(days=1))]
    first, second = (_open_meteo.words(day.code, context.lang) for day in days)
    advice, points = _advice(days[:1], context)
    return FunctionResult(
        summary=context.say(
            ja=f"{place.name}は、今日は{first}で最高{days[0].high}℃、明日は{second}で最高{days[1].high}℃の予報です。",
            en=f"{place.name}: today {first}, up to {days[0].high}°C; tomorrow {second}, up to {days[1].high}°C.",
        ),
        data={"days": [_weather_words.day_data(day, today, context) for day in days], "advice": advice},
        points=[
            *(_line(day, today, context) for day in days),
            *(context.say(ja="今日は、", en="Today: ") + line for line in points),
        ],
    )


def _line(day: _open_meteo.Day, today: date, context: Context) -> str:
    return f"{_weather_words.day_name(day.date, today, context)}: {_weather_words.day_line(day, context)}"
