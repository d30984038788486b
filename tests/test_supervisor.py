"""The supervisor's own rules: one a home folder, a free port, plain sentences."""

import asyncio
import os
import signal
import socket
import subprocess
import sys

import pytest

from agent import broker
from agent.broker import BrokerMissing
from agent.home_lock import AlreadyRunning, only_one, running
from agent.settings import PROJECT, Settings
from agent.supervisor import Supervisor, SupervisorError, environment

pytestmark = pytest.mark.long

_PATHS = (
    ("password_file", "broker/passwd"),
    ("acl_file", "broker/acl"),
    ("pid_file", "broker/mosquitto.pid"),
    ("persistence_location", "broker/"),
)


def funcgemma(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "agent.cli", *arguments],
        cwd=PROJECT,
        env={**os.environ, **environment(settings)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_only_one_runs_in_a_home_folder(settings: Settings) -> None:
    """A second supervisor is told that one runs; when the first is gone, so is its lock."""
    assert running(settings) is None
    with only_one(settings) as lock:
        assert running(settings) is None
        lock.write(str(os.getpid()))
        lock.flush()
        assert running(settings) == os.getpid()
        with pytest.raises(AlreadyRunning, match="runs already"), only_one(settings):
            pass
    assert running(settings) is None


async def test_taken_port_is_told(settings: Settings) -> None:
    """A port that another program has is named, with what to do."""
    taken = pytest.raises(SupervisorError, match=f"FUNCGEMMA_PORT={settings.port + 1}")
    with socket.create_server(("127.0.0.1", settings.port)), taken:
        await Supervisor(settings).run(asyncio.Event())


def test_configuration_is_that_of_the_root_with_our_port_and_folders(settings: Settings) -> None:
    """`mosquitto.conf` is what runs: only the listener and the folders are replaced."""
    ours = broker.configuration(settings).splitlines()
    root = (PROJECT / "mosquitto.conf").read_text(encoding="utf-8").splitlines()
    changed = [(before, after) for before, after in zip(root, ours, strict=False) if before != after]
    home = settings.home.resolve()
    assert changed == [
        ("listener 18830 127.0.0.1", f"listener {settings.port} 127.0.0.1"),
        *((f"{name} data/run/{rest}", f"{name} {home}/{rest}") for name, rest in _PATHS),
    ]


def test_missing_mosquitto_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no mosquitto the error is the cure."""
    monkeypatch.setattr("shutil.which", lambda *_args, **_names: None)
    monkeypatch.setattr("agent.broker._UNPACKED", settings.home)
    with pytest.raises(BrokerMissing, match="apt install mosquitto"):
        broker.program(settings)


def test_commands_without_anything_running_say_so(settings: Settings) -> None:
    """Each command ends in one plain sentence and the command that mends it."""
    for arguments in (("say", "hi"), ("watch",), ("functions",), ("worker", "chat")):
        done = funcgemma(settings, *arguments)
        assert done.returncode == 1
        assert done.stderr == "funcgemma: FuncGemma is not running. Start it with: funcgemma up --detach\n"
    assert funcgemma(settings, "down").stdout == "FuncGemma is not running.\n"
    status = funcgemma(settings, "status", "--json")
    assert status.stdout == '{"ready": false, "components": []}\n'


def test_up_detached_says_and_down(settings: Settings) -> None:
    """The commands that scripts use: up, status, say, functions, down; and orphans of a killed supervisor are ended."""
    import json

    up = funcgemma(settings, "up", "--detach")
    assert (up.returncode, up.stderr) == (0, "")
    assert "Stop it with: funcgemma down" in up.stdout
    status = json.loads(funcgemma(settings, "status", "--json").stdout)
    assert status["ready"] is True
    assert {one["role"] for one in status["components"]} == {
        "broker", "supervisor", "journal", "router", "function", "chat"
    }  # fmt: skip
    assert all(one["state"] == "online" and one["pid"] for one in status["components"])
    final = json.loads(funcgemma(settings, "say", "明日の札幌の天気は？", "--json").stdout)
    assert (final["function"], final["status"]) == ("weather_info", "ok")
    assert final["arguments"]["location"] == "札幌"
    assert funcgemma(settings, "say", "   ").returncode == 1
    assert "may have 8,000" in funcgemma(settings, "say", "x" * 9000).stderr
    assert "weather_info(location, forecast_type)" in funcgemma(settings, "functions").stdout
    assert "runs already" in funcgemma(settings, "up").stderr

    supervisor = running(settings)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    again = funcgemma(settings, "up", "--detach")
    assert (again.returncode, again.stderr) == (0, "")
    assert json.loads(funcgemma(settings, "status", "--json").stdout)["ready"] is True
    assert funcgemma(settings, "down").stdout == "Stopped.\n"
    assert running(settings) is None
