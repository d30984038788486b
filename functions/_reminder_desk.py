"""What is done about one call of `schedule_reminder`: which reminder is meant, what becomes of it, how that is said."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from functions import _reminder_words as words
from functions._reminder_times import in_the_morning, is_at, moved, within
from functions._reminders import Reminder, Reminders
from functions._when import When, parse
from functions.registry import Context, FunctionError, FunctionResult

_LINES = 6
_WAKE = re.compile(r"起き|起こ|おき|おこ|目覚|wake|get up|getting up|alarm")
_FROM_TO = re.compile(r"^(?:from )?(.+?)(?:から|を|→|->| to )(.+)$", re.IGNORECASE)


def fact(reminder: Reminder) -> dict[str, Any]:
    """A reminder as JSON values."""
    return {
        "id": reminder.id,
        "description": reminder.description,
        "due": reminder.due.isoformat(),
        "all_day": reminder.all_day,
        "repeat": list(reminder.repeat),
    }


@dataclass(frozen=True)
class Desk:
    """One call: what was asked, and what is done about it."""

    context: Context
    description: str
    said: str

    # ---- the four actions

    def create(self, store: Reminders) -> FunctionResult:
        """Makes a reminder."""
        if not self.said:
            ja = "いつお知らせしましょうか？「明日の9時」のように教えてください。"
            raise self._error("missing_datetime", ja, "When should I remind you? Tell me for instance “tomorrow at 9”.")
        when = self._future(self._when(self.said))
        what = re.sub(r"^to (?=\w)", "", self.description)
        if not what or _WAKE.search(what.casefold()):
            when = in_the_morning(when, self.context.said_at)
        reminder = store.add(
            client=self.context.client,
            conversation=self.context.conversation,
            lang=self.context.lang,
            description=what,
            due=when.at,
            repeat=when.repeat,
            all_day=when.all_day,
        )
        return FunctionResult(self._made(reminder, when), data={"reminder": fact(reminder)}, note=_guess(when, self))

    def query(self, store: Reminders) -> FunctionResult:
        """Lists what is to come."""
        when = self._when(self.said) if self.said and not words.means_all(self.said) else None
        found = self.named(store.waiting(self.context.client), when)
        if when is not None and when.start is not None and when.end is not None:
            found = [replace(each, due=within(each, when) or each.due) for each in found]
        found.sort(key=lambda each: each.due)
        now, lang, count = self.context.said_at, self.context.lang, len(found)
        about = self._about(when)
        if not found:
            summary = self._say(f"{about}予定はありません。", f"You have nothing scheduled{about}.")
        elif count == 1:
            one = words.line(found[0], now, lang)
            summary = self._say(f"{about}予定は1件で、{one}です。", f"You have one reminder{about}: {one}.")
        else:
            first = words.line(found[0], now, lang)
            summary = self._say(
                f"{about}予定は{count}件あり、最初は{first}です。",
                f"You have {count} reminders{about}; the first is {first}.",
            )
        points = [words.line(each, now, lang) for each in found[:_LINES]] if count > 1 else []
        rest = count - len(points)
        note = self._say(f"ほかに{rest}件あります。", f"There are {rest} more.") if count > 1 and rest else None
        return FunctionResult(
            summary, data={"count": count, "reminders": [fact(each) for each in found]}, points=points, note=note
        )

    def update(self, store: Reminders) -> FunctionResult:
        """Gives a reminder another time."""
        waiting = store.waiting(self.context.client)
        old, new = self._from_to()
        reminder = self._one(self.named(waiting, old), waiting, old)
        if not new:
            ja = f"「{words.title(reminder, 'ja')}」をいつに変更しましょうか？"
            raise self._error("missing_datetime", ja, f"When should “{words.title(reminder, 'en')}” be instead?")
        when = self._when(new)
        due, repeat, all_day = moved(reminder, when, self.context.said_at)
        if due < self.context.said_at:
            raise self._past(due)
        store.move(reminder, due, repeat, all_day=all_day)
        changed = replace(reminder, due=due, repeat=repeat, all_day=all_day)
        time, name = self._time(changed), words.title(changed, self.context.lang)
        summary = self._say(f"「{name}」を{time}に変更しました。", f"I moved “{name}” to {time.removeprefix('on ')}.")
        return FunctionResult(summary, data={"reminder": fact(changed), "was": fact(reminder)})

    def cancel(self, store: Reminders) -> FunctionResult:
        """Takes back one reminder, or all that are named."""
        waiting = store.waiting(self.context.client)
        every = words.means_all(self.description) or words.means_all(self.said)
        when = parse(self.said, self.context.said_at, self.context.lang) if self.said else None
        if self.said and when is None and not every:
            raise self._unread(self.said)
        found = self.named(waiting, when)
        if every and not found and not waiting:
            raise self._none_at_all()
        chosen = found if every and found else [self._one(found, waiting, when)]
        for reminder in chosen:
            store.cancel(reminder)
        name = words.line(chosen[0], self.context.said_at, self.context.lang)
        if len(chosen) == 1:
            summary = self._say(f"「{name}」を取り消しました。", f"I cancelled “{name}”.")
        else:
            count = len(chosen)
            summary = self._say(f"{count}件の予定をすべて取り消しました。", f"I cancelled all {count} reminders.")
        return FunctionResult(summary, data={"cancelled": [fact(each) for each in chosen]})

    # ---- which reminder

    def named(self, waiting: Sequence[Reminder], when: When | None) -> list[Reminder]:
        """Those that description and time can mean; of several descriptions the likest."""
        found = [each for each in waiting if when is None or is_at(each, when)]
        if not words.particular(self.description):
            # "The alarm" is one without a description, where there is one.
            plain = (
                [each for each in found if not each.description]
                if re.search("アラーム|alarm", self.description)
                else []
            )
            return plain or found
        scores = {each.id: words.likeness(self.description, each.description) for each in found}
        best = max(scores.values(), default=0)
        likest = [each for each in found if best and scores[each.id] == best]
        # "The 8 am pill" names a time within the description.
        inner = parse(self.description, self.context.said_at, self.context.lang) if best < 3 else None
        if inner is None or inner.rest == self.description:
            return likest
        then = [each for each in found if is_at(each, inner)]
        return (replace(self, description=inner.rest).named(then, None) if then else []) or likest

    def _one(self, found: Sequence[Reminder], waiting: Sequence[Reminder], when: When | None) -> Reminder:
        """The one that is meant: where nothing tells which, the one made last.

        Raises:
            FunctionError: there is none, or several are meant alike.
        """
        now, lang = self.context.said_at, self.context.lang
        if not waiting:
            raise self._none_at_all()
        if not found:
            there = "、".join(words.line(each, now, "ja") for each in waiting[:_LINES])
            listed = "; ".join(words.line(each, now, "en") for each in waiting[:_LINES])
            raise self._error(
                "not_found",
                f"その予定は見つかりませんでした。今あるのは次のとおりです：{there}。",
                f"I found no such reminder; there are: {listed}.",
            )
        if len(found) == 1 or (when is None and not words.particular(self.description)):
            return found[0]
        listed = ("、" if lang == "ja" else "; ").join(words.line(each, now, lang) for each in found[:_LINES])
        raise self._error("ambiguous", f"どの予定のことでしょうか？（{listed}）", f"Which one do you mean: {listed}?")

    def _from_to(self) -> tuple[When | None, str]:
        """Which time is to change, where that is said ("9時を10時に"), and the new one in words."""
        if pair := _FROM_TO.match(self.said):
            old, new = (parse(text, self.context.said_at, self.context.lang) for text in pair.groups())
            if old is not None and new is not None and not old.exact:
                return old, pair[2]
        return None, self.said

    # ---- when

    def _when(self, said: str) -> When:
        when = parse(said, self.context.said_at, self.context.lang)
        if when is None:
            raise self._unread(said)
        if when.odd_repeat:
            raise self._error(
                "unsupported",
                "くり返しは毎日・平日・毎週の曜日のどれかで指定してください。",
                "I can repeat things daily, on weekdays or on days of the week; please name one of these.",
            )
        return when

    def _future(self, when: When) -> When:
        if when.at < self.context.said_at:
            raise self._past(when.at)
        return when

    # ---- words

    def _made(self, reminder: Reminder, when: When) -> str:
        what_ja = f"「{reminder.description}」を" if reminder.description else ""
        what_en = f": {reminder.description}" if reminder.description else ""
        time, lang = self._time(reminder), self.context.lang
        if reminder.repeat:
            first = words.day_of(reminder.due, self.context.said_at, lang)
            return self._say(
                f"{time}に{what_ja}お知らせします（初回は{first}です）。",
                f"I'll remind you {time}, first {first}{what_en}.",
            )
        if reminder.all_day:
            return self._say(
                f"時刻の指定がないので、{time}に{what_ja}お知らせします。",
                f"As you named no time, I'll remind you {time}{what_en}.",
            )
        if when.rolled:
            usual = words.clock(when.readings[0], lang) if when.readings else self._say("その時刻", "that time")
            return self._say(
                f"今日の{usual}は過ぎているので、{time}に{what_ja}お知らせします。",
                f"As {usual} has passed today, I'll remind you {time}{what_en}.",
            )
        return self._say(f"{time}に{what_ja}お知らせします。", f"I'll remind you {time}{what_en}.")

    def _time(self, reminder: Reminder) -> str:
        lang = self.context.lang
        if reminder.repeat:
            return words.series(reminder.repeat, reminder.due, lang)
        return words.moment(reminder.due, self.context.said_at, lang)

    def _about(self, when: When | None) -> str:
        """What a list is about, as it stands before 予定 or after "scheduled"."""
        named = words.particular(self.description) and self.description
        about_ja = "・".join(f"「{part}」" for part in (self.said if when else "", named) if part)
        day = f" for “{self.said}”" if when else ""
        return self._say(f"{about_ja}の" if about_ja else "これからの", day + (f" about “{named}”" if named else ""))

    def _say(self, ja: str, en: str) -> str:
        return self.context.say(ja=ja, en=en)

    def _error(self, code: str, ja: str, en: str) -> FunctionError:
        return FunctionError(code, self._say(ja, en))

    def _unread(self, said: str) -> FunctionError:
        return self._error(
            "invalid",
            f"「{said}」がいつのことか分かりませんでした。「明日の9時」のように教えてください。",
            f"I couldn't tell when “{said}” is; please say it like “tomorrow at 9”.",
        )

    def _past(self, at: datetime) -> FunctionError:
        time = words.moment(at, self.context.said_at, self.context.lang)
        return self._error(
            "past",
            f"{time}はもう過ぎています。これからの時刻を教えてください。",
            f"That time has passed ({time.removeprefix('on ')}); please name one to come.",
        )

    def _none_at_all(self) -> FunctionError:
        return self._error("not_found", "登録されている予定はありません。", "You have no reminders.")


def _guess(when: When, desk: Desk) -> str | None:
    """A word on which half of the day was taken where neither was said and it is the afternoon."""
    if len(when.readings) < 2 or when.at.hour < 13 or when.rolled:
        return None
    time = words.time_of(when.at, desk.context.lang)
    return desk.context.say(
        ja=f"午前か午後かの指定がなかったので{time}としました。", en=f"You didn't say am or pm, so I took {time}."
    )
