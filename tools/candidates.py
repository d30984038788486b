"""What a model has written becomes a case, or is refused with a reason."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from agent.language import detect
from agent.messages import Card
from agent.routing.languages import language_code
from tools.generation_plan import Kind
from tools.hard_negatives import Hardness
from tools.label_rules import NONE, category_of, doubts, problems, spans, turn_of
from tools.near_duplicates import Pool, letters
from tools.variety import entities, skeleton

_LONGEST = 400
"""Characters of a turn."""
_OFTEN = 0.02
"""Share of the cases of a function in a language that one pattern or one name may have; two are always free."""
_ALONE = {"ja": 15, "en": 30}
"""Letters of a turn that names everything itself, from which it needs no dialogue before it."""


def case_from(written: Any, kind: Kind, test_id: str) -> dict[str, Any] | None:
    """The case in the project's format; None where what was written has not the form that was asked for.

    Args:
        written: one object of the model's answer.
        kind: what was asked for.
        test_id: the case's id.
    """
    if not isinstance(written, dict) or not isinstance(written.get("turn"), str):
        return None
    conversation: list[dict[str, Any]] = []
    before = written.get("before", []) if kind.history else []
    if not isinstance(before, list) or (kind.history and not before):
        return None
    for exchange in before:
        if not isinstance(exchange, dict):
            return None
        conversation += [{"role": role, "content": exchange.get(role)} for role in ("user", "assistant")]
    conversation.append({"role": "user", "content": written["turn"]})
    if not all(isinstance(message["content"], str) for message in conversation):
        return None
    arguments = written.get("arguments", {}) if kind.category != NONE else {}
    if not isinstance(arguments, dict):
        return None
    return {
        "test_id": test_id,
        "lang": kind.lang,
        "category": kind.category,
        "conversation": [{**message, "content": message["content"].strip()} for message in conversation],
        "expected_function": None if kind.category == NONE else kind.category,
        "expected_arguments": {
            name: _value(name, value) for name, value in arguments.items() if value not in ("", None)
        },
    }


def _value(name: str, value: Any) -> Any:
    """Languages as their codes: names of languages are read as such."""
    if name.endswith("language") and isinstance(value, str):
        return language_code(value) or value
    return value


class Judge:
    """Accepts or refuses cases, each against the guide and against all others.

    Args:
        known: the functions' cards.
        there: the project's own cases; a new one must repeat none of them.
        totals: how many cases of a category in a language are wanted, for what comes too often.
    """

    def __init__(
        self, known: Mapping[str, Card], there: Iterable[Mapping[str, Any]], totals: Mapping[tuple[str, str], int]
    ) -> None:
        self.hardness = Hardness(own := [*there])
        self._known = known
        self._totals = totals
        self._pool = Pool()
        for one in own:
            self._pool.add(one)
        self._patterns: Counter[tuple[str, str, str]] = Counter()
        self._names: Counter[tuple[str, str, str]] = Counter()

    def reason(self, item: Mapping[str, Any]) -> str | None:
        """Why a case is refused, in a few words, the same for the same kind of reason; None where it is good."""
        if found := problems(item, self._known) or doubts(item, self._known):
            return f"against the guide: {found[0]}"
        turn, lang = turn_of(item), str(item["lang"])
        if len(turn) > _LONGEST:
            return f"the turn is longer than {_LONGEST} characters"
        if item["expected_function"] != "translation_assist" and detect(turn) not in (lang, None):
            return "the turn is in another language"
        if self._alone(item):
            return "the turn needs no dialogue before it"
        if like := self._pool.like(item):
            return f"a near duplicate: {like!r}"
        most = max(2, _OFTEN * self._totals.get((category_of(item), lang), 0))
        if any(self._patterns[mark] >= most for mark in self._pattern_marks(item)):
            return "the same pattern again"
        if any(self._names[mark] >= most for mark in self._name_marks(item)):
            return "the same name again"
        return None

    def accept(self, item: Mapping[str, Any]) -> None:
        """Takes a case in: others must differ from it."""
        self._pool.add(item)
        self._patterns.update(self._pattern_marks(item))
        self._names.update(self._name_marks(item))

    def _pattern_marks(self, item: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        pattern = skeleton(item, self._known)
        return [(category_of(item), str(item["lang"]), pattern)] if pattern else []

    def _name_marks(self, item: Mapping[str, Any]) -> list[tuple[str, str, str]]:
        return [(category_of(item), str(item["lang"]), name) for found in entities([item]).values() for name in found]

    def _alone(self, item: Mapping[str, Any]) -> bool:
        """Whether a turn with a dialogue before it names all that its function requires, at some length."""
        function, turn = item["expected_function"], turn_of(item)
        if len(item["conversation"]) == 1 or function not in self._known:
            return False
        # A text to be judged or translated is mostly in the turn itself, whatever was said before.
        needed = {*spans(self._known[function])} & {*self._known[function].parameters["required"]} - {"text"}
        named = all(str(item["expected_arguments"].get(name, "\0")) in turn for name in needed)
        return bool(needed) and named and len(letters(turn)) >= _ALONE[str(item["lang"])]
