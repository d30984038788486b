"""`funcgemma up`, `down`, `status` and `worker`: the processes of an installation.

Which options they take is in `agent.cli`.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from agent.bus import BusError
from agent.certificates import broker_files
from agent.client import Client
from agent.credentials import CredentialError, Credentials
from agent.entry import NOT_RUNNING, operator, require_running, started, with_client
from agent.home_lock import AlreadyRunning, running
from agent.mqtt import MqttBus
from agent.presence import Presence
from agent.settings import PROJECT, Settings
from agent.supervisor import ROLES, Supervisor, SupervisorError, environment, is_ready, parse_slots
from agent.transcript import one_line, safe_json

_STOP_S = 20.0
"""Longest wait until everything has ended; the supervisor gives its workers less."""


def up(arguments: argparse.Namespace, settings: Settings) -> int:
    """Runs the supervisor until it is told to stop; detached, returns when everything is ready.

    Raises:
        AlreadyRunning: another one runs here.
        SupervisorError: the slots can't be read, or it does not start.
        CertificateError: there is no certificate for TLS yet.
    """
    slots = parse_slots(arguments.slots)
    if settings.tls and not settings.external_broker:
        broker_files(settings)
    if arguments.detach:
        if running(settings):
            raise AlreadyRunning
        command = ["up", "--slots", arguments.slots]
        return uvloop.run(with_client(settings, _tell_running, started(settings, command, stay=True)))

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if arguments.until_eof:
            await _stop_at_eof(stop)
        await Supervisor(settings, slots, lambda line: print(line, flush=True)).run(stop)

    uvloop.run(run())
    return 0


async def _tell_running(_client: Client, _bus: MqttBus) -> int:
    print("FuncGemma is running. Talk to it with: funcgemma chat. Stop it with: funcgemma down")
    return 0


async def _stop_at_eof(stop: asyncio.Event) -> None:
    """Sets `stop` when standard input ends, which is when the process that started this one is gone."""

    class Watcher(asyncio.Protocol):
        def connection_lost(self, _error: Exception | None) -> None:
            stop.set()

    await asyncio.get_running_loop().connect_read_pipe(Watcher, sys.stdin)


def down(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Stops the supervisor, and returns when it has ended.

    Raises:
        SupervisorError: it does not end.
    """
    pid = running(settings)
    if pid is None:
        print("FuncGemma is not running.")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + _STOP_S
    while running(settings) == pid:
        if time.monotonic() > until:
            raise SupervisorError(f"The supervisor (process {pid}) does not stop; its logs: {settings.home / 'logs'}")
        time.sleep(0.05)
    print("Stopped.")
    return 0


def status(arguments: argparse.Namespace, settings: Settings) -> int:
    """Prints what runs; the exit status is 0 where everything is there."""

    async def look() -> tuple[bool, list[dict[str, Any]]]:
        async with operator(settings) as (_, presence):
            return is_ready(presence), _components(presence)

    ready = False
    components: list[dict[str, Any]] = []
    if settings.external_broker or running(settings):
        try:
            ready, components = uvloop.run(look())
        except (BusError, CredentialError) as error:
            print(f"funcgemma: {error}", file=sys.stderr)
    if arguments.json:
        print(safe_json(json.dumps({"ready": ready, "components": components})))
    elif not components:
        print(f"Not ready; the logs: {settings.home / 'logs'}" if running(settings) else NOT_RUNNING)
    else:
        for one in components:
            shown = [one_line(str(one[name] or "-")) for name in ("client", "role", "state", "pid")]
            print("{:<14} {:<11} {:<8} {}".format(*shown))
            if "note" in one:
                print(f"    {one_line(str(one['note']))}")
        print("ready" if ready else "not ready")
    return 0 if ready else 1


def _components(presence: Presence) -> list[dict[str, Any]]:
    shown = []
    for client, told in sorted(presence.statuses.items()):
        if told.role == "operator" and client != "supervisor":
            continue
        pid = told.details.get("pid")
        role = "supervisor" if client == "supervisor" else told.role
        shown.append({"client": client, "role": role, "state": told.state, "pid": pid})
        if note := told.details.get("note"):
            shown[-1]["note"] = note
        if client == "supervisor" and (broker := told.details.get("broker_pid")):
            shown.append({"client": "broker", "role": "broker", "state": "online", "pid": broker})
    return shown


def worker(arguments: argparse.Namespace, settings: Settings) -> int:
    """Becomes a worker; does not return.

    Raises:
        SupervisorError: FuncGemma is not running, or there is no such worker.
    """
    what = arguments.what
    if what in ROLES:
        module, options = what, [] if what == "journal" else ["--slot", str(arguments.slot)]
    elif Path(what).suffix == ".py":
        module, options = "functions", ["--file", str(Path(what).resolve())]
    else:
        raise SupervisorError(f"{what} is neither a role ({', '.join(ROLES)}) nor a Python file.")
    require_running(settings)
    if what in ROLES and what != "journal":
        Credentials(settings).prepare({what: arguments.slot + 1})
        Credentials(settings).reload()
    os.environ.update(environment(settings))
    os.chdir(PROJECT)
    os.execv(sys.executable, [sys.executable, "-m", f"workers.{module}", *options])  # noqa: S606 - our own module
