"""FunctionGemma's format, written: declarations, calls and responses, byte for byte as its chat template makes them.

The format is that of `chat_template.jinja` of google/functiongemma-270m-it, as the notebooks of Google's Gemma cookbook
print it. Two things differ, where the template's own text could not be read back: control tokens in texts are broken
up, and a key that is more than a word is escaped.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent.messages import Card

ESCAPE = "<escape>"
CALL, END_CALL = "<start_function_call>", "<end_function_call>"
RESPONSE, END_RESPONSE = "<start_function_response>", "<end_function_response>"
DECLARATION, END_DECLARATION = "<start_function_declaration>", "<end_function_declaration>"
RESERVED = frozenset({"description", "type", "properties", "required", "nullable"})
"""A parameter of one of these names is left out of a declaration by the template."""
PLAIN = re.compile(r"[\w.-]+")
"""A key that needs no escape."""
_CONTROL = re.compile(
    r"<(?=(?:(?:start|end)_(?:of_(?:turn|image)|function_(?:declaration|call|response))"
    r"|escape|bos|eos|pad|unk|mask|image_soft_token|unused\d{1,4})>)"
)


@dataclass(frozen=True)
class FunctionCall:
    """A call as the model made it, not validated: a function's name, and JSON values by parameter."""

    name: str
    arguments: dict[str, Any]


def neutral(text: str) -> str:
    """The text with a blank in each control token, so that nobody can end a turn or forge a call by writing one."""
    return _CONTROL.sub("< ", text)


def declaration(card: Card) -> str:
    """What the developer's turn says of a function.

    Parameters named like one of `RESERVED` are missing in it, as in the template; `Toolset` gives them other names.
    """
    parameters = as_mapping(card.parameters)
    parts = [f"description:{_string(card.description)}"]
    if parameters:
        inner = []
        if properties := as_mapping(parameters.get("properties")):
            inner.append(f"properties:{{{_properties(properties)}}}")
        if required := as_sequence(parameters.get("required")):
            inner.append(f"required:{_required(required)}")
        if "type" in parameters:
            inner.append(f"type:{_type(parameters['type'])}")
        parts.append(f"parameters:{{{','.join(inner)}}}")
    return f"{DECLARATION}declaration:{card.name}{{{','.join(parts)}}}{END_DECLARATION}"


def call_text(call: FunctionCall) -> str:
    """The call as the model is to make it, from its opening token to its closing one."""
    return f"{CALL}call:{call.name}{_map(call.arguments)}{END_CALL}"


def response_text(name: str, response: Mapping[str, Any]) -> str:
    """What a function gave, as it follows the call in the model's turn.

    Args:
        name: the function's name.
        response: JSON values by name.
    """
    return f"{RESPONSE}response:{name}{_map(response)}{END_RESPONSE}"


def _properties(properties: Mapping[str, Any]) -> str:
    shown = ((key, schema) for key, schema in _sorted(properties) if key not in RESERVED)
    return ",".join(f"{neutral(key)}:{{{_property(as_mapping(schema))}}}" for key, schema in shown)


def _property(schema: Mapping[str, Any]) -> str:
    parts = [f"description:{_string(schema.get('description') or '')}"]
    kind = _type(schema.get("type") or "")
    if kind == _string("STRING"):
        if members := as_sequence(schema.get("enum")):
            parts.append(f"enum:{_value(members, escaped_keys=True)}")
    elif kind == _string("OBJECT"):
        parts.append(f"properties:{{{_properties(as_mapping(schema.get('properties')))}}}")
        if required := as_sequence(schema.get("required")):
            parts.append(f"required:{_required(required)}")
    elif kind == _string("ARRAY") and (items := as_mapping(schema.get("items"))):
        shown = ((key, value) for key, value in _sorted(items) if value is not None)
        parts.append(f"items:{{{','.join(f'{key}:{_item(key, value)}' for key, value in shown)}}}")
    return ",".join([*parts, f"type:{kind}"])


def _item(key: str, value: Any) -> str:
    """One entry of an array's `items`."""
    if key == "properties":
        return f"{{{_properties(as_mapping(value))}}}"
    if key == "required":
        return _required(as_sequence(value))
    if key == "type":
        return _type(value)
    return _value(value, escaped_keys=True)


def _type(kind: Any) -> str:
    if isinstance(kind, str):
        return _string(kind.upper())
    return f"[{','.join(_type(one) for one in as_sequence(kind))}]"


def _required(names: Iterable[Any]) -> str:
    return f"[{','.join(_string(name) for name in names)}]"


def _value(value: Any, *, escaped_keys: bool = False) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return _map(value, escaped_keys=escaped_keys)
    if isinstance(value, Sequence):
        return f"[{','.join(_value(item, escaped_keys=escaped_keys) for item in value)}]"
    return str(value)


def _map(values: Mapping[str, Any], *, escaped_keys: bool = False) -> str:
    """Keys are bare in calls and responses, and escaped in what a schema says of an array's items."""
    shown = (
        f"{_string(key) if escaped_keys or not PLAIN.fullmatch(key) else key}"
        f":{_value(value, escaped_keys=escaped_keys)}"
        for key, value in _sorted(values)
    )
    return f"{{{','.join(shown)}}}"


def _string(text: Any) -> str:
    return f"{ESCAPE}{neutral(str(text))}{ESCAPE}"


def _sorted(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Sorted as Jinja's `dictsort` does it: upper and lower case count the same."""
    return sorted(values.items(), key=lambda item: item[0].lower())


def as_mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is a mapping, else an empty one: cards come from other programs."""
    return value if isinstance(value, Mapping) else {}


def as_sequence(value: Any) -> Sequence[Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()
