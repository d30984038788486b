"""Weather in sentences, Japanese and English: days and hours of a forecast, monthly normals, umbrella and coat.

Covers the wording only. Where the numbers come from: `_open_meteo` (forecast) and `_climate` (normals).
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from typing import Any, Literal

from functions._climate import City
from functions._open_meteo import Day, Forecast, Hour, Now, is_snow, is_wet, words
from functions.registry import Context

Umbrella = Literal["needed", "maybe", "no", "snow"]
Clothes = Literal["winter coat", "coat", "jacket", "light layer", "none", "heat"]

_WEEKDAYS_JA = "月火水木金土日"
_WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS_EN = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_UMBRELLA: dict[Umbrella, tuple[str, str]] = {
    "needed": ("傘を持ってお出かけください。", "Take an umbrella."),
    "maybe": ("折りたたみ傘があると安心です。", "A folding umbrella would be wise."),
    "no": ("傘はいらないでしょう。", "You won't need an umbrella."),
    "snow": (
        "雪に備えて、傘と滑りにくい靴でお出かけください。",
        "Be ready for snow: an umbrella and shoes that grip.",
    ),
}
_CLOTHES: dict[Clothes, tuple[str, str]] = {
    "winter coat": ("厚手のコートに、手袋やマフラーもあるとよい寒さです。", "Cold: a winter coat, gloves and a scarf."),
    "coat": ("コートが必要です。", "You'll want a coat."),
    "jacket": ("ジャケットか薄手のコートがちょうどよいでしょう。", "A jacket or a light coat will do."),
    "light layer": ("朝晩のために羽織るものがあると安心です。", "Bring a light layer for morning and evening."),
    "none": ("上着はいらないでしょう。", "No coat needed."),
    "heat": ("暑さに注意し、こまめに水分をとってください。", "It gets hot: drink plenty and mind the sun."),
}


def month_name(month: int, context: Context) -> str:
    """A month: 11月, November."""
    return context.say(ja=f"{month}月", en=_MONTHS_EN[month - 1])


def day_name(day: date, today: date, context: Context, *, dated: bool = True) -> str:
    """A day as seen from today: 今日（11月23日・月）, tomorrow (Tue 24 Nov), and its date alone past that."""
    near_ja = {0: "今日", 1: "明日", 2: "あさって"}.get((day - today).days)
    near_en = {0: "today", 1: "tomorrow"}.get((day - today).days)
    full_ja = f"{day.month}月{day.day}日・{_WEEKDAYS_JA[day.weekday()]}"
    full_en = f"{_WEEKDAYS_EN[day.weekday()]} {day.day} {_MONTHS_EN[day.month - 1][:3]}"
    if context.lang == "ja":
        return (f"{near_ja}（{full_ja}）" if dated else near_ja) if near_ja else full_ja.replace("・", "（") + "）"
    return (f"{near_en} ({full_en})" if dated else near_en) if near_en else full_en


def day_line(day: Day, context: Context) -> str:
    """A day's weather in short: 曇り、最高12℃、最低4℃、降水確率30%."""
    weather = words(day.code, context.lang)
    line = context.say(
        ja=f"{weather}、最高{day.high}℃、最低{day.low}℃", en=f"{weather}, high {day.high}°C, low {day.low}°C"
    )
    if day.chance is not None:
        line += context.say(ja=f"、降水確率{day.chance}%", en=f", {day.chance}% chance of rain")
    return line


def hours_line(hours: Sequence[Hour], context: Context) -> str:
    """Some hours in a row: 12時 曇り 8℃ / 15時 雨 7℃."""
    said = [
        context.say(
            ja=f"{hour.time.hour}時 {words(hour.code, 'ja')} {hour.temperature}℃",
            en=f"{hour.time:%H:%M} {words(hour.code, 'en')} {hour.temperature}°C",
        )
        for hour in hours
    ]
    return " / ".join(said)


def now_line(now: Now, context: Context) -> str:
    """How it feels at the moment: felt temperature, humidity, wind."""
    return context.say(
        ja=f"体感{now.feels_like}℃、湿度{now.humidity}%、風速{now.wind:.0f}m/s",
        en=f"feels like {now.feels_like}°C, humidity {now.humidity}%, wind {now.wind * 3.6:.0f} km/h",
    )


def umbrella(weather: Sequence[Day | Hour]) -> Umbrella:
    """Whether an umbrella is needed in any of these days or hours."""
    if any(is_snow(each.code) for each in weather):
        return "snow"
    chance = max((each.chance or 0 for each in weather), default=0)
    if chance >= 50 or any(each.rain >= 1 or (each.chance is None and is_wet(each.code)) for each in weather):
        return "needed"
    return "maybe" if chance >= 30 or any(is_wet(each.code) for each in weather) else "no"


def clothes(high: int, low: int) -> Clothes:
    """What to wear over the rest between these temperatures, °C."""
    if high <= 5:
        return "winter coat"
    if high <= 13:
        return "coat"
    if high <= 19:
        return "jacket"
    if high >= 33:
        return "heat"
    return "light layer" if low <= 16 else "none"


def advice_lines(umbrella_: Umbrella | None, clothes_: Clothes | None, context: Context) -> list[str]:
    """The advice in words."""
    pairs = [_UMBRELLA[umbrella_]] if umbrella_ else []
    pairs += [_CLOTHES[clothes_]] if clothes_ else []
    return [context.say(ja=ja, en=en) for ja, en in pairs]


def week_lines(forecast: Forecast, today: date, context: Context) -> list[str]:
    """Seven days two to a line, the seven after them in a line, and the days that want an umbrella."""
    ahead = [day for day in forecast.days if day.date >= today]
    week, later = ahead[:7], ahead[7:14]
    said = [f"{day_name(day.date, today, context)} {_short(day, context)}" for day in week]
    lines = [context.say(ja="、", en="; ").join(said[at : at + 2]) for at in range(0, len(said), 2)]
    if later:
        lines.append(
            context.say(ja="その次の1週間: ", en="The week after: ")
            + spread(later, context)
            + context.say(
                ja=f"、雨や雪の日は{wet_days(later)}日", en=f", {count_days(wet_days(later))} of rain or snow"
            )
        )
    wet = [day_name(day.date, today, context, dated=False) for day in week if umbrella([day]) in ("needed", "snow")]
    if wet:
        lines.append(context.say(ja="傘が要りそうな日: ", en="Umbrella: ") + context.say(ja="、", en=", ").join(wet))
    else:
        lines += advice_lines("no", None, context)
    return lines


def spread(days: Sequence[Day], context: Context) -> str:
    """Between which temperatures the days lie."""
    highs, lows = [day.high for day in days], [day.low for day in days]
    return context.say(
        ja=f"最高{min(highs)}〜{max(highs)}℃、最低{min(lows)}〜{max(lows)}℃",
        en=f"highs {min(highs)} to {max(highs)}°C, lows {min(lows)} to {max(lows)}°C",
    )


def wet_days(days: Sequence[Day]) -> int:
    """On how many of the days rain or snow is likely."""
    return sum(umbrella([day]) in ("needed", "snow") for day in days)


def count_days(count: int) -> str:
    """A count of days in English."""
    return "1 day" if count == 1 else f"{count} days"


def hours_ahead(forecast: Forecast, count: int, step: int, context: Context) -> list[Hour]:
    """Every `step`th of the next hours, the present one first; the forecast's times have no offset of their own."""
    moment = local_time(forecast, context)
    return [hour for hour in forecast.hours if hour.time > moment - timedelta(hours=1)][: count * step : step]


def local_time(forecast: Forecast, context: Context) -> datetime:
    """When the user said it, on a clock at the place, without an offset as in the forecast."""
    return context.said_at.astimezone(timezone(forecast.offset)).replace(tzinfo=None)


def normal_line(city: City, month: int, context: Context) -> str:
    """The normals of a month: 最高9℃、最低2℃、月の降水量114mm."""
    high, low, rain = city.high[month - 1], city.low[month - 1], city.rain[month - 1]
    return context.say(
        ja=f"最高気温{high}℃、最低気温{low}℃、月の降水量{rain}mm",
        en=f"high {high}°C, low {low}°C, {rain} mm of precipitation in the month",
    )


def normal_rain(city: City, month: int, context: Context) -> str:
    """Whether an umbrella is wanted in such a month, in a usual year."""
    rain, cold = city.rain[month - 1], city.high[month - 1] <= 3
    if cold and rain >= 30:
        return context.say(
            ja="平年なら雪の降る時期です。滑りにくい靴が安心です。",
            en="Snow is usual at this time of year: wear shoes that grip.",
        )
    if rain >= 100:
        return context.say(
            ja="平年は雨の多い月です。折りたたみ傘があると安心です。",
            en="It is usually a wet month: a folding umbrella would be wise.",
        )
    if rain < 30:
        return context.say(ja="平年は雨の少ない月です。", en="It is usually a dry month.")
    return context.say(
        ja="平年の雨は多くも少なくもない月です。お出かけ前に空模様をご確認ください。",
        en="Rain is usually moderate in this month: look at the sky before you go.",
    )


def day_data(day: Day, today: date, context: Context) -> dict[str, Any]:
    """A day as JSON values."""
    return {
        "date": day.date.isoformat(),
        "day": day_name(day.date, today, context),
        "weather": words(day.code, context.lang),
        "high": day.high,
        "low": day.low,
        "rain_chance": day.chance,
        "rain_mm": day.rain,
    }


def hour_data(hour: Hour, context: Context) -> dict[str, Any]:
    """An hour as JSON values."""
    return {
        "time": hour.time.isoformat(timespec="minutes"),
        "weather": words(hour.code, context.lang),
        "temperature": hour.temperature,
        "rain_chance": hour.chance,
    }


def _short(day: Day, context: Context) -> str:
    return context.say(
        ja=f"{words(day.code, 'ja')} {day.high}/{day.low}℃", en=f"{words(day.code, 'en')} {day.high}/{day.low}°C"
    )
