"""What of JSON Schema a card's parameters may use, and how values are held against them.

A card comes from whoever was let in, and every process reads it. So it may neither fetch anything nor take for ever:
references and names by pattern are refused, `pattern` is left to the function's own worker (an expression can take
longer than the universe), and nesting is limited. What is left takes time in proportion to the card.
"""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

_REFUSED = frozenset(
    ("$ref", "$dynamicRef", "$recursiveRef", "patternProperties", "unevaluatedProperties", "unevaluatedItems")
)
_DEEPEST = 12


class SchemaRefused(ValueError):  # noqa: N818 - what happened to it
    """Raised when a card's parameters are no JSON Schema that we read."""


def _passed(*_: Any) -> None:
    """Takes the place of a keyword that is not looked at here."""


_Bounded: type[Validator] = extend(Draft202012Validator, {"pattern": _passed})  # type: ignore[no-untyped-call]


def check(parameters: Mapping[str, Any]) -> None:
    """Checks that a card's parameters are the JSON Schema of an object with properties.

    Raises:
        SchemaRefused: they aren't, or they use what is not read here.
    """
    _walk(parameters, 0)
    try:
        Draft202012Validator.check_schema(parameters)
    except SchemaError as error:
        raise SchemaRefused(f"parameters are no JSON Schema: {error.message}") from None
    properties = parameters.get("properties", {})
    if parameters.get("type", "object") != "object" or not all(isinstance(one, dict) for one in properties.values()):
        raise SchemaRefused("parameters must be the JSON Schema of an object with properties")


def validator(parameters: Mapping[str, Any]) -> Validator:
    """Holds values against parameters that have been checked."""
    return _Bounded(parameters)


def _walk(node: Any, depth: int) -> None:
    if depth > _DEEPEST:
        raise SchemaRefused(f"parameters are nested deeper than {_DEEPEST} levels")
    if isinstance(node, Mapping):
        for name, below in node.items():
            if name in _REFUSED:
                raise SchemaRefused(f"{name} is not read here; write the schema out")
            _walk(below, depth + 1)
    elif isinstance(node, list):
        for below in node:
            _walk(below, depth + 1)
