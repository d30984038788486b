"""Reminders: made, looked up, moved and taken back, and told when they fall due.

Covered: once, or again on days of the week. Not covered: monthly and other repetitions (refused in words), and
calendars of other programs.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal, Protocol

from agent.settings import Settings
from functions import _reminder_words as words
from functions._dry_reminders import dry_store
from functions._reminder_desk import Desk, fact
from functions._reminders import Reminders
from functions.registry import Context, Conversation, FunctionResult, Notification, function

_POLL_S = 1.0
_LONGEST = 500


@function(
    effects="dry_run",
    examples=[
        (
            "明日の朝9時に牛乳を買うのをリマインドして",
            {"action": "create", "description": "牛乳を買う", "datetime": "明日の朝9時"},
        ),
        ("30分後にアラームをセットして", {"action": "create", "datetime": "30分後"}),
        ("毎朝7時に薬を飲むように教えて", {"action": "create", "description": "薬を飲む", "datetime": "毎朝7時"}),
        ("来週の予定を見せて", {"action": "query", "datetime": "来週"}),
        ("歯医者の予定を15時に変更して", {"action": "update", "description": "歯医者", "datetime": "15時"}),
        ("さっきのリマインダーを取り消して", {"action": "cancel"}),
        (
            "Remind me to call mom next Friday at 3pm",
            {"action": "create", "description": "call mom", "datetime": "next Friday at 3pm"},
        ),
        ("wake me at half past six", {"action": "create", "datetime": "half past six"}),
        ("What do I have scheduled for tomorrow?", {"action": "query", "datetime": "tomorrow"}),
        (
            "Move my dentist appointment to 4 pm",
            {"action": "update", "description": "dentist appointment", "datetime": "4 pm"},
        ),
        ("cancel all my reminders", {"action": "cancel", "description": "all"}),
    ],
)
async def schedule_reminder(
    action: Literal["create", "query", "update", "cancel"],
    description: str | None = None,
    datetime: str | None = None,
    *,
    context: Context,
) -> FunctionResult:
    """Reminders, alarms, timers and appointments of the user: made, looked up, changed, cancelled.

    Call it to remind somebody of something, set an alarm or a timer, wake the user, schedule a meeting, list what is
    planned, move or postpone it, delete it. リマインダー・アラーム・タイマー・予定の登録、確認、変更、取り消し。

    Args:
        action: create makes a reminder, query looks up, update changes the time, cancel takes it back.
        description: what it is about, as the user said it: "buy milk", "歯医者". Left out for a plain alarm.
        datetime: when, as the user said it: "明日の朝9時", "next Friday at 3pm". Of a change the new time.
        context: the turn.
    """
    desk = Desk(context, _clean(description), _clean(datetime))
    with dry_store(context) if context.dry_run else _store(context.settings) as store:
        if action == "query":
            return desk.query(store)
        effect = {"create": desk.create, "update": desk.update, "cancel": desk.cancel}[action]
        kept = store.once(context.client, context.call_id, lambda: _kept(effect(store)))
    return FunctionResult(**kept)


def _store(settings: Settings) -> Reminders:
    return Reminders(_path(settings), sync=settings.journal_sync)


def _path(settings: Settings) -> Path:
    return settings.home / "reminders.sqlite3"


def _clean(text: str | None) -> str:
    return " ".join((text or "").split())[:_LONGEST]


def _kept(result: FunctionResult) -> dict[str, Any]:
    """A result as JSON values."""
    return {"summary": result.summary, "data": dict(result.data), "points": list(result.points), "note": result.note}


@schedule_reminder.on_forget
def forget(settings: Settings, conversation: Conversation, *, look: bool) -> list[str]:
    """Deletes the reminders that were made in a conversation; gives those that were still to come."""
    if not _path(settings).exists():
        return []
    with _store(settings) as store:
        waiting = [one for one in store.waiting(conversation.client) if one.conversation == conversation.id]
        if not look:
            store.forget(conversation.client, conversation.id, conversation.call_ids)
    return [f"{one.description or 'alarm'}, {one.due:%Y-%m-%d %H:%M}" for one in waiting]


# ---- falling due


class Clock(Protocol):
    """What the service takes the time from."""

    def now(self) -> dt.datetime:
        """The present moment, with an offset."""

    async def sleep(self, seconds: float) -> None:
        """Waits."""


class _SystemClock:
    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@schedule_reminder.on_start
async def due(settings: Settings, *, clock: Clock | None = None) -> AsyncIterator[Notification]:
    """Yields each reminder as it falls due, those first that fell due while nothing ran.

    One counts as delivered when the generator is resumed: stopped before that, the same one comes again, with the same
    id. Two processes that run this may both yield it.
    """
    ticking = clock or _SystemClock()
    with _store(settings) as store:
        while True:
            reminder, now = store.next(), ticking.now()
            ahead = (reminder.due - now).total_seconds() if reminder else _POLL_S
            if reminder is None or ahead > 0:
                # Another process may make an earlier one in the meantime.
                await ticking.sleep(min(_POLL_S, ahead))
                continue
            yield Notification(
                id=f"{reminder.id}@{reminder.due.isoformat()}",
                client=reminder.client,
                conversation=reminder.conversation,
                text=words.due_text(reminder, now),
                data={"reminder": fact(reminder)},
            )
            store.delivered(reminder, ticking.now())
