"""Reminders: the four actions, once per call, each client its own, and what falls due however often it is stopped."""

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from agent.messages import Lang
from agent.settings import PROJECT, Settings
from functions._reminder_words import likeness
from functions._reminders import Reminders
from functions.registry import Context, FunctionError, FunctionResult, Notification
from functions.schedule_reminder import due, schedule_reminder
from tests.conftest import SAID, called


@dataclass
class Desk:
    """Calls the function as the worker does, each time with a call id of its own."""

    context: Context
    calls: int = 0

    async def __call__(
        self, action: str, description: str | None = None, datetime: str | None = None, **changes: Any
    ) -> FunctionResult:
        self.calls += 1
        context = replace(self.context, **{"call_id": f"c{self.calls}", **changes})
        given = {"action": action, "description": description, "datetime": datetime}
        return await schedule_reminder.call({key: value for key, value in given.items() if value is not None}, context)

    async def due_of(self, description: str, **changes: Any) -> str:
        """When the reminder with this description is due, to the minute."""
        listed = (await self("query", **changes)).data["reminders"]
        return next(str(each["due"])[:16] for each in listed if each["description"] == description)

    async def names(self, **arguments: Any) -> list[str]:
        return [each["description"] for each in (await self("query", **arguments)).data["reminders"]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", offline=True, replier="offline")


@pytest.fixture
async def desk(settings: Settings) -> AsyncIterator[Desk]:
    async with called(settings, client="alice", conversation="talk") as context:
        yield Desk(context)


@dataclass
class FakeClock:
    """A clock that moves only while somebody sleeps."""

    time: datetime
    slept: list[float] = field(default_factory=list)
    asleep: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> datetime:
        return self.time

    async def sleep(self, seconds: float) -> None:
        assert len(self.slept) < 10_000, "what was waited for never came"
        self.slept.append(seconds)
        self.asleep.set()
        self.time += timedelta(seconds=seconds)
        await asyncio.sleep(0)


def told(settings: Settings, clock: FakeClock) -> "aclosing[Any]":
    return aclosing(cast("Any", due)(settings, clock=clock))


async def fails(desk: Desk, *arguments: str | None, **changes: Any) -> FunctionError:
    with pytest.raises(FunctionError) as caught:
        await desk(*cast("tuple[str, ...]", arguments), **changes)
    return caught.value


# ---- dry runs


async def test_dry_run_works_on_a_copy(desk: Desk, settings: Settings) -> None:
    """It finds what is there, sees in the same conversation what it did before, and changes nothing on the disk."""
    await desk("create", "dentist", "tomorrow at 9", lang="en")
    await desk("create", "buy milk", "tomorrow at 10", lang="en", dry_run=True)
    await desk("update", "dentist", "tomorrow at 4 pm", lang="en", dry_run=True)
    assert await desk.names(dry_run=True) == ["buy milk", "dentist"]
    assert await desk.due_of("dentist", dry_run=True) == "2026-11-24T16:00"
    await desk("cancel", "milk", lang="en", dry_run=True)
    assert await desk.names(dry_run=True) == ["dentist"]
    assert await desk.names() == ["dentist"]
    assert await desk.due_of("dentist") == "2026-11-24T09:00"
    assert await desk.names(dry_run=True, conversation="another") == ["dentist"]
    with closing(sqlite3.connect(settings.home / "reminders.sqlite3")) as database:
        assert database.execute("SELECT count(*) FROM calls").fetchone() == (1,)


# ---- create


@pytest.mark.parametrize(
    ("lang", "description", "when", "summary", "at"),
    [
        (
            "ja",
            "牛乳を買う",
            "明日の朝9時",
            "明日11月24日（火）の9:00に「牛乳を買う」をお知らせします。",
            "2026-11-24T09:00",
        ),
        (
            "en",
            "buy milk",
            "tomorrow at 9",
            "I'll remind you tomorrow (Tuesday, November 24) at 9:00 am: buy milk.",
            "2026-11-24T09:00",
        ),
        (
            "en",
            "to buy milk",
            "Dec 24 at noon",
            "I'll remind you on Thursday, December 24 at noon: buy milk.",
            "2026-12-24T12:00",
        ),
        (
            "ja",
            "買い物",
            "7時",
            "今日の7:00は過ぎているので、今日の19:00に「買い物」をお知らせします。",
            "2026-11-23T19:00",
        ),
        (
            "en",
            "shop",
            "朝8時",
            "As 8:00 am has passed today, I'll remind you tomorrow (Tuesday, November 24) at 8:00 am: shop.",
            "2026-11-24T08:00",
        ),
        (
            "ja",
            "旅行",
            "来年の1月5日",
            "時刻の指定がないので、2027年1月5日（火）の9:00に「旅行」をお知らせします。",
            "2027-01-05T09:00",
        ),
        (
            "en",
            "trip",
            "on the 3rd",
            "As you named no time, I'll remind you on Thursday, December 3 at 9:00 am: trip.",
            "2026-12-03T09:00",
        ),
        (
            "ja",
            "薬",
            "毎朝7時",
            "毎日7:00に「薬」をお知らせします（初回は明日11月24日（火）です）。",
            "2026-11-24T07:00",
        ),
        (
            "en",
            "gym",
            "every Monday and Friday at 6pm",
            "I'll remind you every Monday and Friday at 6:00 pm, first today: gym.",
            "2026-11-23T18:00",
        ),
        ("ja", None, "30分後", "今日の9:30にお知らせします。", "2026-11-23T09:30"),
    ],
)
async def test_create_says_when(
    desk: Desk, *, lang: Lang, description: str | None, when: str, summary: str, at: str
) -> None:
    result = await desk("create", description, when, lang=lang)
    assert result.summary == summary
    assert result.data["reminder"]["due"] == f"{at}:00+09:00"


@pytest.mark.parametrize(
    ("said", "description", "when", "at"),
    [
        ("09:00", None, "6", "2026-11-24T06:00"),
        ("17:30", None, "6", "2026-11-23T18:00"),
        ("09:00", None, "tomorrow at 5", "2026-11-24T05:00"),
        ("09:00", "meeting", "tomorrow at 5", "2026-11-24T17:00"),
        ("09:00", "起きる", "6時", "2026-11-24T06:00"),
        ("01:00", None, "6時", "2026-11-23T06:00"),
    ],
)
async def test_create_reads_an_alarm_as_in_the_morning(
    desk: Desk, said: str, description: str | None, when: str, at: str
) -> None:
    """An alarm without am or pm wakes somebody, unless the evening is near."""
    hour, minute = map(int, said.split(":"))
    result = await desk("create", description, when, said_at=SAID.replace(hour=hour, minute=minute))
    assert result.data["reminder"]["due"][:16] == at


@pytest.mark.parametrize(
    ("when", "code", "ja", "en"),
    [
        (None, "missing_datetime", "いつお知らせしましょうか", "When should I remind you?"),
        (" ", "missing_datetime", "いつお知らせしましょうか", "When should I remind you?"),
        ("そのうち", "invalid", "分かりませんでした", "I couldn't tell when"),
        ("今日の8時半 午前", "past", "もう過ぎています", "has passed"),
        ("昨日", "past", "もう過ぎています", "has passed"),
        ("毎月1日", "unsupported", "くり返し", "I can repeat"),
    ],
)
async def test_create_refuses(desk: Desk, when: str | None, code: str, ja: str, en: str) -> None:
    """The user is told why, and nothing is kept."""
    for lang, message in (("ja", ja), ("en", en)):
        error = await fails(desk, "create", "牛乳", when, lang=lang)
        assert error.code == code
        assert message in str(error)
    assert await desk.names() == []


async def test_create_notes_which_half_of_the_day_it_took(desk: Desk) -> None:
    assert (await desk("create", "会議", "明日3時")).note == "午前か午後かの指定がなかったので15:00としました。"
    assert (await desk("create", "会議", "明日の午後3時")).note is None


# ---- once per call, each client its own


async def test_repeated_call_gives_the_recorded_result(desk: Desk) -> None:
    """Also after a day, and where the arguments would now be refused."""
    first = await desk("create", "牛乳", "10時", call_id="same")
    again = await desk("create", "牛乳", "10時", call_id="same", said_at=SAID + timedelta(days=1))
    assert again == first
    assert (await desk("query")).data["count"] == 1
    cancelled = await desk("cancel", call_id="gone")
    assert await desk("cancel", call_id="gone") == cancelled


async def test_repeated_update_shifts_once(desk: Desk) -> None:
    await desk("create", "会議", "10時")
    for _ in range(2):
        await desk("update", "会議", "1時間遅らせて", call_id="same")
    assert await desk.due_of("会議") == "2026-11-23T11:00"


async def test_failed_call_leaves_nothing(desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between effect and record has done neither."""
    monkeypatch.setattr(json, "dumps", lambda *_args, **_more: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        await desk("create", "牛乳", "10時", call_id="same")
    monkeypatch.undo()
    assert await desk.names() == []
    await desk("create", "牛乳", "10時", call_id="same")
    assert await desk.names() == ["牛乳"]


async def test_clients_see_and_change_only_their_own(desk: Desk) -> None:
    await desk("create", "牛乳", "10時", call_id="same")
    assert await desk.names(client="bob") == []
    assert (await fails(desk, "cancel", "牛乳", client="bob")).code == "not_found"
    assert (await fails(desk, "update", "牛乳", "11時", client="bob")).code == "not_found"
    await desk("create", "パン", "11時", call_id="same", client="bob")
    await desk("cancel", "全部", client="bob")
    assert await desk.names() == ["牛乳"]


# ---- query


async def test_query_lists_by_day_week_and_description(desk: Desk) -> None:
    for description, when in (("歯医者", "来週の金曜15時"), ("牛乳を買う", "明日の9時"), ("薬を飲む", "毎朝7時")):
        await desk("create", description, when)
    assert await desk.names() == ["薬を飲む", "牛乳を買う", "歯医者"]
    assert await desk.names(datetime="明日") == ["薬を飲む", "牛乳を買う"]
    assert await desk.names(datetime="next week") == ["薬を飲む", "歯医者"]
    assert await desk.names(description="牛乳") == ["牛乳を買う"]
    assert await desk.names(description="予定") == ["薬を飲む", "牛乳を買う", "歯医者"]
    assert await desk.names(datetime="明日の夜") == []
    assert await desk.names(datetime="9時") == ["牛乳を買う"]


async def test_query_shows_a_repetition_on_the_day_that_was_asked(desk: Desk) -> None:
    await desk("create", "薬", "毎朝7時")
    result = await desk("query", None, "来週")
    assert result.data["reminders"][0]["due"] == "2026-11-30T07:00:00+09:00"


@pytest.mark.parametrize(
    ("lang", "none", "one", "two"),
    [
        (
            "ja",
            "これからの予定はありません。",
            "これからの予定は1件で、今日の10:00：甲です。",
            "これからの予定は2件あり、最初は今日の10:00：甲です。",
        ),
        (
            "en",
            "You have nothing scheduled.",
            "You have one reminder: today at 10:00 am: 甲.",
            "You have 2 reminders; the first is today at 10:00 am: 甲.",
        ),
    ],
)
async def test_query_answers_in_words(desk: Desk, lang: Lang, none: str, one: str, two: str) -> None:
    assert (await desk("query", lang=lang)).summary == none
    await desk("create", "甲", "10時")
    assert (await desk("query", lang=lang)).summary == one
    await desk("create", "乙", "11時")
    result = await desk("query", lang=lang)
    assert (result.summary, len(result.points)) == (two, 2)


@pytest.mark.parametrize(
    ("when", "ja", "en"),
    [
        ("毎朝7時", "毎日7:00：用", "every day at 7:00 am: 用"),
        ("平日7時", "平日の7:00：用", "every weekday at 7:00 am: 用"),
        ("毎週火木の7時", "毎週火・木曜日の7:00：用", "every Tuesday and Thursday at 7:00 am: 用"),
        ("12月24日", "12月24日（木）：用", "Thursday, December 24: 用"),
    ],
)
async def test_query_names_repetitions_and_days(desk: Desk, when: str, ja: str, en: str) -> None:
    await desk("create", "用", when)
    assert ja in (await desk("query")).summary
    assert en in (await desk("query", lang="en")).summary


async def test_query_shows_six_and_counts_the_rest(desk: Desk) -> None:
    for number in range(8):
        await desk("create", f"用事{number}", f"{number + 1}時間後")
    result = await desk("query")
    assert (len(result.points), result.note, result.data["count"]) == (6, "ほかに2件あります。", 8)


# ---- update and cancel


@pytest.mark.parametrize(
    ("made", "changed", "expected"),
    [
        ("明日の10時", "11時", "2026-11-24T11:00"),
        ("明日の21時", "10時", "2026-11-24T22:00"),
        ("明日の10時", "水曜", "2026-11-25T10:00"),
        ("明日の10時", "来週", "2026-12-01T10:00"),
        ("明日の10時", "30分後", "2026-11-23T09:30"),
        ("明日の10時", "1時間早めて", "2026-11-24T09:00"),
        ("明日の10時", "夕方", "2026-11-24T17:00"),
        ("明日の10時", "tomorrow at 3pm", "2026-11-24T15:00"),
        ("12月24日", "12月25日", "2026-12-25T09:00"),
        ("毎朝7時", "6時半", "2026-11-24T06:30"),
        ("毎週月曜10時", "水曜", "2026-11-25T10:00"),
        ("明日の10時", "10時から11時", "2026-11-24T11:00"),
    ],
)
async def test_update_keeps_what_is_not_changed(desk: Desk, made: str, changed: str, expected: str) -> None:
    """A new time keeps the day, a new day keeps the time, a distance counts from now."""
    await desk("create", "会議", made)
    result = await desk("update", "会議", changed)
    assert result.data["reminder"]["due"][:16] == expected
    assert await desk.due_of("会議") == expected


async def test_update_of_a_repetition_keeps_it(desk: Desk) -> None:
    await desk("create", "薬", "毎朝7時")
    await desk("create", "ごみ", "毎週月曜8時")
    assert (await desk("update", "薬", "8時")).data["reminder"]["repeat"] == [0, 1, 2, 3, 4, 5, 6]
    assert (await desk("update", "ごみ", "木曜")).data["reminder"]["repeat"] == [3]
    assert (await desk("update", "ごみ", "平日8時")).data["reminder"]["repeat"] == [0, 1, 2, 3, 4]


async def test_update_without_description_takes_the_latest(desk: Desk) -> None:
    await desk("create", "会議", "明日の10時")
    await desk("create", "昼食", "明日の12時")
    result = await desk("update", None, "13時", lang="en")
    assert result.summary == "I moved “昼食” to tomorrow (Tuesday, November 24) at 1:00 pm."
    assert await desk.due_of("会議") == "2026-11-24T10:00"


async def test_update_asks_and_refuses(desk: Desk) -> None:
    assert (await fails(desk, "update", "会議", "10時")).code == "not_found"
    await desk("create", "会議", "明日の10時")
    missing = await fails(desk, "update", "会議")
    assert (missing.code, str(missing)) == ("missing_datetime", "「会議」をいつに変更しましょうか？")
    assert (await fails(desk, "update", "会議", "昨日")).code == "past"
    assert (await fails(desk, "update", "会議", "そのうち")).code == "invalid"
    lost = await fails(desk, "update", "歯医者", "11時")
    assert (lost.code, "会議" in str(lost)) == ("not_found", True)
    assert await desk.due_of("会議") == "2026-11-24T10:00"


async def test_update_moves_the_one_at_the_old_time(desk: Desk) -> None:
    await desk("create", "薬", "明日の8時")
    await desk("create", "薬", "明日の20時")
    await desk("update", "薬", "朝8時を9時に")
    assert [each["due"][11:16] for each in (await desk("query")).data["reminders"]] == ["09:00", "20:00"]


async def test_cancel_by_words_time_or_latest(desk: Desk) -> None:
    for description, when in (
        ("牛乳を買う", "明日の9時"),
        ("歯医者", "水曜の15時"),
        ("電話", "木曜の10時"),
        ("掃除", "金曜の10時"),
    ):
        await desk("create", description, when)
    result = await desk("cancel")
    assert result.summary == "「11月27日（金）の10:00：掃除」を取り消しました。"
    await desk("cancel", "牛乳")
    await desk("cancel", None, "水曜")
    assert await desk.names() == ["電話"]


async def test_cancel_asks_which_of_several(desk: Desk) -> None:
    """And takes the time with the description as the answer, also within it."""
    await desk("create", "薬", "明日の8時")
    await desk("create", "薬", "明日の20時")
    for arguments in (("薬", None), (None, "明日")):
        error = await fails(desk, "cancel", *arguments)
        assert error.code == "ambiguous"
        assert "8:00" in str(error)
        assert "20:00" in str(error)
    await desk("cancel", "薬", "朝8時")
    assert [each["due"][11:16] for each in (await desk("query")).data["reminders"]] == ["20:00"]
    await desk("create", "薬", "明日の8時")
    await desk("cancel", "夜8時の薬")
    assert [each["due"][11:16] for each in (await desk("query")).data["reminders"]] == ["08:00"]


@pytest.mark.parametrize("said", ["全部", "すべての予定", "all", "all my reminders", "everything"])
async def test_cancel_all(desk: Desk, said: str) -> None:
    for number in range(3):
        await desk("create", f"用事{number}", f"{number + 1}時間後")
    assert len((await desk("cancel", said)).data["cancelled"]) == 3
    assert await desk.names() == []
    assert (await fails(desk, "cancel", said)).code == "not_found"


async def test_cancel_all_of_a_day(desk: Desk) -> None:
    for when in ("明日の9時", "明日の10時", "水曜の9時"):
        await desk("create", when, when)
    await desk("cancel", "全部", "明日")
    assert await desk.names() == ["水曜の9時"]


async def test_cancel_of_an_alarm_leaves_other_reminders(desk: Desk) -> None:
    await desk("create", None, "明日の6時")
    await desk("create", "会議", "明日の10時")
    await desk("cancel", "アラーム")
    assert await desk.names() == ["会議"]


@pytest.mark.parametrize(
    ("wanted", "known", "expected"),
    [
        ("歯医者の予定", "歯医者", 3),
        ("my dentist appointment", "dentist", 3),
        ("牛乳", "牛乳を買う", 2),
        ("call", "call mom", 2),
        ("art", "party", 0),
        ("mom call", "call mom", 1),
        ("dentst", "dentist", 1),
        ("会議", "牛乳を買う", 0),
    ],
)
def test_likeness_ranks_descriptions(wanted: str, known: str, expected: int) -> None:
    assert likeness(wanted, known) == expected


# ---- falling due


async def test_due_tells_at_the_time_in_the_language_of_making(desk: Desk, settings: Settings) -> None:
    await desk("create", "牛乳を買う", "18時")
    await desk("create", "buy milk", "18:05", lang="en")
    clock = FakeClock(SAID.replace(hour=17, minute=59, second=58, microsecond=500_000))
    async with told(settings, clock) as notices:
        first: Notification = await anext(notices)
        assert (first.text, first.client, first.conversation) == ("⏰ 18:00です：牛乳を買う", "alice", "talk")
        assert clock.time == SAID.replace(hour=18)
        assert max(clock.slept) <= 1
        assert (await anext(notices)).text == "⏰ It's 6:05 pm: buy milk"


async def test_due_says_when_it_was_due_where_nothing_ran(desk: Desk, settings: Settings) -> None:
    await desk("create", "牛乳", "18時")
    await desk("create", "milk", "18:30", lang="en")
    await desk("create", "旅行", "明日")
    async with told(settings, FakeClock(SAID + timedelta(days=2))) as notices:
        texts = [(await anext(notices)).text for _ in range(3)]
    assert texts == [
        "⏰ 11月23日（月）の18:00の予定でした：牛乳",
        "⏰ This was due on Monday, November 23 at 6:30 pm: milk",
        "⏰ 昨日の予定でした：旅行",
    ]


async def test_due_repeats_with_the_same_id_after_a_kill(desk: Desk, settings: Settings) -> None:
    """Stopped before it was resumed it comes again from another store on the file; after that never."""
    await desk("create", "牛乳", "10時")
    clock = FakeClock(SAID + timedelta(hours=1))
    async with told(settings, clock) as notices:
        killed = await anext(notices)
    async with told(settings, clock) as notices, told(settings, clock) as others:
        again, twin = await anext(notices), await anext(others)
        assert again == twin == killed
        await desk("create", "パン", "11時")
        clock.time = SAID + timedelta(hours=2)
        assert ("パン" in (await anext(notices)).text, "パン" in (await anext(others)).text) == (True, True)
    with Reminders(settings.home / "reminders.sqlite3") as store:
        assert [each.description for each in store.waiting("alice")] == ["パン"]


async def test_due_brings_a_repetition_again_and_skips_what_was_missed(desk: Desk, settings: Settings) -> None:
    await desk("create", "薬", "平日の朝7時")
    clock = FakeClock(SAID + timedelta(days=3))  # Thursday: three were missed
    async with told(settings, clock) as notices:
        first = await anext(notices)
        clock.time += timedelta(hours=21)
        second = await anext(notices)
        assert clock.time == SAID.replace(day=27, hour=7)
        clock.time += timedelta(days=2, hours=23, minutes=59)
        third = await anext(notices)
    assert [each.id.split("@")[1][:16] for each in (first, second, third)] == [
        "2026-11-24T07:00",
        "2026-11-27T07:00",
        "2026-11-30T07:00",
    ]


async def test_due_sees_what_another_process_makes(desk: Desk, settings: Settings) -> None:
    await desk("create", "あと", "10時間後")
    clock = FakeClock(SAID)
    async with told(settings, clock) as notices:
        waiting = asyncio.ensure_future(anext(notices))
        await clock.asleep.wait()
        await desk("create", "すぐ", "1分後")
        assert "すぐ" in (await waiting).text
    assert clock.time == SAID + timedelta(minutes=1)


async def test_due_leaves_what_was_moved_while_it_was_told(desk: Desk, settings: Settings) -> None:
    """Moved between yield and resumption it is told at the new time; taken back it stays so."""
    await desk("create", "会議", "10時")
    clock = FakeClock(SAID + timedelta(hours=1))
    async with told(settings, clock) as notices:
        first = await anext(notices)
        await desk("update", "会議", "30分後", said_at=clock.time)
        second = await anext(notices)
        assert second.id != first.id
        assert clock.time == SAID + timedelta(hours=1, minutes=30)
        await desk("cancel", "会議")
        await desk("create", "次", "11時")
        assert "次" in (await anext(notices)).text


# ---- the file


def test_store_is_made_by_several_processes_at_once(tmp_path: Path) -> None:
    """Each writes and none finds it locked."""
    path = tmp_path / "new" / "reminders.sqlite3"
    code = (
        "import sys; from pathlib import Path; from functions._reminders import Reminders\n"
        "for number in range(20):\n"
        "    with Reminders(Path(sys.argv[1]), sync='normal') as store:\n"
        "        store.once('c', f'{sys.argv[2]}-{number}', lambda: {})\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(number)], cwd=PROJECT) for number in range(3)
    ]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM calls").fetchone() == (60,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_card_has_examples_in_both_languages() -> None:
    card = schedule_reminder.card
    assert {example.lang for example in card.examples} == {"ja", "en"}
    assert card.parameters["required"] == ["action"]
    assert set(card.parameters["properties"]) == {"action", "description", "datetime"}
