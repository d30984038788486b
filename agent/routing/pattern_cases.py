"""The patterns of `phrases_japanese` and `phrases_english` as labelled cases."""

from collections.abc import Mapping
from random import Random

from agent.routing import phrases_english, phrases_japanese
from agent.routing.cases import Case
from agent.routing.languages import language_code

BATCH = "patterns"
_COPIES = 6
_COPIES_AS_THEY_ARE = 3
"""They must not drown in the labelled cases, of which there are many times as many."""
_PARAMETERS = {
    "travel_guide": {"place": "destination"},
    "weather_info": {"place": "location"},
    "celebrity_info": {"person": "person_name"},
    "shopping_intent": {"product": "product_or_service", "pair": "product_or_service"},
    "sentiment_label": {"opinion": "text"},
    "translation_assist": {"text": "text", "tongue": "target_language"},
    "schedule_reminder": {"when": "datetime", "what": "description", "item": "description"},
}


def pattern_cases() -> list[Case]:
    """Each pattern a few times with different values; the same cases on every call."""
    dice = Random(0)
    found: list[Case] = []
    for lang, phrases in (("ja", phrases_japanese), ("en", phrases_english)):
        function, closed, whole = "none", dict[str, str](), False
        for line in phrases.PATTERNS.strip().splitlines():
            if line.startswith("@"):
                function, *marks = line[1:].split()
                closed = dict(mark.split("=") for mark in marks if "=" in mark)
                whole = "whole" in marks
                continue
            arguments = {**closed, **({"text": line} if whole else {})}
            copies = _COPIES if "{" in line else _COPIES_AS_THEY_ARE
            found += [_case(line, lang, function, arguments, slots=phrases.SLOTS, dice=dice) for _ in range(copies)]
    return found


def _case(
    line: str, lang: str, function: str, given: Mapping[str, str], *, slots: Mapping[str, str], dice: Random
) -> Case:
    text, arguments = line, dict(given)
    parameters = _PARAMETERS.get(function, {})
    for slot, values in slots.items():
        mark = f"{{{slot}}}"
        if mark in text:
            value = dice.choice(values.split("|"))
            text = text.replace(mark, value)
            if slot in parameters:
                arguments[parameters[slot]] = (language_code(value) or value) if slot == "tongue" else value
    return Case(text, (), None if function == "none" else function, arguments, lang, BATCH)
