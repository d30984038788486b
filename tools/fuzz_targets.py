"""What is fuzzed: everything that reads what a stranger may write.

A target takes an input and may raise only what it says it raises. What it gives back are the features of that input:
the ways it took, as far as they can be told. An input with a new one is worth changing further (`tools.fuzz`).
"""

import inspect
import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.fernet import Fernet
from pydantic import ValidationError

from agent import messages, packets, schema, topics
from agent.address import Address
from agent.messages import Card, Message
from agent.routing.foreign_arguments import Contexts, answer, fill
from agent.routing.functiongemma import Toolset, call_text, parse
from agent.routing.validation import missing, validate
from agent.seal import Seal, SealError
from agent.transcript import clean, described, safe_json

Features = Iterable[Hashable]
_SAID = "2026-11-23T09:00:00+09:00"
_TURN = {"turn_id": "t", "client": "c", "conversation": "v", "text": "明日の天気は？", "lang": "ja", "said_at": _SAID}
_PARAMETERS = {
    "type": "object",
    "properties": {
        "place": {"type": "string", "description": "where", "maxLength": 40},
        "when": {"type": "string", "enum": ["today", "tomorrow"]},
        "count": {"type": "integer", "minimum": 1, "multipleOf": 1},
        "ratio": {"type": "number", "exclusiveMaximum": 1e9},
        "on": {"type": "boolean", "default": True},
        "target_language": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}, "uniqueItems": True, "contains": {"const": "x"}},
        "any": {"anyOf": [{"type": "null"}, {"not": {"type": "string"}}], "if": {"const": 1}, "then": False},
    },
    "required": ["place"],
    "additionalProperties": False,
    "dependentRequired": {"on": ["count"]},
}
_CARD = {
    "name": "f",
    "description": "Does it. It really does.",
    "parameters": _PARAMETERS,
    "examples": [
        {"text": "do 3 in Kyoto tomorrow", "arguments": {"place": "Kyoto", "count": 3, "when": "tomorrow"}},
        {"text": "京都で3回やって", "arguments": {"place": "京都", "count": 3}, "lang": "ja"},
    ],
}
_VALUES: Mapping[str, Any] = {
    **_TURN, **_CARD,
    "turn": {**_TURN, "history": [{"role": "user", "content": "x"}], "pending": {"function": "f", "missing": ["a"]}},
    "function": "f", "arguments": {"place": "京都"}, "missing": ["when"], "confidence": 0.5, "router": "r",
    "took_ms": 1.5, "call_id": "i", "context": {"client": "c", "conversation": "v", "turn_id": "t", "sealed": "gAAA"},
    "reply_to": "fg/v1/result/f/c/v", "expires_at": _SAID, "status": "error", "data": {"a": [1, None]},
    "summary": "s", "error": {"code": "missing_when", "message": "m"}, "attempt": 2, "seq": 0, "replier": "x",
    "state": "online", "role": "chat", "details": {"pid": 1}, "topic": "say/a/b", "reason": "why", "payload": "{}",
}  # fmt: skip
_CALL = "<start_function_call>call:f{place:<escape>京都<escape>,count:3,tags:[<escape>x<escape>]}<end_function_call>"


@dataclass(frozen=True)
class Target:
    """Something that reads input.

    Attributes:
        name: for the table.
        seeds: inputs to begin with.
        feed: reads one; raises nothing, unless something is wrong.
        weight: share of the inputs.
        traced: whether the lines of our own code that it runs are features, too.
    """

    name: str
    seeds: Sequence[bytes]
    feed: Callable[[bytes], Features]
    weight: float = 1.0
    traced: bool = False


def targets() -> list[Target]:
    """All of them; every payload model is found by itself."""
    models = [
        model
        for _, model in inspect.getmembers(messages, inspect.isclass)
        if issubclass(model, Message) and model is not Message
    ]
    return [
        *(Target(model.__name__, [_seed(model)], _reader(model)) for model in models),
        Target("card in use", [_json(_CARD)], _card, traced=True),
        Target("arguments", [_json(_ARGUMENTS)], _arguments, 2.0, traced=True),
        Target("model's output", [_CALL.encode(), b"call:f{place:Kyoto, Japan}", b"f{}"], _output, traced=True),
        Target("text on a screen", ["a\x1b[2J\x1b]0;t\x07\x9b1m\u202e京都".encode()], _screen, traced=True),
        Target("sealed context", [_sealed()], _context, 0.5, traced=True),
        Target("broker's URL", [b"mqtts://me:p%40ss@[::1]:8883/x?y#z"], _url, 0.5, traced=True),
        Target("MQTT packets", [_packets()], _stream, traced=True),
        Target("topic", [b"result/f/c/v", b"reply/c/v/final"], _topic, 0.5, traced=True),
    ]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _seed(model: type[Message]) -> bytes:
    given = {name: _VALUES[name] for name in model.model_fields if name in _VALUES}
    if model is messages.Final:
        given |= {"status": "ok", "took_ms": {"router": 1.5}}
    if model is messages.Status:
        given["state"] = "online"
    made = model.model_validate({**given, "id": "i", "source": "s", "time": _SAID})
    return made.model_dump_json().encode()


def _reader(model: type[Message]) -> Callable[[bytes], Features]:
    """What is read can be written, and is the same when read again: no reader hands on what the next one refuses."""

    def feed(data: bytes) -> Features:
        try:
            message = model.model_validate_json(data)
        except ValidationError as error:
            return {(found["type"], len(found["loc"]), found["loc"][:1]) for found in error.errors(include_input=False)}
        text = message.model_dump_json()
        again = model.model_validate_json(text)
        assert again.model_dump_json() == text  # noqa: S101 - that is the question
        return {("read", name) for name in message.model_fields_set}

    return feed


_FIXED = Card.model_validate(_CARD)
_ARGUMENTS = {"place": "京都", "when": "明日", "count": "三", "ratio": 0.5, "on": "yes", "tags": ["x"], "any": None}


def _card(data: bytes) -> Features:
    """A card as the router uses it: checked, learned from, filled for a turn, declared to a model."""
    try:
        card = Card.model_validate_json(data)
        schema.check(card.parameters)
    except (ValidationError, schema.SchemaRefused) as error:
        return {str(error)[:30]}
    contexts = Contexts.of(card)
    for text in ("do 4 in 大阪 tomorrow please, “now” and 1e400", data.decode(errors="replace")[-200:]):
        filled = fill(card, contexts, text)
        for one in card.parameters.get("properties", {}).values():
            answer(one, text)
        kept, _ = validate(card.name, filled, card)
        missing(kept, card)
    toolset = Toolset({card.name: card})
    toolset.tools()
    toolset.calls(_CALL)
    described(card.name, kept)
    return {"used", len(kept)}


def _arguments(data: bytes) -> Features:
    """Whatever a router fills in: what passes is JSON, and passes again unchanged."""
    try:
        given = json.loads(data)
    except (ValueError, RecursionError):
        return {"no JSON"}
    if not isinstance(given, dict):
        return {"no object"}
    kept, refused = validate("f", given, _FIXED)
    assert kept.keys() | set(refused) >= given.keys()  # noqa: S101
    assert validate("f", kept, _FIXED) == (kept, [])  # noqa: S101
    json.dumps(kept, allow_nan=False)
    return {(name, type(value).__name__) for name, value in kept.items()}


def _output(data: bytes) -> Features:
    """Whatever a model writes: the calls in it are read, written again, and read as the same."""
    calls = parse(data.decode(errors="replace"), {"f": _FIXED})
    for call in calls:
        call_text(call)
        kept, _ = validate(call.name, call.arguments, _FIXED)
        json.dumps(kept, allow_nan=False)
    return {(len(calls), len(call.arguments)) for call in calls}


def _screen(data: bytes) -> Features:
    text = data.decode(errors="surrogateescape")
    shown = clean(text)
    assert clean(shown) == shown  # noqa: S101
    assert not set(shown) & set("\x1b\x9b\x07\x08\r\x00\x7f\u202e")  # noqa: S101
    shown.encode()
    quoted = safe_json(json.dumps(shown, ensure_ascii=False))
    assert json.loads(quoted) == shown  # noqa: S101
    return {len(shown) == len(text)}


_SEAL = Seal(Fernet.generate_key())


def _sealed() -> bytes:
    turn = messages.Turn.model_validate(_TURN)
    route = messages.Route(turn=turn, function="f", confidence=1.0, router="r", took_ms=1.0)
    return _SEAL.close("i", route).model_dump_json().encode()


def _context(data: bytes) -> Features:
    """Only what was sealed opens: a changed one is refused, unless the change is no part of the seal."""
    try:
        context = json.loads(data)
        _SEAL.open(context, "i", "f")
    except (ValueError, RecursionError, SealError) as error:
        return {str(error)[:20]}
    return {"opened"}


def _url(data: bytes) -> Features:
    try:
        address = Address.from_url(data.decode(errors="replace"))
    except ValueError as error:
        return {str(error)[:20]}
    return {(address.tls, address.username is None, address.password is None)}


def _packets() -> bytes:
    said = packets.Publish("fg/v1/say/c/v", _json(_TURN), 258)
    return packets.publish(said, "fg/v1/reply") + packets.puback(513) + packets.publish(said._replace(mid=0))


def _stream(data: bytes) -> Features:
    """What a broker sends; a message that was understood is the same when it is sent on."""
    found: set[Hashable] = set()
    at = 0
    try:
        while (next_one := packets.bounds(data, at)) is not None:
            body, end = next_one
            packet, body, at = data[at:end], body - at, end
            found.add(packets.kind(packet))
            if packets.kind(packet) == packets.PUBLISH:
                message = packets.read_publish(packet, body)
                if not set(message.topic) & set("+#"):
                    again = packets.publish(message)
                    assert packets.read_publish(again, (packets.bounds(again, 0) or (0, 0))[0]) == message  # noqa: S101
            elif packets.kind(packet) == packets.PUBACK:
                packets.read_puback(packet, body)
    except packets.MalformedError as error:
        found.add(str(error))
    return found


def _topic(data: bytes) -> Features:
    name = data.decode(errors="replace")
    found = [topic for topic in topics.TABLE if topic.levels(name) is not None]
    for topic in found:
        assert topic.name(**(topic.levels(name) or {})) == name  # noqa: S101
    return {topic.pattern for topic in found}
