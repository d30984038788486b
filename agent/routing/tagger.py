"""Spans of free text: which part of a message is the place, the person, the product, the text or the time.

One conditional random field a kind of thing, not one a function: weather and travel share what a place looks like, and
each sees twice the cases.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pycrfsuite

from agent.routing.cases import Case
from agent.routing.gazetteer import Gazetteer
from agent.routing.text import Tokens, tokens
from agent.routing.word_groups import WordGroups, make_groups
from agent.routing.word_groups import words as words_of

SPANS: Mapping[str, Mapping[str, str]] = {
    "celebrity_info": {"person_name": "PERSON"},
    "schedule_reminder": {"description": "WHAT", "datetime": "WHEN"},
    "sentiment_label": {"text": "TEXT"},
    "shopping_intent": {"product_or_service": "PRODUCT"},
    "translation_assist": {"text": "TEXT"},
    "travel_guide": {"destination": "PLACE"},
    "weather_info": {"location": "PLACE"},
}
"""The label of each parameter that is a span of the dialogue, by function."""

_FIELDS: Mapping[str, str] = {
    "celebrity_info": "person",
    "schedule_reminder": "schedule",
    "sentiment_label": "text",
    "shopping_intent": "product",
    "translation_assist": "text",
    "travel_guide": "place",
    "weather_info": "place",
}
PARAMS = {"c1": 0.05, "c2": 0.1, "max_iterations": 40, "feature.possible_transitions": True}
_MOST_TOKENS = 400
_KEPT = 512
"""Messages of dialogues come again with every turn; what was found in them is kept."""
_LEAST = 0.15
"""A span that is at least this likely is taken where no likelier labelling has any."""


TURN = ""
"""The role of the message that is routed; the messages before it have "user" and "assistant"."""


@dataclass(frozen=True)
class Span:
    """A part of a message: its label, its text as written, and how likely it is that it is one."""

    label: str
    text: str
    chance: float = 1.0


class Tagger:
    """Finds spans in messages."""

    def __init__(self, fields: Mapping[str, bytes], gazetteer: Gazetteer, groups: WordGroups) -> None:
        """Opens the fields, each the bytes of a crfsuite model, with the groups of words that they know."""
        self._gazetteer = gazetteer
        self._groups = groups
        self._kept: Callable[[str, str, str], list[Span]] = lru_cache(_KEPT)(self._find)
        self._guessed: Callable[[str, str, str], list[Span]] = lru_cache(_KEPT)(self._guess)
        self._observed: dict[str, tuple[tuple[str, str, str], Tokens]] = {}
        self._taggers: dict[str, pycrfsuite.Tagger] = {}
        self._fields = dict(fields)  # crfsuite reads out of this memory
        for name, content in self._fields.items():
            tagger = pycrfsuite.Tagger()
            tagger.open_inmemory(content)
            self._taggers[name] = tagger

    def spans(self, function: str, text: str, role: str = TURN) -> list[Span]:
        """The spans of a message as `function` would take them, in order.

        Args:
            function: the function whose parameters are looked for.
            text: the message.
            role: the turn itself, or whose message before it.
        """
        return self._kept(function, text, role)

    def guess(self, function: str, text: str, role: str = TURN) -> list[Span]:
        """The same; where the likeliest reading has no span, the likeliest span."""
        return self._kept(function, text, role) or self._guessed(function, text, role)

    def _find(self, function: str, text: str, role: str) -> list[Span]:
        cut = self._observe(function, text, role)
        if cut is None:
            return []
        found = _decode(cut, self._taggers[_FIELDS[function]])
        if "TEXT" in SPANS[function].values():
            quoted = _quoted(cut)
            if quoted is not None and (len(found) != 1 or _overlap(found[0].text, quoted)):
                return [Span("TEXT", quoted)]
        return found

    def _guess(self, function: str, text: str, role: str) -> list[Span]:
        cut = self._observe(function, text, role)
        return [] if cut is None else _likeliest(cut, self._taggers[_FIELDS[function]], SPANS[function].values())

    def _observe(self, function: str, text: str, role: str) -> Tokens | None:
        """Shows a message to its field, which keeps it until the next one; None where there is nothing to look for."""
        name, message = _FIELDS.get(function, ""), (function, text, role)
        if name not in self._taggers:
            return None
        seen = self._observed.get(name)
        if seen is not None and seen[0] == message:
            return seen[1]
        cut = tokens(text)
        if not 0 < len(cut.words) <= _MOST_TOKENS:
            return None
        self._taggers[name].set(_observations(cut, function, self._gazetteer, self._groups, role))
        self._observed[name] = message, cut
        return cut


def train_fields(
    cases: Sequence[Case], gazetteer: Gazetteer, folder: Path, heard: Mapping[str, str]
) -> tuple[dict[str, bytes], WordGroups]:
    """Trains one field a kind of thing.

    Args:
        cases: what to learn from.
        gazetteer: where names are known from.
        folder: for crfsuite's files; it may be emptied afterwards.
        heard: the functions that the earlier messages of users call for.

    Returns:
        The fields, and the groups of words that they know.
    """
    groups = make_groups(tokens(case.text) for case in cases)
    trained: dict[str, bytes] = {}
    for name in sorted(set(_FIELDS.values())):
        trainer = pycrfsuite.Trainer(algorithm="lbfgs", verbose=False)
        trainer.set_params(PARAMS)
        for case in cases:
            if _FIELDS.get(case.function or "") != name:
                continue
            for role, text, spans in _labelled(case, heard):
                cut = tokens(text)
                if cut.words:
                    observed = _observations(cut, case.function or "", gazetteer, groups, role)
                    trainer.append(observed, _labels(cut, spans))
        path = folder / f"{name}.crfsuite"
        trainer.train(str(path))
        trained[name] = path.read_bytes()
    return trained, WordGroups(groups.centres, groups.known)


def _labelled(case: Case, heard: Mapping[str, str]) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Messages to learn from with their roles and spans: the turn, and what was said before it.

    Most of what is said before holds nothing that the turn points back to; that has to be learned, too.
    """
    assert case.function is not None  # noqa: S101 - the caller has looked
    labels = SPANS[case.function]
    wanted = [(labels[name], value) for name, value in case.arguments.items() if name in labels]
    found = [(TURN, case.text, [(label, value) for label, value in wanted if value in case.text])]
    absent = [(label, value) for label, value in wanted if value not in case.text]
    for said in reversed(case.history):
        there = [(label, value) for label, value in absent if value in said.content]
        absent = [pair for pair in absent if pair not in there]
        if (
            there
            or said.role == "assistant"
            or not set(SPANS.get(heard[said.content], {}).values()) & set(labels.values())
        ):
            found.append((said.role, said.content, there))
    return found


def _labels(cut: Tokens, spans: Sequence[tuple[str, str]]) -> list[str]:
    labels = ["O"] * len(cut.words)
    for label, value in spans:
        start = cut.text.find(value)
        while start >= 0:
            end = start + len(value)
            inside = [at for at in range(len(labels)) if cut.starts[at] < end and cut.ends[at] > start]
            for number, at in enumerate(inside):
                labels[at] = f"I-{label}" if number else f"B-{label}"
            start = cut.text.find(value, end)
    return labels


def _decode(cut: Tokens, tagger: pycrfsuite.Tagger) -> list[Span]:
    labels = tagger.tag()
    found: list[Span] = []
    at = 0
    while at < len(labels):
        label = labels[at][2:]
        last = at
        if label:
            while last + 1 < len(labels) and labels[last + 1] == f"I-{label}":
                last += 1
            chance = min(tagger.marginal(labels[place], place) for place in range(at, last + 1))
            found.append(Span(label, cut.cut(at, last), chance))
        at = last + 1
    return found


def _quoted(cut: Tokens) -> str | None:
    """The one part of a message that stands in quotation marks, whole; None where there are none or several."""
    inside = [at for at, depth in enumerate(cut.depths) if depth]
    if not inside or 0 in cut.depths[inside[0] : inside[-1]]:
        return None
    return cut.cut(inside[0], inside[-1])


def _overlap(one: str, other: str) -> bool:
    return one in other or other in one


def _likeliest(cut: Tokens, tagger: pycrfsuite.Tagger, labels: Collection[str]) -> list[Span]:
    """The best single span where the best labelling has none: an argument left out costs a question."""
    known = tagger.labels()
    count = len(cut.words)
    best = (_LEAST, "", 0)
    for label in labels:
        if f"B-{label}" in known:
            best = max(best, *((tagger.marginal(f"B-{label}", at), label, at) for at in range(count)))
    chance, label, last = best
    if not label:
        return []
    first = last
    inside = f"I-{label}"
    while inside in known and last + 1 < count and tagger.marginal(inside, last + 1) > _LEAST:
        last += 1
    return [Span(label, cut.cut(first, last), chance)]


def _observations(cut: Tokens, function: str, gazetteer: Gazetteer, groups: WordGroups, role: str) -> list[list[str]]:
    lowered = cut.text.lower()
    if len(lowered) != len(cut.text):
        lowered = cut.text  # a few capitals grow when lowered, and places would shift
    about: list[str] = [""] * len(cut.text)
    for start, end, concept in gazetteer.spans(lowered):
        for at in range(start, end):
            about[at] = concept if not about[at] or concept in ("PLACE", "PERSON") else about[at]
    count = len(cut.words)
    words = ["^^", "^", *cut.words, "$", "$$"]
    kinds = ["^", "^", *cut.kinds, "$", "$"]
    depths = [0, 0, *cut.depths, 0, 0]
    concepts = ["", "", *(about[start] for start in cut.starts), "", ""]
    left = [""] * (count + 4)
    right = [""] * (count + 4)
    for at in range(2, count + 2):
        left[at] = concepts[at - 1] or left[at - 1]
    for at in range(count + 1, 1, -1):
        right[at] = concepts[at + 1] or right[at + 1]
    meant = words_of(cut)
    group = ["", "", *map(str, groups.of(meant)), "", ""]
    edges = ["", "", *("B" if word.begins else "I" for word in meant), "", ""]
    observations: list[list[str]] = []
    for at in range(2, count + 2):
        word, before, after = words[at], words[at - 1], words[at + 1]
        original = cut.text[cut.starts[at - 2] : cut.ends[at - 2]]
        kind = kinds[at]
        capital = "A" if original[0].isupper() else ""
        observations.append(
            [
                f"R{role}",
                f"0{word}",
                f"-{before}",
                f"+{after}",
                f"={words[at - 2]}{before}",
                f"~{after} {words[at + 2]}",
                f"<{before} {word}",
                f">{word} {after}",
                f"k{kinds[at - 2]}{kinds[at - 1]}{kind}{kinds[at + 1]}{kinds[at + 2]}",
                f"n{kinds[at - 1]}{kind}{capital}",
                f"d{depths[at - 1]}{depths[at]}{depths[at + 1]}{function[:2]}",
                f"c{concepts[at]}",
                f"l{left[at]}",
                f"r{right[at]}",
                f"2{words[at - 2]}",
                f"3{words[at + 2]}",
                f"p{word} {concepts[at + 1]}",
                f"b{before}{kind}",
                f"a{kind}{after}",
                f"C{concepts[at - 1]}|{concepts[at + 1]}",
                f"s{word[-3:]}{capital}",
                f"f{function[:2]}{kind}{capital}{at == 2}",
                f"g{function[:2]}{concepts[at]}{kinds[at + 1]}",
                f"^{at - 2 if at < 5 else 9}",
                f"${count + 1 - at if at > count - 2 else 9}{word if at > count - 2 else ''}",
                f"e{group[at]}",
                f"E{group[at - 1]}",
                f"G{group[at + 1]}",
                f"j{group[at]} {group[at + 1]}",
                f"o{edges[at]}{edges[at + 1]}{kind}",
                f"P{edges[at]}{'.'.join(map(str, meant[at - 2].numbers))}",
            ]
        )
    return observations
