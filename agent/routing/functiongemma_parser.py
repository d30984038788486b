"""FunctionGemma's format, read: the calls in a model's output, also where that is damaged.

Read are calls that break off, come twice, stand in one another, or have lost their `<escape>` or all control tokens on
the way (servers hide these). A text without `<escape>` ends where another known parameter or the closing brace begins.
What can't be read is passed over, and no output is refused. Each part of it is looked at a fixed number of times, so
the time taken grows with its length only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from agent.messages import Card
from agent.routing.functiongemma_text import CALL, END_CALL, ESCAPE, RESPONSE, FunctionCall, as_mapping

STOPS = ("<end_of_turn>", RESPONSE)
"""What follows one of these is no longer the model's to say."""
_STOP = re.compile("|".join(STOPS))
_TOKEN = re.compile(
    r"(<(?:(?:start|end)_of_turn|(?:start|end)_function_(?:declaration|call|response)|bos|eos|pad|unk)>)"
)
"""No value holds one of these, so that they part calls even where a text has not been closed."""
_NAME = r"[^\s{}<>:,]{0,128}+"
_WORD = r"[A-Za-z_][\w.-]{0,63}+"
_TAGGED = re.compile(rf"\s*+(?:call:\s*+)*({_NAME})\s*+\{{")
_WITHOUT_BRACES = re.compile(r"\s*+call:\s*+([^\s{}<>:,]{1,128})\s*+")
_PADDING = re.compile(r"[\s,]*+")
_KEY = re.compile(r"""["']?+([^\s:,{}\[\]<>"']++)["']?+\s*+:\s*+""")
_COLON = re.compile(r"\s*+:\s*+")
_CLOSED = re.compile(rf"\s*+(?:[,:}}\]]|\Z|{_WORD}\s*+:)")
"""What comes after the `<escape>` that closes a text."""
_ANY_KEY = rf"""[\w.-]++(?=:(?!//))|{ESCAPE}|\s*+["']?+{_WORD}(?=["']?+\s*+:(?!//))"""
"""After a comma, where no card says which names are keys: the format has no blanks, models that err put some."""
_MEMBER = re.compile(rf"[^,}}\]]*+(?:,(?!{_ANY_KEY})[^,}}\]]*+)*+")
_ITEM = re.compile(r"[^,}\]]*+")
_OVER = re.compile(r"\s*+\}?\s*+(?:\Z|(?:call|response):)")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,400})(?P<part>\.\d{1,400})?(?P<power>[eE][+-]?\d{1,3})?")
_SINGLE = {"null": None, "true": True, "false": False}
_BLANKS = " \t\n\r\"'"
_DEEPEST = 64


def parse(text: str, cards: Mapping[str, Card]) -> list[FunctionCall]:
    """The calls in a model's output, in its order.

    Args:
        text: the output, whole or broken off, with its control tokens or without.
        cards: the declared functions by name; they tell where a text without `<escape>` ends and whether digits are
            one. Other functions' calls are read as well.

    Returns:
        Names and arguments, not validated. Calls without a name are left out.
    """
    stop = _STOP.search(text)
    parts = ["", *_TOKEN.split(text[: stop.start()] if stop else text), ""]
    found: list[_Found] = []
    for before, part, after in zip(parts[::2], parts[1::2], parts[2::2], strict=False):
        found += _calls(part, cards, tagged=before == CALL, complete=after == END_CALL)
    # Where the next call begins before a value came, this one was only begun.
    last = len(found) - 1
    return [one.call for place, one in enumerate(found) if one.call.name and (one.whole or place == last)]


@dataclass(frozen=True)
class _Found:
    call: FunctionCall
    whole: bool


def _calls(text: str, cards: Mapping[str, Card], *, tagged: bool, complete: bool) -> list[_Found]:
    """The calls between two control tokens.

    Args:
        text: without control tokens other than `<escape>`.
        cards: the declared functions.
        tagged: a call's opening token stands before it.
        complete: a call's closing token stands after it.
    """
    functions = tuple(cards)
    found: list[_Found] = []
    place = 0
    head = _TAGGED.match(text) if tagged else None
    while head := head or _heads(functions).search(text, place):
        name = head[head.lastindex or 1]
        reader = _Reader(text, functions, cards.get(name), complete=complete)
        arguments, closed, place = reader.read(head.end())
        found.append(_Found(FunctionCall(name, arguments), closed or bool(arguments)))
        head = None
    if not found and (alone := _WITHOUT_BRACES.fullmatch(text)) and (tagged or alone[1] in cards):
        found.append(_Found(FunctionCall(alone[1], {}), complete))
    return found


class _Reader:
    """Reads the arguments of one call.

    Args:
        text: what stands between two control tokens.
        functions: names of the declared functions.
        card: the called function's; None where it is not declared.
        complete: the call's closing token follows the text.
    """

    def __init__(self, text: str, functions: tuple[str, ...], card: Card | None, *, complete: bool) -> None:
        self._text = text
        self._known = card is not None
        self._properties = as_mapping(card.parameters.get("properties")) if card else {}
        self._complete = complete
        self._heads = _heads(functions)
        self._marks = _marks(functions, tuple(self._properties) if card else None)
        self._arguments: dict[str, Any] = {}

    def read(self, place: int) -> tuple[dict[str, Any], bool, int]:
        """Reads on from the opening brace: the arguments, whether they were closed, and the place after them."""
        text, arguments = self._text, self._arguments
        # Containers that are open, each with what the card says of its members.
        open_: list[tuple[dict[str, Any] | list[Any], Mapping[str, Any]]] = [(arguments, self._properties)]
        while True:
            place = _end(_PADDING, text, place)
            if place == len(text):
                return arguments, False, place
            if text[place] in "}]":
                _close(open_, text[place])
                place += 1
                if not open_:
                    return arguments, True, place
                continue
            container, schemas = open_[-1]
            key = None
            if isinstance(container, dict):
                if (head := self._heads.match(text, place)) and head[1] != "":
                    return arguments, False, place
                key, place = self._key(place)
                if key is None:
                    continue
                schema = as_mapping(schemas.get(key))
                if place == len(text):
                    return arguments, False, place
            else:
                schema = schemas
            if text[place] in "{[" and schema.get("type") != "string":
                opened: dict[str, Any] | list[Any] = {} if text[place] == "{" else []
                place += 1
                if len(open_) < _DEEPEST:
                    _put(container, key, opened)
                    below = schema.get("properties" if isinstance(opened, dict) else "items")
                    open_.append((opened, as_mapping(below)))
                continue
            if (string := self._string(place)) is not None:
                value, place = string
                _put(container, key, value)
                continue
            begin = place
            place, interrupted = self._bare_end(place, schema, key, outermost=len(open_) == 1)
            bare = text[begin:place].replace(ESCAPE, "").strip()
            if bare:
                _put(container, key, _literal(bare, schema))
            if interrupted:
                return arguments, False, place

    def _key(self, place: int) -> tuple[str | None, int]:
        """A key and the place of its value; None and a later place where there is no key."""
        text = self._text
        if found := _KEY.match(text, place):
            return found[1], found.end()
        if (string := self._string(place)) is not None:
            key, place = string
            colon = _COLON.match(text, place)
            return (key, colon.end()) if colon else (None, place)
        return None, _end(_ITEM, text, place + 1) if text[place] not in "{[" else place + 1

    def _string(self, place: int) -> tuple[str, int] | None:
        """The text between two `<escape>`, or up to the end, and the place after it; None where one of them is lost."""
        if not self._text.startswith(ESCAPE, place):
            return None
        begin = place + len(ESCAPE)
        end = self._text.find(ESCAPE, begin)
        if end < 0 and not self._complete and not self._text.rstrip().endswith("}"):
            return self._text[begin:], len(self._text)
        if end < 0 or not _CLOSED.match(self._text, end + len(ESCAPE)):
            return None
        return self._text[begin:end], end + len(ESCAPE)

    def _bare_end(self, place: int, schema: Mapping[str, Any], key: str | None, *, outermost: bool) -> tuple[int, bool]:
        """Where a value without `<escape>` ends, and whether that is because another call begins there.

        Args:
            place: where it begins.
            schema: what the card says of it.
            key: the parameter's name; None in a list.
            outermost: it is a parameter of the function itself.
        """
        if key is None or (self._known and schema.get("type") in ("integer", "number", "boolean")):
            return _end(_ITEM, self._text, place), False
        if not outermost:
            return _end(_MEMBER, self._text, place), False
        depth = 0
        brace = None
        for mark in self._marks.finditer(self._text, place):
            if mark[0] == "{":
                depth += 1
            elif mark[0] == "}":
                depth -= 1
                if depth < 0:
                    brace = mark.start() if brace is None else brace
                    if _OVER.match(self._text, mark.end()):
                        return mark.start(), False
            elif (other := mark["key"]) is None:
                return (mark.start(), True) if brace is None else (brace, False)
            elif (brace is None and not other[0].isspace()) or self._is_new(other.lstrip(_BLANKS), key):
                return mark.start(), False
        if brace is not None:
            return brace, False
        kept = self._text.rstrip()
        return (len(kept) - 1 if self._complete and kept.endswith("}") else len(self._text)), False

    def _is_new(self, name: str, key: str) -> bool:
        """Whether a parameter has no value yet: a text may well name its own."""
        return name != key and name not in self._arguments


def _close(open_: list[tuple[dict[str, Any] | list[Any], Mapping[str, Any]]], sign: str) -> None:
    """Closes the innermost container of the kind, and those in it that were left open."""
    kind = dict if sign == "}" else list
    if any(isinstance(container, kind) for container, _ in open_):
        while not isinstance(open_.pop()[0], kind):
            pass


def _put(container: dict[str, Any] | list[Any], key: str | None, value: Any) -> None:
    if isinstance(container, list):
        container.append(value)
    else:
        # A model that can't stop says the same parameter again and again: the first is the one it meant.
        container.setdefault(key or "", value)


def _literal(text: str, schema: Mapping[str, Any]) -> Any:
    if text in _SINGLE and (text == "null" or schema.get("type") != "string"):
        return _SINGLE[text]
    if schema.get("type") != "string" and (found := _NUMBER.fullmatch(text)):
        number = float(text) if found["part"] or found["power"] else int(text)
        return number if abs(number) < inf else text
    if len(text) > 1 and text[0] in "\"'" and text.find(text[0], 1) == len(text) - 1:
        return text[1:-1]
    return text


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """The end of what a pattern that fits everywhere takes from a place on."""
    found = pattern.match(text, place)
    return found.end() if found else place


@lru_cache(maxsize=64)
def _heads(functions: tuple[str, ...]) -> re.Pattern[str]:
    """Finds the beginning of a call without its opening token."""
    return re.compile(_head("call", functions))


@lru_cache(maxsize=256)
def _marks(functions: tuple[str, ...], parameters: tuple[str, ...] | None) -> re.Pattern[str]:
    """Finds what may end a bare text: a parameter's name after a comma, a brace, another call.

    Args:
        functions: the declared functions.
        parameters: those of the called function; None where it is not declared, so that any word may be one.
    """
    key = _ANY_KEY if parameters is None else rf"""\s*+["']?+(?:{_alternatives(parameters)})(?=["']?+\s*+:)"""
    return re.compile(rf",(?P<key>{key})|{_head('call|response', functions)}|[{{}}]")


def _head(words: str, functions: tuple[str, ...]) -> str:
    return rf"(?:{words}):\s*+({_NAME})\s*+\{{|(?<![\w.:-])({_alternatives(functions)})\s*+\{{"


def _alternatives(names: tuple[str, ...]) -> str:
    """Longest first, so that a name that another one begins with does not hide it; nothing fits no names."""
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True)) or r"(?!)"
