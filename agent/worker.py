"""What a worker is: a role on the bus with handlers, started as a process, drained and stopped by SIGTERM."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import uvloop

from agent import __version__
from agent.broker import BrokerMissing
from agent.bus import Bus, BusError, Unable
from agent.credentials import CredentialError, Credentials
from agent.journal_file import JournalError
from agent.logs import configure
from agent.mqtt import MqttBus
from agent.routing import RouterError
from agent.settings import Settings, settings
from agent.topics import Role

log = logging.getLogger(__name__)

_GARBAGE = 20_000
"""Objects more than before, from which on garbage that holds itself is looked for; Python's own 700 are a turn's."""
_EXTRA_EXPIRY_S = 10


class Worker:
    """One worker on a bus. Subscriptions are made in the constructor, before the bus connects.

    Args:
        bus: not yet connected.
        settings: of this process.
    """

    def __init__(self, bus: Bus, settings: Settings) -> None:
        self.bus = bus
        self.settings = settings

    @property
    def details(self) -> dict[str, Any]:
        """What its status tells beside the role; `dry_runs`: it knows that a turn may be one."""
        return {"pid": os.getpid(), "version": __version__, "dry_runs": True}

    async def tell(self) -> None:
        """Tells its status anew where the details have changed; without a bus the next connection does."""
        if self.bus.connected.is_set():
            await self.bus.announce(**self.details)

    async def prepare(self) -> None:
        """Loads what it needs, before the bus connects."""

    async def greet(self) -> None:
        """Says what has to be said on each connection before the worker tells that it is online."""

    async def work(self) -> None:
        """Runs beside the handlers, on a connected bus, until it is cancelled."""
        await asyncio.Event().wait()

    async def finish(self) -> None:
        """Closes what `prepare` opened, after the bus has been left."""


async def host(worker: Worker, stop: asyncio.Event) -> None:
    """Runs a worker on its bus until `stop` is set, then drains it.

    Raises:
        BusError: the broker does not let the worker in.
    """

    async def greet() -> None:
        seen = 0
        while True:
            seen = await worker.bus.connection(after=seen)
            await worker.greet()
            await worker.bus.announce(**worker.details)

    await worker.prepare()
    # What is loaded by now stays, and nearly all that a turn makes goes without being looked for: a tenth of its time.
    gc.freeze()
    gc.set_threshold(_GARBAGE)
    try:
        if not await entered(worker.bus, stop):
            return
        try:
            tasks = [
                asyncio.create_task(greet(), name=f"{worker.bus.client_id}[greet]"),
                asyncio.create_task(worker.work(), name=f"{worker.bus.client_id}[work]"),
                asyncio.create_task(stop.wait(), name=f"{worker.bus.client_id}[stop]"),
            ]
            if isinstance(worker.bus, MqttBus):
                tasks.append(asyncio.create_task(worker.bus.failed()))
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await worker.bus.close()
    finally:
        await worker.finish()


async def entered(bus: Bus, stop: asyncio.Event) -> bool:
    """Connects; tells whether that came before `stop`, since without a broker it never may."""
    entering, stopping = asyncio.create_task(bus.__aenter__()), asyncio.create_task(stop.wait())
    await asyncio.wait({entering, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if entering.done():
        entering.result()
        return True
    entering.cancel()
    await asyncio.gather(entering, return_exceptions=True)
    await bus.close(drain_s=0)
    return False


def open_bus(client_id: str, role: Role, settings: Settings, **others: Any) -> MqttBus:
    """A bus on the configured broker with the credential of `client_id`, not yet connected.

    Raises:
        CredentialError: there is no such credential.
    """
    credentials = Credentials(settings)
    common: dict[str, Any] = {
        "keepalive_s": settings.keepalive_s,
        "session_expiry_s": settings.session_expiry_s,
        "root": settings.topic_root,
        "concurrency": settings.concurrency,
        "max_packet": settings.max_packet,
        "largest": dict.fromkeys(("Card", "Status", "Notice"), settings.max_card),
        "share": credentials.share(),
    }
    return MqttBus(client_id, role, credentials.address(client_id), **{**common, **others})


def main(make: Callable[[Bus, Settings], Worker], role: Role, name: str) -> None:
    """The main program of a worker: `python -m workers.NAME [--slot N]`.

    Args:
        make: makes the worker on a bus.
        role: its role on the bus.
        name: its client id, before the slot; the journal has no slots.
    """
    parser = argparse.ArgumentParser(prog=f"python -m workers.{name}", description=f"The {name} worker of FuncGemma.")
    if name != "journal":
        parser.add_argument("--slot", type=int, default=0, help="number of this worker among those of its role")
    arguments = parser.parse_args()
    client_id = name if name == "journal" else f"{name}-{arguments.slot}"
    # The first worker of a role comes back, so what is sent meanwhile waits for it. Of a further one nobody knows: what
    # the broker had given it is sent again by the journal.
    extra = {"session_expiry_s": _EXTRA_EXPIRY_S} if client_id != "journal" and arguments.slot else {}
    run(lambda: make(open_bus(client_id, role, settings(), **extra), settings()))


def run(make: Callable[[], Worker]) -> None:
    """Runs a worker until SIGTERM or SIGINT; ends the process with a plain sentence where it can't run."""
    os.umask(0o077)
    configure(logging.DEBUG if settings().debug else logging.INFO, "%(asctime)s %(levelname)s %(name)s: %(message)s")

    async def until_stopped() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        await host(make(), stop)

    try:
        uvloop.run(until_stopped())
    except (BusError, CredentialError, BrokerMissing, JournalError, RouterError, Unable) as error:
        if settings().debug:
            raise
        sys.exit(str(error))
