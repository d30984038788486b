"""The Japanese words for dates and times, as rules from a pattern to slots (see `_when`).

A slot is a whole number by name: `days`, `weeks`, `months`, `years` from now; `year`, `month`, `day`, `weekday`,
`hour`, `minute` as named; `part` is a part of the day, known by its usual hour.
"""

import re
from collections.abc import Callable, Mapping

Slots = dict[str, int]
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], Slots | None]]

_WEEK = "月火水木金土日"
_DIGITS = {kanji: value for value, kanji in enumerate("〇一二三四五六七八九")} | {"零": 0}
_NUMERAL = re.compile(r"[〇零一二三四五六七八九十百]+(?=時|分|秒|日(?!曜)|月(?!曜)|年|週|[かヶヵケカ箇個]月)")
_SPACE = re.compile(r"(?<=[^\x00-\x7f])\s+|\s+(?=[^\x00-\x7f])")


def prepare(text: str) -> str:
    """The text with figures for kanji numerals and without what only decorates."""
    text = _SPACE.sub("", text)
    text = re.sub(rf"(?<=[日\d])\s*\(([{_WEEK}])(?:曜日?)?\)", "", text)
    text = re.sub(r"第([一二三四五])", lambda found: f"第{_number(found[1])}", text)
    text = _NUMERAL.sub(lambda found: str(_number(found[0])), text)
    text = re.sub(r"[かヶヵケカ箇個]月", "か月", text)
    for said, meant in (("半時間", "30分"), ("小1時間", "1時間"), ("半日", "12時間"), ("令和元年", "令和1年")):
        text = text.replace(said, meant)
    return text


def _number(kanji: str) -> int:
    """The value of a kanji numeral below 1000, also where the figures just stand side by side (二〇二六)."""
    if not re.search("[十百]", kanji):
        return int("".join(str(_DIGITS[figure]) for figure in kanji))
    total = figure = 0
    for sign in kanji:
        if sign in "十百":
            total += (figure or 1) * (10 if sign == "十" else 100)
            figure = 0
        else:
            figure = _DIGITS[sign]
    return total + figure


def rule(pattern: str, meaning: Slots | Callable[[re.Match[str]], Slots | None]) -> Rule:
    """A rule that gives the same slots each time, or those that a function reads from what was found."""
    if callable(meaning):
        return re.compile(pattern), meaning
    return re.compile(pattern), lambda _found: dict(meaning)


def words(words: Mapping[str, Slots]) -> Rule:
    """A rule for several words that fill the same slots, of which one is named; the longest first."""
    ordered = sorted(words, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))), lambda found: dict(words[found[0]])


# ---- repetition


def _mask(found: re.Match[str]) -> Slots:
    return {"repeat": sum(1 << day for day, sign in enumerate(_WEEK) if sign in found[1].replace("曜日", "曜"))}


def _every_part(found: re.Match[str]) -> Slots:
    part = {"朝": 9, "昼": 12, "夕": 17, "晩": 20, "夜": 20}.get(found[1])
    return {"repeat": 127} | ({"part": part} if part else {})


_DAY_OF_WEEK = rf"[{_WEEK}](?:曜日?)?"
_REPEATS = [
    rule(r"隔週|隔日|毎月|毎年|毎時|\d+(?:分|時間|日|週間?|か月|年)(?:おき|ごと|毎|間隔)", {"odd": 1}),
    rule(rf"毎週の?((?:{_DAY_OF_WEEK})(?:[と、・,や]?{_DAY_OF_WEEK})*)", _mask),
    rule(rf"((?:[{_WEEK}]曜日?)(?:[と、・,や]?[{_WEEK}]曜日?)*)(?:は|に|の)?毎週", _mask),
    rule(r"毎?平日|月曜?日?(?:から|[~〜-])金曜?日?(?:まで)?", {"repeat": 31}),
    rule(r"毎週末", {"repeat": 96}),
    rule(r"毎(日|朝|昼|夕方?|晩|夜)", _every_part),
    rule(r"毎週", {"repeat": -1}),
]


# ---- distance from now


def _duration(found: re.Match[str]) -> Slots | None:
    hours, half, minutes, half_minute, seconds, later, earlier = found.groups()
    if not (hours or minutes or seconds):
        return None
    total = float(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    total += (1800 if half else 0) + (30 if half_minute else 0)
    if later or earlier:
        return {"shift": round(total) * (1 if later else -1)}
    return {"seconds": round(total)}


def _days_shift(found: re.Match[str]) -> Slots:
    days = int(found[1]) * (7 if found[2].startswith("週") else 1)
    return {"shift": days * 86400 * (1 if found[3] else -1)}


_LATER = "遅ら|遅く|後ろ|延期|延ば|のば|伸ば|繰り下げ|ずら|先延ば"
_EARLIER = "早め|早く|前倒|繰り上げ"
_DISTANCES = [
    rule(rf"(\d{{1,3}})(日|週間?)(?:間|ほど|だけ|くらい|ぐらい)?(?:(?:{_EARLIER})|({_LATER}))", _days_shift),
    rule(r"(\d{1,4})日間?(?:後|先|したら)|あと(\d{1,4})日", lambda f: {"delta_days": int(f[1] or f[2])}),
    rule(r"(\d{1,3})週間?(?:後|先|したら)", lambda f: {"delta_days": 7 * int(f[1])}),
    rule(r"(\d{1,3})か月(半)?(?:後|先|したら)", lambda f: {"delta_months": int(f[1])}),
    rule(r"半年(?:後|先)", {"delta_months": 6}),
    rule(r"(\d{1,2})年(?:後|先)", lambda f: {"delta_months": 12 * int(f[1])}),
]
_DURATIONS = [
    rule(
        r"(?:あと|今から|これから|いまから)?(?:(\d{1,4}(?:\.\d+)?)時間(半)?)?と?(?:(\d{1,5})分(半)?間?)?(?:(\d{1,6})秒間?)?"
        r"(?:ほど|くらい|ぐらい|だけ)?"
        rf"(?:後|したら|[経た]ったら|以内|({_LATER})|({_EARLIER}|前))?",
        _duration,
    ),
    rule(r"今すぐ|いますぐ|ただちに|直ちに|すぐに?", {"seconds": 0}),
]


# ---- days


def _date(found: re.Match[str]) -> Slots:
    reiwa, year, month, day = found.groups()
    given = {"year": int(year) if year else 2018 + int(reiwa)} if year or reiwa else {}
    return given | {"month": int(month), "day": int(day)}


_MONTHS = {"先": -1, "今": 0, "来": 1, "翌": 1, "再来": 2, "さ来": 2}
_NTH = rf"第(\d)([{_WEEK}])曜日?"
_DATES = [
    rule(r"(?:令和(\d{1,2})年|(\d{4})年)?の?(?<!\d)(\d{1,2})月の?(\d{1,2})日(?!間)", _date),
    rule(r"(\d{4})年", lambda f: {"year": int(f[1])}),
    words({"今年": {"years": 0}, "来年": {"years": 1}, "再来年": {"years": 2}, "去年": {"years": -1}}),
    rule(r"(再来|さ来|来|今|先|翌)月の?(?:月末|末日|末)", lambda f: {"months": _MONTHS[f[1]], "month_end": 1}),
    rule(r"(再来|さ来|来|今|先|翌)月の?(?:頭|初め|はじめ|初日)", lambda f: {"months": _MONTHS[f[1]], "day": 1}),
    rule(r"(再来|さ来|来|今|先|翌)月", lambda f: {"months": _MONTHS[f[1]]}),
    rule(r"(?<!\d)(\d{1,2})月の?(?:月末|末日|末)", lambda f: {"month": int(f[1]), "month_end": 1}),
    rule(r"月末|末日", {"month_end": 1}),
    rule(r"月初め?|月はじめ", {"day": 1}),
    words(
        {
            "年末": {"year_end": 1},
            "大晦日": {"month": 12, "day": 31},
            "大みそか": {"month": 12, "day": 31},
            "年始": {"month": 1, "day": 1},
            "年明け": {"month": 1, "day": 1},
            "元日": {"month": 1, "day": 1},
            "元旦": {"month": 1, "day": 1},
            "正月": {"month": 1, "day": 1},
            "クリスマスイブ": {"month": 12, "day": 24},
            "クリスマス": {"month": 12, "day": 25},
        }
    ),
    rule(_NTH, lambda f: {"nth": int(f[1]), "weekday": _WEEK.index(f[2])} if f[1] in "12345" else None),
    rule(r"(?<!\d)(\d{1,2})日(?!間|後|目|曜)", lambda f: {"day": int(f[1])}),
    rule(r"(?<!\d)(\d{1,2})月(?!曜)", lambda f: {"month": int(f[1])}),
    rule(
        r"(再来|さ来|来|今|先)?週の?(?:週末|末)",
        lambda f: {"weekend": 1} | ({"weeks": _MONTHS[f[1]]} if f[1] else {}),
    ),
    rule(r"土日", {"weekend": 1}),
    rule(r"週明け", {"weekday": 0, "coming": 1}),
    rule(rf"(?:次|今度|こんど|つぎ)の([{_WEEK}])曜日?", lambda f: {"weekday": _WEEK.index(f[1]), "coming": 1}),
    words(
        {
            "再来週": {"weeks": 2},
            "さ来週": {"weeks": 2},
            "来週": {"weeks": 1},
            "翌週": {"weeks": 1},
            "次の週": {"weeks": 1},
            "今週": {"weeks": 0},
            "先週": {"weeks": -1},
        }
    ),
    rule(rf"([{_WEEK}])曜日?", lambda f: {"weekday": _WEEK.index(f[1])}),
    words(
        {
            "しあさって": {"days": 3},
            "明々後日": {"days": 3},
            "明明後日": {"days": 3},
            "明後日": {"days": 2},
            "あさって": {"days": 2},
            "明日": {"days": 1},
            "あした": {"days": 1},
            "あす": {"days": 1},
            "翌日": {"days": 1},
            "次の日": {"days": 1},
            "今日": {"days": 0},
            "きょう": {"days": 0},
            "本日": {"days": 0},
            "昨日": {"days": -1},
            "きのう": {"days": -1},
            "一昨日": {"days": -2},
            "おととい": {"days": -2},
            "明朝": {"days": 1, "part": 9},
            "翌朝": {"days": 1, "part": 9},
            "明晩": {"days": 1, "part": 20},
            "今朝": {"days": 0, "part": 9},
            "今夕": {"days": 0, "part": 17},
            "今夜": {"days": 0, "part": 20},
            "今晩": {"days": 0, "part": 20},
            "こんや": {"days": 0, "part": 20},
            "こんばん": {"days": 0, "part": 20},
            "昨夜": {"days": -1, "part": 20},
        }
    ),
]


# ---- times


def _clock(found: re.Match[str]) -> Slots | None:
    half, hour, before, half_past, minute = found.groups()
    given = {"hour": int(hour), "minute": 30 if half_past else int(minute or 0)}
    if half:
        given["half"] = int(half in ("午後", "pm"))
    elif hour.startswith("0"):
        given["exact"] = 1
    return given | ({"before": int(before)} if before else {})


_TIMES = [
    rule(r"正午", {"hour": 12, "exact": 1}),
    rule(r"真夜中(?!の?\d)", {"hour": 24, "exact": 1}),
    rule(r"(?:(午前|午後|am|pm)の?)?(?<!\d)(\d{1,2})時(?!間)の?(?:(\d{1,2})分前|(半)|(\d{1,2})分(?!後))?", _clock),
    rule(r"(午前|午後)(\d{1,2})()()(?::(\d{2}))?(?!\d)", _clock),
]
_PARTS = [
    rule(r"明け方|夜明け|未明|あけがた", {"part": 5}),
    rule(r"早朝|朝早く", {"part": 6}),
    rule(r"昼過ぎ|昼すぎ|昼食後", {"part": 13}),
    rule(r"夕方|夕刻|ゆうがた|夕", {"part": 17}),
    rule(r"真夜中|深夜|夜中", {"part": 23}),
    rule(r"夜遅く|夜更け", {"part": 22}),
    rule(r"午前中?", {"part": 10}),
    rule(r"午後", {"part": 14}),
    rule(r"お?昼(?:休み|間|前)?", {"part": 12}),
    rule(r"夜|晩", {"part": 20}),
    rule(r"朝(?:一番?|イチ|いち)?", {"part": 9}),
]

# Clock times go before durations, so that in "7時10分前" the minutes belong to the hour.
RULES: list[Rule] = [*_REPEATS, *_TIMES, *_DISTANCES, *_DURATIONS, *_DATES, *_PARTS]
