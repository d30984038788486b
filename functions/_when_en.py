"""The English words for dates and times, as rules from a pattern to slots (see `_when` and `_when_ja`)."""

import re

from functions._when_ja import Rule, Slots, rule, words

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WEEKDAY = (
    r"(mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:r(?:s(?:day)?)?)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_END = r"(?![a-z0-9])"
_START = r"(?<![a-z0-9])"

_ONES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {word: value for value, word in enumerate((*_ONES, *_TEENS), start=1)}
_ORDINALS = {
    word: value
    for value, word in enumerate(
        (
            *("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
            *("eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth"),
            *("eighteenth", "nineteenth", "twentieth"),
        ),
        start=1,
    )
}
_TENS_OF = re.compile(rf"{_START}({'|'.join(_TENS)})(?:[ -]({'|'.join((*_ONES, *list(_ORDINALS)[:9]))}))?{_END}")
_NUMBER = re.compile(rf"{_START}({'|'.join(sorted(_NUMBERS, key=len, reverse=True))}){_END}")
_ORDINAL = re.compile(rf"{_START}({'|'.join(sorted(_ORDINALS, key=len, reverse=True))}){_END}(?! thing)")
# "second" is a unit of time unless it stands before what can be counted.
_SAYINGS = (
    (r"a\.m\.?", "am"),
    (r"p\.m\.?", "pm"),
    (r"(?:a )?couple of|couple", "2"),
    (r"fortnight", "2 weeks"),
    (r"(?:a )?quarter of an hour", "15 minutes"),
    (r"three[ -]quarters of an hour", "45 minutes"),
    (r"half an hour|half[ -]hour|a half hour", "30 minutes"),
    (r"(?:an|one|1) hour and a half|(?:one|1|an) and a half hours", "90 minutes"),
    (r"an?(?= (?:hour|minute|second|day|week|month|year|30 minutes|2 weeks))", "1"),
)


def prepare(text: str) -> str:
    """The text with figures for numbers in words and one form of each saying."""
    text = text.replace("’", "'")
    for said, meant in _SAYINGS:
        text = re.sub(rf"{_START}(?:{said}){_END}", meant, text)
    text = _TENS_OF.sub(_tens, text)
    text = _NUMBER.sub(lambda found: str(_NUMBERS[found[1]]), text)
    text = _ORDINAL.sub(_ordinal, text)
    text = re.sub(r"1 (30 minutes|2 weeks)", r"\1", text)
    # Of a range the beginning counts: "from 3 to 4pm" is 3pm.
    text = re.sub(r"from (\d{1,2}(?::\d\d)?) ?(?:to|until|till|-) ?\d{1,2}(?::\d\d)?(?: ?([ap]m))?", _beginning, text)
    return re.sub(r"(\d+) and a half (hours?)|(\d+) (hours) and a half", _and_a_half, text)


def _beginning(found: re.Match[str]) -> str:
    return f"at {found[1]}{found[2] or ''}"


def _tens(found: re.Match[str]) -> str:
    value = 10 * _TENS.index(found[1]) + 20
    if found[2] in _ORDINALS:
        return f"{value + _ORDINALS[found[2]]}th"
    return str(value + _NUMBERS.get(found[2], 0))


def _ordinal(found: re.Match[str]) -> str:
    after = found.string[found.end() :]
    if found[1] == "second" and not re.match(rf" (?:of|{_WEEKDAY})", after):
        return found[0]
    return f"{_ORDINALS[found[1]]}th"


def _and_a_half(found: re.Match[str]) -> str:
    return f"{found[1] or found[3]}.5 hours"


def _weekday(word: str) -> int:
    return next(day for day, name in enumerate(_WEEKDAYS) if name.startswith(word[:3]))


def _month(word: str) -> int:
    return _MONTHS.index(word[:3]) + 1


# ---- repetition

_PART_HOURS = {"morning": 9, "afternoon": 14, "evening": 18, "night": 20}
_LIST = rf"({_WEEKDAY}s?(?:(?:\s*,\s*|\s*and\s*|\s*&\s*|\s*,\s*and\s*|\s+){_WEEKDAY}s?)*)"


def _mask(found: re.Match[str]) -> Slots:
    return {"repeat": sum(1 << day for day in {_weekday(each[0]) for each in re.finditer(_WEEKDAY, found[1])})}


_REPEATS = [
    rule(
        rf"{_START}(?:every other|every \d+|every (?:month|year|hour|minute)|each (?:month|year|hour)|monthly|yearly"
        rf"|annually|hourly|bi-?weekly|fortnightly|every 2 weeks){_END}",
        {"odd": 1},
    ),
    rule(
        rf"{_START}(?:(?:every|each|on) )?(?:weekdays|work ?days)|(?:every|each) (?:week|work|working |business )"
        rf"[ -]?day{_END}|{_START}mon(?:day)?s?\s*(?:to|-|through|thru|till)\s*fri(?:day)?s?{_END}",
        {"repeat": 31},
    ),
    rule(rf"{_START}(?:(?:every|each) weekend|(?:on )?weekends){_END}", {"repeat": 96}),
    rule(rf"{_START}(?:every|each|weekly on|every week on) {_LIST}{_END}", _mask),
    rule(rf"{_START}(?:on )?({_WEEKDAY}s(?:\s*(?:,|and|&)\s*{_WEEKDAY}s)*){_END}", _mask),
    rule(
        rf"{_START}(?:every|each) (?:single )?(morning|afternoon|evening|night){_END}",
        lambda f: {"repeat": 127, "part": _PART_HOURS[f[1]]},
    ),
    rule(rf"{_START}nightly{_END}", {"repeat": 127, "part": 20}),
    rule(rf"{_START}(?:every ?(?:single )?day|each day|daily){_END}", {"repeat": 127}),
    rule(rf"{_START}(?:every week|each week|weekly){_END}", {"repeat": -1}),
]


# ---- times


def _clock(found: re.Match[str]) -> Slots:
    hour, minute, half = found.groups()
    given = {"hour": int(hour), "minute": int(minute or 0)}
    if half:
        return given | {"half": int(half.startswith("p"))}
    return given | ({"exact": 1} if hour.startswith("0") else {})


def _to_or_past(found: re.Match[str]) -> Slots:
    count, side, hour, half = found.groups()
    minutes = {"half": 30, "quarter": 15}.get(count) or int(count)
    given = {"hour": {"noon": 12, "midnight": 24}.get(hour) or int(hour)}
    given |= {"half": int(half.startswith("p"))} if half else {}
    given |= {"exact": 1} if hour in ("noon", "midnight") else {}
    return given | ({"minute": minutes} if side in ("past", "after") else {"before": minutes})


_AMPM = rf"(am|pm|a|p){_END}"
_TIMES = [
    rule(
        rf"{_START}(?:a )?(half|quarter|\d{{1,2}})(?: minutes?| mins?)? (past|after|to|before|of|till?) "
        rf"(\d{{1,2}}|noon|midnight)(?! (?:minutes?|hours?|days?))(?:\s*(am|pm))?{_END}",
        _to_or_past,
    ),
    rule(rf"{_START}half (\d{{1,2}}){_END}", lambda f: {"hour": int(f[1]), "minute": 30}),
    rule(rf"(?:12 )?{_START}(?:noon|midday){_END}", {"hour": 12, "exact": 1}),
    rule(rf"(?:12 )?{_START}midnight{_END}", {"hour": 24, "exact": 1}),
    rule(rf"(?<![\d:./-])(\d{{1,2}})(?:[:. ]?([0-5]\d))?\s*{_AMPM}", _clock),
    rule(rf"(?<![\d:/-])(\d{{1,2}}):([0-5]\d)(?::[0-5]\d)?(){_END}", _clock),
    rule(rf"{_START}(\d{{1,2}})()()\s*o'?\s*clock{_END}", _clock),
    rule(rf"(?:{_START}at |^)(\d{{1,2}})[ .]([0-5]\d)()(?![\d/.:-]){_END}", _clock),
    rule(
        rf"{_START}([01]\d|2[0-3])([0-5]\d)()\s*(?:hours|hrs|h){_END}|{_START}(?<=at )([01]\d|2[0-3])([0-5]\d){_END}",
        lambda f: {"hour": int(f[1] or f[4]), "minute": int(f[2] or f[5]), "exact": 1},
    ),
]
_BARE_TIME = rule(
    rf"(?:(?:{_START}(?:at|by|to|around|about|until|till?|before|after|from|make it)|@|^|[|,])\s*)(\d{{1,2}})"
    r"(?=\s*(?:ish|sharp|instead|please|in the|at night|on|tomorrow|today|tonight|-|to |[|,.!?]|$))(?!-\d|\.\d)",
    lambda f: {"hour": int(f[1])} | ({"exact": 1} if f[1].startswith("0") else {}),
)


# ---- distance from now


def _duration(found: re.Match[str]) -> Slots | None:
    by, hours, minutes, seconds, later, sooner = found.groups()
    total = round(float(hours or 0) * 3600 + float(minutes or 0) * 60 + float(seconds or 0))
    if not (hours or minutes or seconds):
        return None
    if by or later or sooner:
        return {"shift": -total if sooner else total}
    return {"seconds": total}


_UNITS = {"day": 1, "week": 7}
_DISTANCES = [
    rule(
        rf"{_START}(?:by )?(\d{{1,3}}) (day|week)s? (?:(later)|earlier|sooner){_END}",
        lambda f: {"shift": int(f[1]) * _UNITS[f[2]] * 86400 * (1 if f[3] else -1)},
    ),
    rule(rf"{_START}(\d{{1,3}}) (day|week)s? (?:ago){_END}", lambda f: {"delta_days": -int(f[1]) * _UNITS[f[2]]}),
    rule(
        rf"{_START}(?:in )?(\d{{1,3}}) (day|week)s?(?:'s?)?(?: time)? from (?:now|today){_END}"
        rf"|{_START}(?:in|after|within) (\d{{1,3}}) (day|week)s?{_END}",
        lambda f: {"delta_days": int(f[1] or f[3]) * _UNITS[f[2] or f[4]]},
    ),
    rule(
        rf"{_START}(\d{{1,3}}) (day|week)s? (?:from|on|after)(?= )", lambda f: {"plus_days": int(f[1]) * _UNITS[f[2]]}
    ),
    rule(
        rf"{_START}(?:in )?(\d{{1,3}}) (month|year)s?(?: from (?:now|today))?{_END}",
        lambda f: {"delta_months": int(f[1]) * (12 if f[2] == "year" else 1)},
    ),
]
_DURATION = rule(
    rf"{_START}(?:in |after |within |for )?(by |(?:push|delay|postpone|snooze)[a-z ]{{0,20}} )?(?:another )?"
    rf"(?:(\d{{1,4}}(?:\.\d+)?)\s*(?:hours?|hrs?|h)(?![a-z])(?:\s*,?\s*(?:and )?(?=\d))?)?"
    rf"(?:(\d{{1,5}}(?:\.\d+)?)\s*(?:minutes?|mins?|m)(?![a-z])(?:\s*,?\s*(?:and )?(?=\d))?)?"
    rf"(?:(\d{{1,6}})\s*(?:seconds?|secs?|s)(?![a-z]))?"
    rf"(?: more)?(?: from now|( later)|( earlier| sooner| ago| before))?",
    _duration,
)
_IN_TEN = rule(rf"{_START}in (\d{{1,3}})$", lambda f: {"seconds": 60 * int(f[1])})
_NOW = rule(rf"{_START}(?:right now|right away|immediately|now){_END}", {"seconds": 0})


# ---- days


def _slashed(found: re.Match[str]) -> Slots:
    year = {} if not found[3] else {"year": int(found[3]) + (2000 if len(found[3]) == 2 else 0)}
    return {"slash_a": int(found[1]), "slash_b": int(found[2])} | year


def _named_date(found: re.Match[str]) -> Slots:
    day, month = (found[1], found[2]) if found[1].isdigit() else (found[2], found[1])
    return {"day": int(day), "month": _month(month)} | ({"year": int(found[3])} if found[3] else {})


def _next_month(found: re.Match[str], slots: Slots) -> Slots:
    return slots | {"months": int("next" in found[0])}


_TH = r"(?:st|nd|rd|th)"
_DATES = [
    rule(
        r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:t(?=\d))?(?!\d{3})",
        lambda f: {"year": int(f[1]), "month": int(f[2]), "day": int(f[3])},
    ),
    rule(r"(?<![\d/])(\d{1,2})/(\d{1,2})(?:/(\d{4}|\d{2}))?(?![\d/])", _slashed),
    rule(
        rf"{_START}{_MONTH}\.? (?:the )?(\d{{1,2}}){_TH}?{_END}(?![:.]\d| ?[ap]m)(?:,? (\d{{4}}){_END})?", _named_date
    ),
    rule(rf"{_START}(\d{{1,2}}){_TH}?(?: day)?(?: of)? {_MONTH}\.?{_END}(?:,? (\d{{4}}){_END})?", _named_date),
    rule(
        rf"{_START}(\d){_TH} {_WEEKDAY} (?:of|in) (?:(?:the|this|next) month|{_MONTH}){_END}",
        lambda f: (
            {"nth": min(int(f[1]), 5), "weekday": _weekday(f[2])}
            | ({"month": _month(f[3])} if f[3] else {"months": int("next" in f[0])})
        ),
    ),
    rule(
        rf"{_START}end of (?:this |next |the )?month{_END}|{_START}(?:month[ -]end|eom){_END}",
        lambda f: _next_month(f, {"month_end": 1}),
    ),
    rule(rf"{_START}end of {_MONTH}{_END}", lambda f: {"month_end": 1, "month": _month(f[1])}),
    rule(rf"{_START}(?:end of (?:this |the )?year|year[ -]end){_END}", {"year_end": 1}),
    rule(rf"{_START}end of next week{_END}", {"weeks": 1, "weekday": 4}),
    rule(rf"{_START}end of (?:this |the )?week{_END}", {"weeks": 0, "weekday": 4}),
    rule(rf"{_START}(?:end of (?:the )?day|eod){_END}", {"part": 17, "days": 0}),
    rule(rf"{_START}(?:beginning|start) of next month{_END}", {"months": 1, "day": 1}),
    rule(
        rf"{_START}(?:the )?(\d{{1,2}}){_TH}(?: of (?:the|this|next) month)?{_END}",
        lambda f: {"day": int(f[1])} | (_next_month(f, {}) if "month" in f[0] else {}),
    ),
    words(
        {
            "christmas eve": {"month": 12, "day": 24},
            "christmas day": {"month": 12, "day": 25},
            "christmas": {"month": 12, "day": 25},
            "new year's eve": {"month": 12, "day": 31},
            "new year's day": {"month": 1, "day": 1},
            "new year": {"month": 1, "day": 1},
        }
    ),
    rule(rf"{_START}next weekend{_END}", {"weekend": 1, "weeks": 1}),
    rule(rf"{_START}(?:this |the )?weekend{_END}", {"weekend": 1}),
    rule(rf"{_START}{_WEEKDAY} week{_END}", lambda f: {"weekday": _weekday(f[1]), "plus_days": 7}),
    rule(rf"{_START}week after next{_END}", {"weeks": 2}),
    rule(rf"{_START}next week{_END}", {"weeks": 1}),
    rule(rf"{_START}this week{_END}", {"weeks": 0}),
    rule(rf"{_START}last week{_END}", {"weeks": -1}),
    rule(rf"{_START}next {_WEEKDAY}{_END}", lambda f: {"weekday": _weekday(f[1]), "weeks": 1}),
    rule(rf"{_START}last {_WEEKDAY}{_END}", lambda f: {"weekday": _weekday(f[1]), "weeks": -1}),
    rule(rf"{_START}coming {_WEEKDAY}{_END}", lambda f: {"weekday": _weekday(f[1]), "coming": 1}),
    rule(rf"{_START}{_WEEKDAY}{_END}", lambda f: {"weekday": _weekday(f[1])}),
    rule(rf"{_START}(?:the )?day after tomorrow{_END}|{_START}overmorrow{_END}", {"days": 2}),
    rule(rf"{_START}(?:tomm?orr?ow|tmrw|tmr|2moro|tomoz)(?:'s)?{_END}", {"days": 1}),
    rule(rf"{_START}(?:tonight|tonite|this night){_END}", {"days": 0, "part": 20}),
    rule(rf"{_START}this (morning|afternoon|evening){_END}", lambda f: {"days": 0, "part": _PART_HOURS[f[1]]}),
    rule(rf"{_START}today(?:'s)?{_END}", {"days": 0}),
    rule(rf"{_START}yesterday{_END}", {"days": -1}),
    rule(rf"{_START}next month{_END}", {"months": 1}),
    rule(rf"{_START}this month{_END}", {"months": 0}),
    rule(rf"{_START}next year{_END}", {"years": 1}),
    rule(
        rf"{_START}(?:in|this|next|during|for) {_MONTH}{_END}(?:,? (\d{{4}}))?",
        lambda f: {"month": _month(f[1])} | ({"year": int(f[2])} if f[2] else {}),
    ),
]
_PARTS = [
    rule(rf"{_START}(?:dawn|sunrise|daybreak){_END}", {"part": 5}),
    rule(rf"{_START}early(?: in the)? morning{_END}", {"part": 6}),
    rule(rf"{_START}(?:mornings?|first thing){_END}", {"part": 9}),
    rule(rf"{_START}(?:after lunch|early afternoon){_END}", {"part": 13}),
    rule(rf"{_START}(?:at )?lunch(?: ?time)?{_END}", {"part": 12}),
    rule(rf"{_START}(?:afternoons?){_END}", {"part": 14}),
    rule(rf"{_START}(?:evenings?|dinner ?time){_END}", {"part": 18}),
    rule(rf"{_START}late at night{_END}", {"part": 22}),
    rule(rf"{_START}nights?{_END}", {"part": 20}),
]

# Dates go before bare numbers, clock times before durations ("10 minutes to 7").
RULES: list[Rule] = [*_REPEATS, *_TIMES, *_DISTANCES, _DURATION, _IN_TEN, *_DATES, _BARE_TIME, *_PARTS, _NOW]
