"""What a torture run is judged by, from outside: what clients saw, what the databases hold, what operators are told.

A violation is any of these: an accepted turn without a final, or with two; a final on disk that is another one than the
client saw; a turn refused twice over; a reminder made twice, or told as made and not there; a message in `dead`;
messages that stay in the broker.
"""

import asyncio
import contextlib
import json
import sqlite3
from collections import Counter
from dataclasses import dataclass
from typing import Self

import psutil

from agent import topics
from agent.bus import Inbound, Subscription
from agent.messages import Dead, Lang
from agent.replies import texts
from agent.settings import Settings
from agent.worker import open_bus
from tools.installation import Installation
from tools.load import Said

_STORED = "store/messages/count"
_EMPTY_S = 60.0
_LOOK_S = 0.2
_LANGS: tuple[Lang, ...] = ("ja", "en")


@dataclass(frozen=True)
class Verdict:
    """What a run came to.

    Attributes:
        rows: name and value of each line of the table.
        violations: what must not be, a sentence each.
    """

    rows: list[tuple[str, str]]
    violations: list[str]


class Witness:
    """An operator that reads `dead` and the broker's own figures.

    Attributes:
        dead: what was refused.
        stored: messages that the broker keeps, as it told last; None before it has.
        peak: the most that it kept.
    """

    def __init__(self, settings: Settings) -> None:
        self._bus = open_bus("operator-0", "operator", settings, will=False)
        self._bus.on(topics.DEAD, Dead, self._dead)
        self._figures = open_bus("operator-1", "operator", settings, will=False, persistent=False, root="$SYS/broker")
        self._figures.subscriptions.append(Subscription(_STORED, 0, None, self._store))
        self._told = asyncio.Event()
        self.dead: list[Dead] = []
        self.stored: int | None = None
        self.peak = 0

    async def __aenter__(self) -> Self:
        """Connects, and waits for the broker's first figure."""
        await self._bus.__aenter__()
        await self._figures.__aenter__()
        await self._told.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leaves the bus."""
        await asyncio.gather(self._bus.close(drain_s=0), self._figures.close(drain_s=0))

    async def empty(self, most: int) -> bool:
        """Waits until the broker keeps at most so many messages; tells whether that came."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EMPTY_S):
                while self.stored is None or self.stored > most:
                    self._told.clear()
                    await self._told.wait()
                return True
        return False

    async def _dead(self, dead: Dead, _levels: dict[str, str]) -> None:
        self.dead.append(dead)

    async def _store(self, inbound: Inbound) -> None:
        self.stored = int(inbound.payload)
        self.peak = max(self.peak, self.stored)
        self._told.set()


def memory(target: Installation) -> dict[str, float]:
    """Resident MB of each process."""
    found = {}
    for name, pid in target.pids().items():
        with contextlib.suppress(psutil.NoSuchProcess):
            found[name] = psutil.Process(pid).memory_info().rss / 2**20
    return found


async def settled(settings: Settings) -> None:
    """Waits until the journal has written down how all turns ended, but not for ever."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_EMPTY_S):
            while None in _finals(settings).values():  # noqa: ASYNC110 - another process writes the file
                await asyncio.sleep(_LOOK_S)


def judge_turns(said: list[Said], settings: Settings) -> Verdict:
    """What clients saw against what the journal has on disk."""
    recorded = _finals(settings)
    refusals = _refusals(settings)
    refused = [one for one in said if one.finals and set(one.finals.values()) <= refusals]
    answered = [one for one in said if one.finals and one not in refused]
    lost = [one for one in said if not one.finals and (one.accepted or (one.client, one.turn_id) in recorded)]
    unheard = [one for one in said if not one.finals and not one.accepted and (one.client, one.turn_id) not in recorded]
    doubled = [one for one in said if len(one.finals) > 1]
    otherwise = [one for one in answered if recorded.get((one.client, one.turn_id)) not in one.finals]
    torn = [one for one in refused if one.accepted or (one.client, one.turn_id) in recorded]
    rows = [
        ("turns said", f"{len(said)}"),
        ("answered", f"{sum(one.status == 'ok' for one in said)}"),
        ("answered with what went wrong", f"{sum(one.status == 'failed' for one in answered)}"),
        ("refused, over a client's quota", f"{len(refused)}"),
        ("accepted and lost", f"{len(lost)}"),
        ("never accepted", f"{len(unheard)}"),
        ("refused and accepted", f"{len(torn)}"),
        ("two finals", f"{len(doubled)}"),
        ("another final on disk than told", f"{len(otherwise)}"),
    ]
    names = (
        (lost, "has no final"),
        (unheard, "was never accepted"),
        (torn, "was refused, and accepted all the same"),
        (doubled, "has two finals"),
        (otherwise, "has another final on disk, or none"),
    )
    found = [f"turn {one.number} ({one.kind}) {what}: {one.finals}" for ones, what in names for one in ones]
    return Verdict(rows, found)


def _refusals(settings: Settings) -> set[str]:
    """What a client that is over its quota is told."""
    quota = {"rate": settings.max_rate, "turns": settings.max_turns, "conversations": settings.max_conversations}
    return {texts.too_much(lang, limit, number) for limit, number in quota.items() for lang in _LANGS}


def _finals(settings: Settings) -> dict[tuple[str, str], str | None]:
    """Id of the final that the journal has, by client and turn; None where the turn has none."""
    with contextlib.closing(sqlite3.connect(settings.home / "journal.sqlite3")) as database:
        rows = database.execute("SELECT client, turn_id, final FROM turns").fetchall()
    return {(client, turn_id): json.loads(final)["id"] if final else None for client, turn_id, final in rows}


def judge_effects(said: list[Said], settings: Settings) -> Verdict:
    """Reminders on disk against what clients were told."""
    path = settings.home / "reminders.sqlite3"
    made: Counter[str] = Counter()
    if path.exists():
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = database.execute("SELECT conversation FROM reminders").fetchall()
        made.update(conversation for (conversation,) in rows)
    asked = {one.conversation: one for one in said if one.kind == "reminder"}
    told = {name for name, one in asked.items() if one.status == "ok" and one.function == "schedule_reminder"}
    twice = sorted(name for name, times in made.items() if times > 1)
    absent = sorted(told - made.keys())
    strange = sorted(made.keys() - asked.keys())
    rows = [
        ("reminders asked for, told as made, made", f"{len(asked)}, {len(told)}, {len(made)}"),
        ("reminders made twice", f"{len(twice)}"),
    ]
    found = [f"{name} was made {made[name]} times" for name in twice]
    found += [f"{name} was told as made, and is not there" for name in absent]
    found += [f"{name} was made, and nobody asked for it" for name in strange]
    return Verdict(rows, found)
