"""What a message means, as a vector: Google's multilingual sentence encoder.

The weights come with a package (33 MB): nothing is downloaded when it runs. The cases show how functions are asked for;
the encoder lends what words mean that no case has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from agent.recent import Recent
from agent.routing.encoder_file import load_encoder
from agent.settings import settings

_MOST = 200
"""Characters from the beginning and from the end of a long message that are encoded: the time grows with the length."""
_KEPT = 1024
_BLANK = "▁"
"""How the encoder's pieces write the beginning of a word."""


@dataclass(frozen=True)
class Piece:
    """A piece of a text as the encoder cuts it: where it begins and ends, its number, whether it begins a word."""

    start: int
    end: int
    number: int
    first: bool


class Sentences:
    """The encoder with a memory: the messages of a dialogue come again with every turn."""

    def __init__(self, models: Path) -> None:
        """Loads vocabulary and weights (a third of a second; two, the first time on a machine).

        Args:
            models: folder that what is made of the package's files is kept in.
        """
        # For this process for good: on several threads products of small matrices take longer, the more so on a busy
        # machine (40 ms a turn in place of 4).
        threadpool_limits(limits=1, user_api="blas")
        self._vocabulary, self._encoder = load_encoder(models)
        self._known: Recent[str, NDArray[np.float32]] = Recent(_KEPT)
        self._lasting: dict[str, NDArray[np.float32]] = {}

    def vector(self, text: str) -> NDArray[np.float32]:
        """The meaning of a text [WIDTH], of length 1."""
        key = _cut(text)
        found = self._lasting.get(key)
        if found is None:
            found = self._known.get(key)
        if found is None:
            found = self._encode([key])[0]
            self._known[key] = found
        return found

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The meanings of many texts [texts, WIDTH]: at once, three times faster than one by one."""
        return self._encode([_cut(text) for text in texts])

    def keep(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Keeps meanings until `forget`."""
        self._lasting.update(zip(map(_cut, texts), vectors, strict=True))

    def forget(self) -> None:
        """Frees what is kept."""
        self._lasting.clear()

    def pieces(self, text: str) -> list[Piece]:
        """The pieces of a text without blanks; none where normalising it changes its length."""
        found: list[Piece] = []
        at = 0
        for number in self._vocabulary.cut(text):
            name = self._vocabulary.names[number]
            bare = name.removeprefix(_BLANK)
            if bare:
                found.append(Piece(at, at + len(bare), number, bare != name))
            at += len(bare)
        return found if at == len(text) else []

    def embeddings(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """What pieces mean by themselves [pieces, WIDTH]."""
        return self._encoder.meanings(numbers)

    def _encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._encoder.encode([self._vocabulary.cut(text, marked=True) for text in texts])


@cache
def sentences() -> Sentences:
    """The encoder of this process; there is one, since it holds 50 MB."""
    return Sentences(settings().router_models)


def _cut(text: str) -> str:
    if len(text) > 2 * _MOST:
        text = f"{text[:_MOST]} {text[-_MOST:]}"
    return text.encode("utf-8", "replace").decode("utf-8")
