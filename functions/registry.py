"""Typed async functions with docstrings become functions of the assistant.

The card's JSON Schema comes from the signature, its descriptions from the docstring (`functions._signature`).
"""

import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

from agent.language import detect
from agent.messages import Card, Example, Lang
from agent.settings import Settings
from functions._signature import described
from functions.chat_model import ChatModel
from functions.web import Web


class FunctionError(Exception):
    """Raised when a function can't do what it was asked; the user sees the message.

    Attributes:
        code: short machine-readable reason: `not_found`, `invalid`, `unavailable`, `needs_model`.
    """

    def __init__(self, code: str, message: str) -> None:
        """Keeps the code beside the message, which is in the user's language."""
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class FunctionResult:
    """What a function gives.

    Attributes:
        summary: one sentence in the user's language that answers the turn.
        data: the facts, JSON values by name.
        points: short lines in the user's language that say more.
        note: what the user should know about the answer (such as: averages, not a forecast).
        source: where it comes from, with an address where there is one.
    """

    summary: str
    data: Mapping[str, Any] = field(default_factory=dict)
    points: Sequence[str] = ()
    note: str | None = None
    source: str | None = None

    def payload(self) -> dict[str, Any]:
        """`data` for the bus, with points, note and source where there are any."""
        more = {"points": list(self.points), "note": self.note, "source": self.source}
        return {**self.data, **{name: value for name, value in more.items() if value}}


@dataclass(frozen=True)
class Notification:
    """Something that a function tells a client by itself; `id` is the same however often it is told."""

    id: str
    client: str
    conversation: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """What a function may know of the turn that called it, and what it works with.

    Attributes:
        call_id: the same for every attempt of the turn: a side effect is done once per `call_id`.
        lang: language to answer in.
        said_at: when the user said it, with the user's offset; "tomorrow" is relative to this.
        client: who asked; `conversation` which dialogue. Notifications go there.
        chat: the chat model, where there is one.
        dry_run: nothing may be changed: do as if, and tell what would have been done.
    """

    call_id: str
    lang: Lang
    said_at: datetime
    client: str
    conversation: str
    settings: Settings
    web: Web
    chat: ChatModel
    dry_run: bool = False

    def say(self, *, ja: str, en: str) -> str:
        """The text in the language of the turn."""
        return ja if self.lang == "ja" else en


@dataclass(frozen=True)
class Conversation:
    """A conversation that is to be forgotten, with the ids of the calls that were made in it."""

    client: str
    id: str
    call_ids: Sequence[str] = ()


class Forget(Protocol):
    """Deletes what a function keeps of a conversation."""

    def __call__(self, settings: Settings, conversation: Conversation, *, look: bool) -> list[str]:
        """Deletes it; gives a line for each thing that the user may still be counting on.

        Args:
            settings: home folder.
            conversation: which one.
            look: only tell, and delete nothing.
        """
        ...


Service = Callable[[Settings], AsyncIterator[Notification]]
ExampleLike = str | tuple[str, Mapping[str, Any]] | Example


@dataclass
class Function:
    """A registered function: its card and how to call it.

    Attributes:
        limit_s: longest run, seconds, where it is another than the setting `function_s`.
        service: an async generator that yields notifications; it runs as long as the function is hosted. A
            notification has been delivered when the generator is resumed.
        forget: deletes what it keeps of a conversation, where it keeps anything.
    """

    name: str
    card: Card
    run: Callable[..., Awaitable[Any]]
    wants_context: str | None
    service: Service | None = None
    limit_s: float | None = None
    forget: Forget | None = None

    async def call(self, arguments: Mapping[str, Any], context: Context) -> FunctionResult:
        """Calls the function.

        Raises:
            FunctionError: it can't be done.
        """
        extra = {self.wants_context: context} if self.wants_context else {}
        given = await self.run(**arguments, **extra)
        if isinstance(given, FunctionResult):
            return given
        if isinstance(given, Mapping):
            return FunctionResult(str(given.get("summary", "")), data=given)
        return FunctionResult(str(given))

    def on_start(self, service: Service) -> Service:
        """Decorates the async generator that yields this function's notifications."""
        self.service = service
        return service

    def on_forget(self, forget: Forget) -> Forget:
        """Decorates the function that deletes what this one keeps of a conversation."""
        self.forget = forget
        return forget


_registry: dict[str, Function] = {}


def function(
    *,
    examples: Sequence[ExampleLike] = (),
    name: str | None = None,
    version: str = "1",
    limit_s: float | None = None,
    effects: Literal["none", "dry_run", "unknown"] = "unknown",
) -> Callable[[Callable[..., Awaitable[Any]]], Function]:
    """Registers an async function with the assistant.

    Args:
        examples: sentences that call it, ja and en, plain or with their arguments; the router learns from them.
        name: its name on the bus, by default the function's.
        version: shown on the card.
        limit_s: longest run in seconds, where a model works for it; by default the setting `function_s`.
        effects: what a call changes: `none`, or `dry_run` where it changes something but looks at `Context.dry_run`.
            A function that does not say is not called in dry runs, such as a replay.

    Raises:
        TypeError: a parameter has no type, or one that a card can't express.
    """

    def register(run: Callable[..., Awaitable[Any]]) -> Function:
        called = name or run.__name__
        if not inspect.iscoroutinefunction(run):
            raise TypeError(f"{called} must be an async function (async def).")
        description, parameters, wants_context = described(run, Context)
        card = Card(
            name=called,
            description=description,
            parameters=parameters,
            examples=[_example(example) for example in examples],
            version=version,
            effects=effects,
        )
        made = Function(called, card, run, wants_context, limit_s=limit_s)
        _registry[called] = made
        return made

    return register


def load(names: Sequence[str] | None = None) -> dict[str, Function]:
    """Imports the modules of this package and gives what they register, by name."""
    package = sys.modules[__package__ or "functions"]
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in ("chat_model", "registry", "web"):
            importlib.import_module(f"functions.{module.name}")
    return {key: value for key, value in sorted(_registry.items()) if names is None or key in names}


def cards() -> dict[str, Card]:
    """The cards of all functions of this package, by name."""
    return {name: function.card for name, function in load().items()}


def load_file(path: Path) -> dict[str, Function]:
    """Imports a Python file and gives the functions that it registers, by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file registers no function.
    """
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    before = dict(_registry)
    spec = importlib.util.spec_from_file_location(f"funcgemma_plugin_{path.stem}", path)
    assert spec is not None  # noqa: S101 - a path that is a file always gives a spec
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    found = {key: value for key, value in _registry.items() if before.get(key) is not value}
    if not found:
        raise ValueError(f"{path} registers no function: decorate one with @function().")
    return found


def _example(example: ExampleLike) -> Example:
    if isinstance(example, Example):
        return example
    text, arguments = (example, {}) if isinstance(example, str) else example
    return Example(text=text, arguments=dict(arguments), lang=detect(text))
