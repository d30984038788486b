"""Labels for logged turns: checked against the functions' cards, and given one after another in a terminal.

What each label means is written down in the project's labelling guide; this only sees to it that a label is possible.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from agent.conversation_log import ConversationLog
from agent.logged_turn import Label, LogError, LoggedTurn
from agent.messages import Card
from agent.routing.validation import validate
from agent.transcript import BOLD, CYAN, DIM, GREEN, RED, Screen, cut, described, one_line

NONE = "none"
_LONGEST = 300
_ASK = "enter: right · a number or name · name=value … · s skip · q quit > "
_ASK_ARGUMENTS = "arguments: name=value … · enter: there are none · ? don't label them > "


def checked(function: str | None, arguments: Mapping[str, Any] | None, cards: Mapping[str, Card]) -> Label:
    """A label that fits the function's card.

    Args:
        function: its name; None for no function.
        arguments: by name; None where they are not labelled.
        cards: the functions that there are.

    Raises:
        LogError: there is no such function, or an argument does not fit its schema.
    """
    if function is None:
        if arguments:
            raise LogError("Where no function is called there are no arguments.")
        return Label(function=None, arguments={})
    if function not in cards:
        raise LogError(f"There is no function {function}; there are: {', '.join(sorted(cards))}, {NONE}.")
    if arguments is None:
        return Label(function=function)
    fitting, refused = validate(function, arguments, cards[function])
    if refused:
        raise LogError("; ".join(_refusal(name, cards[function]) for name in refused))
    return Label(function=function, arguments=fitting)


def parsed(given: Sequence[str]) -> dict[str, str]:
    """Arguments from `name=value` texts.

    Raises:
        LogError: one has no `=`.
    """
    found: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip():
            raise LogError(f"{one!r} is no argument; write name=value, with quotation marks around spaces.")
        found[name.strip()] = value
    return found


def _refusal(name: str, card: Card) -> str:
    properties: Mapping[str, Any] = card.parameters.get("properties", {})
    if name not in properties:
        return f"{card.name} has no parameter {name}; it has: {', '.join(properties) or 'none'}"
    members = properties[name].get("enum")
    wanted = ", ".join(map(str, members)) if members else properties[name].get("type", "another value")
    return f"{name} must be: {wanted}"


class Labeller:
    """Goes through turns and asks for the label of each.

    Args:
        log: labels are kept here as they are given.
        cards: the functions that there are.
        screen: shows the turns.
        ask: gives the line that is typed behind a prompt; raises `EOFError` where nothing more comes.
    """

    def __init__(
        self, log: ConversationLog, cards: Mapping[str, Card], screen: Screen, ask: Callable[[str], str]
    ) -> None:
        self._log = log
        self._cards = cards
        self._names = [NONE, *sorted(cards)]
        self._screen = screen
        self._ask = ask

    def run(self, turns: Sequence[LoggedTurn]) -> int:
        """Asks until all are done or somebody has had enough; gives how many were labelled."""
        self._screen.line("  ".join(f"{number} {one_line(name)}" for number, name in enumerate(self._names)), DIM)
        number = 0
        try:
            for position, turn in enumerate(turns, 1):
                self._show(turn, f"{position} of {len(turns)}")
                label = self._label(turn)
                if label is not None:
                    self._log.label(turn, label)
                    self._screen.line(f"  = {_shown(label)}", GREEN)
                    number += 1
        except (EOFError, _Quit):
            self._screen.fresh()
        return number

    def _show(self, turn: LoggedTurn, position: str) -> None:
        self._screen.line(f"\n{position} · {turn.name} · {turn.said_at:%Y-%m-%d %H:%M}", DIM)
        for one in turn.history:
            self._screen.line(f"  {one.role}: {cut(one_line(one.content), _LONGEST)}", DIM)
        self._screen.line(f"  {one_line(turn.text)}", BOLD)
        if turn.route is not None:
            route = turn.route
            call = described(route.function, route.arguments, route.missing) if route.function else NONE
            self._screen.line(f"  routed: {call} · {route.confidence:.2f} · {one_line(route.router)}", CYAN)
        if turn.label is not None:
            self._screen.line(f"  labelled: {_shown(turn.label)}", CYAN)

    def _label(self, turn: LoggedTurn) -> Label | None:
        while True:
            try:
                typed = self._ask(_ASK).strip()
                if typed in ("q", "quit"):
                    raise _Quit
                if typed in ("s", "skip"):
                    return None
                return self._read(typed, turn)
            except LogError as error:
                self._screen.line(f"  {error}", RED)

    def _read(self, typed: str, turn: LoggedTurn) -> Label:
        """The label that a line means.

        Raises:
            LogError: it means none.
        """
        try:
            words = shlex.split(typed)
        except ValueError as error:
            raise LogError(f"Quotation marks don't match: {error}.") from None
        known = turn.label or (
            Label(function=turn.route.function, arguments=turn.route.arguments) if turn.route else None
        )
        if not words:
            if known is None:
                raise LogError("It was never routed; name the function, or none.")
            return checked(known.function, known.arguments if known.function else {}, self._cards)
        if "=" in words[0]:
            if known is None or known.function is None:
                raise LogError("Name the function before its arguments.")
            changed = {**(known.arguments or {}), **parsed(words)}
            return checked(known.function, {name: value for name, value in changed.items() if value != ""}, self._cards)
        function = self._named(words[0])
        if function is None or not self._cards[function].parameters.get("properties"):
            return checked(function, parsed(words[1:]), self._cards)
        if len(words) == 1:
            typed = self._ask(_ASK_ARGUMENTS).strip()
            if typed == "?":
                return checked(function, None, self._cards)
            words = [words[0], *shlex.split(typed)]
        return checked(function, parsed(words[1:]), self._cards)

    def _named(self, word: str) -> str | None:
        if word.isdecimal() and int(word) < len(self._names):
            word = self._names[int(word)]
        if word == NONE:
            return None
        if word not in self._cards:
            raise LogError(f"There is no function {one_line(word)}; there are: {', '.join(self._names)}.")
        return word


class _Quit(Exception):  # noqa: N818 - it is no error
    """Raised when the one who labels has had enough."""


def _shown(label: Label) -> str:
    if label.function is None:
        return NONE
    if label.arguments is None:
        return f"{one_line(label.function)}, arguments not labelled"
    return described(label.function, label.arguments)
