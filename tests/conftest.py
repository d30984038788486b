"""What the tests share: a real mosquitto on a free port, buses on it or in memory, and calls of functions."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent import broker
from agent.bus import Bus
from agent.credentials import Credentials
from agent.memory_bus import MemoryBroker, MemoryBus
from agent.messages import Lang
from agent.settings import Settings
from agent.topics import Role
from agent.worker import open_bus
from functions.chat_model import ChatModel
from functions.registry import Context
from functions.web import Web
from tools.installation import free_port

PATIENCE_S = 20.0
"""Longest wait for something that must happen; a test that works never waits as long."""
SAID = datetime(2026, 11, 23, 9, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
"""When a call's turn was said: on a Monday."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take long come first: what two processes do in parallel then ends at about the same time."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


class Mosquitto:
    """A real broker with our configuration, in a home folder of its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Starts it and waits until its port is open."""
        settings = self.settings
        path, environment = broker.program(settings)
        file = settings.home / "broker" / "mosquitto.conf"
        file.write_text(broker.configuration(settings))
        with (settings.home / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [path, "-c", file], stdout=log, stderr=log, env={**os.environ, **environment}
            )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection((settings.host, settings.port), 1):
                return
        raise AssertionError((settings.home / "broker.log").read_text())

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it."""
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an installation of the test's own, without network."""
    return Settings(home=tmp_path / "home", port=free_port(), offline=True, ollama_url="http://127.0.0.1:9")


@pytest.fixture
def mosquitto(settings: Settings) -> Iterator[Mosquitto]:
    """A running broker with our own credentials."""
    Credentials(settings).prepare({"router": 2, "functions": 2, "chat": 2})
    running = Mosquitto(settings)
    yield running
    running.stop()


BusFactory = Callable[..., Bus]


@pytest.fixture(params=["memory", "mosquitto"])
async def make_bus(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[BusFactory]:
    """Makes buses that are not connected yet: the same tests run in memory and on a real mosquitto."""
    made: list[Bus] = []
    if request.param == "memory":
        memory = MemoryBroker()

        def make(client_id: str, role: Role, **others: object) -> Bus:
            made.append(MemoryBus(client_id, role, memory, **others))
            return made[-1]
    else:
        request.getfixturevalue("mosquitto")

        def make(client_id: str, role: Role, **others: object) -> Bus:
            made.append(open_bus(client_id, role, settings, **others))
            return made[-1]

    yield make
    for bus in made:
        if bus.connected.is_set():
            await bus.close(drain_s=0)


@contextlib.asynccontextmanager
async def called(
    settings: Settings, lang: Lang = "ja", said_at: datetime = SAID, *, client: str = "t", conversation: str = "t"
) -> AsyncIterator[Context]:
    """What a function gets with a call."""
    async with Web(settings) as web, ChatModel(settings) as chat:
        yield Context("c1", lang, said_at, client, conversation, settings, web, chat)


@pytest.fixture
async def contexts(tmp_path: Path) -> AsyncIterator[dict[Lang, Context]]:
    """A call in each language, without network or model."""
    async with called(Settings(home=tmp_path, offline=True, replier="offline")) as context:
        yield {"ja": context, "en": replace(context, lang="en")}
