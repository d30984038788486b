"""The validation that all routers share: what reaches a function fits its card.

What is plain is repaired (a number in a string, a language's name, the case of a value); what is not is dropped, so
that a required parameter counts as missing and is asked for.
"""

import json
from collections.abc import Mapping
from typing import Any

from jsonschema.protocols import Validator

from agent import schema as schemas
from agent.messages import Card
from agent.routing.languages import language_code
from agent.routing.numerals import boolean, number
from agent.routing.text import normalise

LONGEST = 2000
"""Characters of a string argument; more is cut."""
_KEPT = 64
_CONTROLS = {code: None for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
_MEANINGS: Mapping[str, str] = {
    "current": "現在 今 now",
    "today": "今日 きょう tonight",
    "tomorrow": "明日 あした",
    "week": "今週 週間 weekly",
    "hourly": "時間ごと",
    "create": "作成 追加 登録 add set new",
    "query": "確認 照会 list show check",
    "update": "変更 更新 change reschedule",
    "cancel": "キャンセル 取消 削除 delete remove",
    "buy": "購入 purchase",
    "compare": "比較 comparison",
    "research": "調査 reviews",
    "deal": "割引 価格 price",
    "basic": "基本",
    "detailed": "詳細",
    "general": "一般",
    "attractions": "観光 観光地 sightseeing",
    "food": "グルメ 食事",
    "transportation": "交通 transport",
    "accommodation": "宿泊 hotel",
    "events": "イベント",
    "tips": "注意",
    "career": "経歴",
    "biography": "伝記 bio",
    "achievements": "業績 受賞",
    "news": "ニュース",
}
"""What people and models write for the members of the built-in closed lists."""
_WORDS = {word: member for member, words in _MEANINGS.items() for word in words.split()}
_validators: dict[int, tuple[Card, Validator | None]] = {}


def validate(decision_function: str, arguments: Mapping[str, Any], card: Card) -> tuple[dict[str, Any], list[str]]:
    """Repairs and checks the arguments of a call.

    Args:
        decision_function: the function that the router chose; a card of another name refuses everything.
        arguments: what the router filled in.
        card: the function's card.

    Returns:
        The arguments that fit, and the names of those refused.
    """
    if decision_function != card.name:
        return {}, sorted(arguments)
    properties = card.parameters.get("properties", {})
    kept: dict[str, Any] = {}
    refused: list[str] = []
    for name, value in arguments.items():
        schema = properties.get(name) if isinstance(properties, Mapping) else None
        repaired = _repair(name, value, schema) if isinstance(schema, Mapping) else None
        if repaired is None:
            refused.append(name)
        else:
            kept[name] = repaired
    if kept:
        for name in _unfit(kept, card):
            del kept[name]
            refused.append(name)
    return kept, refused


def missing(arguments: Mapping[str, Any], card: Card) -> list[str]:
    """Required parameters of the card without a value."""
    return [name for name in card.parameters.get("required", ()) if name not in arguments]


def _repair(name: str, value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        value = value.translate(_CONTROLS).strip()[:LONGEST]
        if not value:
            return None
    if "enum" in schema:
        return _member(value, schema["enum"])
    kind = schema.get("type")
    if kind == "string":
        return _string(name, value, schema)
    if kind in ("integer", "number"):
        return _number(value, whole=kind == "integer")
    if kind == "boolean":
        return value if isinstance(value, bool) else boolean(value) if isinstance(value, str) else None
    if kind == "array":
        items = schema.get("items")
        items = items if isinstance(items, Mapping) else {}
        values = value if isinstance(value, list) else [value]
        repaired = [_repair(name, item, items) for item in values]
        return [item for item in repaired if item is not None] or None
    return value if _is_json(value) else None


def _is_json(value: Any) -> bool:
    """Whether a value that the card leaves open can go over the bus: an infinite number can't."""
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return False
    return True


def _string(name: str, value: Any, schema: Mapping[str, Any]) -> str | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    if name.endswith("language") or "639" in str(schema.get("description", "")):
        return language_code(value)
    return value


def _number(value: Any, *, whole: bool) -> int | float | None:
    if isinstance(value, str):
        value = number(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e15 < value < 1e15:
        return None
    if not whole:
        return float(value) if isinstance(value, float) else int(value)
    return int(value) if value == int(value) else None


def _member(value: Any, members: Any) -> Any:
    if value in members and type(value) in {type(member) for member in members}:
        return value
    if isinstance(value, str):
        plain = normalise(value)
        for member in members:
            if isinstance(member, str) and normalise(member) in (plain, _WORDS.get(plain)):
                return member
        value = number(plain)
    if isinstance(value, int | float) and not isinstance(value, bool):
        for member in members:
            if isinstance(member, int | float) and not isinstance(member, bool) and member == value:
                return member
    return None


def _unfit(arguments: Mapping[str, Any], card: Card) -> list[str]:
    """Names of the arguments that the card's own schema still refuses (minimum, maxLength, …)."""
    known = _validators.get(id(card))
    if known is None or known[0] is not card:
        if len(_validators) >= _KEPT:
            _validators.clear()
        known = (card, _validator(card))
        _validators[id(card)] = known
    if known[1] is None:
        return []
    paths = [error.absolute_path for error in known[1].iter_errors(dict(arguments)) if error.absolute_path]
    return sorted({str(path[0]) for path in paths if path[0] in arguments})


def _validator(card: Card) -> Validator | None:
    try:
        schemas.check(card.parameters)
    except schemas.SchemaRefused:
        return None  # a broken schema is the card's fault; the parts of it that can be read have been checked
    return schemas.validator(card.parameters)
