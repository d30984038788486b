"""From a function's signature and docstring (Google style) to what its card says: description and JSON Schema.

What is covered: `str`, `int`, `float`, `bool`, `Literal`, `list` of these, `X | None` and defaults. What is not: nested
objects, since small routers fill flat schemas only.
"""

import inspect
import re
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

_JSON_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}


def described(run: Callable[..., Any], context: type) -> tuple[str, dict[str, Any], str | None]:
    """What a card says of a function.

    Args:
        run: the function.
        context: the type of the parameter that is no argument of a call.

    Returns:
        Its description, the JSON Schema of its arguments, and the name of the parameter for the context.

    Raises:
        TypeError: a parameter has no type, or one that a card can't express.
    """
    hints = get_type_hints(run)
    about, told = _docstring(inspect.getdoc(run) or "")
    properties: dict[str, Any] = {}
    required: list[str] = []
    wants_context = None
    for parameter in inspect.signature(run).parameters.values():
        hint = hints.get(parameter.name)
        if hint is None:
            raise TypeError(f"Parameter {parameter.name} of {run.__name__} has no type.")
        if hint is context:
            wants_context = parameter.name
            continue
        schema, optional = _schema(hint, parameter.name)
        if parameter.name in told:
            schema = {**schema, "description": told[parameter.name]}
        if parameter.default is not inspect.Parameter.empty and parameter.default is not None:
            schema = {**schema, "default": parameter.default}
        properties[parameter.name] = schema
        if parameter.default is inspect.Parameter.empty and not optional:
            required.append(parameter.name)
    return about, {"type": "object", "properties": properties, "required": required}, wants_context


def _schema(hint: Any, name: str) -> tuple[dict[str, Any], bool]:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        inner = [arg for arg in args if arg is not type(None)]
        if len(inner) == 1:
            return _schema(inner[0], name)[0], len(inner) < len(args)
    elif origin is Literal:
        kinds = {type(arg) for arg in args}
        if len(kinds) == 1 and (kind := kinds.pop()) in _JSON_TYPES:
            return {"type": _JSON_TYPES[kind], "enum": list(args)}, False
    elif origin is list and args:
        return {"type": "array", "items": _schema(args[0], name)[0]}, False
    elif hint in _JSON_TYPES:
        return {"type": _JSON_TYPES[hint]}, False
    raise TypeError(f"Parameter {name} has type {hint!r}; a card takes str, int, float, bool, Literal and lists.")


def _docstring(text: str) -> tuple[str, dict[str, str]]:
    """The description (all before the first section) and what `Args:` says of each parameter."""
    parts = re.split(r"^(Args|Returns|Raises|Yields):\s*$", text, flags=re.MULTILINE)
    about = " ".join(parts[0].split())
    told: dict[str, str] = {}
    if "Args" in parts:
        block = parts[parts.index("Args") + 1]
        for found in re.finditer(r"^ {4}(\w+)(?: \(.*?\))?: (.*(?:\n {5,}.*)*)", block, flags=re.MULTILINE):
            told[found[1]] = " ".join(found[2].split())
    return about, told
