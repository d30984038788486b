"""Says logged turns again and compares: `python -m tools.replay LOG`, with a log from `funcgemma log export`.

The turns go over the bus of the installation that runs, in order, into fresh conversations of a client of its own, and
each bears the time at which it was said. Turns of one conversation wait for each other. Side effects are off: the turns
are dry runs (`docs/bus.md`), and the fresh conversations are deleted afterwards. With `--side-effects` both are not.

Exit status: 0, 1 where it got worse (`tools.replay_comparison` says what that is), 2 where it could not be replayed.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path

import uvloop

from agent.bus import BusError
from agent.client import Client, NoAnswer
from agent.conversation_log import ConversationLog
from agent.credentials import CredentialError
from agent.entry import require_running, with_client
from agent.logged_turn import LogError, LoggedFinal, LoggedResult, LoggedRoute, LoggedTurn, read_log
from agent.messages import Final, Result, Route
from agent.mqtt import MqttBus
from agent.presence import Presence
from agent.settings import Settings, settings
from agent.supervisor import SupervisorError
from tools.arguments import positive
from tools.replay_comparison import Comparison, Replayed, compare
from tools.replay_report import as_json, as_text

CLIENT = "replay"
_AT_ONCE = 8
_PATIENCE_S = 5.0
_LOOK_S = 0.1


class Replay:
    """Turns said again.

    Args:
        client: on a connected bus.
        pace: how many times faster than logged; None for as fast as it goes.
        dry_run: whether side effects are off.
        timeout_s: longest wait for a turn's final.

    Attributes:
        conversations: the fresh ones.
    """

    def __init__(self, client: Client, *, pace: float | None, dry_run: bool, timeout_s: float) -> None:
        self.conversations: list[str] = []
        self._client = client
        self._pace = pace
        self._dry_run = dry_run
        self._timeout_s = timeout_s
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._done = 0

    async def run(self, turns: Sequence[LoggedTurn]) -> list[Replayed]:
        """Says all turns, which are in the order of the log, and gives what became of them, in the same order."""
        began = asyncio.get_running_loop().time()
        found: dict[int, Replayed] = {}
        conversations: dict[str, list[int]] = {}
        for index, turn in enumerate(turns):
            conversations.setdefault(turn.name, []).append(index)

        async def converse(indices: Sequence[int]) -> None:
            name = uuid.uuid4().hex[:12]
            self.conversations.append(name)
            for index in indices:
                turn = turns[index]
                if self._pace is not None:
                    after = (turn.accepted_at - turns[0].accepted_at).total_seconds() / self._pace
                    await asyncio.sleep(began + after - asyncio.get_running_loop().time())
                async with self._slots:
                    found[index] = await self._say(turn, name)
                self._done += 1
                _progress(self._done, len(turns))

        try:
            async with asyncio.TaskGroup() as group:
                for indices in conversations.values():
                    group.create_task(converse(indices))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [found[index] for index in range(len(turns))]

    async def _say(self, turn: LoggedTurn, conversation: str) -> Replayed:
        route, result, final = None, None, None
        events = self._client.say(
            turn.text,
            conversation,
            lang=turn.lang,
            said_at=turn.said_at,
            dry_run=self._dry_run,
            timeout=self._timeout_s,
        )
        with contextlib.suppress(NoAnswer):
            async for event in events:
                match event:
                    case Route():
                        route = LoggedRoute.model_validate(event.model_dump())
                    case Result():
                        result = LoggedResult.model_validate(event.model_dump())
                    case Final():
                        final = LoggedFinal.model_validate(event.model_dump())
                    case _:
                        pass
        return Replayed(turn, route, result, final)


async def replay(
    turns: Sequence[LoggedTurn], client: Client, settings: Settings, *, pace: float | None, side_effects: bool
) -> list[Replayed]:
    """Replays turns on the bus of a client.

    Raises:
        LogError: a worker does not know dry runs.
    """
    if not side_effects:
        _check_dry_runs(client.presence)
    # The journal gives every turn a final after so long at the latest.
    timeout_s = settings.reply_s * (settings.max_attempts + 1)
    replaying = Replay(client, pace=pace, dry_run=not side_effects, timeout_s=timeout_s)
    try:
        return await replaying.run(turns)
    finally:
        if not side_effects:
            await _clear_away(settings, set(replaying.conversations))


def _check_dry_runs(presence: Presence) -> None:
    """An older journal or router would take a dry run for a turn like any other."""
    for client, status in presence.statuses.items():
        if status.role in ("journal", "router") and status.state == "online" and not status.details.get("dry_runs"):
            raise LogError(f"{client} is too old for a replay without side effects: funcgemma down, then funcgemma up")


async def _clear_away(settings: Settings, conversations: Collection[str]) -> None:
    """Deletes the fresh conversations where the journal is on this machine."""
    if settings.broker_url or not (settings.home / "journal.sqlite3").exists():
        return
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE_S
    with ConversationLog(settings.home) as log:
        for one in log.conversations(replays=True):
            while one.id in conversations:
                try:
                    log.delete(one)
                    break
                except LogError as error:
                    # The journal hears of a final when we do, and takes a moment to write it down.
                    if loop.time() > until:
                        print(f"{error} Then: funcgemma log forget {one.name}", file=sys.stderr)
                        break
                    await asyncio.sleep(_LOOK_S)


def _progress(done: int, whole: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} of {whole:,} turns", end="\n" if done == whole else "", file=sys.stderr, flush=True)


def _pace(text: str) -> float | None:
    if text == "max":
        return None
    try:
        pace = float(text)
    except ValueError:
        pace = 0
    if not 0 < pace < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no pace; write 1, a multiple such as 10, or max")
    return pace


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = -1
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share between 0 and 1")
    return share


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tools.replay", description="Says logged turns again and compares with what was then."
    )
    parser.add_argument("log", type=Path, metavar="LOG", help="from: funcgemma log export")
    parser.add_argument(
        "--pace", type=_pace, default=None, metavar="1|N|max", help="as logged, N times as fast, or at once (max)"
    )
    parser.add_argument(
        "--side-effects", action="store_true", help="let functions act, and keep the conversations in the journal"
    )
    parser.add_argument(
        "--tolerance", type=_share, default=0.0, metavar="SHARE", help="how much worse is still well, 0 to 1 (0)"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the comparison with all turns")
    parser.add_argument("--limit", type=positive, metavar="N", help="the first N turns only")
    return parser


def _turns(path: Path, limit: int | None) -> list[LoggedTurn]:
    turns = sorted(read_log(path), key=lambda turn: turn.accepted_at)
    if not turns:
        raise LogError(f"{path} has no turns.")
    return list(itertools.islice(turns, limit))


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    turns = _turns(arguments.log, arguments.limit)
    require_running(settings)
    compared: list[Comparison] = []

    async def use(client: Client, _bus: MqttBus) -> int:
        found = await replay(turns, client, settings, pace=arguments.pace, side_effects=arguments.side_effects)
        acting = {name for name, card in client.presence.cards.items() if card.effects != "none"}
        compared.append(compare(found, arguments.tolerance, dry=() if arguments.side_effects else acting))
        return 0

    uvloop.run(with_client(settings, use, kind=CLIENT, persistent=False))
    comparison = compared[0]
    print(as_text(comparison))
    if arguments.json is not None:
        content = as_json(comparison)
        arguments.json.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if comparison.worse else 0


def main() -> None:
    """The command line."""
    arguments = _parser().parse_args()
    try:
        sys.exit(_run(arguments, settings()))
    except (LogError, SupervisorError, BusError, CredentialError, OSError) as error:
        print(f"replay: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
