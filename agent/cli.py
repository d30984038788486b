"""The `funcgemma` command: which commands there are, and what those do that have no module of their own."""

import argparse
import json
import logging
import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from agent import __version__, access_commands, log_commands, process_commands
from agent.broker import BrokerMissing
from agent.bus import BusError
from agent.certificates import CertificateError
from agent.client import Client, NoAnswer
from agent.credentials import CredentialError, Credentials
from agent.entry import operator, require_running, started, with_client
from agent.home_lock import AlreadyRunning, running
from agent.journal_backup import backup, restore
from agent.journal_file import JournalError
from agent.logged_turn import LogError
from agent.logs import configure
from agent.mqtt import MqttBus
from agent.ollama import OllamaError
from agent.settings import Settings, settings
from agent.supervisor import ROLES, SupervisorError
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

    made = command("up", process_commands.up, "Run the broker and all workers.")
    made.add_argument("--detach", action="store_true", help="return when everything is ready")
    made.add_argument("--slots", default="", metavar="ROLE=N,…", help="more workers of a role: router=2,chat=2")
    made.add_argument("--until-eof", action="store_true", help=argparse.SUPPRESS)
    command("down", process_commands.down, "Stop what `up` runs.")
    made = command("status", process_commands.status, "Show what is running.")
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
    made = command(
        "invite", access_commands.invite, "Make a credential for a client or a function worker and print its URL."
    )
    made.add_argument("name", help="client id on the bus")
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--client", action="store_true", help="somebody who says things")
    which.add_argument("--function", action="append", metavar="FUNCTION", help="a worker of this function")
    made = command("certify", access_commands.certify, "Make the broker's certificate for TLS (FUNCGEMMA_TLS=1).")
    made.add_argument("hosts", nargs="*", metavar="HOST", help="names and addresses by which others reach it")
    made = command("revoke", access_commands.revoke, "Take a credential back, and the cards of its functions with it.")
    made.add_argument("name")
    made = command("journal", _journal, "Back the journal up, or put a backup in its place.")
    made.add_argument("action", choices=("backup", "restore"))
    made.add_argument("file", type=Path, metavar="FILE")
    made = command("worker", process_commands.worker, "Run one worker: a role, or a Python file with a function.")
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


# ---- talking


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
    require_running(settings)
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


def _watch(arguments: argparse.Namespace, settings: Settings) -> int:
    from agent.watch import Watch  # noqa: PLC0415

    require_running(settings)

    async def watch() -> None:
        with Credentials(settings).borrow("operator") as name:
            bus = open_bus(name, "operator", settings, will=False, persistent=False)
            watching = Watch(bus, chunks=arguments.chunks)
            async with bus:
                await watching.run()

    uvloop.run(watch())
    return 0


def _functions(arguments: argparse.Namespace, settings: Settings) -> int:
    require_running(settings)

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


# ---- keeping


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
