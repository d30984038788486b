"""Arguments of the functions that the labelled cases teach: spans out of the dialogue, closed values, languages."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from agent.messages import Utterance
from agent.routing.closed import WHOLE, Choice, back
from agent.routing.features import Reading
from agent.routing.languages import named_languages
from agent.routing.references import References, stands_for_another
from agent.routing.stripping import unquoted
from agent.routing.tagger import SPANS, Tagger

_LEADING_TIME = re.compile(r"^(at|on|for|until|till|by)\s+(?=\S)", re.IGNORECASE)
_PURPOSE = re.compile(
    r"\s+to\s+(?=[a-z])(?!(?:noon|midnight|half|quarter|next|this|today|tomorrow|one|two|three|four|five|six|seven|eight"
    r"|nine|ten|eleven|twelve|mon|tues|wednes|thurs|fri|satur|sun|the)(?:day)?\b)",
    re.IGNORECASE,
)
"""What follows a time and is none: "9am to water the plants"."""
_TRAILING = "、。,.;:!！?？ 　"


class Arguments:
    """Fills arguments of learned functions."""

    def __init__(self, tagger: Tagger, choices: Mapping[str, Choice], references: References) -> None:
        """Keeps what has been trained."""
        self._tagger = tagger
        self._choices = choices
        self._references = references

    def fill(self, function: str, text: str, history: Sequence[Utterance], reading: Reading) -> dict[str, Any]:
        """The arguments that the turn, or where it points back the dialogue, gives for `function`."""
        filled: dict[str, Any] = {}
        labels = SPANS.get(function, {})
        here = self._here(function, text, reading)
        for key, choice in self._choices.items():
            owner, _, name = key.partition(".")
            if owner == function and ":" not in name:
                chosen = choice.choose(reading)
                if chosen is not None:
                    filled[name] = chosen
        given = {**here, "action": str(filled.get("action", ""))}
        for name, label in labels.items():
            value = here.get(label)
            back = value is None and bool(history) and self._points_back(function, name, reading)
            if back:
                span = self._references.find(function, label, text, history, given)
                value = _clean(label, span.text) if span is not None else None
            if value is None and not (back and self._references.points(label, text)):
                value = self.answer(function, name, text)
            if value is not None:
                filled[name] = value
        if function == "translation_assist":
            filled |= _languages(text, str(filled.get("text", "")), history)
        return filled

    def answer(self, function: str, parameter: str, text: str) -> str | None:
        """The value of one parameter that is a span, as the tagger finds it in a message, or None."""
        label = SPANS.get(function, {}).get(parameter)
        if label is None:
            return None
        return next(
            (_clean(label, span.text) for span in self._tagger.guess(function, text) if span.label == label), None
        )

    def _here(self, function: str, text: str, reading: Reading) -> dict[str, str]:
        if "text" in SPANS.get(function, {}):
            whole = self._choices.get(f"{function}.{WHOLE}")
            if whole is not None and whole.choose(reading) == "yes":
                return {"TEXT": text.strip()}
        found: dict[str, str] = {}
        for span in self._tagger.spans(function, text):
            if not stands_for_another(span.text):
                found.setdefault(span.label, _clean(span.label, span.text))
        if "WHAT" not in found and (purpose := _PURPOSE.search(when := found.get("WHEN", ""))):
            found |= {"WHEN": when[: purpose.start()], "WHAT": when[purpose.end() :]}
        return found

    def _points_back(self, function: str, name: str, reading: Reading) -> bool:
        choice = self._choices.get(f"{function}.{back(name)}")
        return choice is not None and choice.choose(reading) == "yes"


def _clean(label: str, text: str) -> str:
    value = unquoted(text)
    if label == "WHEN":
        value = _LEADING_TIME.sub("", value)
    if label != "TEXT":
        value = value.rstrip(_TRAILING).strip()
    return value or text


def _languages(text: str, quoted: str, history: Sequence[Utterance]) -> dict[str, str]:
    source, target = named_languages(text, quoted)
    for said in reversed(history):
        if target is not None:
            break
        target = named_languages(said.content, quoted)[1] if said.role == "user" else None
    found = {"source_language": source, "target_language": target}
    return {name: code for name, code in found.items() if code is not None}
