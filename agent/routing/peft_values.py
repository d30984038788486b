"""Open values in a call: numbers, any text, or a span of what was said in the dialogue."""

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from agent.routing.peft_vocabulary import Vocabulary

if TYPE_CHECKING:
    from agent.routing.constrained import State

_GUESSED = 256
"""Bytes of the dialogue that are guessed ahead; who decodes takes as many of them as pay."""
_LONGEST = 1024
"""Bytes of a text that is not held to the dialogue: a model that repeats itself ends there."""
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,14})(\.\d{1,9})?")
_NUMBER_BEGUN = {
    True: re.compile(r"-?(0|[1-9]\d{0,14})?"),
    False: re.compile(r"-?((0|[1-9]\d{0,14})(\.\d{0,9})?)?"),
}
"""By whether it is a whole number."""


class Dialogue:
    """What was said, as bytes, for finding spans in it.

    Args:
        said: the messages, oldest first.
        vocabulary: the model's tokens.
    """

    def __init__(self, said: Sequence[str], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        # No token stands for a zero byte, so no span crosses from one message to another.
        self.data = b"\0".join(text.encode() for text in said) + b"\0"
        self.beginnings = [at for at in range(len(self.data)) if self.is_boundary(at) and self.data[at]]

    def is_boundary(self, at: int) -> bool:
        """Whether a character begins at an offset."""
        return self.data[at] & 0xC0 != 0x80

    @cached_property
    def first(self) -> list[int]:
        """The tokens that a span may begin with."""
        return self.beyond(self.beginnings)

    def beyond(self, places: Sequence[int]) -> list[int]:
        """The tokens that come behind any of these offsets."""
        return list({token: None for at in places for token in self.vocabulary.beginning(self.data, at)})

    def places(self, text: bytes) -> list[int]:
        """Where a text ends in what was said."""
        return [at + len(text) for at in self.beginnings if self.data.startswith(text, at)]

    def guess(self, text: bytes, escape: int) -> Sequence[int]:
        """What comes behind a text where it was said last, up to the message's end.

        Args:
            text: what has been spelt.
            escape: the token that ends a text.
        """
        begin = self.data.rfind(text)
        if not text or begin < 0 or not self.is_boundary(begin):
            return ()
        end = self.data.index(b"\0", begin)
        whole = end - begin <= len(text) + _GUESSED
        ahead = self.data[begin : min(end, begin + len(text) + _GUESSED)].decode(errors="ignore")
        tokens = self.vocabulary.continuation(ahead, len(text))
        return [*tokens, escape] if whole else tokens


class AnyText:
    """Within a text that the model may choose freely."""

    settled = True
    first = False

    def __init__(self, dialogue: Dialogue, escape: int, beyond: Callable[[], "State"], spelt: bytes = b"") -> None:
        self._dialogue = dialogue
        self._escape = escape
        self._beyond = beyond
        self._spelt = spelt

    @property
    def tokens(self) -> Sequence[int] | None:
        """See `agent.routing.constrained.State`."""
        return None if len(self._spelt) < _LONGEST else (self._escape,)

    @property
    def likely(self) -> Sequence[int]:
        """Most texts in calls were said in the dialogue."""
        return self._dialogue.guess(self._spelt, self._escape)

    def after(self, token: int) -> "State":
        """See `agent.routing.constrained.State`."""
        if token == self._escape:
            return self._beyond()
        spelt = self._spelt + self._dialogue.vocabulary.spelling(token)
        return type(self)(self._dialogue, self._escape, self._beyond, spelt)


class Span(AnyText):
    """Within a text that must stand in the dialogue as it is."""

    @cached_property
    def tokens(self) -> Sequence[int]:
        """See `agent.routing.constrained.State`."""
        if not self._spelt:
            return self._dialogue.first
        places = self._dialogue.places(self._spelt)
        ends = any(map(self._dialogue.is_boundary, places))
        return [*self._dialogue.beyond(places), *([self._escape] if ends else [])]


class Number:
    """Within a number; what ends it is the beginning of what comes behind.

    Args:
        vocabulary: the model's tokens.
        whole: whether it has no fraction.
        beyond: where the automaton goes on.
        begun: what has been spelt.
    """

    likely: Sequence[int] = ()
    settled = True
    first = False

    def __init__(self, vocabulary: Vocabulary, whole: bool, beyond: "State", begun: str = "") -> None:
        self._vocabulary = vocabulary
        self._whole = whole
        self._beyond = beyond
        self._begun = begun
        fits = _NUMBER_BEGUN[whole].fullmatch
        self.tokens = [token for token, text in vocabulary.numeric.items() if fits(begun + text)]
        if _NUMBER.fullmatch(begun):
            self.tokens += beyond.tokens or ()

    def after(self, token: int) -> "State":
        """See `agent.routing.constrained.State`."""
        text = self._vocabulary.numeric.get(token)
        if text is None:
            return self._beyond.after(token)
        return Number(self._vocabulary, self._whole, self._beyond, self._begun + text)
