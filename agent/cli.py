"""The `funcgemma` command."""

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from agent import __version__, log_commands
from agent.broker import BrokerMissing
from agent.bus import BusError
from agent.certificates import CertificateError, authority, broker_files, client_file
from agent.client import Client, NoAnswer
from agent.credentials import CredentialError, Credentials
from agent.entry import operator, started, with_client
from agent.home_lock import AlreadyRunning, running
from agent.journal_backup import backup, restore
from agent.journal_file import JournalError
from agent.logged_turn import LogError
from agent.logs import configure
from agent.mqtt import MqttBus
from agent.ollama import OllamaError
from agent.presence import Presence
from agent.revocation import revoke
from agent.settings import PROJECT, Settings, settings
from agent.supervisor import ROLES, Supervisor, SupervisorError, environment, is_ready, parse_slots
from agent.transcript import clean, encodable, one_line, safe_json
from agent.worker import open_bus


class UsageError(Exception):
    """Raised when a command can't do what it was asked; the message says what to do."""


_PLAIN = (
    UsageError,
    AlreadyRunning,
    SupervisorError,
    CertificateError,
    CredentialError,
    BrokerMissing,
    BusError,
    JournalError,
    LogError,
    NoAnswer,
    OllamaError,
)


def main() -> None:
    """Runs the command line; a mistake ends in one plain sentence."""
    arguments = _parser().parse_args()
    # Secrets, dialogues and logs are for their owner only.
    os.umask(0o077)
    configure(logging.DEBUG if settings().debug or arguments.debug else logging.ERROR, "%(levelname)s %(message)s")
    try:
        sys.exit(arguments.run(arguments, settings()))
    except _PLAIN as error:
        if settings().debug or arguments.debug:
            raise
        sys.exit(f"funcgemma: {clean(str(error))}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # `funcgemma watch | head`: nobody reads any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="funcgemma", description="A local assistant on an MQTT bus.")
    parser.add_argument("--version", action="version", version=f"funcgemma {__version__}")
    parser.add_argument("--debug", action="store_true", help="stack traces and debug logs")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace, Settings], int], about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(run=run)
        return made

    made = command("up", _up, "Run the broker and all workers.")
    made.add_argument("--detach", action="store_true", help="return when everything is ready")
    made.add_argument("--slots", default="", metavar="ROLE=N,…", help="more workers of a role: router=2,chat=2")
    made.add_argument("--until-eof", action="store_true", help=argparse.SUPPRESS)
    command("down", _down, "Stop what `up` runs.")
    made = command("status", _status, "Show what is running.")
    made.add_argument("--json", action="store_true", help="for programs")
    made = command("chat", _chat, "Chat in the terminal; starts what isn't running.")
    made.add_argument("--conversation", metavar="ID", help="go on with a conversation")
    made = command("say", _say, "Say one thing and print the reply.")
    made.add_argument("text")
    made.add_argument("--json", action="store_true", help="print the whole final payload")
    made.add_argument("--conversation", metavar="ID", help="go on with a conversation")
    made.add_argument("--timeout", type=float, default=200.0, metavar="S", help="give up after S seconds (200)")
    made = command("watch", _watch, "Show the bus live, a line a stage.")
    made.add_argument("--chunks", action="store_true", help="the pieces of replies too")
    made = command("functions", _functions, "List the functions on the bus.")
    made.add_argument("--json", action="store_true", help="print the cards")
    made = command("invite", _invite, "Make a credential for a client or a function worker and print its URL.")
    made.add_argument("name", help="client id on the bus")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--client", action="store_true", help="somebody who says things")
    which.add_argument("--function", action="append", metavar="FUNCTION", help="a worker of this function")
    made = command("certify", _certify, "Make the broker's certificate for TLS (FUNCGEMMA_TLS=1).")
    made.add_argument("hosts", nargs="*", metavar="HOST", help="names and addresses by which others reach it")
    made = command("revoke", _revoke, "Take a credential back, and the cards of its functions with it.")
    made.add_argument("name")
    made = command("journal", _journal, "Back the journal up, or put a backup in its place.")
    made.add_argument("action", choices=("backup", "restore"))
    made.add_argument("file", type=Path, metavar="FILE")
    made = command("worker", _worker, "Run one worker: a role, or a Python file with a function.")
    made.add_argument("what", metavar="ROLE-OR-FILE", help=f"{', '.join(ROLES)} or my_function.py")
    made.add_argument("--slot", type=int, default=0, help="number of this worker among those of its role")
    log_commands.add_to(commands.add_parser("log", help="Look back at conversations.", description="Look back."))
    made = command("models", _models, "Show which models are there; exit status 0 where none is missing.")
    made.add_argument("--data", action="store_true", help="with the model that writes labelled cases")
    made.add_argument("--yes", action="store_true", help="pull without asking")
    which = made.add_mutually_exclusive_group()
    which.add_argument("--pull", action="store_true", help="download what is missing")
    which.add_argument("--unload", nargs="*", metavar="NAME", help="free memory of these models, or of all")
    return parser


# ---- running


def _up(arguments: argparse.Namespace, settings: Settings) -> int:
    slots = parse_slots(arguments.slots)
    if settings.tls and not settings.external_broker:
        broker_files(settings)
    if arguments.detach:
        if running(settings):
            raise AlreadyRunning
        command = ["up", "--slots", arguments.slots]
        return uvloop.run(with_client(settings, _noop, started(settings, command, stay=True)))

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if arguments.until_eof:
            await _stop_at_eof(stop)
        await Supervisor(settings, slots, lambda line: print(line, flush=True)).run(stop)

    uvloop.run(run())
    return 0


async def _stop_at_eof(stop: asyncio.Event) -> None:
    """Sets `stop` when standard input ends, which is when the process that started this one is gone."""

    class Watcher(asyncio.Protocol):
        def connection_lost(self, _error: Exception | None) -> None:
            stop.set()

    await asyncio.get_running_loop().connect_read_pipe(Watcher, sys.stdin)


def _down(_arguments: argparse.Namespace, settings: Settings) -> int:
    pid = running(settings)
    if pid is None:
        print("FuncGemma is not running.")
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + 20
    while running(settings) == pid:
        if time.monotonic() > until:
            raise SupervisorError(f"The supervisor (process {pid}) does not stop; its logs: {settings.home / 'logs'}")
        time.sleep(0.05)
    print("Stopped.")
    return 0


# ---- talking


async def _noop(_client: Client, _bus: MqttBus) -> int:
    return 0


def _require_running(settings: Settings) -> None:
    if not settings.broker_url and not settings.external_broker and running(settings) is None:
        raise UsageError("FuncGemma is not running. Start it with: funcgemma up --detach")


def _chat(arguments: argparse.Namespace, settings: Settings) -> int:
    from agent.console import chat  # noqa: PLC0415 - the terminal's libraries are for this command only

    there = settings.broker_url or settings.external_broker or running(settings)
    starting = None if there else started(settings, ["up"], stay=False)

    async def talk(client: Client, bus: MqttBus) -> int:
        await chat(client, bus, settings, conversation=arguments.conversation)
        return 0

    # What runs already may be half down: then the chat says so by itself.
    return uvloop.run(with_client(settings, talk, starting, wait=starting is not None))


def _say(arguments: argparse.Namespace, settings: Settings) -> int:
    _require_running(settings)
    if not arguments.text.strip():
        raise UsageError('There is nothing to say. For example: funcgemma say "明日の札幌の天気は？"')
    if len(arguments.text) > settings.max_text:
        raise UsageError(f"That is {len(arguments.text):,} characters; a turn may have {settings.max_text:,}.")
    text = encodable(arguments.text)

    async def say(client: Client, _bus: MqttBus) -> int:
        conversation = arguments.conversation or uuid.uuid4().hex[:12]
        final = await client.final(text, conversation, timeout=arguments.timeout)
        print(safe_json(final.model_dump_json()) if arguments.json else clean(final.text))
        return 0 if final.status == "ok" else 1

    return uvloop.run(with_client(settings, say, wait=False))


# ---- looking


def _components(presence: Presence) -> list[dict[str, Any]]:
    shown = []
    for client, status in sorted(presence.statuses.items()):
        if status.role == "operator" and client != "supervisor":
            continue
        pid = status.details.get("pid")
        role = "supervisor" if client == "supervisor" else status.role
        shown.append({"client": client, "role": role, "state": status.state, "pid": pid})
        if note := status.details.get("note"):
            shown[-1]["note"] = note
        if client == "supervisor" and (broker := status.details.get("broker_pid")):
            shown.append({"client": "broker", "role": "broker", "state": "online", "pid": broker})
    return shown


def _status(arguments: argparse.Namespace, settings: Settings) -> int:
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
        there = running(settings)
        logs = settings.home / "logs"
        print(
            f"Not ready; the logs: {logs}"
            if there
            else "FuncGemma is not running. Start it with: funcgemma up --detach"
        )
    else:
        for one in components:
            shown = [one_line(str(one[name] or "-")) for name in ("client", "role", "state", "pid")]
            print("{:<14} {:<11} {:<8} {}".format(*shown))
            if "note" in one:
                print(f"    {one_line(str(one['note']))}")
        print("ready" if ready else "not ready")
    return 0 if ready else 1


def _watch(arguments: argparse.Namespace, settings: Settings) -> int:
    from agent.watch import Watch  # noqa: PLC0415

    _require_running(settings)

    async def watch() -> None:
        with Credentials(settings).borrow("operator") as name:
            bus = open_bus(name, "operator", settings, will=False, persistent=False)
            watching = Watch(bus, chunks=arguments.chunks)
            async with bus:
                await watching.run()

    uvloop.run(watch())
    return 0


def _functions(arguments: argparse.Namespace, settings: Settings) -> int:
    _require_running(settings)

    async def look() -> list[tuple[dict[str, Any], bool]]:
        async with operator(settings) as (_, presence):
            cards = sorted(presence.cards.items())
            return [(card.model_dump(mode="json"), presence.serves(name) is not False) for name, card in cards]

    found = uvloop.run(look())
    if arguments.json:
        print(safe_json(json.dumps([card for card, _ in found], ensure_ascii=False)))
        return 0
    for card, served in found:
        parameters = card["parameters"].get("properties", {})
        print(one_line(f"{card['name']}({', '.join(parameters)}){'' if served else '  — no worker'}"))
        print(f"    {one_line(card['description'])}")
    return 0


# ---- letting in


def _invite(arguments: argparse.Namespace, settings: Settings) -> int:
    credentials = Credentials(settings)
    credentials.prepare()
    functions = tuple(arguments.function or ())
    print(credentials.invite(arguments.name, "client" if arguments.client else "function", functions))
    if settings.tls:
        print(f"authority to trust: {authority(settings) or 'the system’s'}")
        if settings.tls_clients:
            print(f"certificate to show: {client_file(settings, arguments.name)}")
    return 0


def _certify(arguments: argparse.Namespace, settings: Settings) -> int:
    from agent.authority import certify  # noqa: PLC0415 - cryptography is for this command only

    print(f"Made. Clients elsewhere trust it with FUNCGEMMA_TLS_CA={certify(settings, arguments.hosts)}")
    return 0


def _revoke(arguments: argparse.Namespace, settings: Settings) -> int:
    reachable = settings.external_broker or running(settings) is not None
    uvloop.run(revoke(settings, arguments.name, reachable=reachable))
    if settings.external_broker:
        print("Have your broker read its password and ACL files again; until then it lets them in.")
        return 0
    print(f"{arguments.name} can no longer connect.")
    return 0


def _worker(arguments: argparse.Namespace, settings: Settings) -> int:
    what = arguments.what
    if what in ROLES:
        module, options = what, [] if what == "journal" else ["--slot", str(arguments.slot)]
    elif Path(what).suffix == ".py":
        module, options = "functions", ["--file", str(Path(what).resolve())]
    else:
        raise UsageError(f"{what} is neither a role ({', '.join(ROLES)}) nor a Python file.")
    _require_running(settings)
    if what in ROLES and what != "journal":
        Credentials(settings).prepare({what: arguments.slot + 1})
        Credentials(settings).reload()
    os.environ.update(environment(settings))
    os.chdir(PROJECT)
    os.execv(sys.executable, [sys.executable, "-m", f"workers.{module}", *options])  # noqa: S606 - our own module


def _journal(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.action == "backup":
        print(f"{backup(settings, arguments.file)} turns in {arguments.file}")
        return 0
    aside = restore(settings, arguments.file)
    print(f"Restored.{f' The journal that was there is kept as {aside}' if aside else ''}")
    return 0


def _models(arguments: argparse.Namespace, settings: Settings) -> int:
    from agent import model_command  # noqa: PLC0415 - looks at memory and disk, for this command only

    if arguments.unload is not None:
        return model_command.let_go(settings, arguments.unload)
    if arguments.pull:
        return model_command.fetch(settings, data=arguments.data, yes=arguments.yes)
    return model_command.show(settings, data=arguments.data)


if __name__ == "__main__":
    main()
