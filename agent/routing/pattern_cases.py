"""The patterns of `phrases` as labelled cases."""

from random import Random

from agent.routing.cases import Case
from agent.routing.languages import language_code
from agent.routing.phrases import ENGLISH, JAPANESE, SLOTS

BATCH = "patterns"
_COPIES = 3
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
    for lang, patterns in (("ja", JAPANESE), ("en", ENGLISH)):
        function, closed, whole = "none", dict[str, str](), False
        for line in patterns.strip().splitlines():
            if line.startswith("@"):
                function, *marks = line[1:].split()
                closed = dict(mark.split("=") for mark in marks if "=" in mark)
                whole = "whole" in marks
                continue
            for _ in range(_COPIES if "{" in line else 1):
                found.append(_case(line, lang, function, {**closed, **({"text": line} if whole else {})}, dice))
    return found


def _case(line: str, lang: str, function: str, arguments: dict[str, str], dice: Random) -> Case:
    text = line
    parameters = _PARAMETERS.get(function, {})
    for slot, values in SLOTS[lang].items():
        mark = f"{{{slot}}}"
        if mark in text:
            value = dice.choice(values.split("|"))
            text = text.replace(mark, value)
            if slot in parameters:
                arguments[parameters[slot]] = (language_code(value) or value) if slot == "tongue" else value
    return Case(text, (), None if function == "none" else function, arguments, lang, BATCH)
