"""The times of reminders and what people name: which of them are meant, and where a change puts them."""

from dataclasses import replace
from datetime import datetime, timedelta

from functions._reminders import Reminder
from functions._when import When


def is_at(reminder: Reminder, when: When) -> bool:
    """Whether a reminder, or a repetition of it, is at what was named."""
    if when.repeat:
        return reminder.repeat == when.repeat and (when.all_day or when.covers(reminder.due))
    return when.covers(reminder.due) or (when.start is not None and within(reminder, when) is not None)


def within(reminder: Reminder, when: When) -> datetime | None:
    """The first time that a reminder is due within what was named."""
    if when.start is None or when.end is None:
        return None
    due: datetime | None = reminder.due
    if reminder.due < when.start:
        due = reminder.following(when.start - timedelta(seconds=1))
    while due is not None and due < when.end:
        if when.covers(due):
            return due
        due = reminder.following(due)
    return None


def in_the_morning(when: When, now: datetime) -> When:
    """The same in the morning where a clock time can mean that: an alarm at 6 is to wake somebody."""
    if len(when.readings) < 2 or not 4 * 60 <= min(when.readings) < 12 * 60 or when.at.hour < 12:
        return when
    early = min(when.readings)
    at = when.at.replace(hour=early // 60, minute=early % 60)
    if when.start is None and not when.repeat:
        if when.at - now <= timedelta(hours=3):
            return when
        at += timedelta(days=at <= now)
    return replace(when, at=at, rolled=False) if at > now else when


def moved(reminder: Reminder, when: When, now: datetime) -> tuple[datetime, tuple[int, ...], bool]:
    """When a reminder is due after a change: what the change doesn't name stays as it was."""
    old = reminder.due.astimezone(when.at.tzinfo)
    if when.repeat:
        return when.at, when.repeat, when.all_day
    if when.shift is not None:
        return reminder.due + when.shift, reminder.repeat, reminder.all_day
    if when.exact:
        return when.at, (), False
    if when.start is not None:
        due = when.at
        if when.all_day and when.end is not None:
            # "Next week" keeps the day of the week, and a day keeps the time.
            week = when.end - when.start == timedelta(days=7)
            day = when.start + timedelta(days=old.weekday()) if week else when.at
            due = day.replace(hour=old.hour, minute=old.minute)
        repeat = (due.weekday(),) if len(reminder.repeat) == 1 else reminder.repeat
        return due, repeat, when.all_day and reminder.all_day
    minutes = old.hour * 60 + old.minute
    midnight = old.replace(hour=0, minute=0, second=0, microsecond=0)
    readings = when.readings or (when.at.hour * 60 + when.at.minute,)
    due = midnight + timedelta(minutes=min(readings, key=lambda reading: abs(reading - minutes)))
    if due <= now:
        later = replace(reminder, due=due).following(now)
        due = later or (when.at if old.date() == now.astimezone(old.tzinfo).date() else due)
    return due, reminder.repeat, False
