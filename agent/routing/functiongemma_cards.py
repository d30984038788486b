"""Cards as FunctionGemma can be told them, and the way back from its names to the cards'.

The template passes over parameters that are named like its own keys, and over all of a schema but description, type,
members of a text, properties and items. Here names get an alias, and the rest goes into the description.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.messages import Card
from agent.routing.functiongemma_text import PLAIN, as_mapping, as_sequence

_ALIASES = {
    "description": "details",
    "type": "kind",
    "properties": "attributes",
    "required": "needed",
    "nullable": "optional",
}
_KINDS = {bool: "boolean", int: "integer", float: "number"}
_DEEPEST = 8
"""Of objects in objects the model fills in no more than a few levels; this keeps endless schemas out."""


@dataclass(frozen=True)
class Names:
    """Other names for an object's properties: by name the other one, and the names in that property's objects."""

    others: Mapping[str, tuple[str, "Names"]]

    def renamed(self, value: Any) -> Any:
        """A JSON value with the other names; names that are not known stay."""
        if not self.others:
            return value
        if isinstance(value, list):
            return [self.renamed(item) for item in value]
        if not isinstance(value, Mapping):
            return value
        pairs = ((*self.others.get(key, (key, SAME)), inner) for key, inner in value.items())
        return {name: below.renamed(inner) for name, below, inner in pairs}

    def inverse(self) -> "Names":
        """The names that lead back."""
        return Names({other: (name, below.inverse()) for name, (other, below) in self.others.items()})


SAME = Names({})
"""No other names."""


def declared(card: Card) -> tuple[Card, Names]:
    """The card with parameters that a declaration shows in full, and their names by the card's own."""
    schema, names = _object(card.parameters, _DEEPEST)
    return card.model_copy(update={"parameters": schema}), names


def flat(card: Card) -> dict[str, Any]:
    """A declared card as an entry of Ollama's `tools`: its renderer shows description and type only."""
    properties = {
        name: {"type": schema["type"], "description": _told(schema, as_sequence(schema.get("enum")))}
        for name, schema in card.parameters["properties"].items()
    }
    parameters = {"type": "object", "properties": properties, "required": list(card.parameters["required"])}
    return {
        "type": "function",
        "function": {"name": card.name, "description": card.description, "parameters": parameters},
    }


def _object(schema: Mapping[str, Any], depth: int) -> tuple[dict[str, Any], Names]:
    own = as_mapping(schema.get("properties")) if depth else {}
    aliases: dict[str, str] = {}
    for name in own:
        alias = _ALIASES.get(name, name if PLAIN.fullmatch(name) else "".join(PLAIN.findall(name)) or "value")
        while alias != name and (alias in own or alias in aliases.values()):
            alias += "_"
        aliases[name] = alias
    shown = {name: _property(as_mapping(inner), depth - 1) for name, inner in own.items()}
    properties = {aliases[name]: inner for name, (inner, _) in shown.items()}
    required = [aliases[name] for name in as_sequence(schema.get("required")) if name in aliases]
    names = Names({name: (aliases[name], below) for name, (_, below) in shown.items()})
    return {"type": "object", "properties": properties, "required": required}, names


def _property(schema: Mapping[str, Any], depth: int) -> tuple[dict[str, Any], Names]:
    schema = _branch(schema)
    kind, members = _kind(schema), as_sequence(schema.get("enum"))
    shown: dict[str, Any] = {"type": kind}
    if kind == "string":
        shown["description"] = _told(schema, ())
        if members:
            shown["enum"] = [member for member in members if isinstance(member, str)]
        return shown, SAME
    shown["description"] = _told(schema, members)
    if kind == "object":
        inner, names = _object(schema, depth)
        return {**inner, **shown}, names
    if kind == "array" and depth > 0:
        shown["items"], names = _property(as_mapping(schema.get("items")), depth - 1)
        if not shown["items"]["description"]:
            del shown["items"]["description"]
        return shown, names
    return shown, SAME


def _branch(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema with the first of its alternatives that is not null."""
    for alternatives in ("anyOf", "oneOf"):
        for branch in as_sequence(schema.get(alternatives)):
            if as_mapping(branch) and branch.get("type") != "null":
                return {**branch, **{key: value for key, value in schema.items() if key != alternatives}}
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    for one in [kind, *as_sequence(kind)]:
        if isinstance(one, str) and one != "null":
            return one
    if "properties" in schema or "items" in schema:
        return "object" if "properties" in schema else "array"
    return next((_KINDS.get(type(member), "string") for member in as_sequence(schema.get("enum"))), "string")


def _told(schema: Mapping[str, Any], members: Any) -> str:
    """The description, with the allowed values where they are not shown otherwise."""
    description = schema.get("description")
    told = [description] if isinstance(description, str) and description else []
    if members:
        told.append(f"One of: {', '.join(map(str, members))}.")
    return " ".join(told)
