"""Dates as people say them: what each expression means on Monday, 23 November 2026 at 9:00 in Tokyo."""

from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.messages import Lang
from functions._when import When, parse

TOKYO = timezone(timedelta(hours=9))
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=TOKYO)
DAILY = (0, 1, 2, 3, 4, 5, 6)


def at(text: str, said_at: datetime = MONDAY, lang: Lang = "ja") -> When:
    when = parse(text, said_at, lang)
    assert when is not None, text
    return when


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=TOKYO)


# A day alone is due at 9:00; the table holds it as a date without a time.
JAPANESE = [
    ("明日の朝9時", "2026-11-24T09:00"),
    ("明後日", "2026-11-25"),
    ("あさっての午後2時半", "2026-11-25T14:30"),
    ("しあさって", "2026-11-26"),
    ("来週の金曜15時半", "2026-12-04T15:30"),
    ("再来週の水曜の夜8時", "2026-12-09T20:00"),
    ("今週の水曜", "2026-11-25"),
    ("木曜", "2026-11-26"),
    ("金曜日の夕方", "2026-11-27T17:00"),
    ("次の日曜", "2026-11-29"),
    ("今度の土曜の10時", "2026-11-28T10:00"),
    ("月曜", "2026-11-30"),
    ("月曜の8時", "2026-11-30T08:00"),
    ("月曜の20時", "2026-11-23T20:00"),
    ("週末", "2026-11-28"),
    ("来週末", "2026-12-05"),
    ("週明け", "2026-11-30"),
    ("来週", "2026-11-30"),
    ("今夜", "2026-11-23T20:00"),
    ("今晩7時", "2026-11-23T19:00"),
    ("夕方", "2026-11-23T17:00"),
    ("正午", "2026-11-23T12:00"),
    ("お昼", "2026-11-23T12:00"),
    ("昼過ぎ", "2026-11-23T13:00"),
    ("明け方", "2026-11-24T05:00"),
    ("早朝", "2026-11-24T06:00"),
    ("明朝6時", "2026-11-24T06:00"),
    ("午前10時", "2026-11-23T10:00"),
    ("午後3時", "2026-11-23T15:00"),
    ("午後の3時", "2026-11-23T15:00"),
    ("午後", "2026-11-23T14:00"),
    ("三十分後", "2026-11-23T09:30"),
    ("30分後", "2026-11-23T09:30"),
    ("１５分後", "2026-11-23T09:15"),
    ("十分後", "2026-11-23T09:10"),
    ("1時間半後", "2026-11-23T10:30"),
    ("2時間15分後", "2026-11-23T11:15"),
    ("90分後", "2026-11-23T10:30"),
    ("半日後", "2026-11-23T21:00"),
    ("あと10分", "2026-11-23T09:10"),
    ("3日後の正午", "2026-11-26T12:00"),
    ("1週間後", "2026-11-30"),
    ("2週間後の火曜", "2026-12-08"),
    ("三ヶ月後", "2027-02-23"),
    ("来月3日", "2026-12-03"),
    ("来月の第2月曜日", "2026-12-14"),
    ("再来月の10日", "2027-01-10"),
    ("月末", "2026-11-30"),
    ("来月末", "2026-12-31"),
    ("年末", "2026-12-31"),
    ("大晦日の23時", "2026-12-31T23:00"),
    ("元日", "2027-01-01"),
    ("クリスマスイブの18時", "2026-12-24T18:00"),
    ("12月24日の19時", "2026-12-24T19:00"),
    ("12月24日（木）19時", "2026-12-24T19:00"),
    ("十二月二十四日の午後七時", "2026-12-24T19:00"),
    ("2026年12月24日", "2026-12-24"),
    ("令和8年12月24日", "2026-12-24"),
    ("来年の1月5日", "2027-01-05"),
    ("11月3日", "2027-11-03"),
    ("24日", "2026-11-24"),
    ("3日", "2026-12-03"),
    ("12/24 19:00", "2026-12-24T19:00"),
    ("2026/12/24", "2026-12-24"),
    ("２１時３０分", "2026-11-23T21:30"),
    ("二十時", "2026-11-23T20:00"),
    ("19:00", "2026-11-23T19:00"),
    ("7時10分前", "2026-11-23T18:50"),
    ("25時", "2026-11-24T01:00"),
    ("明日の25時", "2026-11-25T01:00"),
    ("今日の深夜1時", "2026-11-24T01:00"),
    ("夜12時", "2026-11-24T00:00"),
    ("0時", "2026-11-24T00:00"),
    ("真夜中", "2026-11-24T00:00"),
    ("明日の12時", "2026-11-24T12:00"),
    ("明日7時", "2026-11-24T07:00"),
    ("明日3時", "2026-11-24T15:00"),
    ("明日の03:00", "2026-11-24T03:00"),
    ("7時", "2026-11-23T19:00"),
    ("10時", "2026-11-23T10:00"),
    ("朝7時", "2026-11-24T07:00"),
    ("明日 9am", "2026-11-24T09:00"),
    ("明日の朝9時に起こして", "2026-11-24T09:00"),
    ("9時から10時", "2026-11-23T21:00"),
    ("昨日の9時", "2026-11-22T09:00"),
]
ENGLISH = [
    ("tomorrow at 9", "2026-11-24T09:00"),
    ("tomorow at 9", "2026-11-24T09:00"),
    ("tomorrow", "2026-11-24"),
    ("tomorrow 9:15", "2026-11-24T09:15"),
    ("tomorrow morning", "2026-11-24T09:00"),
    ("tomorrow evening at 8", "2026-11-24T20:00"),
    ("tomorrow night", "2026-11-24T20:00"),
    ("9 tomorrow morning", "2026-11-24T09:00"),
    ("12 pm tomorrow", "2026-11-24T12:00"),
    ("the day after tomorrow", "2026-11-25"),
    ("next Friday at 3pm", "2026-12-04T15:00"),
    ("this Friday at 3pm", "2026-11-27T15:00"),
    ("Friday at 5", "2026-11-27T17:00"),
    ("7pm on Friday", "2026-11-27T19:00"),
    ("on Friday evening", "2026-11-27T18:00"),
    ("Friday next week", "2026-12-04"),
    ("next week on Friday", "2026-12-04"),
    ("a week on Friday", "2026-12-04"),
    ("Friday week", "2026-12-04"),
    ("Thursday", "2026-11-26"),
    ("Sat 10am", "2026-11-28T10:00"),
    ("Monday", "2026-11-30"),
    ("Friday the 27th at 5", "2026-11-27T17:00"),
    ("this weekend", "2026-11-28"),
    ("next weekend", "2026-12-05"),
    ("next week", "2026-11-30"),
    ("next month", "2026-12-01"),
    ("in 20 minutes", "2026-11-23T09:20"),
    ("in twenty-five minutes", "2026-11-23T09:25"),
    ("20 minutes from now", "2026-11-23T09:20"),
    ("in half an hour", "2026-11-23T09:30"),
    ("in an hour", "2026-11-23T10:00"),
    ("in an hour and a half", "2026-11-23T10:30"),
    ("in two and a half hours", "2026-11-23T11:30"),
    ("in 1.5 hours", "2026-11-23T10:30"),
    ("in 1 hour 20 minutes", "2026-11-23T10:20"),
    ("1h30m", "2026-11-23T10:30"),
    ("in a couple of hours", "2026-11-23T11:00"),
    ("in a quarter of an hour", "2026-11-23T09:15"),
    ("in 10", "2026-11-23T09:10"),
    ("in 3 days", "2026-11-26"),
    ("in two weeks", "2026-12-07"),
    ("in a fortnight", "2026-12-07"),
    ("a week from tomorrow", "2026-12-01"),
    ("a month from now", "2026-12-23"),
    ("half past six", "2026-11-23T18:30"),
    ("quarter to five", "2026-11-23T16:45"),
    ("ten past seven", "2026-11-23T19:10"),
    ("five to twelve", "2026-11-23T11:55"),
    ("10 minutes to 7", "2026-11-23T18:50"),
    ("quarter past noon", "2026-11-23T12:15"),
    ("noon", "2026-11-23T12:00"),
    ("midnight", "2026-11-24T00:00"),
    ("12am", "2026-11-24T00:00"),
    ("tonight", "2026-11-23T20:00"),
    ("this evening", "2026-11-23T18:00"),
    ("lunchtime", "2026-11-23T12:00"),
    ("first thing in the morning", "2026-11-24T09:00"),
    ("6 at night", "2026-11-23T18:00"),
    ("at 9 in the morning", "2026-11-24T09:00"),
    ("9:30", "2026-11-23T09:30"),
    ("nine thirty", "2026-11-23T09:30"),
    ("9.30pm", "2026-11-23T21:30"),
    ("9 p.m.", "2026-11-23T21:00"),
    ("21:00", "2026-11-23T21:00"),
    ("at 1900", "2026-11-23T19:00"),
    ("7 o'clock", "2026-11-23T19:00"),
    ("today at 7", "2026-11-23T19:00"),
    ("10", "2026-11-23T10:00"),
    ("10 instead", "2026-11-23T10:00"),
    ("make it 10 instead", "2026-11-23T10:00"),
    ("from 3 to 4pm", "2026-11-23T15:00"),
    ("on the 3rd", "2026-12-03"),
    ("on the twenty-fourth", "2026-11-24"),
    ("the 3rd of next month", "2026-12-03"),
    ("the second Monday of next month", "2026-12-14"),
    ("Dec 24 at 7 pm", "2026-12-24T19:00"),
    ("December 24th, 2026", "2026-12-24"),
    ("5 January at noon", "2027-01-05T12:00"),
    ("third of January", "2027-01-03"),
    ("24/12", "2026-12-24"),
    ("24/12/2026 7pm", "2026-12-24T19:00"),
    ("12/24", "2026-12-24"),
    ("2026-12-24 19:00", "2026-12-24T19:00"),
    ("2026-12-24T19:00", "2026-12-24T19:00"),
    ("end of the month", "2026-11-30"),
    ("end of next month", "2026-12-31"),
    ("end of the year", "2026-12-31"),
    ("Christmas Eve at 6pm", "2026-12-24T18:00"),
    ("in June", "2027-06-01"),
    ("yesterday", "2026-11-22"),
    ("last Friday", "2026-11-20"),
]


@pytest.mark.parametrize(("text", "expected"), JAPANESE + ENGLISH)
@pytest.mark.parametrize("lang", get_args(Lang))
def test_parse_reads_expression_in_either_language(text: str, expected: str, lang: Lang) -> None:
    """The language of the turn does not matter to the words."""
    when = at(text, lang=lang)
    all_day = "T" not in expected
    assert (when.at, when.all_day) == (local(expected + "T09:00" if all_day else expected), all_day)


def test_tables_hold_enough_expressions() -> None:
    assert min(len(JAPANESE), len(ENGLISH)) >= 60


@pytest.mark.parametrize(
    ("text", "repeat", "expected"),
    [
        ("毎朝7時", DAILY, "2026-11-24T07:00"),
        ("毎日19時", DAILY, "2026-11-23T19:00"),
        ("毎晩10時", DAILY, "2026-11-23T22:00"),
        ("毎週月曜9時", (0,), "2026-11-30T09:00"),
        ("毎週火曜と木曜の18時", (1, 3), "2026-11-24T18:00"),
        ("毎週月水金の8時", (0, 2, 4), "2026-11-25T08:00"),
        ("平日の朝7時", (0, 1, 2, 3, 4), "2026-11-24T07:00"),
        ("毎週土日の10時", (5, 6), "2026-11-28T10:00"),
        ("毎週", (0,), "2026-11-30T09:00"),
        ("明後日から毎日8時", DAILY, "2026-11-25T08:00"),
        ("毎週金曜の25時", (5,), "2026-11-28T01:00"),
        ("every day at 7", DAILY, "2026-11-24T07:00"),
        ("every morning", DAILY, "2026-11-24T09:00"),
        ("every night at 10", DAILY, "2026-11-23T22:00"),
        ("every Monday", (0,), "2026-11-30T09:00"),
        ("every Tuesday and Thursday at 6:30 pm", (1, 3), "2026-11-24T18:30"),
        ("Mondays at 10", (0,), "2026-11-23T10:00"),
        ("every weekday at 7", (0, 1, 2, 3, 4), "2026-11-24T07:00"),
        ("mon-fri 8:30", (0, 1, 2, 3, 4), "2026-11-24T08:30"),
        ("at 5 every Friday", (4,), "2026-11-27T17:00"),
        ("on weekends at noon", (5, 6), "2026-11-28T12:00"),
    ],
)
def test_parse_reads_repetition(text: str, repeat: tuple[int, ...], expected: str) -> None:
    when = at(text)
    assert (when.repeat, when.at) == (repeat, local(expected))


@pytest.mark.parametrize(
    "text", ["毎月1日", "隔週月曜", "3日おき", "every other week", "every month on the 1st", "hourly"]
)
def test_parse_marks_repetition_it_cannot_keep(text: str) -> None:
    """It must not quietly become a reminder for once."""
    assert at(text).odd_repeat


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("1時間遅らせて", 60),
        ("30分早めて", -30),
        ("2日延期", 2880),
        ("an hour later", 60),
        ("by 10 minutes", 10),
        ("push it back 10 minutes", 10),
        ("30 minutes earlier", -30),
    ],
)
def test_parse_reads_shift(text: str, minutes: int) -> None:
    assert at(text).shift == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    "text", ["", "  ", "牛乳を買う", "buy milk", "あとで", "later", "may", "2月30日", "99時", "24/24"]
)
def test_parse_gives_none_where_nothing_is_named(text: str) -> None:
    assert parse(text, MONDAY, "ja") is None


@pytest.mark.parametrize(
    ("said", "text", "expected"),
    [
        ("2026-11-23T23:00", "7時", "2026-11-24T07:00"),
        ("2026-11-23T20:00", "at 3", "2026-11-24T15:00"),
        ("2026-11-23T16:00", "15時半", "2026-11-24T15:30"),
        ("2026-11-23T19:30", "夕方", "2026-11-24T17:00"),
        ("2026-11-23T22:10", "今夜", "2026-11-23T23:00"),
        ("2026-11-23T23:50", "今日", "2026-11-23T23:55"),
        ("2026-11-23T10:20", "今日", "2026-11-23T11:00"),
        ("2026-11-24T00:30", "深夜1時", "2026-11-24T01:00"),
        ("2026-11-28T10:00", "週末", "2026-11-29T09:00"),
        ("2026-11-29T10:00", "next Friday", "2026-12-04T09:00"),
        ("2026-12-31T10:00", "明日", "2027-01-01T09:00"),
        ("2027-01-31T10:00", "1か月後", "2027-02-28T09:00"),
        ("2027-01-30T10:00", "29日", "2027-03-29T09:00"),
        ("2026-11-23T10:00", "2月29日", "2028-02-29T09:00"),
    ],
)
def test_parse_depends_on_the_moment(said: str, text: str, expected: str) -> None:
    assert at(text, local(said)).at == local(expected)


@pytest.mark.parametrize(("text", "rolled"), [("7時", True), ("19時", False), ("朝7時", True), ("3時", False)])
def test_parse_tells_that_the_plain_reading_has_passed(text: str, rolled: bool) -> None:
    assert at(text).rolled is rolled


def test_parse_leaves_a_past_moment_of_a_named_day_in_the_past() -> None:
    assert at("今日の8時", local("2026-11-23T21:00")).at == local("2026-11-23T08:00")


@pytest.mark.parametrize(
    ("hours", "lang", "expected"), [(0, "en", (4, 3)), (-5, "en", (3, 4)), (9, "en", (3, 4)), (0, "ja", (3, 4))]
)
def test_parse_reads_slashes_as_they_are_written_there(hours: int, lang: Lang, expected: tuple[int, int]) -> None:
    """Day first in Europe; month first in America, in Japan and in Japanese."""
    when = at("3/4", MONDAY.replace(tzinfo=timezone(timedelta(hours=hours))), lang)
    assert (when.at.month, when.at.day) == expected


def test_parse_keeps_the_offset_of_the_speaker() -> None:
    said = datetime(2026, 11, 23, 9, 0, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
    assert at("tomorrow at 9", said).at.isoformat() == "2026-11-24T09:00:00-03:30"
    assert at("in 20 minutes", said).at == said + timedelta(minutes=20)


def test_parse_gives_what_it_did_not_read() -> None:
    assert at("the 8 am pill").rest == "the   pill"
    assert "薬" in at("朝8時の薬").rest


@pytest.mark.parametrize(
    ("text", "moment", "covered"),
    [
        ("来週", "2026-12-06T23:59", True),
        ("来週", "2026-12-07T00:00", False),
        ("明日", "2026-11-24T00:00", True),
        ("明日の夜", "2026-11-24T19:00", True),
        ("明日の夜", "2026-11-24T09:00", False),
        ("7時", "2026-11-25T07:00", True),
        ("7時", "2026-11-25T19:00", True),
        ("19時", "2026-11-25T07:00", False),
        ("朝", "2026-11-30T08:00", True),
        ("30分後", "2026-11-23T09:30", True),
        ("30分後", "2026-11-23T09:40", False),
        ("明日の25時", "2026-11-25T01:00", True),
        ("in December", "2026-12-31T23:00", True),
    ],
)
def test_covers_takes_in_what_was_named(text: str, moment: str, covered: bool) -> None:
    when = parse(text, MONDAY, "ja")
    assert bool(when and when.covers(local(moment))) is covered


MOMENTS = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 30),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, TOKYO, timezone(timedelta(hours=-9, minutes=-30))]),
)
WORDS = st.sampled_from(
    [
        *(text for text, _ in JAPANESE),
        *(text for text, _ in ENGLISH),
        "の",
        " at ",
        "後",
        "99",
        "時",
        "月",
        "第",
        "毎",
        "/",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS, max_size=4).map("".join)), MOMENTS, st.sampled_from(get_args(Lang)))
@example("9999年後", MONDAY, "ja")
@example("第5月曜日", MONDAY, "ja")
@example("9999 hours", datetime(9999, 12, 30, tzinfo=UTC), "en")
@example("毎日7時", datetime(9999, 12, 31, 23, 0, tzinfo=UTC), "ja")
def test_parse_never_raises(text: str, said_at: datetime, lang: Lang) -> None:
    """Any text gives a moment with the speaker's offset or None."""
    when = parse(text, said_at, lang)
    if when is not None:
        assert when.at.utcoffset() == said_at.utcoffset()


@settings(max_examples=60, deadline=None)
@given(
    MOMENTS,
    st.sampled_from(["7時", "25時", "夕方", "明日", "毎日7時", "next Friday", "24日", "half past six", "今日", "月末"]),
)
def test_parse_looks_ahead(said_at: datetime, text: str) -> None:
    """What names no passed day is never in the past."""
    when = parse(text, said_at, "ja")
    assert when is None or when.at >= said_at.replace(second=0, microsecond=0)
