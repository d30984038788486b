"""Labelled cases as a model learns them: the tokens of the turn and of what is to be said, and in which order.

Lengths count what is a turn's own: the dialogue and the completion. The declarations before it are the same for all
turns and read once for many of them (`tools.shared_prefix`), so they are not cut and don't count.
"""

import json
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from agent.messages import Utterance
from agent.routing.cases import Case, load_cases
from agent.routing.functiongemma import Toolset
from agent.routing.functiongemma_text import CALL
from agent.routing.ollama import trimmed
from agent.routing.peft_vocabulary import Vocabulary
from agent.tokens import estimate, fitted
from tools.adapters import TuningError, sha256
from tools.outcomes import turn_of

PARTS = ("train", "validation")


@dataclass(frozen=True)
class Example:
    """A case in tokens.

    Attributes:
        turn: the dialogue, up to where the model goes on.
        completion: what it is to say.
        naming: so many of the completion's first tokens say which function is called, or that none is.
        called: whether one is.
    """

    turn: Sequence[int]
    completion: Sequence[int]
    naming: int
    called: bool

    @property
    def length(self) -> int:
        """Tokens."""
        return len(self.turn) + len(self.completion)


@dataclass(frozen=True)
class Examples:
    """The cases of one part.

    Attributes:
        found: in tokens.
        cut: how many lost some of their dialogue, since they were too long.
        left_out: how many would have lost an argument, or are longer than allowed all the same.
    """

    found: Sequence[Example]
    cut: int
    left_out: int


def read_split(folder: Path) -> dict[str, list[Case]]:
    """The cases of training and validation by part.

    Raises:
        TuningError: there are none, or they are not what the split's manifest says.
    """
    number = folder.name.removeprefix("run_")
    again = f"python -m tools.split_data --run-id {number}"
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for part in PARTS:
            if sha256(folder / f"{part}.jsonl") != manifest["outputs"][part]["sha256"]:
                raise TuningError(
                    f"{folder / part}.jsonl was changed since it was written. Remove {folder}, then: {again}"
                )
        return {part: load_cases(folder / f"{part}.jsonl") for part in PARTS}
    except (OSError, ValueError, KeyError) as error:
        raise TuningError(f"{folder} holds no split of the cases. Make one with: {again}") from error


def examples(cases: Sequence[Case], toolset: Toolset, vocabulary: Vocabulary, longest: int) -> Examples:
    """Cases in tokens.

    Args:
        cases: labelled; those without labelled arguments are left out where a function is called.
        toolset: the cards.
        vocabulary: the model's.
        longest: tokens of dialogue and completion.

    Raises:
        TuningError: none is left.
    """
    made = [example(case, toolset, vocabulary, longest) for case in cases]
    found = [one for one, _ in made if one is not None]
    if not found:
        raise TuningError(f"No case fits into {longest} tokens. Raise --max-length.")
    return Examples(found, sum(cut for one, cut in made if one is not None), len(made) - len(found))


def example(case: Case, toolset: Toolset, vocabulary: Vocabulary, longest: int) -> tuple[Example | None, bool]:
    """A case in tokens, and whether it was cut; None where it can't be learned from.

    The completion is never cut. Of the dialogue, the oldest messages go first, then the middle of the turn's text.
    """
    if case.function is not None and (case.function not in toolset.cards or not case.labelled):
        return None, False
    completion = vocabulary.encode(toolset.completion(case.function, case.arguments))
    # What the router leaves out of a dialogue is left out here, too.
    history, text = trimmed(turn_of(case))
    whole = _dialogue(history, text)
    room = longest - len(completion)

    def read(text: str) -> list[int]:
        return vocabulary.encode(toolset.turns(history, text))

    turn = read(text)
    cut = len(turn) > room
    while len(turn) > room and history:
        history = history[1:]
        turn = read(text)
    if len(turn) > room:
        # How many tokens a text takes is estimated there: so the most that fits is searched for.
        fits = bisect(range(estimate(text)), room, key=lambda tokens: len(read(fitted(text, tokens))))
        text = fitted(text, fits - 1)
        turn = read(text)
    left = _dialogue(history, text)
    if len(turn) > room or any(value in whole and value not in left for value in _texts(case.arguments)):
        return None, cut
    return Example(turn, completion, _naming(case.function, completion, vocabulary), case.function is not None), cut


def _naming(function: str | None, completion: Sequence[int], vocabulary: Vocabulary) -> int:
    if function is None:
        return 1
    left = len(f"{CALL}call:{function}{{".encode())
    for number, token in enumerate(completion, start=1):
        left -= len(vocabulary.spelling(token))
        if left <= 0:
            return number
    return len(completion)


def _dialogue(history: Sequence[Utterance], text: str) -> str:
    return "\n".join([*(said.content for said in history), text])


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


class Order:
    """Which examples come in which step, without end: a function of the seed alone, so that it can go on anywhere.

    Each pass has all examples in another order. The batches of a step are of about one length each, which saves
    filling; the steps are not: short cases are mostly of no function, and a step of these alone would teach just that.

    Args:
        lengths: of the examples.
        size: of a batch.
        batches: to a step.
        seed: another one gives another order.
    """

    def __init__(self, lengths: Sequence[int], size: int, batches: int, seed: int) -> None:
        self._lengths = lengths
        self._size = size
        self._batches = batches
        self._seed = seed
        self._pass = lru_cache(maxsize=2)(self._shuffled)

    def step(self, number: int) -> list[list[int]]:
        """The indices of the examples of a step, from 0, by batch."""
        all_of_it, many = self._size * self._batches, len(self._lengths)
        places = range(number * all_of_it, (number + 1) * all_of_it)
        indices = [self._pass(place // many)[place % many] for place in places]
        alike = sorted(indices, key=self._lengths.__getitem__)
        return [alike[start : start + self._size] for start in range(0, all_of_it, self._size)]

    def _shuffled(self, number: int) -> list[int]:
        return Random(f"{self._seed}/{number}").sample(range(len(self._lengths)), len(self._lengths))
