"""What the model that writes cases is asked, and the JSON Schemas that its answers are held to.

The function of a case is never the model's to choose: it writes cases for one function at a time. A second question,
without the label, asks which function a turn calls (`labelling`).
"""

# ruff: noqa: SIM905 - lists of words are read across

import json
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from agent.messages import Card
from tools.generation_plan import Kind
from tools.label_rules import NONE

_CONVENTIONS = {
    "travel_guide": "Weather there is no such case. A bare 'tell me about X' has no info_type.",
    "celebrity_info": "Real people only, living or historical, of all fields. A bare name has no info_type.",
    "shopping_intent": "product_or_service is the noun with what stands before it, brand included, without article, "
    "'new', budget or purpose. A bare wish has no intent_type.",
    "sentiment_label": "Either the user asks which feeling a text carries: then text is that text, and granularity is "
    "detailed (which emotion) or basic (positive or negative). Or the turn is an outburst of the speaker's own strong "
    "feeling: then text is the whole turn, literally, and granularity is detailed.",
    "weather_info": "This evening is today; a weekday, the weekend and next week are week; 'right now' is current.",
    "schedule_reminder": "action is always given. datetime is what the user said without at, on, for, until (Japanese: "
    "without に, は, までに). A plain alarm has no description.",
    "translation_assist": "Languages are ISO 639-1 codes. source_language only where the language is named; a target "
    "language that nobody names is left out.",
}
_EASY = (
    "greetings small-talk thanks a-joke mathematics code a-recipe health general-knowledge philosophy homework hobbies "
    "pets the-assistant-itself games advice news science history household children"
).split()
_REGISTERS = (
    "polite; casual; two or three words; rambling, with a reason before the request; a voice transcription without "
    "punctuation; with typos; indirect, without asking outright; slang; a child; an old person; a learner's mistakes; "
    "in a hurry; dialect; very formal; several scripts or languages mixed; grumpy; cheerful"
).split("; ")
_SPEAKERS = (
    "a nurse after the night shift; a student; a truck driver; a retired teacher; a father of three; a barista; "
    "a farmer; a shop assistant; a programmer; a hairdresser; a football coach; a widow; a tourist; an office clerk; "
    "a musician; a carpenter; a bride; a fisherman; a librarian; a taxi driver; a gardener; an exchange student; "
    "a dog owner; a cook"
).split("; ")
_NAMES = {"ja": "Japanese, as Japanese people type", "en": "English, as people who live with it type"}
_TRAPS = {
    "travel_guide": "a place is mentioned (where somebody lives or has been), nothing about going there is asked",
    "celebrity_info": "a famous person or a work is mentioned, nothing about the person is asked",
    "shopping_intent": "something was bought, or is owned or disliked; nothing is to be bought",
    "sentiment_label": "a mild mood or opinion, no strong feeling, nothing to be judged",
    "weather_info": "weather words or past weather, no question about the weather anywhere",
    "schedule_reminder": "an appointment or a date is mentioned or over, nothing is to be scheduled",
    "translation_assist": "a language is mentioned, nothing is to be put into it",
}


def writing(
    kind: Kind, number: int, cards: Mapping[str, Card], examples: Sequence[Mapping[str, Any]], random: Random
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Asks for cases of one kind.

    Args:
        kind: what they are like.
        number: how many.
        cards: of all functions.
        examples: cases of that kind; they show the form.
        random: what makes one question differ from the next.

    Returns:
        The messages, and the schema of the answer.
    """
    card = cards.get(kind.category)
    system = [
        "You write test cases for an assistant that calls functions: what real people say to it. Each case is another",
        "natural sentence, with another opening, verb and length. Never fill slots of one pattern.",
        *(_about(card) if card else _about_none(kind, cards, random)),
    ]
    voices = [f"{random.choice(_REGISTERS)} ({random.choice(_SPEAKERS)})" for _ in range(number)]
    ask = [f"Write {number} cases in {_NAMES[kind.lang]}. One each of these ways of speaking:"]
    ask += [f"{place}. {voice}" for place, voice in enumerate(voices, start=1)]
    if kind.history:
        ask.append("'before' is the dialogue so far, short and natural; the turn can't be understood without it.")
    if card:
        ask.append("Names and things differ from case to case, well known and hardly known ones.")
        ask.append("Leave parameters out that nobody mentions, in one case of ten also a required one.")
        for name, schema in card.parameters["properties"].items():
            if "enum" in schema:
                ask.append(f"Use {name} {', '.join(random.sample(schema['enum'], min(3, len(schema['enum']))))}.")
    if examples:
        ask.append("The form, by examples that must not be used again:")
        ask.append(json.dumps({"cases": [_shown(item) for item in examples]}, ensure_ascii=False))
    messages = [{"role": "system", "content": "\n".join(system)}, {"role": "user", "content": "\n".join(ask)}]
    return messages, _schema(kind, number, card)


def labelling(
    items: Sequence[Mapping[str, Any]], cards: Mapping[str, Card]
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """Asks for the labels of cases, without telling the ones that they have."""
    system = ["Which function does the last turn of each dialogue call? The functions:"]
    system += [f"{name}: {card.description}" for name, card in cards.items()]
    system += [f"{NONE}: everything else; also where something is only mentioned, over, or told without a wish."]
    dialogues = [
        "\n".join(f"{message['role']}: {message['content']}" for message in item["conversation"]) for item in items
    ]
    asked = "\n\n".join(f"Dialogue {place}\n{text}" for place, text in enumerate(dialogues, start=1))
    labels = {
        "type": "array",
        "items": {"type": "string", "enum": [*cards, NONE]},
        "minItems": len(items),
        "maxItems": len(items),
    }
    schema = {"type": "object", "properties": {"labels": labels}, "required": ["labels"]}
    return [{"role": "system", "content": "\n".join(system)}, {"role": "user", "content": asked}], schema


def _about(card: Card) -> list[str]:
    parameters = card.parameters["properties"]
    lines = [f"The function is {card.name}: {card.description}", "Its parameters:"]
    for name, schema in parameters.items():
        values = f" One of {', '.join(schema['enum'])}." if "enum" in schema else ""
        lines.append(f"- {name}: {schema.get('description', '')}{values}")
    return [
        *lines,
        _CONVENTIONS.get(card.name, ""),
        "Free text is copied letter by letter from what was said, without quotation marks and particles around it.",
    ]


def _about_none(kind: Kind, cards: Mapping[str, Card], random: Random) -> list[str]:
    lines = ["The cases call no function at all. The functions that there are, and that no case may want:"]
    lines += [f"- {card.description}" for card in cards.values()]
    if kind.hard:
        traps = random.sample(sorted(_TRAPS), 3)
        lines.append("Each case is a trap: it sounds like one of the functions and wants none. For example:")
        return [*lines, *(f"- {_TRAPS[name]}" for name in traps)]
    return [*lines, f"The cases are about {', '.join(random.sample(_EASY, 4))}."]


def _schema(kind: Kind, number: int, card: Card | None) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    properties: dict[str, Any] = {}
    if kind.history:
        exchange = {
            "type": "object",
            "properties": {"user": text, "assistant": text},
            "required": ["user", "assistant"],
        }
        properties["before"] = {"type": "array", "items": exchange, "minItems": 1, "maxItems": 2}
    properties["turn"] = text
    if card:
        arguments = {
            name: {"type": "string", **({"enum": schema["enum"]} if "enum" in schema else {})}
            for name, schema in card.parameters["properties"].items()
        }
        # A required value out of a closed list is what a call is about; free text may be missing.
        always = [name for name in card.parameters["required"] if "enum" in arguments[name]]
        properties["arguments"] = {"type": "object", "properties": arguments, "required": always}
    case = {"type": "object", "properties": properties, "required": list(properties)}
    cases = {"type": "array", "items": case, "minItems": 1, "maxItems": number}
    return {"type": "object", "properties": {"cases": cases}, "required": ["cases"]}


def _shown(item: Mapping[str, Any]) -> dict[str, Any]:
    """A case in the form of the answer."""
    *before, turn = [message["content"] for message in item["conversation"]]
    shown: dict[str, Any] = {}
    if before:
        pairs = zip(before[::2], before[1::2], strict=False)
        shown["before"] = [{"user": user, "assistant": assistant} for user, assistant in pairs]
    shown["turn"] = turn
    if item["expected_function"]:
        shown["arguments"] = item["expected_arguments"]
    return shown
