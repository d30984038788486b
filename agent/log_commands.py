"""`funcgemma log`: the conversations that the journal has kept, listed, shown, exported, labelled and forgotten."""

import argparse
import contextlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

import uvloop

from agent.conversation_log import Conversation, ConversationLog
from agent.entry import operator
from agent.erasure import Erasure
from agent.home_lock import running
from agent.labelling import NONE, Labeller, checked, parsed
from agent.logged_turn import LogError, LoggedTurn
from agent.messages import Card
from agent.settings import PROJECT, Settings
from agent.transcript import BOLD, CYAN, DIM, RED, Screen, described, duration, one_line, pad

EXPORTS = PROJECT / "data" / "conversations"
"""Where exports lie unless somebody names another file; not in git."""
_STAMP = "%Y-%m-%d %H:%M"
_ID_SHOWN = 8

Run = Callable[[argparse.Namespace, Settings], int]


def add_to(parser: argparse.ArgumentParser) -> None:
    """Adds the commands below `log`."""
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(name: str, run: Run, about: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=about, description=about)
        made.set_defaults(run=_plainly(run))
        return made

    made = command("list", _list, "List the conversations.")
    made.add_argument("--since", type=_moment, metavar="WHEN", help="those spoken in since: 2026-11-01 or …T09:00")
    made.add_argument("--replays", action="store_true", help="those of replays, too")
    made = command("show", _show, "Show a conversation with what was decided and how long it took.")
    made.add_argument("conversation", metavar="CONVERSATION", help="its name, or CLIENT/NAME")
    made = command("export", _export, "Write conversations as JSON Lines, a turn a line.")
    made.add_argument("conversation", nargs="*", metavar="CONVERSATION", help="all but replays where none is named")
    made.add_argument("--out", metavar="FILE", help="file to write, - for standard output (data/conversations/….jsonl)")
    made.add_argument("--since", type=_moment, metavar="WHEN", help="turns since: 2026-11-01 or …T09:00")
    made.add_argument("--labelled", action="store_true", help="labelled turns only")
    made = command("label", _label, "Say of turns what the right route is: one after another, or one by its id.")
    made.add_argument("what", nargs="?", metavar="CONVERSATION", help="its name; with --function the id of a turn")
    made.add_argument("--unlabelled", action="store_true", help="leave out what has a label")
    made.add_argument("--function", metavar="NAME", help=f"label one turn: a function, or {NONE}")
    made.add_argument("--argument", action="append", metavar="NAME=VALUE", help="an argument of it; can be repeated")
    made.add_argument("--no-arguments", action="store_true", help="nobody gave an argument")
    made = command("forget", _forget, "Delete a conversation for good, with the reminders made in it.")
    made.add_argument("conversation", metavar="CONVERSATION", help="its name, or CLIENT/NAME")
    made.add_argument("--yes", action="store_true", help="don't ask")


def _plainly(run: Run) -> Run:
    """What SQLite has to say becomes a plain sentence."""

    def tell(arguments: argparse.Namespace, settings: Settings) -> int:
        try:
            return run(arguments, settings)
        except sqlite3.Error as error:
            raise LogError(f"The journal in {settings.home} can't be used: {error}.") from error

    return tell


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date; write 2026-11-01 or 2026-11-01T09:00") from None


# ---- looking


def _list(arguments: argparse.Namespace, settings: Settings) -> int:
    with ConversationLog(settings.home) as log:
        found = log.conversations(arguments.since, replays=arguments.replays)
    screen = Screen(sys.stdout)
    if not found:
        screen.line("There are no conversations.")
        return 0
    width = max(len("conversation"), *(len(one.name) for one in found))
    screen.line(f"{pad('conversation', width)}  {'first':<16}  {'last':<16}  turns  labelled  language", DIM)
    for one in found:
        times = f"{one.first:{_STAMP}}  {one.last:{_STAMP}}"
        screen.line(f"{pad(one.name, width)}  {times}  {one.turns:>5}  {one.labelled:>8}  {', '.join(one.langs)}")
    return 0


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    with ConversationLog(settings.home) as log:
        turns = list(log.turns([log.conversation(arguments.conversation)]))
    screen = Screen(sys.stdout)
    for turn in turns:
        _show_turn(screen, turn)
    return 0


def _show_turn(screen: Screen, turn: LoggedTurn) -> None:
    dry = " · dry run" if turn.dry_run else ""
    screen.line(f"{turn.said_at:%Y-%m-%d %H:%M:%S} · {one_line(turn.turn_id[:_ID_SHOWN])} · {turn.lang}{dry}", DIM)
    screen.line(f"> {turn.text}", BOLD)
    route, final = turn.route, turn.final
    parts = ["not routed"]
    if route is not None:
        call = described(route.function, route.arguments, route.missing) if route.function else "conversation"
        away = "not connected" if route.unserved else "not called" if route.withheld else ""
        parts = [call, away, f"{route.confidence:.2f}", one_line(route.router)]
    if turn.result is not None and turn.result.error is not None:
        parts.append(f"{one_line(turn.result.error.code)}: {one_line(turn.result.error.message)}")
    if final is not None:
        parts += [f"{one_line(stage)} {duration(took)}" for stage, took in final.took_ms.items()]
    screen.line("  " + " · ".join(part for part in parts if part), CYAN)
    if turn.label is not None:
        label = turn.label
        screen.line(f"  label: {described(label.function, label.arguments or {}) if label.function else NONE}", CYAN)
    if final is None:
        screen.line("  (no reply yet)\n", DIM)
    else:
        screen.line(f"{final.text}\n", "" if final.status == "ok" else RED)


# ---- exporting


def _export(arguments: argparse.Namespace, settings: Settings) -> int:
    with ConversationLog(settings.home) as log:
        named = [log.conversation(name) for name in arguments.conversation] or None
        turns = (turn for turn in log.turns(named, arguments.since) if turn.label or not arguments.labelled)
        if arguments.out == "-":
            _write(sys.stdout, turns)
            return 0
        path = Path(arguments.out) if arguments.out else EXPORTS / f"{datetime.now().astimezone():%Y%m%dT%H%M%S}.jsonl"
        number = _write_file(path, turns)
    print(f"{number} turns in {path}")
    return 0


def _write_file(path: Path, turns: Iterable[LoggedTurn]) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # What people said is for its owner's eyes.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            return _write(file, turns)
    except OSError as error:
        raise LogError(f"{path} can't be written: {error.strerror}.") from None


def _write(file: IO[str], turns: Iterable[LoggedTurn]) -> int:
    number = 0
    for turn in turns:
        file.write(json.dumps(turn.line(), ensure_ascii=False) + "\n")
        number += 1
    return number


# ---- labelling


def _label(arguments: argparse.Namespace, settings: Settings) -> int:
    if arguments.function is None and (arguments.argument or arguments.no_arguments):
        raise LogError("Name the function of these arguments with --function.")
    if arguments.function is not None and arguments.what is None:
        raise LogError("Say which turn: funcgemma log label TURN_ID --function NAME")
    with ConversationLog(settings.home) as log:
        if arguments.function is None:
            named = None if arguments.what is None else [log.conversation(arguments.what)]
            turns = [turn for turn in log.turns(named) if not (arguments.unlabelled and turn.label)]
            screen = Screen(sys.stdout)
            number = Labeller(log, _cards(settings), screen, input).run(turns) if turns else 0
            screen.line(f"{number} labelled.")
        else:
            function = None if arguments.function == NONE else arguments.function
            given = parsed(arguments.argument or ()) if arguments.argument or arguments.no_arguments else None
            turn = log.turn(arguments.what)
            log.label(turn, checked(function, given, {} if function is None else _cards(settings)))
    return 0


def _cards(settings: Settings) -> dict[str, Card]:
    """The cards on the bus, which a label must fit."""
    if not settings.external_broker and running(settings) is None:
        raise LogError("Labels are checked against the functions that run. Start them with: funcgemma up --detach")

    async def look() -> dict[str, Card]:
        async with operator(settings) as (_, presence):
            return dict(presence.cards)

    return uvloop.run(look())


# ---- forgetting


def _forget(arguments: argparse.Namespace, settings: Settings) -> int:
    with ConversationLog(settings.home) as log:
        conversation = log.conversation(arguments.conversation)
        erasure = Erasure(settings, log, conversation)
        _announce(conversation, erasure.counted_on())
        if not arguments.yes and not _agreed():
            print("Nothing was deleted.")
            return 1
        left = erasure.run()
        exports = erasure.exports(EXPORTS)
    print(f"{conversation.name} is forgotten.")
    if exports:
        print(f"Exports that hold it are yours to delete: {', '.join(map(str, exports))}")
    if left:
        print(
            f"Something of it is left in {', '.join(map(str, left))}. What waits at the broker for a client that is "
            f"away goes when that client connects, or after {settings.session_expiry_s // 86400} days."
        )
    return 1 if left else 0


def _announce(conversation: Conversation, counted_on: Sequence[str]) -> None:
    screen = Screen(sys.stdout)
    times = f"{conversation.first:{_STAMP}} to {conversation.last:{_STAMP}}"
    screen.line(f"{conversation.name}: {conversation.turns} turns, {times}")
    if counted_on:
        screen.line("Deleted with it, and still to come:")
        for one in counted_on:
            screen.line(f"  {one_line(one)}")


def _agreed() -> bool:
    with contextlib.suppress(EOFError):
        return input("Delete it for good? [y/N] ").strip().lower() in ("y", "yes")
    return False
