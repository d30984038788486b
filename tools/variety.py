"""How varied cases are: n-grams, the patterns behind sentences, entities.

Distinct n-grams are those of Li et al., "A Diversity-Promoting Objective Function for Neural Conversation Models"
(2016): different n-grams over all n-grams. The figure falls with the size of a collection, so it is taken over a
hundred turns at a time and averaged. Tokens are words in English, and words of katakana and single characters in
Japanese.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from agent.messages import Card
from agent.routing.text import tokens
from tools.label_rules import spans, turn_of
from tools.near_duplicates import letters

Item = Mapping[str, Any]
_SAMPLE = 100
_SLOT = "\ue000"
_CARRIER = 4
"""Letters beside the slots from which a pattern is one: an answer that is a place and nothing else is none."""
_ENTITIES = ("destination", "person_name", "product_or_service", "location")


def distinct(items: Sequence[Item], size: int) -> float:
    """The share of different ones among the n-grams of a hundred turns, 0 to 1; 1.0 where there are none.

    Args:
        items: cases of one function in one language; in the order of their ids.
        size: n.
    """
    rows = [_words(turn_of(item)) for item in items]
    shares = []
    # Every so-many-th case: a sample of neighbours would be one of a single author.
    samples = max(1, len(rows) // _SAMPLE)
    for first in range(samples):
        grams = [tuple(row[at : at + size]) for row in rows[first::samples] for at in range(len(row) - size + 1)]
        if grams:
            shares.append(len(set(grams)) / len(grams))
    return sum(shares) / len(shares) if shares else 1.0


@cache
def _words(text: str) -> Sequence[str]:
    return [word for word in tokens(text).words if word[0].isalnum()]


def skeleton(item: Item, known: Mapping[str, Card]) -> str | None:
    """The pattern that is left of a turn when its values and numbers are taken out; None where too little is left."""
    function, arguments = item["expected_function"], item["expected_arguments"] or {}
    text = turn_of(item)
    values = [str(arguments[name]) for name in spans(known[function]) if name in arguments] if function in known else []
    for value in sorted(values, key=len, reverse=True):
        text = text.replace(value, _SLOT)
    text = re.sub(r"\d+", _SLOT, text)
    # Letters only, so that the same pattern with other punctuation is the same one.
    parts = [letters(part) for part in text.split(_SLOT)]
    return _SLOT.join(parts) if len(parts) > 1 and len("".join(parts)) >= _CARRIER else None


def readable(pattern: str) -> str:
    """A skeleton for people."""
    return pattern.replace(_SLOT, "…")


def patterns(items: Iterable[Item], known: Mapping[str, Card]) -> Counter[str]:
    """How often each pattern comes."""
    return Counter(pattern for item in items if (pattern := skeleton(item, known)))


def entities(items: Iterable[Item]) -> dict[str, Counter[str]]:
    """How often each place, person and product comes, by parameter."""
    found: dict[str, Counter[str]] = {}
    for item in items:
        for name in _ENTITIES:
            if value := (item["expected_arguments"] or {}).get(name):
                found.setdefault(name, Counter())[str(value).lower()] += 1
    return found
