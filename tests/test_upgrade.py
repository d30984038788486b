"""Upgrade while running: what other versions say is understood, and workers are replaced within a dialogue."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from agent import messages, topics
from agent.bus import Inbound, Subscription
from agent.messages import Dead, Message
from agent.settings import PROJECT, Settings
from agent.worker import open_bus
from tests.test_processes import LONG_S, pid_of, up

PAYLOADS = Path(__file__).parent / "payloads"


def released() -> list[Any]:
    """Every payload that a released version sent, as it was on the wire then; the files are never changed."""
    return [
        pytest.param(name, payload, id=f"{path.stem}-{name}")
        for path in sorted(PAYLOADS.glob("*.json"))
        for name, payload in json.loads(path.read_text(encoding="utf-8")).items()
    ]


@pytest.mark.parametrize(("name", "payload"), released())
def test_payload_of_a_released_version_is_understood(name: str, payload: dict[str, Any]) -> None:
    """Nothing that a version before this one sent is refused or read otherwise, also with fields of one to come."""
    model: type[Message] = getattr(messages, name)
    read = json.loads(model.model_validate_json(json.dumps(payload)).model_dump_json())
    assert without_what_came_later(read, payload) == payload
    newer = {**payload, "fields_to_come": {"of": ["a", "later", "version"]}}
    assert model.model_validate_json(json.dumps(newer)) == model.model_validate_json(json.dumps(payload))


def without_what_came_later(read: Any, payload: Any) -> Any:
    """What was read, as far as the payload has fields for it."""
    if isinstance(payload, dict):
        return {field: without_what_came_later(read[field], value) for field, value in payload.items()}
    if isinstance(payload, list):
        return [without_what_came_later(*pair) for pair in zip(read, payload, strict=True)]
    return read


def test_every_payload_of_the_table_was_kept() -> None:
    """Each release keeps one of each payload that was there then; the first has all of the first design."""
    first = json.loads((PAYLOADS / "v0.1.0.json").read_text(encoding="utf-8"))
    assert {topic.payload for topic in topics.TABLE} >= first.keys()
    assert len(first) == 13


async def test_workers_are_replaced_in_the_middle_of_a_dialogue(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker after the other is replaced by a newer version, then by the older one again; the dialogue goes on.

    The newer version is this one with unknown fields in all that it sends (`tests/newer`).
    """
    settings = settings.model_copy(update={"router": "embedded", "replier": "offline"})
    monkeypatch.setenv("PYTHONPATH", f"{PAYLOADS.parent / 'newer'}:{PROJECT}")
    newer = settings.home / "newer"
    told: list[Any] = []

    async def raw(inbound: Inbound) -> None:
        told.append(json.loads(inbound.payload))

    async with up(settings) as client, asyncio.timeout(LONG_S):
        watching = open_bus("operator-0", "operator", settings, will=False)
        refused: list[Dead] = []

        async def note(dead: Dead, _levels: dict[str, str]) -> None:
            refused.append(dead)

        watching.on(topics.DEAD, Dead, note)
        watching.subscriptions.append(Subscription(topics.FINAL.filter(), 1, None, raw))
        async with watching:
            for version in ("newer", "older"):
                newer.touch() if version == "newer" else newer.unlink()
                for name in ("router-0", "functions-0", "chat-0", "journal"):
                    asked = await client.final("what's the weather like?", "dialogue")
                    assert (asked.status, asked.function) == ("ok", "weather_info")
                    pid = await pid_of(client.presence, name, other_than=0)
                    os.kill(pid, signal.SIGTERM)
                    await pid_of(client.presence, name, other_than=pid)
                    answered = await client.final("Sapporo", "dialogue")
                    assert (answered.status, answered.function) == ("ok", "weather_info")
                    assert "Sapporo" in answered.text
            await client.final("hello", "last")
    assert not refused
    assert any("to_come" in one for one in told)
    assert "to_come" not in told[-1]
