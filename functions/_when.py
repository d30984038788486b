"""Dates as people say them, Japanese or English, relative to the moment they are said.

The words are in `_when_ja` and `_when_en`: their rules turn a text into slots (whole numbers by name). `_when_days`
makes days of the slots, and here they become a moment. Covered: days, weeks, months, weekdays, clock times, parts of
the day, durations, repetition by day of the week. Not covered: other repetitions (recognised, see `When.odd_repeat`),
time zones other than that of the moment, and ranges (the beginning counts).
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from agent.messages import Lang
from functions import _when_en, _when_ja
from functions._when_days import days_of, moment

DEFAULT_HOUR = 9
"""When a day without a time is due."""

_LONGEST = 300
_DAY = 1440
_JAPANESE = re.compile(r"[぀-ヿ一-鿿々〇]")
# A part of the day, known by its usual hour: the hours it takes in, past midnight counted on from 24.
_PARTS = {
    5: (2, 8),
    6: (3, 9),
    9: (0, 12),
    10: (0, 12),
    12: (10, 16),
    13: (12, 16),
    14: (12, 21),
    17: (14, 20),
    18: (15, 24),
    20: (17, 29),
    22: (19, 29),
    23: (20, 30),
}


@dataclass(frozen=True)
class When:
    """A moment that somebody named.

    Attributes:
        at: the moment, with the offset of the speaker; of a repetition the first.
        start: where a day or a longer time was named, its beginning; `end` is the first moment after it.
        readings: minutes after midnight that the named time can mean, the likeliest first; empty where none was named.
        hours: the hours of the named part of the day, without a clock time.
        repeat: days of the week on which it comes again, Monday is 0.
        odd_repeat: a repetition was named that is not by day of the week.
        shift: how much later (or earlier) something is to be than it was.
        all_day: a day without a time; `at` is at 9:00, or soon where that is past today.
        rolled: the plain reading had passed, so the next one was taken.
        rest: what of the text was not read.
    """

    at: datetime
    start: datetime | None = None
    end: datetime | None = None
    readings: tuple[int, ...] = ()
    hours: tuple[int, int] | None = None
    repeat: tuple[int, ...] = ()
    odd_repeat: bool = False
    shift: timedelta | None = None
    all_day: bool = False
    rolled: bool = False
    rest: str = ""

    @property
    def exact(self) -> bool:
        """Whether one moment was named by its distance from now ("in 20 minutes")."""
        return self.start is None and not self.readings and self.hours is None and not self.repeat

    def covers(self, moment: datetime) -> bool:
        """Whether what was named can be this moment."""
        local = moment.astimezone(self.at.tzinfo)
        if self.exact:
            return abs(local - self.at) < timedelta(minutes=1)
        if self.start is not None and self.end is not None:
            night = timedelta(hours=6) if self._past_midnight() else timedelta()
            if not self.start <= local < self.end + night:
                return False
        if self.readings:
            return any(reading % _DAY == local.hour * 60 + local.minute for reading in self.readings)
        if self.hours is not None:
            return any(self.hours[0] <= hour < self.hours[1] for hour in (local.hour, local.hour + 24))
        return True

    def _past_midnight(self) -> bool:
        return any(reading >= _DAY for reading in self.readings) or (self.hours is not None and self.hours[1] > 24)


def parse(text: str, said_at: datetime, lang: Lang) -> When | None:
    """Reads when something is to be.

    Args:
        text: what was said, in either language.
        said_at: the moment it was said; its offset is that of the answer.
        lang: language of the turn; decides only what `3/4` means.

    Returns:
        The moment, or None where the text names none or one that does not exist.
    """
    offset = said_at.astimezone().utcoffset() if said_at.tzinfo is None else said_at.utcoffset()
    now = said_at.replace(tzinfo=timezone(offset or timedelta()))
    plain = unicodedata.normalize("NFKC", text).casefold()[:_LONGEST]
    slots: dict[str, int] = {}
    if _JAPANESE.search(plain):
        rest = _take(_when_ja.prepare(plain), _when_ja.RULES, slots)
        # What is left may hold English and figures: "12/24の7pm".
        _take(_when_en.prepare(re.sub(r"[^\x00-\x7f]+", "|", rest)), _when_en.RULES, slots)
        lang = "ja"
    else:
        rest = _take(_when_en.prepare(plain), _when_en.RULES, slots)
    _name_slashed(slots, month_first=lang == "ja" or _month_first(now))
    try:
        return _resolve(slots, now, rest.replace("|", " ").strip()) if slots else None
    except (ValueError, OverflowError):
        return None  # 30 February, the year 10000


def _take(text: str, rules: Sequence[_when_ja.Rule], slots: dict[str, int]) -> str:
    """Fills the slots by the rules and gives the text with what was read replaced by bars."""
    for pattern, meaning in rules:
        for found in pattern.finditer(text):
            given = meaning(found)
            if given and not given.keys() & slots.keys():
                slots.update(given)
                text = f"{text[: found.start()]}|{text[found.end() :]}"
                break
    return text


def _month_first(now: datetime) -> bool:
    """Whether 3/4 is the fourth of March where this offset is in use: the Americas and Japan."""
    hours = (now.utcoffset() or timedelta()) / timedelta(hours=1)
    return -10 <= hours <= -4 or hours == 9


def _name_slashed(slots: dict[str, int], *, month_first: bool) -> None:
    if "slash_a" not in slots:
        return
    first, second = slots.pop("slash_a"), slots.pop("slash_b")
    if (month_first and first <= 12) or second > 12:
        slots["month"], slots["day"] = first, second
    else:
        slots["month"], slots["day"] = second, first


# ---- from slots to a moment


def _resolve(slots: dict[str, int], now: datetime, rest: str) -> When | None:
    if "odd" in slots:
        return When(now, odd_repeat=True, rest=rest)
    if "shift" in slots:
        shift = timedelta(seconds=slots["shift"])
        return When(now + shift, shift=shift, rest=rest)
    if "seconds" in slots:
        return When(now + timedelta(seconds=slots["seconds"]), rest=rest)
    readings = _readings(slots)
    part = slots.get("part") if not readings else None
    hours = _PARTS[part] if part is not None else None
    span = days_of(slots, now, readings)
    if slots.get("repeat"):
        return _resolve_repeat(slots, now, span, readings, rest)
    if span is None:
        if readings:
            at = _next_of(readings, now)
            usual = moment(now.date(), now, readings[0])
            return When(at, readings=readings, rolled=usual <= now, rest=rest)
        if part is None:
            return None
        at, rolled = _next_part(part, now)
        return When(at, hours=hours, rolled=rolled, rest=rest)
    first, last = span
    start, end = moment(first, now, 0), moment(last + timedelta(days=1), now, 0)
    if readings:
        at = _today_of(readings, now) if first == now.date() else moment(first, now, readings[0])
        return When(at, start, end, readings, rest=rest)
    at = moment(first, now, (part or DEFAULT_HOUR) * 60)
    if part is not None and hours is not None:
        if at <= now < moment(first, now, hours[1] * 60):
            at = _soon(now)
        return When(at, start, end, hours=hours, rest=rest)
    if at <= now < end:
        tomorrow = now.date() + timedelta(days=1)
        at = moment(tomorrow, now, DEFAULT_HOUR * 60) if first < tomorrow <= last else _soon(now)
    return When(at, start, end, all_day=True, rest=rest)


def _resolve_repeat(
    slots: dict[str, int], now: datetime, span: tuple[date, date] | None, readings: tuple[int, ...], rest: str
) -> When:
    first = max(span[0], now.date()) if span else now.date()
    mask = slots["repeat"]
    days = tuple(day for day in range(7) if mask & 1 << day) if mask > 0 else (first.weekday(),)
    minutes = readings[0] if readings else slots.get("part", DEFAULT_HOUR) * 60
    at = moment(first, now, minutes)
    # The day that was named counts also where the time itself is after midnight (25:00).
    while at <= now or (at - timedelta(minutes=minutes)).weekday() not in days:
        at += timedelta(days=1)
    if minutes >= _DAY:
        days = tuple(sorted((day + 1) % 7 for day in days))
    return When(
        at, readings=readings or (minutes,), repeat=days, all_day=not readings and "part" not in slots, rest=rest
    )


def _soon(now: datetime) -> datetime:
    """The next full hour that is a quarter away, or in five minutes where that is another day."""
    hour = (now + timedelta(minutes=75)).replace(minute=0, second=0, microsecond=0)
    return hour if hour.date() == now.date() else now.replace(microsecond=0) + timedelta(minutes=5)


def _readings(slots: dict[str, int]) -> tuple[int, ...]:
    """What the named time can mean, in minutes after midnight, the likeliest first."""
    if "hour" not in slots:
        return ()
    hour, minute = slots["hour"], slots.get("minute", 0)
    if hour > 30 or minute > 59:
        return ()
    more = minute - slots.get("before", 0)
    if hour > 12 or hour == 0 or "exact" in slots:
        hours: tuple[int, ...] = (hour,)
    elif "half" in slots:
        hours = (hour % 12 + 12 * slots["half"],)
    elif within := _within(hour, slots.get("part")):
        hours = (within,)
    elif hour == 12:
        hours = (12, 24)
    else:
        # Nobody is reminded at 3 in the morning without saying so.
        hours = (hour + 12, hour) if hour <= 5 else (hour, hour + 12)
    return tuple(reading * 60 + more for reading in hours)


def _within(hour: int, part: int | None) -> int | None:
    """The reading of a clock hour that lies in a part of the day; None where none does, or it is midnight itself."""
    if part is None:
        return None
    low, high = _PARTS[part]
    return next((reading for reading in (hour % 12, hour % 12 + 12, hour % 12 + 24) if low <= reading < high), None)


def _next_of(readings: tuple[int, ...], now: datetime) -> datetime:
    """The next moment that the time can mean, in the night only where it can mean nothing else."""
    coming = sorted(
        at for day in (-1, 0, 1) for reading in readings if (at := moment(now.date(), now, reading + day * _DAY)) > now
    )
    if len(readings) == 1:
        return coming[0]
    return next((at for at in coming if at.hour >= 6), coming[0])


def _today_of(readings: tuple[int, ...], now: datetime) -> datetime:
    """The same on this day; where all readings are past, the likeliest."""
    today = [moment(now.date(), now, reading) for reading in readings]
    return next((at for at in today if at > now), today[0])


def _next_part(part: int, now: datetime) -> tuple[datetime, bool]:
    at = moment(now.date(), now, part * 60)
    if at > now:
        return at, False
    # "夜" said at nine in the evening is still this night; "朝" said at ten is the next morning.
    if part >= 14 and moment(now.date(), now, _PARTS[part][1] * 60) - now >= timedelta(hours=1):
        return _soon(now), False
    return at + timedelta(days=1), True
