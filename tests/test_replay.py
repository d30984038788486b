"""Logs and replay on a running installation: exported, said again, compared, labelled, forgotten."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import topics
from agent.client import Client
from agent.erasure import save_broker
from agent.messages import Say
from agent.mqtt import MqttBus
from agent.presence import Presence
from agent.routing.cases import load_cases
from agent.settings import PROJECT, Settings
from agent.supervisor import environment
from agent.worker import open_bus
from tests.conftest import PATIENCE_S
from tests.test_processes import Observer
from tools.installation import free_port

pytestmark = pytest.mark.long

SAID = [
    ("zoo", "remind me to feed the zebra tomorrow at 9am"),
    ("zoo", "move it to 10am"),
    ("trip", "明日の札幌の天気は？"),
]


class Installation:
    """A running one, and its commands."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._environment = {**os.environ, **environment(settings)}

    def run(self, *command: str, module: str = "agent.cli", rc: int = 0) -> str:
        """Runs a command; gives what it printed, errors included."""
        done = subprocess.run(
            [sys.executable, "-m", module, *command],
            cwd=PROJECT,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == rc, done.stdout
        return done.stdout

    def say(self, text: str, conversation: str) -> dict[str, Any]:
        """Says something; gives the final."""
        content: dict[str, Any] = json.loads(self.run("say", text, "--json", "--conversation", conversation))
        return content

    def export(self, path: Path, *names: str) -> list[dict[str, Any]]:
        """Exports conversations; gives the lines."""
        self.run("log", "export", *names, "--out", str(path))
        return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]

    def replay(self, log: Path, *options: str, rc: int) -> str:
        """Replays a log."""
        return self.run(str(log), *options, module="tools.replay", rc=rc)

    def rows(self, file: str, query: str) -> list[tuple[Any, ...]]:
        """Asks one of the databases."""
        with contextlib.closing(sqlite3.connect(self.settings.home / file)) as database:
            return database.execute(query).fetchall()

    def files_with(self, *words: str) -> list[str]:
        """Files of the home folder that hold any of the words."""
        files = [path for path in self.settings.home.rglob("*") if path.is_file()]
        return [path.name for path in files if any(word.encode() in path.read_bytes() for word in words)]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation in which two conversations were held."""
    home = tmp_path_factory.mktemp("replay") / "home"
    settings = Settings(
        home=home, port=free_port(), offline=True, router="embedded", replier="offline", ollama_url="http://127.0.0.1:9"
    )
    installation = Installation(settings)
    installation.run("up", "--detach")
    for conversation, text in SAID:
        assert installation.say(text, conversation)["status"] == "ok"
    yield installation
    installation.run("down")


def write(path: Path, lines: list[dict[str, Any]]) -> Path:
    """A log of these lines."""
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return path


def test_replay_of_an_export_gives_the_same_and_changes_nothing(there: Installation, tmp_path: Path) -> None:
    """Routes and replies are as they were, relative dates too; no reminder is made, and no conversation is left."""
    log, out = tmp_path / "log.jsonl", tmp_path / "out.json"
    lines = there.export(log, "zoo", "trip")
    assert [line["text"] for line in lines] == [text for _, text in SAID]
    before = there.rows("reminders.sqlite3", "SELECT * FROM reminders")
    told = there.replay(log, "--json", str(out), rc=0)
    assert "Routes: 3 the same" in told
    assert "Replies: 3 the same" in told
    content = json.loads(out.read_text(encoding="utf-8"))
    assert [turn["now"]["result"]["status"] for turn in content["turns"]] == ["ok"] * 3
    assert set(content["latency"]) == {"router", "function", "chat"}
    then = [{**line, "said_at": "2031-03-03T12:00:00+09:00"} for line in lines]
    there.replay(write(tmp_path / "then.jsonl", then), "--json", str(out), rc=0)
    assert "tomorrow (Tuesday, March 4) at 9:00 am" in out.read_text(encoding="utf-8")
    assert there.rows("reminders.sqlite3", "SELECT * FROM reminders") == before
    assert there.rows("journal.sqlite3", "SELECT * FROM turns WHERE client LIKE 'replay-%'") == []


def test_replay_with_side_effects_makes_reminders_of_its_own(there: Installation, tmp_path: Path) -> None:
    """Where it is asked for, functions act, for the replay's client; its conversations stay, apart from the others."""
    log = tmp_path / "log.jsonl"
    there.export(log, "zoo")
    there.replay(log, "--side-effects", "--limit", "1", rc=0)
    assert len(there.rows("reminders.sqlite3", "SELECT * FROM reminders WHERE client = 'replay-0'")) == 1
    assert "replay-0/" not in there.run("log", "list")
    assert "replay-0/" in there.run("log", "list", "--replays")


def test_replay_that_got_worse_ends_with_1(there: Installation, tmp_path: Path) -> None:
    """Routes other than those of then, or labels that were met then and are not now, count beyond the tolerance."""
    lines = there.export(tmp_path / "log.jsonl", "trip", "zoo")
    route = {**lines[2]["route"], "function": "travel_guide", "arguments": {"destination": "札幌"}}
    changed = [*lines[:2], {**lines[2], "route": route}]
    log = write(tmp_path / "changed.jsonl", changed)
    assert "1 of 3 turns without a label have another route" in there.replay(log, rc=1)
    there.replay(log, "--tolerance", "0.4", rc=0)
    label = {"expected_function": "travel_guide", "expected_arguments": None}
    log = write(tmp_path / "labelled.jsonl", [{**changed[2], **label}])
    assert "accuracy on labelled turns went from 100.0% to 0.0%" in there.replay(log, rc=1)


def test_replay_without_a_log_says_so(there: Installation, tmp_path: Path) -> None:
    """What is no log ends in a sentence and a status of its own."""
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"text": "hello"}\n')
    assert "bad.jsonl, line 1, is no logged turn" in there.replay(bad, rc=2)


def test_label_makes_a_case_of_an_exported_turn(there: Installation, tmp_path: Path) -> None:
    """Only what is labelled is a case, under the labelled function; a label that can't be is refused."""
    log = tmp_path / "log.jsonl"
    (line,) = there.export(log, "trip")
    assert load_cases(tmp_path) == []
    turn = line["turn_id"]
    assert "no parameter where" in there.run(
        "log", "label", turn, "--function", "weather_info", "--argument", "where=札幌", rc=1
    )
    assert "must be: current, today" in there.run(
        "log", "label", turn, "--function", "weather_info", "--argument", "forecast_type=soon", rc=1
    )
    there.run("log", "label", turn[:10], "--function", "travel_guide", "--argument", "destination=札幌")
    (line,) = there.export(log, "trip")
    (case,) = load_cases(tmp_path)
    assert (case.text, case.function, case.arguments) == (SAID[2][1], "travel_guide", {"destination": "札幌"})
    assert (line["category"], line["test_id"].rsplit("-", 1)[0]) == ("travel_guide", "ja-travel_guide-log")
    there.run("log", "label", turn, "--function", "none")
    assert there.export(log, "trip")[0]["expected_function"] is None


def test_forget_leaves_nothing_in_the_files(there: Installation) -> None:
    """While everything runs, what was said is gone from every file, with the reminders made of it."""
    final = there.say("remind me to polish the xylophone tomorrow at 9am", "secret")
    home = there.settings.home
    (home / "history").write_text(
        "\n# 2026-11-23\n+remind me to polish the xylophone tomorrow at 9am\n\n# 2026-11-24\n+hi\n"
    )
    with (home / "logs" / "chat-0.log").open("a") as log:
        log.write("what can 'polish the xylophone' be?\n")
    there.run("log", "label", final["turn_id"], "--function", "none")
    assert {"history", "chat-0.log"} < set(there.files_with("xylophone"))
    assert "polish the xylophone" in there.run("log", "forget", "secret", "--yes")
    assert there.files_with("xylophone", final["turn_id"]) == []
    assert (home / "history").read_text() == "\n# 2026-11-24\n+hi\n"
    assert there.rows("journal.sqlite3", "SELECT * FROM labels WHERE conversation = 'secret'") == []
    assert "There is no conversation secret" in there.run("log", "forget", "secret", rc=1)
    assert there.say("hello", "trip")["status"] == "ok"
    assert "cli-0/zoo" in there.run("log", "list")


async def test_forget_tells_what_waits_at_the_broker(there: Installation) -> None:
    """Messages for a client that is away can't be taken from it; those that it has had are out of the broker's file."""
    settings = there.settings
    operator = open_bus("operator-3", "operator", settings, will=False, persistent=False)
    observer = Observer(operator)
    async with operator, asyncio.timeout(PATIENCE_S):
        for conversation, back in (("back", True), ("away", False)):
            text = f"the quokka is {conversation}"
            # Nothing comes back before the client has gone.
            router = int(json.loads((settings.home / "processes.json").read_text())["router-0"])
            os.kill(router, signal.SIGSTOP)
            try:
                async with (bus := listener(settings)):
                    say = Say(turn_id=f"turn-{conversation}", text=text)
                    await bus.send(topics.SAY, say, client="cli-5", conversation=conversation)
            finally:
                os.kill(router, signal.SIGCONT)
            await observer.saw(say.turn_id)
            if back:
                await asyncio.to_thread(save_broker, settings.home)
                assert "mosquitto.db" in there.files_with(text)
                bus = listener(settings)
                presence = Presence(bus)
                async with bus:
                    await bus.announce()
                    await presence.caught_up()
            told = await asyncio.to_thread(there.run, "log", "forget", conversation, "--yes", rc=0 if back else 1)
            assert there.files_with(text) == ([] if back else ["mosquitto.db"])
            assert ("mosquitto.db" in told) != back


def listener(settings: Settings) -> MqttBus:
    """A client for which the broker keeps messages while it is away."""
    bus = open_bus("cli-5", "client", settings, will=False)
    Client(bus)
    return bus
