"""A turn with its dialogue as features: sparse hashed ones of its words, and what it means as dense ones.

Words cost little; the meaning takes several times as long, so it is worked out only where it is asked for.

Hashing is arithmetic on arrays of code points (a rolling polynomial for character n-grams) and crc32 for words: no
dictionary of features has to be stored or loaded.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import pairwise
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from agent.messages import Utterance
from agent.routing.encoder import WIDTH
from agent.routing.gazetteer import Gazetteer
from agent.routing.sentences import sentences
from agent.routing.skeleton import skeleton
from agent.routing.text import is_japanese, normalise

BITS = 18
"""Features are hashed into 2 ** BITS slots."""

_MULTIPLIER = np.uint32(0x01000193)
_MIX = np.uint32(0x9E3779B1)
_SHIFT = np.uint32(32 - BITS)
_BREAKS = "?!.。、,;\n"
_MOST = 800
"""Characters of a turn that are looked at, from its beginning and its end, so that a huge one stays cheap."""

_GLIMPSE = 160
"""The same for the messages before it, which it takes up with hardly more than a word."""

_KEPT = 256

CHARACTERS, WORDS, CONCEPTS, PAIRS, SHAPE, ENDS, CLAUSES, ASSISTANT, USER, PREVIOUS, SKELETON = range(11)
WEIGHTS = (1.6, 1.2, 1.4, 0.7, 1.0, 1.0, 1.0, 0.6, 0.6, 1.6, 1.4)
"""How much each group may say; set after leaving batches out with each group doubled and without it."""
_MEANING_SCALE = np.float32(8.0)
"""How much the meaning of a turn may say."""
_EMPTY = np.zeros(0, np.float32)


@dataclass(frozen=True)
class Row:
    """Features: slots [n] in 0 … 2 ** BITS - 1 with their values [n], and dense ones [width]."""

    slots: NDArray[np.int64]
    values: NDArray[np.float32]
    dense: NDArray[np.float32] = field(default_factory=lambda: _EMPTY)

    def sparse(self) -> "Row":
        """Without the dense features."""
        return replace(self, dense=_EMPTY)


@dataclass(frozen=True)
class Message:
    """A message prepared once.

    Attributes:
        said: as it came.
        text: normalised.
        concepts: what is in it.
        places: the same with where each begins and ends.
    """

    said: str
    text: str
    concepts: frozenset[str]
    places: Sequence[tuple[int, int, str]]

    @cached_property
    def content(self) -> Row:
        """What it says by itself, whatever stands around it."""
        made = _Builder()
        _content(made, self)
        return made.row()


class Reading:
    """A turn as features, twice: what its words tell, and what its meaning tells besides.

    The dense features are the meaning [WIDTH], whether there is a dialogue before it, and whether the meaning is left
    out.

    Attributes:
        words: without the meaning.
    """

    def __init__(self, row: Row, turn: Message, *, history: bool) -> None:
        self._turn = turn
        dense = np.zeros(WIDTH + 2, np.float32)
        dense[WIDTH:] = history, 1
        self.words = replace(row, dense=dense)

    @cached_property
    def meaning(self) -> Row:
        """With it; some milliseconds when it is asked for first."""
        dense = self.words.dense.copy()
        dense[:WIDTH] = sentences().vector(self._turn.said) * _MEANING_SCALE
        dense[-1] = 0
        return replace(self.words, dense=dense)


class Features:
    """Makes features out of turns."""

    def __init__(self, gazetteer: Gazetteer) -> None:
        """Keeps the gazetteer, the only thing that features depend on."""
        self._gazetteer = gazetteer
        self._kept: Callable[[str], Message] = lru_cache(_KEPT)(self._prepare)

    def message(self, text: str) -> Message:
        """Prepares a message; one that comes again, as the dialogue goes on, is kept."""
        return self._kept(text)

    def _prepare(self, text: str) -> Message:
        said = text
        plain = normalise(_shortened(text, _MOST))
        places = self._gazetteer.spans(plain)
        return Message(said, plain, frozenset(concept for _, _, concept in places), places)

    def reading(self, turn: Message, history: Sequence[Utterance], previous: str | None) -> Reading:
        """The features of a turn.

        Args:
            turn: the user's message.
            history: the dialogue before it, oldest first.
            previous: the function that the dialogue before suggests, or None.
        """
        made = _Builder(turn.content)
        bones = np.array(skeleton(turn.text, turn.places), np.uint32)
        made.add_hashes(SKELETON, np.unique(_rolled(bones, 2, 5)), 2.0)
        _shape(made, turn, bool(history))
        assistant = next((said for said in reversed(history) if said.role == "assistant"), None)
        users = [said.content for said in history if said.role == "user"][-2:]
        if assistant is not None:
            _context(made, ASSISTANT, self.message(_shortened(assistant.content, _GLIMPSE)))
        if users:
            _context(made, USER, self.message(_shortened(" ".join(users), _GLIMPSE)))
        if previous is not None:
            short = len(turn.text) < (14 if is_japanese(turn.text) else 32)
            names = [f"f={previous}", f"f={previous} s={short}"]
            names += [f"f={previous} {concept}" for concept in sorted(turn.concepts)]
            made.add(PREVIOUS, names)
        return Reading(made.row(), turn, history=bool(history))

    def text_row(self, turn: Message) -> Row:
        """The words of a message by itself, without dense features."""
        made = _Builder(turn.content)
        _shape(made, turn, history=False)
        return made.row()


class _Builder:
    def __init__(self, begun: Row | None = None) -> None:
        self._begun = begun if begun is not None else Row(np.zeros(0, np.int64), _EMPTY)
        self._hashes: list[NDArray[np.uint32]] = []
        self._counts: list[int] = []
        self._values: list[float] = []

    def add(self, group: int, names: Sequence[str], scale: float = 1.0) -> None:
        self.add_hashes(group, np.fromiter((crc32(name.encode()) for name in names), np.uint32, len(names)), scale)

    def add_hashes(self, group: int, hashes: NDArray[np.uint32], scale: float = 1.0) -> None:
        count = len(hashes)
        if count:
            self._hashes.append(hashes ^ np.uint32(group * 0x5BD1E995 & 0xFFFFFFFF))
            self._counts.append(count)
            self._values.append(scale * WEIGHTS[group] / math.sqrt(count + 4.0))

    def row(self) -> Row:
        if not self._hashes:
            return self._begun
        slots = (np.concatenate(self._hashes) * _MIX >> _SHIFT).astype(np.int64)
        values = np.repeat(np.array(self._values, np.float32), self._counts)
        return Row(np.concatenate((self._begun.slots, slots)), np.concatenate((self._begun.values, values)))


def _content(made: _Builder, message: Message) -> None:
    made.add_hashes(CHARACTERS, _ngrams(f" {message.text} ", 1, 5), 2.0)
    words = _words(message.text)
    if words:
        pairs = [f"{one} {two}" for one, two in pairwise(words)]
        skips = [f"{one} _ {two}" for one, two in zip(words, words[2:], strict=False)]
        made.add(WORDS, [*words, *pairs, *skips], 2.0)
    concepts = sorted(message.concepts)
    made.add(CONCEPTS, concepts, 2.0)
    made.add(CLAUSES, _clauses(message), 2.0)
    made.add(PAIRS, [f"{one}+{two}" for at, one in enumerate(concepts) for two in concepts[at + 1 :]], 2.0)


def _clauses(message: Message) -> list[str]:
    """What is asked where: how each clause begins and ends, and the concepts in clauses that ask.

    A turn often tells a story first and asks then; which clause a word stands in separates a mention from a wish.
    """
    names: list[str] = []
    start = 0
    text = message.text
    for at, character in enumerate(text + "\n"):
        if character not in _BREAKS or (character == "." and text[at + 1 : at + 2] not in ("", " ")):
            continue
        clause = text[start:at].strip()
        if clause:
            mark = character if character in "?!" else "."
            last = not text[at + 1 :].strip(_BREAKS + " ")
            ending, words = clause[-2:], _words(clause)
            place = f"{mark}{int(last)}"
            names += [f"{clause[-3:]}{place}", f"{ending}{place}", f"{clause[-4:]}"]
            if words:
                names += [f"{words[0]} {place}", f"{' '.join(words[:2])} {place}"]
            for begin, _, concept in message.places:
                if start <= begin < at:
                    names.append(f"{concept} {place}")
                    names.append(f"{concept} {words[0]}" if words else f"{concept} {ending}")
        start = at + 1
    return names


def _shape(made: _Builder, message: Message, history: bool) -> None:
    text = message.text
    japanese = is_japanese(text)
    units = len(text) if japanese else 3 * text.count(" ")
    latin = any("a" <= character <= "z" for character in text)
    names = [
        f"ja={japanese} la={latin}",
        f"len={min(units // 8, 8)}",
        f"hist={history}",
        f"hist={history} len={min(units // 12, 4)}",
        f"q={'?' in text}",
        f"ex={min(text.count('!'), 3)}",
        f"quoted={any(mark in text for mark in '「『“')} {text.count(chr(34)) > 1}",
        f"digit={any(character.isdigit() for character in text)}",
        f"colon={':' in text}",
    ]
    made.add(SHAPE, names)
    ends = [f"^{text[:size]}" for size in (2, 3, 4, 6)] + [f"{text[-size:]}$" for size in (1, 2, 3, 4, 5)]
    words = _words(text)
    if words:
        ends += [f"^{words[0]}", f"^{' '.join(words[:2])}", f"^{' '.join(words[:3])}", f"{words[-1]}$"]
        ends.append(f"{' '.join(words[-2:])}$")
    made.add(ENDS, ends)


def _context(made: _Builder, group: int, message: Message) -> None:
    made.add(group, [f"c={concept}" for concept in sorted(message.concepts)], 1.5)
    made.add(group, [f"w={word}" for word in _words(message.text)])
    made.add_hashes(group, _ngrams(f" {message.text} ", 2, 4))


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most // 2]} {text[-most // 2 :]}"


def _words(text: str) -> list[str]:
    return [
        word for word in (piece.strip(".,!?;:\"'()、。「」") for piece in text.split(" ")) if word and word.isascii()
    ]


def _ngrams(text: str, shortest: int, longest: int) -> NDArray[np.uint32]:
    return _rolled(np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), shortest, longest)


def _rolled(codes: NDArray[np.uint32], shortest: int, longest: int) -> NDArray[np.uint32]:
    parts: list[NDArray[np.uint32]] = []
    rolling = np.zeros(len(codes), np.uint32)
    for size in range(1, longest + 1):
        if size > len(codes):
            break
        rolling = rolling[: len(codes) - size + 1] * _MULTIPLIER + codes[size - 1 :]
        if size >= shortest:
            parts.append(rolling ^ np.uint32(size * 0x85EBCA6B & 0xFFFFFFFF))
    return np.concatenate(parts) if parts else np.zeros(0, np.uint32)
