"""Breaks a running installation in every way we know while clients talk to it, and counts what is lost or doubled.

    python -m tools.torture --turns 10000 --kill any=2          a kill every two seconds, the broker among the killed
    python -m tools.torture --minutes 30 --calm --rate 60       a soak: no faults, memory is watched
    python -m tools.torture --turns 200 --seed 7 --plan 20      shows the first faults of the plan, and runs nothing

The real processes on a real mosquitto in a temporary home. The same seed gives the same turns and the same plan of
faults; when each of them meets the processes is up to the machine. Ends with 1 where a promise was broken.

What is not covered: models, web services, power loss, who may do what.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from agent.settings import PROJECT
from agent.supervisor import SupervisorError, environment, parse_slots
from tools.faults import KINDS, Faults, clock_environment, clock_library, plan
from tools.installation import Installation, StartError, installation
from tools.load import Echo, Load, by_kind
from tools.witness import Verdict, Witness, judge_effects, judge_turns, memory, settled

_KILLS = {"any": 2.0}
_OTHERS = {"stop": 13.0, "term": 11.0, "cut": 7.0, "disk": 47.0, "clock": 31.0, "flood": 61.0}
_CARDS = {"slow_test", "hanging_test", "broken_test", "echoing_test"}
_SLACK = 60
"""Messages that the broker may keep more than at the beginning: statuses, cards and its own figures."""
_GROWTH = 0.05
_WARM = 0.2
"""Share of a soak after which memory is read for the first time."""


def _every(text: str) -> tuple[str, float]:
    name, _, seconds = text.partition("=")
    if not name or not seconds.replace(".", "", 1).isdigit() or not float(seconds):
        raise argparse.ArgumentTypeError(f"{text!r}: write for example router=5")
    return name, float(seconds)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.torture", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--turns", type=int, default=1000, help="turns to say, floods included (1000)")
    parser.add_argument("--minutes", type=float, help="say turns for so long instead")
    parser.add_argument("--seed", type=int, default=0, help="chooses the turns and the faults (0)")
    parser.add_argument(
        "--kill", type=_every, action="append", metavar="ROLE=EVERY", help="SIGKILL; `any` for any role (any=2)"
    )
    parser.add_argument(
        "--fault", type=_every, action="append", metavar="KIND=EVERY", help=f"{', '.join(KINDS[1:])}; seconds between"
    )
    parser.add_argument("--calm", action="store_true", help="no faults but those asked for")
    parser.add_argument("--slots", default="", metavar="ROLE=N,…", help="as of `funcgemma up`")
    parser.add_argument("--clients", type=int, default=4, help="clients (4)")
    parser.add_argument("--window", type=int, default=16, help="conversations at once (16)")
    parser.add_argument("--rate", type=float, default=0, help="turns a second at most; 0 for no limit (0)")
    parser.add_argument("--flood", type=int, default=300, help="turns of a flood (300)")
    parser.add_argument(
        "--patience", type=float, default=150.0, help="seconds without any final that end the run (150)"
    )
    parser.add_argument(
        "--pace",
        type=float,
        default=0,
        help="let the plan's seconds pass with so many turns each, not with the clock's",
    )
    parser.add_argument("--home", type=Path, help="a new folder to run in, kept for a look at logs and databases")
    parser.add_argument("--plan", type=int, metavar="N", help="print the first N faults of the plan and end")
    return parser


class Run:
    """One run.

    Args:
        arguments: of the command line.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self._kills = dict(arguments.kill or ({} if arguments.calm else _KILLS))
        self._others = {**({} if arguments.calm else _OTHERS), **dict(arguments.fault or ())}
        self._library = clock_library() if "clock" in self._others else None
        if "clock" in self._others and self._library is None:
            print("libfaketime is not installed (apt install faketime): the clock does not jump.", file=sys.stderr)
            del self._others["clock"]
        self._left = itertools.count()
        self._until = 0.0
        self._next = 0.0
        self._memory: dict[str, float] = {}
        self._floods: set[asyncio.Future[Any]] = set()

    def show_plan(self) -> None:
        """Prints the beginning of the plan."""
        for fault in itertools.islice(plan(self.arguments.seed, self._kills, self._others), self.arguments.plan):
            print(fault)

    async def run(self) -> list[str]:
        """Runs, prints the table, and gives the violations."""
        arguments = self.arguments
        ours = asyncio.current_task()
        assert ours is not None  # noqa: S101 - this is one
        # What was started is ended, also where somebody ends us.
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ours.cancel)
        slots = parse_slots(arguments.slots)
        with tempfile.TemporaryDirectory() as folder:
            clock = Path(folder) / "clock"
            extra = clock_environment(self._library, clock) if self._library else {}
            async with (
                installation(slots, extra, arguments.home) as target,
                _faulty_functions(target),
                Echo(target.settings),
                Witness(target.settings) as witness,
                Load(target.settings, arguments.seed, arguments.clients) as load,
            ):
                await load.await_functions(_CARDS)
                return await self._torture(target, witness, load, clock if self._library else None)

    async def _torture(self, target: Installation, witness: Witness, load: Load, clock: Path | None) -> list[str]:
        arguments = self.arguments
        kept = witness.stored or 0
        began = time.monotonic()
        pace = arguments.pace
        elapsed = (lambda: load.finished / pace) if pace else (lambda: time.monotonic() - began)
        faults = Faults(target, partial(self._flood, load), clock, elapsed)
        breaking = asyncio.create_task(faults.run(plan(arguments.seed, self._kills, self._others)))
        self._until = began + arguments.minutes * 60 if arguments.minutes else float("inf")
        soaking = bool(arguments.minutes) and not (self._kills or self._others)
        watching = [asyncio.create_task(self._watch(target, began))] if soaking else []
        talking = asyncio.gather(*(self._lane(load, lane) for lane in range(arguments.window)))
        ended = await self._patiently(load, talking, breaking)
        took = time.monotonic() - began
        for task in (breaking, *watching):
            task.cancel()
        done = await asyncio.gather(breaking, *watching, return_exceptions=True)
        broken = [f"the run itself failed: {one!r}" for one in done if isinstance(one, Exception)]
        if not ended:
            broken.append(f"no final came for {arguments.patience:g} seconds")
        await settled(target.settings)
        emptied = await witness.empty(kept + _SLACK)
        said = list(load.said.values())
        turns, effects = judge_turns(said, target.settings), judge_effects(said, target.settings)
        times = sorted(one.took_s for one in said if one.status) or [0.0]
        rows = [
            *turns.rows,
            *effects.rows,
            *(
                (f"{kind} turns", ", ".join(f"{n} {how}" for how, n in sorted(c.items())))
                for kind, c in by_kind(load.said).items()
            ),
            ("refused messages (`dead`)", f"{len(witness.dead)}"),
            ("faults", ", ".join(f"{number} {kind}" for kind, number in sorted(faults.done.items())) or "none"),
            ("faults that met nobody", f"{faults.missed}"),
            ("seconds, turns a second", f"{took:.0f}, {load.finished / took:.1f}"),
            (
                "a turn, seconds: median, 99 %, longest",
                f"{statistics.median(times):.3f}, {times[len(times) * 99 // 100]:.1f}, {times[-1]:.1f}",
            ),
            ("messages in the broker: before, most, after", f"{kept}, {witness.peak}, {witness.stored}"),
        ]
        broken += turns.violations + effects.violations
        broken += [f"dead: {one.topic}: {one.reason}" for one in witness.dead]
        broken += [f"a final of no turn: {one.turn_id}" for one in load.strays]
        if not emptied:
            broken.append(f"the broker keeps {witness.stored} messages; it had {kept} before")
        grown = self._grown(memory(target))
        _print(rows + grown.rows, broken + grown.violations)
        return broken + grown.violations

    async def _lane(self, load: Load, lane: int) -> None:
        arguments = self.arguments
        while time.monotonic() < self._until and (arguments.minutes or next(self._left) < arguments.turns):
            if arguments.rate:
                now = time.monotonic()
                self._next = max(self._next, now) + 1 / arguments.rate
                await asyncio.sleep(self._next - now)
            await load.say(lane)

    async def _flood(self, load: Load) -> None:
        """Many turns at once, each in a conversation of its own."""
        arguments = self.arguments
        many = [n for n in range(arguments.flood) if arguments.minutes or next(self._left) < arguments.turns]
        self._floods.add(flood := asyncio.gather(*(load.say(arguments.window + n) for n in many)))
        await asyncio.shield(flood)

    async def _patiently(
        self, load: Load, talking: "asyncio.Future[list[None]]", breaking: "asyncio.Task[None]"
    ) -> bool:
        """Waits for the turns; tells whether they all came to an end."""
        waiting: set[asyncio.Future[Any]] = {talking}
        while waiting := {one for one in waiting | self._floods if not one.done()}:
            await asyncio.wait(waiting, timeout=1.0)
            if (breaking.done() and breaking.exception()) or time.monotonic() - load.stirred > self.arguments.patience:
                for one in waiting:
                    one.cancel()
                await asyncio.gather(*waiting, return_exceptions=True)
                return False
        talking.result()
        return True

    async def _watch(self, target: Installation, began: float) -> None:
        """Reads the memory once everything is warm."""
        await asyncio.sleep(_WARM * (self._until - began))
        self._memory = memory(target)

    def _grown(self, after: dict[str, float]) -> Verdict:
        rows, found = [], []
        for name, before in self._memory.items():
            growth = after.get(name, 0) / before - 1
            rows.append((f"memory of {name}, MB", f"{before:.1f} → {after.get(name, 0):.1f} ({growth:+.1%})"))
            if growth > _GROWTH:
                found.append(f"{name} grew by {growth:.1%}")
        return Verdict(rows, found)


@contextlib.asynccontextmanager
async def _faulty_functions(target: Installation) -> AsyncIterator[None]:
    """The worker of the functions that misbehave, run as anybody would run one."""
    with (target.settings.home / "logs" / "worker-faulty.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "agent.cli", "worker", "tools/faulty_functions.py"),
            cwd=PROJECT,
            env={**os.environ, **environment(target.settings)},
            stdout=log,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        await process.wait()


def _print(rows: list[tuple[str, str]], broken: list[str]) -> None:
    print("| | |\n| --- | --- |")
    for name, value in rows:
        print(f"| {name} | {value} |")
    print(f"| violations | {len(broken)} |")
    for one in broken[:50]:
        print(f"VIOLATION {one}")


def main() -> None:
    """The command line."""
    run = Run(_parser().parse_args())
    if run.arguments.plan:
        run.show_plan()
        return
    try:
        broken = uvloop.run(run.run())
    except (StartError, SupervisorError) as error:
        sys.exit(str(error))
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
