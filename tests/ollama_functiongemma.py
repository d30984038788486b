"""FunctionGemma as Ollama renders its prompts and parses its output, odd ways included.

What it does is that of `model/renderers/functiongemma.go` and `model/parsers/functiongemma.go`: another trigger phrase
than Google's, only description and type of a parameter, and a parser that loses calls with line breaks in them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PHRASE = "You can do function calling with the following functions:"
OPEN, CLOSE = "<start_function_call>", "<end_function_call>"
_ESCAPE = "<escape>"


def render(messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> str:
    """The prompt that the renderer makes of a dialogue."""
    text = "<bos>"
    rest = list(messages)
    system = str(rest.pop(0).get("content", "")) if rest and rest[0].get("role") in {"system", "developer"} else ""
    if system or tools:
        text += "<start_of_turn>developer\n" + system.strip()
        if tools:
            text += "\n" if system else ""
            text += "" if system.strip() == PHRASE else PHRASE
        text += "".join(_declaration(tool["function"]) for tool in tools) + "<end_of_turn>\n"
    before = ""
    for place, message in enumerate(rest):
        role, content = message.get("role"), str(message.get("content") or "")
        calls = message.get("tool_calls") or ()
        if role == "tool":
            text += "" if before == "call" else "<start_function_response>"
            text += f"response:{_answered(rest, place)}{{{_value(content)}}}<end_function_response>"
            before = "response"
            continue
        if role in {"assistant", "user"}:
            # Right after a tool's response no turn is begun, not even the user's.
            text += "" if before == "response" else f"<start_of_turn>{'model' if role == 'assistant' else 'user'}\n"
        else:
            text += f"<start_of_turn>{role}\n"
        text += content.strip()
        before = ""
        if role == "assistant" and calls:
            text += "".join(_call(call["function"]) for call in calls)
            if place + 1 < len(rest) and rest[place + 1].get("role") == "tool":
                text += "<start_function_response>"
                before = "call"
                continue
        text += "<end_of_turn>\n"
    return text + ("" if before == "response" else "<start_of_turn>model\n")


def _declaration(function: Mapping[str, Any]) -> str:
    parameters = function.get("parameters") or {}
    properties, required = parameters.get("properties") or {}, parameters.get("required") or ()
    parts = []
    if properties:
        parts.append("properties:{" + ",".join(_property(name, properties[name]) for name in sorted(properties)) + "}")
    if required:
        parts.append("required:[" + ",".join(map(_value, required)) + "]")
    if parameters.get("type"):
        parts.append(f"type:{_value(str(parameters['type']).upper())}")
    more = f",parameters:{{{','.join(parts)}}}" if parameters else ""
    return (
        f"<start_function_declaration>declaration:{function['name']}"
        f"{{description:{_value(function.get('description', ''))}{more}}}<end_function_declaration>"
    )


def _property(name: str, schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    told = f",type:{_value(str(kind).upper())}" if kind else ""
    return f"{name}:{{description:{_value(schema.get('description', ''))}{told}}}"


def _call(function: Mapping[str, Any]) -> str:
    arguments = function.get("arguments") or {}
    told = ",".join(f"{key}:{_value(arguments[key])}" for key in sorted(arguments))
    return f"{OPEN}call:{function['name']}{{{told}}}{CLOSE}"


def _answered(messages: Sequence[Mapping[str, Any]], place: int) -> str:
    """The function that a tool's message answers, by position only."""
    for earlier in range(place - 1, -1, -1):
        calls = messages[earlier].get("tool_calls") or ()
        if messages[earlier].get("role") == "assistant" and calls:
            number = sum(one.get("role") == "tool" for one in messages[earlier + 1 : place])
            return str(calls[number]["function"]["name"]) if number < len(calls) else ""
    return ""


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f"{_ESCAPE}{value}{_ESCAPE}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_value(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_value, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "<nil>" if value is None else str(value)


class Parser:
    """Takes the model's output in pieces; gives text as it comes and each call when its end has come."""

    def __init__(self) -> None:
        self._buffer = ""
        self._inside = False

    def add(self, piece: str) -> Iterator[str | tuple[str, dict[str, Any]]]:
        """Text, and calls as name and arguments; a call that never ends is lost, as Ollama loses it."""
        self._buffer += piece
        while self._buffer:
            mark = CLOSE if self._inside else OPEN
            before, found, after = self._buffer.partition(mark)
            if not found:
                if not self._inside:
                    kept = _overlap(self._buffer, mark)
                    said, self._buffer = (
                        self._buffer[: len(self._buffer) - kept],
                        self._buffer[len(self._buffer) - kept :],
                    )
                    if said:
                        yield said
                return
            self._buffer = after
            if self._inside:
                yield parsed(before)
                # Where another call follows, what stands between the two is taken into that one.
                self._inside = OPEN in after
            else:
                self._inside = True
                if before:
                    yield before


def _overlap(text: str, mark: str) -> int:
    return next((size for size in range(min(len(text), len(mark) - 1), 0, -1) if mark.startswith(text[-size:])), 0)


def parsed(call: str) -> tuple[str, dict[str, Any]]:
    """Name and arguments of `call:NAME{…}`; a line break in it, or no such form, gives an empty name."""
    found = re.search(r"call:([^{]+)\{(.*)\}", call)
    if found is None:
        return "", {}
    pairs = (part.partition(":") for part in _split(found[2]))
    return found[1], {key: _parsed_value(value) for key, colon, value in pairs if colon}


def _split(text: str) -> list[str]:
    parts, depth, escaped, start, place = [], 0, False, 0, 0
    while place < len(text):
        if text.startswith(_ESCAPE, place):
            escaped = not escaped
            place += len(_ESCAPE)
            continue
        if not escaped:
            depth += (text[place] in "{[") - (text[place] in "}]")
            if text[place] == "," and depth == 0:
                parts.append(text[start:place])
                start = place + 1
        place += 1
    return [part for part in (*parts, text[start:]) if part]


def _parsed_value(value: str) -> Any:
    if value.startswith(_ESCAPE) and value.endswith(_ESCAPE):
        return value[len(_ESCAPE) : -len(_ESCAPE)]
    if value in {"true", "false"}:
        return value == "true"
    # A number at the beginning is enough: 2026-01-20 gives 2026.
    if number := re.match(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", value):
        return int(number[0]) if number[0] == value and re.fullmatch(r"-?\d+", value) else float(number[0])
    if value.startswith("[") and value.endswith("]"):
        return [_parsed_value(part) for part in _split(value[1:-1])]
    if value.startswith("{") and value.endswith("}"):
        pairs = (part.partition(":") for part in _split(value[1:-1]))
        return {key: _parsed_value(inner) for key, colon, inner in pairs if colon}
    return value
