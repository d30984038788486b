"""A call that waits for an argument: whether a turn answers the question, and with what."""

import re
from collections.abc import Mapping
from typing import Any

from agent.messages import Card, Pending
from agent.routing.arguments import Arguments
from agent.routing.foreign_arguments import answer
from agent.routing.languages import named_languages
from agent.routing.stripping import bare, unquoted
from agent.routing.tagger import SPANS
from agent.routing.text import is_japanese, normalise
from agent.routing.validation import validate

_REFUSAL = re.compile(
    r"やっぱり?(いい|やめ|なし|結構|大丈夫)|もういい|いいです$|いいや|結構です|やめ(とく|ておく|ます|た|る)|キャンセルで$|忘れて$|なんでもない|何でもない|気にしないで|不要|いらん|いらない|"
    r"\b(never ?mind|forget (it|about it)|nah|no thanks?( you)?|not now|leave it|doesn'?t matter|don'?t bother|skip it|"
    r"no need|stop|drop it|changed my mind|cancel that)\b|^(no|nope|いや|ううん|いいえ)[.!。]?$"
)
_CHAT = re.compile(
    r"^(thanks?( you)?|cheers|ok(ay)?|hello|hi|hey|yes|yeah|"
    r"ありがとう?(ございます)?|了解|わかった|はい|うん|どうも|こんにちは)[.!。！ ]*$"
)
_QUESTION = re.compile(r"[?？]$|^(what|why|how|who|when|where|is|are|can|could|do|does)\b|(ですか|の|って何)[。？?]?$")
_LONGEST = {True: 30, False: 60}
"""Characters of an answer that is taken whole, by whether it is Japanese; a text to work on may be of any length."""


def refuses(text: str) -> bool:
    """Whether a turn drops the question that was asked, or only chats."""
    plain = normalise(text)
    return _REFUSAL.search(plain) is not None or _CHAT.match(plain) is not None


def completed(pending: Pending, card: Card, text: str, arguments: Arguments) -> dict[str, Any] | None:
    """The arguments of the pending call with what the turn adds, or None where it adds nothing."""
    properties = card.parameters.get("properties", {})
    merged = dict(pending.arguments)
    gained = False
    wanted = [name for name in pending.missing if name not in merged and name in properties]
    for number, name in enumerate(wanted):
        value = _value(
            pending.function, name, properties[name], text, arguments, first=number == 0, last=len(wanted) == 1
        )
        if value is None:
            continue
        checked, _ = validate(card.name, {name: value}, card)
        gained = gained or bool(checked)
        merged |= checked
    return merged if gained else None


def _value(
    function: str,
    name: str,
    schema: Mapping[str, Any],
    text: str,
    arguments: Arguments,
    *,
    first: bool,
    last: bool,
) -> Any:
    if name.endswith("language"):
        source, target = named_languages(text, _quoted(text))
        return source if name.startswith("source") and source is not None else target
    if schema.get("type") != "string" or "enum" in schema:
        return answer(schema, text)
    label = SPANS.get(function, {}).get(name)
    if label == "TEXT":
        if last:
            return unquoted(text)
        return _quoted(text) or arguments.answer(function, name, text)
    short = len(text) <= _LONGEST[is_japanese(text)] and not _QUESTION.search(normalise(text))
    found = arguments.answer(function, name, text)
    if found is not None and not (short and found not in bare(text)):
        return found
    return bare(text) if first and short else None


def _quoted(text: str) -> str:
    found = re.search(r"「([^」]+)」|『([^』]+)』|“([^”]+)”|\"([^\"]+)\"", text)
    return next((group for group in found.groups() if group), "") if found else ""
