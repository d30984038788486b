"""Several slots a role: what a slot that hangs or stays away held goes to the others, and a turn has one final."""

import asyncio
import os
import signal
from collections import Counter

import pytest

from agent import topics
from agent.bus import Bus
from agent.finals import Finals
from agent.healing import Healer
from agent.messages import Final, Status, Turn
from agent.presence import Presence
from agent.settings import Settings
from agent.supervisor import SupervisorError, parse_slots
from agent.turns import Key
from agent.worker import open_bus
from tests.conftest import PATIENCE_S, Mosquitto
from tests.test_processes import LONG_S, Observer, broker_pid, pid_of, up

pytestmark = pytest.mark.long

TURNS = 60


def test_journal_has_one_slot() -> None:
    """The one part with state can't be multiplied, and says so."""
    assert parse_slots("router=2,chat=3") == {"router": 2, "chat": 3}
    with pytest.raises(SupervisorError, match="there is one of it"):
        parse_slots("router=2,journal=2")


def test_first_final_of_a_turn_counts(settings: Settings) -> None:
    """Of two workers at one turn the first is told to go on, and whichever has its final first gives the final."""
    key = Key("cli-0", "c", "t")
    one, two = (Finals(settings.home / "finals.sqlite3", worker) for worker in ("chat-0 1", "chat-1 2"))
    assert one.begin(key) == ("chat-0 1", None)
    assert two.begin(key) == ("chat-0 1", None)
    two.take_over(key, "chat-0 1")
    assert one.begin(key) == ("chat-1 2", None)
    first = Final(turn_id="t", status="ok", text="first")
    assert two.keep(key, first) == first
    assert one.keep(key, Final(turn_id="t", status="ok", text="second")) == first
    assert one.begin(key) == ("chat-1 2", first)
    for finals in (one, two):
        finals.close()


async def test_slot_that_stays_away_is_done_without(mosquitto: Mosquitto, settings: Settings) -> None:
    """The broker keeps every second message for a slot that is gone; once its session is ended the other gets all."""
    settings = settings.model_copy(update={"away_s": 0.1})
    got: Counter[str] = Counter()
    all_there = asyncio.Event()

    async def note(turn: Turn, _levels: dict[str, str]) -> None:
        got[turn.turn_id] += 1
        if len(got) == 10:
            all_there.set()

    def router(slot: int) -> Bus:
        bus = open_bus(f"router-{slot}", "router", settings)
        bus.on(topics.TURN, Turn, note)
        return bus

    async with router(0) as dead:
        await dead.announce()
    supervisor = open_bus("supervisor", "operator", settings)
    told: list[str] = []
    presence = Presence(supervisor, lambda *told: healer.saw(*told))  # noqa: PLW0108 - there is no healer yet
    healer = Healer(supervisor, presence, settings, {}, told.append)
    gone = asyncio.Event()

    async def look(status: Status, levels: dict[str, str]) -> None:
        if levels["client"] == "router-0" and status.details.get("gone"):
            gone.set()

    journal = open_bus("journal", "journal", settings)
    journal.on(topics.STATUS, Status, look)
    async with asyncio.timeout(PATIENCE_S), router(1) as alive, supervisor, journal:
        await alive.announce()
        healing = asyncio.create_task(healer.run())
        await gone.wait()
        for number in range(10):
            turn = Turn(
                turn_id=str(number),
                client="cli-0",
                conversation="c",
                text="hello",
                lang="en",
                said_at="2026-11-22T18:00:00+09:00",
            )
            await journal.send(topics.TURN, turn, client="cli-0", conversation="c")
        await all_there.wait()
        healing.cancel()
    assert set(got.values()) == {1}
    assert told == ["router-0 stays away; its messages go to the others."]


async def test_slots_that_hang_and_die_cost_no_turn(settings: Settings) -> None:
    """Of two slots a role one hangs for good and one is killed under load: each turn gets its final, once."""
    quick = {"router": "embedded", "replier": "offline", "keepalive_s": 2, "away_s": 2.0}
    settings = settings.model_copy(update=quick)
    async with up(settings, "--slots", "router=2,functions=2,chat=2") as client, asyncio.timeout(LONG_S):
        observer = Observer(watching := open_bus("operator-0", "operator", settings, will=False))
        async with watching:
            pids = {
                name: await pid_of(observer.presence, name, other_than=0)
                for name in ("router-0", "router-1", "functions-1", "chat-0", "chat-1")
            }
            seen: Counter[int] = Counter()

            async def talk(number: int) -> None:
                if number == TURNS // 3:
                    os.kill(pids["router-1"], signal.SIGSTOP)
                    os.kill(pids["chat-0"], signal.SIGSTOP)
                if number == TURNS // 2:
                    for name in ("router-0", "functions-1", "chat-1"):
                        os.kill(pids[name], signal.SIGKILL)
                text = "明日の札幌の天気は？" if number % 2 else "nice to meet you"
                assert (await client.final(text, f"talk-{number}")).text
                seen[number] += 1

            await asyncio.gather(*(talk(number) for number in range(TURNS)))
            # What hung was ended, and started again.
            for name in ("router-1", "chat-0"):
                await pid_of(observer.presence, name, other_than=pids[name])
            await observer.saw((await client.final("hello", "last")).turn_id)
        assert set(seen.values()) == {1}
        assert len(seen) == TURNS
        assert [ids for ids in observer.finals.values() if len(ids) > 1] == []


async def test_broker_that_hangs_is_replaced(settings: Settings) -> None:
    """A broker that hangs for good is ended and started again, and turns go on."""
    quick = {"router": "embedded", "replier": "offline", "keepalive_s": 2, "away_s": 2.0}
    settings = settings.model_copy(update=quick)
    async with up(settings) as client, asyncio.timeout(LONG_S):
        await client.final("hello", "c")
        os.kill(broker_pid(settings), signal.SIGSTOP)
        assert (await client.final("明日の札幌の天気は？", "c")).status == "ok"
