"""Looking back at conversations: found, shown safely, labelled in a terminal; and how a replay is judged."""

import argparse
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.compaction import compact
from agent.conversation_log import ConversationLog
from agent.labelling import Labeller
from agent.log_commands import _show
from agent.logged_turn import Label, LogError, LoggedFinal, LoggedResult, LoggedRoute, LoggedTurn
from agent.memory_bus import MemoryBroker, MemoryBus
from agent.messages import Final, Route, Status, Turn
from agent.presence import Presence
from agent.settings import Settings
from agent.transcript import Screen
from agent.turns import Key, TurnStore
from functions.registry import cards
from tools.replay import Replay, _check_dry_runs
from tools.replay_comparison import Replayed, compare

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
CARDS = cards()


async def keep(home: Path, text: str, *, client: str = "cli-0", turn_id: str = "t1", done: bool = True) -> Turn:
    """A journal with one more turn in conversation `c`, routed to the weather of 札幌."""
    store = TurnStore(home / "journal.sqlite3")
    turn = Turn(turn_id=turn_id, client=client, conversation="c", text=text, lang="en", said_at=NOW)
    store.add(turn, "open")
    arguments = {"location": "札幌"}
    store.routed(
        Key.of(turn),
        Route(turn=turn, function="weather_info", arguments=arguments, confidence=0.9, router="r\x1b[2J", took_ms=1),
    )
    if done:
        store.finish(Key.of(turn), Final(turn_id=turn_id, status="ok", text="\x1b]0;owned\x07fine"), sent=True)
    store.close()
    return turn


async def test_conversation_under_way_is_not_deleted(settings: Settings) -> None:
    """A turn without its final keeps its conversation."""
    await keep(settings.home, "hello", done=False)
    with ConversationLog(settings.home) as log:
        with pytest.raises(LogError, match="under way"):
            log.delete(log.conversation("c"))
        assert len(list(log.turns())) == 1


def test_compact_takes_deleted_bytes_out_of_the_files(tmp_path: Path) -> None:
    """Neither free pages nor the log keep them, while somebody else has the file open."""
    path = tmp_path / "x.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as one, closing(sqlite3.connect(path)) as other:
        one.execute("PRAGMA secure_delete = OFF")
        one.execute("PRAGMA journal_mode = WAL")
        one.execute("CREATE TABLE t (word TEXT)")
        one.executemany("INSERT INTO t VALUES (?)", [("xylophone" * 500,)] * 20)
        other.execute("SELECT count(*) FROM t").fetchone()
        one.execute("DELETE FROM t")
        one.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert b"xylophone" in path.read_bytes()
        compact(one)
        assert not any(b"xylophone" in file.read_bytes() for file in tmp_path.iterdir())


async def test_conversation_of_several_clients_must_be_named_in_full(settings: Settings) -> None:
    """The plain name is enough only where one client has it."""
    await keep(settings.home, "hello")
    with ConversationLog(settings.home) as log:
        assert log.conversation("c").name == "cli-0/c"
    await keep(settings.home, "hello", client="guest")
    with ConversationLog(settings.home) as log:
        with pytest.raises(LogError, match="cli-0/c, guest/c"):
            log.conversation("c")
        assert log.conversation("guest/c").client == "guest"


async def test_show_does_not_steer_the_terminal(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither text, router nor reply gets an escape sequence through."""
    await keep(settings.home, "\x1b[31mred\x1b[0m \x9b5m text")
    _show(argparse.Namespace(conversation="c"), settings)
    shown = capsys.readouterr().out
    assert "> red  text" in shown
    assert "fine" in shown
    assert not {"\x1b", "\x9b", "\x07"} & set(shown)


class Typist:
    """Types lines, one a question."""

    def __init__(self, *lines: str) -> None:
        self._lines: Iterator[str] = iter(lines)

    def __call__(self, _prompt: str) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            raise EOFError from None


@pytest.mark.parametrize(
    ("lines", "label"),
    [
        ([""], ("weather_info", {"location": "札幌"})),
        (["none"], (None, {})),
        (["location=小樽"], ("weather_info", {"location": "小樽"})),
        (
            ["forecast_type=never", "forecast_type=week"],
            ("weather_info", {"location": "札幌", "forecast_type": "week"}),
        ),
        (["travel_guide", "destination='New York'"], ("travel_guide", {"destination": "New York"})),
        (["6", "?"], ("travel_guide", None)),
        (["teleport", "7 location=Oslo"], ("weather_info", {"location": "Oslo"})),
        (["s"], None),
        (["q"], None),
        ([], None),
    ],
)
async def test_label_is_what_was_typed(
    settings: Settings, capsys: pytest.CaptureFixture[str], lines: list[str], label: tuple[str | None, Any] | None
) -> None:
    """Enter agrees, a name or number corrects, name=value changes an argument; what can't be is asked again."""
    await keep(settings.home, "札幌は寒い？")
    with ConversationLog(settings.home) as log:
        number = Labeller(log, CARDS, Screen(sys.stdout), Typist(*lines)).run(list(log.turns()))
        kept = log.turn("t1").label
    assert "札幌は寒い？" in capsys.readouterr().out
    assert number == (label is not None)
    assert kept == (None if label is None else Label(function=label[0], arguments=label[1]))


# ---- how a replay is judged


def replayed(then: str | None, now: str | None, label: str | None = "unlabelled", **others: Any) -> Replayed:
    """A turn routed then and now; by default with good replies both times."""
    logged = LoggedTurn(
        client="a",
        conversation_id="c",
        turn_id="t",
        text="x",
        lang="en",
        said_at=NOW,
        accepted_at=NOW,
        route=LoggedRoute(function=then),
        final=LoggedFinal(status="ok", text="yes"),
        label=None if label == "unlabelled" else Label(function=label, arguments={}),
    )
    given: dict[str, Any] = {
        "route": LoggedRoute(function=now),
        "result": None,
        "final": LoggedFinal(status="ok", text="yes"),
    }
    return Replayed(logged, **{**given, **others})


FAILED = LoggedFinal(status="failed", text="no")
REFUSED = LoggedResult(status="error")


@pytest.mark.parametrize(
    ("turns", "tolerance", "worse"),
    [
        ([replayed("f", "f")], 0, None),
        ([replayed("f", "g"), replayed("f", "f")], 0.49, "1 of 2 turns without a label have another route"),
        ([replayed("f", "g"), replayed("f", "f")], 0.5, None),
        # With a label it counts what is right, not what was.
        ([replayed("f", "g", "g")], 0, None),
        ([replayed("f", "g", "f")], 0, "function accuracy"),
        ([replayed(None, "g", None), replayed("f", "h", "g")], 0, "false positive rate"),
        ([replayed("f", "f", final=FAILED)], 0, "had a reply then"),
        ([replayed("f", "f", final=None)], 0, "had a reply then"),
        ([replayed("f", "f", final=FAILED, result=REFUSED)], 0, "had a reply then"),
        # Run dry, it can't know what it did before the log begins.
        ([replayed("dry", "dry", final=FAILED, result=REFUSED)], 0, None),
        ([replayed("dry", "dry", final=FAILED)], 0, "had a reply then"),
    ],
)
def test_replay_is_worse_when_more_than_the_tolerance_is_lost(
    turns: list[Replayed], tolerance: float, worse: str | None
) -> None:
    """Labels first, then routes, and replies always."""
    found = compare(turns, tolerance, dry={"dry"}).worse
    assert bool(found) == (worse is not None)
    assert worse is None or any(worse in one for one in found)


async def test_replay_needs_workers_that_know_dry_runs() -> None:
    """An older router would let functions act."""
    presence = Presence(MemoryBus("cli-0", "client", MemoryBroker()))
    presence.statuses["router-0"] = Status(state="online", role="router", details={"dry_runs": True})
    _check_dry_runs(presence)
    presence.statuses["journal"] = Status(state="online", role="journal")
    with pytest.raises(LogError, match="journal is too old"):
        _check_dry_runs(presence)


class Talker:
    """A client that gives each turn its final at once."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, datetime]] = []

    async def say(self, text: str, conversation: str, *, said_at: datetime, **_others: Any) -> Any:
        self.said.append((text, conversation, said_at))
        yield Final(turn_id="t", status="ok", text="yes")


@pytest.mark.parametrize(("pace", "waits"), [(None, []), (1.0, [0, 600, 60]), (60.0, [0, 10, 1])])
async def test_replay_keeps_order_and_pace(
    monkeypatch: pytest.MonkeyPatch, pace: float | None, waits: list[float]
) -> None:
    """Turns of a conversation follow each other, each as long after the first one as then, divided by the pace."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds))

    monkeypatch.setattr("tools.replay.asyncio.sleep", sleep)
    turn = replayed(None, None).then
    turns = [
        turn.model_copy(update={"text": text, "conversation_id": name, "accepted_at": NOW + timedelta(seconds=after)})
        for text, name, after in (("a1", "a", 0), ("b1", "b", 60), ("a2", "a", 600))
    ]
    talker = Talker()
    found = await Replay(talker, pace=pace, dry_run=True, timeout_s=1).run(turns)  # type: ignore[arg-type]
    assert [one.then.text for one in found] == ["a1", "b1", "a2"]
    said = [text for text, _, _ in talker.said]
    assert said.index("a1") < said.index("a2")
    assert len({name for _, name, _ in talker.said}) == 2
    assert sorted(slept) == sorted(waits)
