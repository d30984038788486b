"""Measures a turn through all five stages, each a process: `python -m tools.bench`.

Runs an installation of its own in a temporary folder (real mosquitto, embedded router, offline replier, functions
without network), sends turns one after another for the times by stage, then many at once for the rate, and reads how
much memory the processes hold. Prints tables in Markdown.

What is not covered: models, web services.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import psutil
import uvloop

from agent.client import Client
from agent.messages import Accepted, Chunk, Final, Result, Route
from agent.process_list import ProcessList
from agent.routing.cases import load_cases
from agent.settings import Settings
from agent.supervisor import Supervisor, is_ready, parse_slots
from agent.worker import open_bus
from tools.installation import free_port

_CLIENTS = 4
_ROUND = 10
"""Turns of one conversation; then another one begins."""
_STAGES = {Accepted: "say → accepted", Route: "→ route", Result: "→ result", Chunk: "→ first chunk", Final: "→ final"}
_CALLED = "→ final, where a function was called"


@asynccontextmanager
async def installation(slots: dict[str, int] | None = None) -> AsyncIterator[tuple[Settings, list[Client]]]:
    """A running installation of our own with so many slots a role, and clients on it."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), port=free_port(), offline=True, router="embedded", replier="offline")
        stop = asyncio.Event()
        supervisor = Supervisor(settings, slots, tell=lambda line: print(line, file=sys.stderr))
        running = asyncio.create_task(supervisor.run(stop))
        started = asyncio.create_task(supervisor.started.wait())
        try:
            await asyncio.wait({running, started}, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                await running
            buses = [open_bus(f"cli-{number}", "client", settings, will=False) for number in range(_CLIENTS)]
            clients = [Client(bus) for bus in buses]
            for bus in buses:
                await bus.__aenter__()
            while not is_ready(clients[0].presence):
                await clients[0].presence.changed(1.0)
            yield settings, clients
            for bus in buses:
                await bus.close()
        finally:
            stop.set()
            await running


def texts(settings: Settings) -> Iterator[str]:
    """What dialogues of the labelled cases begin with, shuffled, each once before any comes again.

    The router learns from how dialogues end, so it has not seen these.
    """
    cases = load_cases(settings.cases)
    first = {case.history[0].content for case in cases if case.history and case.history[0].role == "user"}
    new = sorted(first - {case.text for case in cases})
    Random(0).shuffle(new)
    return itertools.cycle(new)


async def one_by_one(client: Client, said: Iterable[str]) -> dict[str, list[float]]:
    """Milliseconds since the `say`, by stage, of turns sent one after another."""
    times: dict[str, list[float]] = {name: [] for name in [*_STAGES.values(), _CALLED]}
    for number, text in enumerate(said):
        began = time.perf_counter()
        seen = set()
        async for event in client.say(text, f"single-{number // _ROUND}", timeout=30):
            if type(event) not in seen:
                seen.add(type(event))
                times[_STAGES[type(event)]].append((time.perf_counter() - began) * 1000)
        if Result in seen:
            times[_CALLED].append(times[_STAGES[Final]][-1])
    return times


async def at_once(clients: list[Client], said: Iterable[str], window: int) -> tuple[float, list[float]]:
    """Turns a second, and milliseconds of each turn, with `window` turns on their way all the time."""
    numbered = enumerate(said)
    took: list[float] = []

    async def lane(lane_number: int) -> None:
        for number, text in numbered:
            began = time.perf_counter()
            client = clients[lane_number % len(clients)]
            final = await client.final(text, f"many-{number}", timeout=60)
            assert final.text  # noqa: S101 - an empty reply would be no turn
            took.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    await asyncio.gather(*(lane(number) for number in range(window)))
    return len(took) / (time.perf_counter() - began), took


def processes(settings: Settings) -> dict[str, psutil.Process]:
    """The processes of the installation, by name; ours holds the supervisor and the clients."""
    pids = {"supervisor, clients": os.getpid(), **ProcessList(settings).read()}
    return {name: psutil.Process(pid) for name, pid in pids.items()}


def cpu(running: dict[str, psutil.Process]) -> dict[str, float]:
    """Seconds of processor time that each process has used."""
    times = {name: process.cpu_times() for name, process in running.items()}
    return {name: one.user + one.system for name, one in times.items()}


def stolen() -> tuple[float, float]:
    """Seconds that the host gave to other machines while this one wanted them, and all seconds; of all processors."""
    times = psutil.cpu_times()
    return getattr(times, "steal", 0.0), sum(times)


def _row(name: str, times: list[float]) -> str:
    if len(times) < 2:
        return f"| {name} | {len(times)} | | | |"
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return f"| {name} | {len(times)} | {cuts[49]:.2f} | {cuts[94]:.2f} | {cuts[98]:.2f} |"


async def turn(arguments: argparse.Namespace) -> None:
    """Runs the whole measurement and prints it."""
    async with installation(parse_slots(arguments.slots)) as (settings, clients):
        said = texts(settings)
        await one_by_one(clients[0], itertools.islice(said, 20))
        took_before, all_before = stolen()
        times = await one_by_one(clients[0], itertools.islice(said, arguments.turns))
        took, all_of_it = stolen()
        print("One turn after another, milliseconds since the say:\n")
        print("| stage | turns | p50 | p95 | p99 |\n| --- | --- | --- | --- | --- |")
        for name, found in times.items():
            print(_row(name, found))
        share = (took - took_before) / max(all_of_it - all_before, 1e-9)
        print(f"\nOf the processors' time {share:.0%} went to other machines on this host meanwhile.")
        running = processes(settings)
        before = cpu(running)
        rate, each = await at_once(clients, itertools.islice(said, arguments.rate_turns), arguments.window)
        print(f"\n{arguments.window} turns at once: {rate:.0f} turns a second over {len(each)} turns\n")
        print("| | turns | p50 | p95 | p99 |\n| --- | --- | --- | --- | --- |")
        print(_row("turn under load, ms", each))
        print("\n| process | processor ms a turn | resident MB |\n| --- | --- | --- |")
        after = cpu(running)
        work = {name: (after[name] - before[name]) * 1000 / len(each) for name in running}
        held = {name: process.memory_info().rss / 2**20 for name, process in running.items()}
        for name in running:
            print(f"| {name} | {work[name]:.2f} | {held[name]:.0f} |")
        print(f"| all | {sum(work.values()):.2f} | {sum(held.values()):.0f} |")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description="Measures FuncGemma.")
    commands = parser.add_subparsers(metavar="WHAT")
    one = commands.add_parser("turn", help="a turn through all stages (the default)")
    for each in (parser, one):
        each.add_argument("--turns", type=int, default=500, help="turns sent one after another (500)")
        each.add_argument("--rate-turns", type=int, default=3000, help="turns sent many at once (3000)")
        each.add_argument("--slots", default="", metavar="ROLE=N,…", help="as of `funcgemma up`: router=2,chat=2")
        each.add_argument("--window", type=int, default=24, help="turns on their way at once (24)")
    two = commands.add_parser("router-peft", help="the peft router beside model.generate (needs the train extra)")
    two.add_argument("--turns", type=int, default=2, dest="peft_turns", help="turns of each function (2)")
    arguments = parser.parse_args()
    if "peft_turns" in arguments:
        from tools import bench_peft  # noqa: PLC0415 - torch is an extra

        bench_peft.main(arguments.peft_turns)
        return
    uvloop.run(turn(arguments))


if __name__ == "__main__":
    main()
