"""Secrets: long and random, seen by their owner only, and in no log, no process list and no repository."""

import asyncio
import json
import logging
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from agent.address import AccessError, Address
from agent.credentials import CredentialError, Credentials
from agent.mqtt import MqttBus
from agent.settings import PROJECT, Settings
from tests.test_processes import LONG_S, up


def secrets_of(settings: Settings) -> dict[str, str]:
    """Every secret of an installation, by its name."""
    found = json.loads((settings.home / "credentials.json").read_text())
    return {name: entry["secret"] for name, entry in found.items()}


def test_secrets_are_long_random_and_each_another(settings: Settings) -> None:
    """192 bits or more each; two installations share none."""
    other = settings.model_copy(update={"home": settings.home.with_name("other")})
    for one in (settings, other):
        Credentials(one).prepare({"router": 3})
    found = [*secrets_of(settings).values(), *secrets_of(other).values()]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{32,}=*", secret) for secret in found)


def test_secrets_do_not_show_in_what_is_printed_of_an_object(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """A settings object or an address in a log or an error message does not give them away."""
    url = "mqtt://me:hunter2hunter2@127.0.0.1:1"
    own = settings.model_copy(update={"broker_url": url})
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("agent").warning("%r %s %r", own, own, Address.from_url(url))
    assert "hunter2" not in caplog.text
    with pytest.raises(CredentialError) as caught:
        Credentials(settings.model_copy(update={"broker_url": "http://me:hunter2@x"})).address("me")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["data/run/credentials.json", "data/run/broker/passwd", "data/run/tls/ca.key", ".env"])
def test_secrets_are_kept_out_of_the_repository(name: str) -> None:
    """Git ignores every file that holds one."""
    if not (PROJECT / ".git").exists():
        pytest.skip("not a git checkout")
    assert subprocess.run(["git", "check-ignore", "-q", name], cwd=PROJECT, check=False).returncode == 0


async def test_running_installation_shows_no_secret(settings: Settings) -> None:
    """Not on a command line, not in a log, and all that lies in its folder is its owner's."""
    debug = settings.model_copy(update={"debug": True, "router": "embedded", "replier": "offline"})
    debug.__pydantic_fields_set__.update({"debug", "router", "replier"})
    before = os.umask(0o022)
    try:
        async with up(debug) as client, asyncio.timeout(LONG_S):
            await client.final("hello", "c")
            credentials = Credentials(debug)
            url = credentials.invite("guest", "client")
            wrong = credentials.address("cli-1").model_copy(update={"password": "a wrong password"})
            with pytest.raises(AccessError):
                await MqttBus("cli-1", "client", wrong).__aenter__()
            known = {*secrets_of(debug).values(), url.split(":")[2].split("@")[0], "a wrong password"}
            known.add(credentials.share())
            pids = [status.details.get("pid") for status in client.presence.statuses.values()]
            pids += json.loads((debug.home / "processes.json").read_text()).values()
            shown = (
                "".join(Path(f"/proc/{pid}/cmdline").read_text() for pid in pids if pid)
                if Path("/proc").is_dir()
                else ""
            )
            assert not [secret for secret in known if secret in shown]
            logs = [path for path in (debug.home / "logs").iterdir() if path.stat().st_size]
            assert logs
            for path in logs:
                text = path.read_text()
                assert not [secret for secret in known if secret in text], path.name
            for path in (debug.home, *debug.home.rglob("*")):
                assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
    finally:
        os.umask(before)
