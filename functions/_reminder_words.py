"""How reminders are spoken of: their times in words, and which of them a description means."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime, timedelta
from difflib import SequenceMatcher

from agent.messages import Lang
from functions._reminders import Reminder

_WEEK_JA = "月火水木金土日"
_DAYS_EN = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS_EN = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAILY = (0, 1, 2, 3, 4, 5, 6)
_WEEKDAYS = (0, 1, 2, 3, 4)

# Words that name no particular reminder.
_GENERIC_JA = re.compile(
    "リマインダー|リマインド|リマインダ|アラーム|目覚まし|めざまし|予定|スケジュール|通知|お知らせ|アポイント|アポ|登録|設定|した|してた|"
    "さっき|先ほど|さきほど|最後|直近|最新|一番新しい|作った|頼んだ|あの|その|この|それ|あれ|これ|やつ|もの|件"
)
_GENERIC_EN = frozenset(
    (
        *("a", "an", "the", "my", "our", "that", "this", "it", "one", "ones", "of", "to", "for", "about", "at", "on"),
        *("with", "me", "please", "last", "latest", "recent", "most", "just", "made", "set", "schedule"),
        *("reminder", "reminders", "alarm", "alarms", "appointment", "appointments", "event", "events"),
        *("notification", "notifications"),
    )
)
_ALL_JA = re.compile("全部|全て|すべて|ぜんぶ|全件|みんな|一切|全(?=$|の|予定|リマインド|アラーム)")
_ALL_EN = re.compile(r"(?<![a-z])(?:all|everything|every one|each)(?![a-z])(?! day)")
_EDGES = " 　、。・,.!?!?「」『』\"'“”‘’:;"


# ---- times


def clock(minutes: int, lang: Lang) -> str:
    """A time of day, given in minutes after midnight."""
    hour, minute = divmod(minutes % 1440, 60)
    if lang == "ja":
        return f"{hour}:{minute:02}"
    if minute == 0 and hour in (0, 12):
        return "noon" if hour else "midnight"
    return f"{hour % 12 or 12}:{minute:02} {'am' if hour < 12 else 'pm'}"


def time_of(at: datetime, lang: Lang) -> str:
    """The time of day of a moment."""
    return clock(at.hour * 60 + at.minute, lang)


def day_of(at: datetime, now: datetime, lang: Lang) -> str:
    """The day of a moment as one says it now, with its date."""
    today = now.astimezone(at.tzinfo).date()
    ahead = (at.date() - today).days
    if lang == "ja":
        year = "" if at.year == today.year else f"{at.year}年"
        date = f"{year}{at.month}月{at.day}日（{_WEEK_JA[at.weekday()]}）"
        near = {-1: "昨日", 0: "今日", 1: "明日", 2: "明後日"}.get(ahead)
        return near if near in ("今日", "昨日") else f"{near or ''}{date}"
    year = "" if at.year == today.year else f", {at.year}"
    date = f"{_DAYS_EN[at.weekday()]}, {_MONTHS_EN[at.month - 1]} {at.day}{year}"
    near = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(ahead)
    if near is None:
        return f"on {date}"
    return f"tomorrow ({date})" if ahead == 1 else near


def moment(at: datetime, now: datetime, lang: Lang) -> str:
    """Day and time of a moment."""
    if lang == "ja":
        return f"{day_of(at, now, lang)}の{time_of(at, lang)}"
    return f"{day_of(at, now, lang)} at {time_of(at, lang)}"


def every(repeat: Sequence[int], lang: Lang) -> str:
    """On which days something comes again."""
    if lang == "ja":
        if tuple(repeat) == _DAILY:
            return "毎日"
        if tuple(repeat) == _WEEKDAYS:
            return "平日"
        return f"毎週{'・'.join(_WEEK_JA[day] for day in repeat)}曜日"
    if tuple(repeat) == _DAILY:
        return "every day"
    if tuple(repeat) == _WEEKDAYS:
        return "every weekday"
    names = [_DAYS_EN[day] for day in repeat]
    return "every " + (f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0])


def series(repeat: Sequence[int], at: datetime, lang: Lang) -> str:
    """On which days something comes again, and at what time."""
    joint = " at " if lang == "en" else "" if tuple(repeat) == _DAILY else "の"
    return f"{every(repeat, lang)}{joint}{time_of(at, lang)}"


def line(reminder: Reminder, now: datetime, lang: Lang) -> str:
    """A reminder in a list: when, and what for."""
    at = reminder.due
    if reminder.repeat:
        when = series(reminder.repeat, at, lang)
    elif reminder.all_day:
        when = day_of(at, now, lang).removeprefix("on ")
    else:
        when = moment(at, now, lang).removeprefix("on ")
    return f"{when}{'：' if lang == 'ja' else ': '}{title(reminder, lang)}"


def title(reminder: Reminder, lang: Lang) -> str:
    """What a reminder is for."""
    return reminder.description or ("アラーム" if lang == "ja" else "alarm")


def due_text(reminder: Reminder, now: datetime) -> str:
    """What the client is told when a reminder falls due, in the language it was made in."""
    lang, at = reminder.lang, reminder.due
    late = now - at >= timedelta(minutes=1)
    what = reminder.description
    if lang == "ja":
        if reminder.all_day:
            said = f"{day_of(at, now, lang)}の予定{'でした' if late and at.date() != _today(at, now) else 'です'}"
        else:
            said = f"{moment(at, now, lang)}の予定でした" if late else f"{time_of(at, lang)}です"
        return f"⏰ {said}：{what}" if what else f"⏰ {said}。"
    if reminder.all_day:
        day = day_of(at, now, lang)
        said = f"This was for {day.removeprefix('on ')}" if at.date() != _today(at, now) else "Today"
    else:
        said = f"This was due {moment(at, now, lang)}" if late else f"It's {time_of(at, lang)}"
    return f"⏰ {said}: {what}" if what else f"⏰ {said}."


def _today(at: datetime, now: datetime) -> object:
    return now.astimezone(at.tzinfo).date()


# ---- descriptions


def plain(text: str) -> str:
    """A text in the form in which texts are compared."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_EDGES)


def means_all(text: str) -> bool:
    """Whether a text says that all are meant."""
    return bool(_ALL_JA.search(plain(text)) or _ALL_EN.search(plain(text)))


def particular(text: str) -> str:
    """The part of a description that tells one reminder from another; empty where there is none."""
    left = _ALL_EN.sub(" ", _ALL_JA.sub("", _GENERIC_JA.sub("", plain(text))))
    words = [word for word in left.split() if word.removesuffix("'s") not in _GENERIC_EN]
    return re.sub(r"^[のをはがにでも\s]+|[のをはがにでも\s]+$", "", " ".join(words))


def likeness(wanted: str, description: str) -> int:
    """How surely the words mean the description: 3 it is the same, 2 part of it, 1 alike, 0 no."""
    asked, known = particular(wanted) or plain(wanted), particular(description) or plain(description)
    if not asked or not known:
        return 0
    if asked == known or plain(wanted) == plain(description):
        return 3
    japanese = re.search(r"[^\x00-\x7f]", asked + known)
    inside, outside = (asked, known) if japanese else (f" {asked} ", f" {known} ")
    if inside in outside or outside in inside:
        return 2
    if japanese:
        first, second = _pairs(asked), _pairs(known)
    else:
        first, second = ({word.removesuffix("s") for word in text.split()} for text in (asked, known))
    common = len(first & second) / max(min(len(first), len(second)), 1)
    return int(common >= 0.5 or SequenceMatcher(None, asked, known).ratio() >= 0.8)


def _pairs(text: str) -> set[str]:
    letters = re.sub(r"[のをはがにへとで\s]", "", text)
    return {letters[index : index + 2] for index in range(len(letters) - 1)}
