"""Decoding that can only give what fits the cards: a small automaton over tokens.

Where the automaton is, it tells which tokens may come next. Most often this is one: the rest of a name, of a key, of a
member of a closed list, with the format's own marks. A text between two control tokens is one run for the tokenizer
(`call:weather_info{location:` may have tokens that cross a mark), so runs are taken whole, as training saw them.

What is covered: texts, numbers, booleans, closed lists, lists of these, objects in objects. Each key comes at most once
and each may be left out, since what nobody said is asked for. Objects without declared properties are never filled in.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from agent.routing.functiongemma import Toolset
from agent.routing.functiongemma_text import CALL, END_CALL, ESCAPE, as_mapping, neutral
from agent.routing.languages import KNOWN as LANGUAGES
from agent.routing.peft_values import AnyText, Dialogue, Number, Span
from agent.routing.peft_vocabulary import END_OF_TURN, Vocabulary

_MOST_ITEMS = 16
"""Of a list; a model that repeats itself ends there."""


class State(Protocol):
    """Where the automaton is."""

    @property
    def tokens(self) -> Sequence[int] | None:
        """What may come next, without repeats; None where any token of a text may, or its end. Empty at the end."""
        ...

    @property
    def likely(self) -> Sequence[int]:
        """What may well come next, token after token: a guess that saves time where it is right."""
        ...

    @property
    def settled(self) -> bool:
        """Whether it is settled which function is called, if any."""
        ...

    @property
    def first(self) -> bool:
        """Whether the choice is between a call and none."""
        ...

    def after(self, token: int) -> "State":
        """Where a token leads that is allowed here."""
        ...


Follow = Callable[[Dialogue], State]
"""Where a run leads, in a dialogue."""


@dataclass(frozen=True)
class _End:
    """A call is complete, or there is none."""

    tokens: Sequence[int] = ()
    likely: Sequence[int] = ()
    settled: bool = True
    first: bool = False

    def after(self, token: int) -> State:
        raise KeyError(token)


END = _End()


@dataclass
class _Node:
    """A place in a tree of runs.

    Attributes:
        follow: where the run leads that ends here.
        functions: whose calls are below.
    """

    children: dict[int, "_Node"] = field(default_factory=dict)
    follow: Follow | None = None
    functions: set[str] = field(default_factory=set)


class _Run:
    """Within runs."""

    likely: Sequence[int] = ()
    first = False

    def __init__(self, node: _Node, dialogue: Dialogue) -> None:
        self._node = node
        self._dialogue = dialogue
        # A number of a closed list may be the beginning of another.
        self._beyond = node.follow(dialogue) if node.follow else None
        self.tokens = list(node.children)
        if self._beyond is not None:
            self.tokens += [token for token in self._beyond.tokens or () if token not in node.children]

    @property
    def settled(self) -> bool:
        return len(self._node.functions) < 2

    def after(self, token: int) -> State:
        child = self._node.children.get(token)
        if child is not None:
            return _at(child, self._dialogue)
        assert self._beyond is not None  # noqa: S101 - the token is allowed
        return self._beyond.after(token)


def _at(node: _Node, dialogue: Dialogue) -> State:
    if node.follow is not None and not node.children:
        return node.follow(dialogue)
    return _Run(node, dialogue)


class _First:
    """The first token: a call, or the end of the turn without one."""

    settled = False
    first = True

    def __init__(self, call: int, nothing: int, calls: State) -> None:
        self.tokens = (call, nothing) if calls.tokens else (nothing,)
        self._call = call
        self._calls = calls
        # Up to the functions' names, so that both are chosen after one reading.
        likely = [call]
        while calls.tokens is not None and len(calls.tokens) == 1:
            likely.append(calls.tokens[0])
            calls = calls.after(calls.tokens[0])
        self.likely = likely

    def after(self, token: int) -> State:
        return self._calls if token == self._call else END


@dataclass(frozen=True)
class _Object:
    """An object that is being filled in: schemas by key, as declared and as the card has them."""

    properties: Mapping[str, Mapping[str, Any]]
    own: Mapping[str, Mapping[str, Any]]
    used: tuple[str, ...] = ()


@dataclass(frozen=True)
class _List:
    """A list that is being filled in."""

    items: Mapping[str, Any]
    length: int = 0


_Open = tuple[_Object | _List, ...]
"""The objects and lists that are open, the outermost first."""


class Grammar:
    """The calls that a set of cards allows.

    Args:
        toolset: the cards.
        vocabulary: the model's tokens.
        spans: hold free text to spans of the dialogue.
    """

    def __init__(self, toolset: Toolset, vocabulary: Vocabulary, *, spans: bool) -> None:
        self._vocabulary = vocabulary
        self._escape = vocabulary.control(ESCAPE)
        self._spans = spans
        self._calls = _Node()
        for name, card in toolset.declared.items():
            own = as_mapping(toolset.cards[name].parameters.get("properties"))
            outermost = _Object(as_mapping(card.parameters.get("properties")), own)
            for text, follow in self._next((outermost,)):
                self._add(self._calls, f"call:{name}{{{text}", follow, name)

    def start(self, dialogue: Dialogue) -> State:
        """Where the model's turn begins."""
        control = self._vocabulary.control
        return _First(control(CALL), control(END_OF_TURN), _at(self._calls, dialogue))

    def _add(self, root: _Node, text: str, follow: Follow, function: str = "") -> None:
        node = root
        node.functions.add(function)
        for token in self._vocabulary.encode(text):
            node = node.children.setdefault(token, _Node())
            node.functions.add(function)
        node.follow = follow

    def _tree(self, runs: Callable[[], Iterable[tuple[str, Follow]]]) -> Follow:
        """A tree of runs, made when the first dialogue gets there: most are never reached."""
        made: list[_Node] = []

        def follow(dialogue: Dialogue) -> State:
            if not made:
                root = _Node()
                for text, beyond in runs():
                    self._add(root, text, beyond)
                made.append(root)
            return _at(made[0], dialogue)

        return follow

    def _next(self, stack: _Open) -> Iterator[tuple[str, Follow]]:
        """The runs that may come next inside what is open, and where they lead."""
        *outer, inner = stack
        if isinstance(inner, _List):
            if inner.length < _MOST_ITEMS:
                lead = "," if inner.length else ""
                for text, follow in self._value(inner.items, {}, "", (*outer, _List(inner.items, inner.length + 1))):
                    yield lead + text, follow
            yield from self._closed("]", tuple(outer))
            return
        for key, schema in inner.properties.items():
            if key in inner.used:
                continue
            lead = f",{key}:" if inner.used else f"{key}:"
            filled = (*outer, _Object(inner.properties, inner.own, (*inner.used, key)))
            for text, follow in self._value(schema, as_mapping(inner.own.get(key)), key, filled):
                yield lead + text, follow
        yield from self._closed("}", tuple(outer))

    def _closed(self, mark: str, outer: _Open) -> Iterator[tuple[str, Follow]]:
        if not outer:
            yield f"{mark}{END_CALL}", lambda _dialogue: END
            return
        for text, follow in self._next(outer):
            yield mark + text, follow

    def _value(
        self, schema: Mapping[str, Any], own: Mapping[str, Any], key: str, stack: _Open
    ) -> Iterator[tuple[str, Follow]]:
        """The runs that a value begins with.

        Args:
            schema: as declared.
            own: as the card has it: closed lists of numbers are not declared as such.
            key: the value's name.
            stack: what is open then, with the value's key used up.
        """
        kind = schema.get("type")
        beyond = self._tree(lambda: self._next(stack))
        if kind == "string":
            members = schema.get("enum") or (sorted(LANGUAGES) if _is_language(key, schema) else ())
            yield ESCAPE, self._members(members, beyond) if members else self._text(beyond)
        elif kind == "boolean":
            yield from (("true", beyond), ("false", beyond))
        elif kind in ("integer", "number"):
            numbers = [member for member in own.get("enum", ()) if isinstance(member, int | float)]
            if numbers:
                yield from ((str(number), beyond) for number in numbers)
            else:
                yield "", lambda dialogue: Number(self._vocabulary, kind == "integer", beyond(dialogue))
        elif kind == "array":
            for text, follow in self._next((*stack, _List(as_mapping(schema.get("items"))))):
                yield f"[{text}", follow
        elif schema.get("properties"):
            inner = _Object(schema["properties"], as_mapping(own.get("properties")))
            # In a tree of its own: runs through objects in objects would be as many as there are ways.
            yield "{", self._tree(lambda: self._next((*stack, inner)))

    def _members(self, members: Iterable[str], beyond: Follow) -> Follow:
        return self._tree(lambda: ((f"{neutral(member)}{ESCAPE}", beyond) for member in members))

    def _text(self, beyond: Follow) -> Follow:
        def follow(dialogue: Dialogue) -> State:
            kind = Span if self._spans else AnyText
            return kind(dialogue, self._escape, lambda: beyond(dialogue))

        return follow


def _is_language(key: str, schema: Mapping[str, Any]) -> bool:
    """As the routers' validation sees it: these take codes."""
    return key.endswith("language") or "639" in str(schema.get("description", ""))
