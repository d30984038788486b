"""Nothing that others wrote steers a terminal: not on the screen of a command, not in a log."""

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent import cli, process_commands
from agent.logs import LineFormatter
from agent.messages import Card, Final, Status
from agent.settings import Settings
from agent.transcript import clean, safe_json
from agent.worker import open_bus
from tests.conftest import Mosquitto

NASTY = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\x08red\x1bc\x00"
STEERING = set("\x1b\x9b\x07\x08\r\x00\u202e\x7f")


@given(st.text())
@hypothesis_settings(deadline=None)
def test_json_is_the_same_and_safe(text: str) -> None:
    """A program reads what was meant; a terminal sees nothing that steers it."""
    shown = safe_json(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(shown) == {"text": text}
    assert clean(shown) == shown.replace("\u2028", "\n").replace("\u2029", "\n")


def test_log_line_is_one_line_and_clean() -> None:
    """What is logged can't pass for a line of its own, and no escape sequence gets into the file."""
    record = logging.LogRecord("n", logging.ERROR, "", 0, "Refused %s", (f"x\n2026 ERROR forged {NASTY}",), None)
    record.exc_info = (ValueError, ValueError(NASTY), None)
    shown = LineFormatter("%(levelname)s %(message)s").format(record)
    assert shown.splitlines()[0] == "ERROR Refused x 2026 ERROR forged red"
    assert not STEERING & set(shown)


@pytest.fixture
async def nasty(mosquitto: Mosquitto, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A broker with a card and a status that somebody filled with escape sequences."""
    monkeypatch.setattr(cli, "require_running", lambda _settings: None)
    monkeypatch.setattr(process_commands, "running", lambda _settings: 1)
    async with open_bus("functions-0", "function", settings, will=False) as bus:
        card = Card(name="weather_info", description=NASTY, parameters={"properties": {NASTY: {"type": "string"}}})
        await bus._publish("fg/v1/function/weather_info", card.model_dump_json().encode(), qos=1, retain=True)
        status = Status(state="online", role=NASTY + "\n", details={"pid": NASTY})
        await bus._publish("fg/v1/status/functions-0", status.model_dump_json().encode(), qos=1, retain=True)
    return settings


@pytest.mark.parametrize("command", [["functions"], ["functions", "--json"], ["status"], ["status", "--json"]])
async def test_commands_show_what_others_wrote_cleanly(
    nasty: Settings, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Cards and statuses come from whoever was let in."""
    await _run(nasty, command)
    shown = capsys.readouterr().out
    assert "red" in shown
    assert not STEERING & set(shown)


@pytest.mark.parametrize("options", [[], ["--json"]])
async def test_reply_on_the_command_line_is_clean(
    settings: Settings, options: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply quotes what functions found."""

    class Answering:
        async def final(self, *_arguments: object, **_others: object) -> Final:
            return Final(turn_id="t", status="ok", text=NASTY)

    async def with_client(_settings: Settings, use: Any, **_others: object) -> int:
        return int(await use(Answering(), None))

    monkeypatch.setattr(cli, "require_running", lambda _settings: None)
    monkeypatch.setattr(cli, "with_client", with_client)
    await _run(settings, ["say", "x", *options])
    shown = capsys.readouterr().out
    assert "red" in shown
    assert not STEERING & set(shown)


async def _run(settings: Settings, command: list[str]) -> None:
    """Runs a command as a process would, beside the loop of the test."""
    arguments = cli._parser().parse_args(command)
    await asyncio.to_thread(arguments.run, arguments, settings)
