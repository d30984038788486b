"""From slots (see `_when_ja`) to days: which day or days of the calendar were named."""

from calendar import monthrange
from datetime import date, datetime, time, timedelta

from functions._when_ja import Slots


def moment(day: date, now: datetime, minutes: int) -> datetime:
    """So many minutes after the midnight that begins the day, where the clock is that of `now`."""
    return datetime.combine(day, time(), now.tzinfo) + timedelta(minutes=minutes)


def days_of(slots: Slots, now: datetime, readings: tuple[int, ...]) -> tuple[date, date] | None:
    """The first and the last of the named days, or None where no day was named.

    Raises:
        ValueError: there is no such day.
    """
    today = now.date()
    found = _in_month(slots, today) or _in_week(slots, now, readings)
    if found is None and "days" in slots:
        found = (today + timedelta(days=slots["days"]),) * 2
    if found is None and "delta_days" in slots:
        found = (today + timedelta(days=slots["delta_days"]),) * 2
    if found is None and "delta_months" in slots:
        year, month = _month(today, slots["delta_months"])
        found = (date(year, month, min(today.day, monthrange(year, month)[1])),) * 2
    if found is None and "year_end" in slots:
        found = (date(today.year + slots.get("years", 0), 12, 31),) * 2
    if found is None and "years" in slots:
        found = date(today.year + slots["years"], 1, 1), date(today.year + slots["years"], 12, 31)
    if found and "plus_days" in slots:
        more = timedelta(days=slots["plus_days"])
        found = found[0] + more, found[1] + more
    return found


def _month(today: date, offset: int) -> tuple[int, int]:
    years, month = divmod(today.month - 1 + offset, 12)
    return today.year + years, month + 1


def _in_month(slots: Slots, today: date) -> tuple[date, date] | None:
    if not slots.keys() & {"month", "months", "day", "month_end", "nth"}:
        return None
    year, month = _named_month(slots, today)
    if "nth" in slots:
        day = _nth_weekday(year, month, slots)
        if day < today and "month" not in slots and "months" not in slots:
            day = _nth_weekday(*_month(today, 1), slots)
        return day, day
    if "month_end" in slots:
        last = date(year, month, monthrange(year, month)[1])
        return last, last
    if "day" not in slots:
        return date(year, month, 1), date(year, month, monthrange(year, month)[1])
    if "month" in slots or "months" in slots:
        free = "months" not in slots and "year" not in slots and "years" not in slots
        # Without a year the next such day: 29 February can be years away.
        for candidate in range(year, year + 9 if free else year + 1):
            if slots["day"] <= monthrange(candidate, month)[1] and not (
                free and date(candidate, month, slots["day"]) < today
            ):
                return (date(candidate, month, slots["day"]),) * 2
        raise ValueError("no such day")
    for offset in range(12):
        year, month = _month(today, offset)
        if slots["day"] <= monthrange(year, month)[1] and date(year, month, slots["day"]) >= today:
            return (date(year, month, slots["day"]),) * 2
    raise ValueError("no such day")


def _named_month(slots: Slots, today: date) -> tuple[int, int]:
    if "month" not in slots:
        return _month(today, slots.get("months", 0))
    if not 1 <= slots["month"] <= 12:
        raise ValueError("no such month")
    if "year" in slots:
        return slots["year"], slots["month"]
    if "years" in slots:
        return today.year + slots["years"], slots["month"]
    return today.year + (slots["month"] < today.month), slots["month"]


def _nth_weekday(year: int, month: int, slots: Slots) -> date:
    first = date(year, month, 1)
    day = first + timedelta(days=(slots["weekday"] - first.weekday()) % 7 + 7 * (slots["nth"] - 1))
    if day.month != month:
        raise ValueError("no such day")
    return day


def _in_week(slots: Slots, now: datetime, readings: tuple[int, ...]) -> tuple[date, date] | None:
    today = now.date()
    weeks = slots.get("weeks")
    # "2週間後の月曜" is the Monday of that week.
    if weeks is None and "weekday" in slots and slots.get("delta_days", 1) % 7 == 0:
        weeks = slots["delta_days"] // 7
    monday = today + timedelta(days=7 * (weeks or 0) - today.weekday())
    if "weekend" in slots:
        first = monday + timedelta(days=5)
        return (max(first, today) if not weeks else first), monday + timedelta(days=6)
    if "weekday" in slots:
        if weeks is not None:
            return (monday + timedelta(days=slots["weekday"]),) * 2
        ahead = (slots["weekday"] - today.weekday()) % 7
        if ahead == 0 and ("coming" in slots or not readings or moment(today, now, readings[0]) <= now):
            ahead = 7
        return (today + timedelta(days=ahead),) * 2
    return None if weeks is None else (monday, monday + timedelta(days=6))
