"""A small network over sparse and dense features: one hidden layer, trained by Adam in plain numpy.

What a turn wants often shows only in what goes together (a place and a question, a product and no past tense): linear
heads add such signs up, the hidden layer can tie them together.

In training the meaning of a turn is left out now and then, so that the network can do with its words alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agent.routing.features import Reading, Row
from agent.routing.heads import Floats, Matrix, sigmoid

HIDDEN = 64
_BATCH = 128
_ROUNDS, _ROUNDS_WITH_ALL = 4, 2
_RATE, _RATE_WITH_ALL, _LAST_RATE = 4e-3, 2e-3, 0.05
"""Learning rates at the beginning, and the share of them that is left at the end."""
_WORDS_ALONE = 0.3
"""Chance that a case is read without its meaning."""
_DROPPED = 0.3
_DECAY = 0.02
"""Weight decay of the dense weights, per unit of the learning rate (Loshchilov and Hutter 2019)."""
_MOMENTUM, _SPREAD, _TINY = 0.9, 0.999, 1e-8
"""Adam's (Kingma and Ba 2015); the weights of the slots have no momentum, and one second moment a slot."""
_LEAST_CASES = 8
"""Slots of fewer cases are left out."""


@dataclass(frozen=True)
class Network:
    """What was learned.

    Attributes:
        places: where each slot stands in `table` [2 ** bits]; 0 for those left out.
        table: weights of the slots [slots kept + 1, hidden]; the first row is zero.
        dense: weights of the dense features [width + 1, hidden]; the last row is the bias.
        out: weights of the hidden layer [hidden, heads].
        direct: weights from the dense features past the hidden layer [width + 1, heads]; the last row is the bias.
    """

    places: NDArray[np.int32]
    table: NDArray[np.float16]
    dense: Floats
    out: Floats
    direct: Floats

    def begin(self, row: Row) -> Floats:
        """What the sparse features of a row say [hidden]; rows that differ in the dense ones alone can share it."""
        found: Floats = row.values @ self.table[self.places[row.slots]].astype(np.float32)
        return found

    def score(self, row: Row, begun: Floats) -> Floats:
        """Scores [heads] of one row, from what `begin` gave."""
        inside = begun + row.dense @ self.dense[:-1] + self.dense[-1]
        result: Floats = np.maximum(inside, 0) @ self.out + row.dense @ self.direct[:-1] + self.direct[-1]
        return result


def train_networks(
    readings: Sequence[Reading], targets: Floats, unseen: Sequence[int], *, bits: int, rarity: float, seed: int = 0
) -> tuple[Network, Network]:
    """Trains logistic outputs; the same for the same cases.

    Args:
        readings: features of each case.
        targets: [cases, heads], 1 where the head should fire.
        unseen: indices of the cases that the first network is trained without.
        bits: slots are folded to 2 ** bits.
        rarity: power of the inverse document frequency by which features count.
        seed: of the first weights, the order and what is dropped.

    Returns:
        A network that has not seen some cases, for calibrating by them, and the one that came of it when it went on
        with all.
    """
    training = _Training(readings, targets, bits=bits, rarity=rarity, dice=np.random.default_rng(seed))
    everything = np.arange(len(readings))
    training.rounds(np.setdiff1d(everything, unseen), _ROUNDS, _RATE)
    before = training.network()
    training.rounds(everything, _ROUNDS_WITH_ALL, _RATE_WITH_ALL)
    return before, training.network()


class _Training:
    def __init__(
        self, readings: Sequence[Reading], targets: Floats, *, bits: int, rarity: float, dice: np.random.Generator
    ) -> None:
        self._dice = dice
        self._targets = targets
        words = [reading.words for reading in readings]
        self._matrix = Matrix(words, bits, least=_LEAST_CASES)
        self._scales = self._matrix.favour_rare(rarity)
        self._places = np.zeros(1 << bits, np.int32)
        self._places[self._matrix.slots] = np.arange(1, len(self._matrix.slots) + 1)
        self._alone, self._meant = (_with_bias(rows) for rows in (words, [reading.meaning for reading in readings]))
        heads, width = targets.shape[1], self._meant.shape[1]
        # Nearly all time goes into fetching what a batch touches of these and putting it back, so they are few.
        self._table: Floats = dice.normal(0, 0.02, (self._matrix.shape[1], HIDDEN)).astype(np.float32)
        self._squares = np.zeros((self._matrix.shape[1], 1), np.float32)
        edge = 1 / np.sqrt(width)
        self._weights: list[Floats] = [
            dice.uniform(-edge, edge, (width, HIDDEN)).astype(np.float32),
            dice.uniform(-1 / np.sqrt(HIDDEN), 1 / np.sqrt(HIDDEN), (HIDDEN, heads)).astype(np.float32),
            dice.uniform(-edge, edge, (width, heads)).astype(np.float32),
        ]
        self._moments = [(np.zeros_like(weight), np.zeros_like(weight)) for weight in self._weights]
        self._step = 0

    def rounds(self, cases: NDArray[np.int64], count: int, rate: float) -> None:
        """Goes through some cases a few times, at a falling learning rate."""
        batches = list(_batches(self._matrix, self._dice.permutation(cases)))
        done = 0
        for _ in range(count):
            for number in self._dice.permutation(len(batches)):
                self._learn(batches[number], rate * max(_LAST_RATE, 1 - done / (count * len(batches))))
                done += 1

    def network(self) -> Network:
        """What has been learned so far."""
        whole = np.zeros((len(self._table) + 1, HIDDEN), np.float16)
        whole[1:] = self._table * self._scales[:, None]
        return Network(self._places, whole, *(weight.copy() for weight in self._weights))

    def _learn(self, batch: "_Batch", rate: float) -> None:
        dice, weights = self._dice, self._weights
        self._step += 1
        unbiased = rate * np.sqrt(1 - _SPREAD**self._step)
        blind = dice.random((len(batch.cases), 1)) < _WORDS_ALONE
        given: Floats = np.where(blind, self._alone[batch.cases], self._meant[batch.cases])
        wanted = self._targets[batch.cases]
        sparse = np.zeros((len(batch.cases), len(batch.touched)), np.float32)
        sparse[batch.rows, batch.columns] = batch.values
        touched = self._table.take(batch.touched, axis=0, mode="clip")
        inside: Floats = sparse @ touched + given @ weights[0]
        opened = (inside > 0) & (dice.random(inside.shape, np.float32) >= _DROPPED)
        factors = opened.astype(np.float32) / np.float32(1 - _DROPPED)
        hidden = inside * factors
        errors = (sigmoid(hidden @ weights[1] + given @ weights[2]) - wanted) / np.float32(len(wanted))
        back = (errors @ weights[1].T) * factors
        gradients = (given.T @ back, hidden.T @ errors, given.T @ errors)
        kept = np.float32(1 - rate * _DECAY)
        for index, gradient in enumerate(gradients):
            step = _adam(*self._moments[index], gradient, unbiased / (1 - _MOMENTUM**self._step))
            weights[index] = kept * weights[index] - step
        gradient = sparse.T @ back
        squares = self._squares[batch.touched]
        found = np.einsum("ij,ij->i", gradient, gradient)[:, None] / np.float32(HIDDEN)
        squares += np.float32(1 - _SPREAD) * (found - squares)
        self._squares[batch.touched] = squares
        gradient *= np.float32(unbiased) / (np.sqrt(squares) + np.float32(_TINY))
        touched -= gradient
        self._table[batch.touched] = touched


def _with_bias(rows: Sequence[Row]) -> Floats:
    return np.stack([np.append(row.dense, np.float32(1)) for row in rows])


@dataclass(frozen=True)
class _Batch:
    """Some cases with their sparse features: the columns that they touch, and the entries by row and touched column."""

    cases: NDArray[np.int64]
    touched: NDArray[np.int64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    values: Floats


def _batches(matrix: Matrix, order: NDArray[np.int64]) -> Iterator[_Batch]:
    for first in range(0, len(order), _BATCH):
        cases = order[first : first + _BATCH]
        parts = [matrix.entries(case) for case in cases]
        touched, columns = np.unique(np.concatenate([part[0] for part in parts]), return_inverse=True)
        rows = np.repeat(np.arange(len(cases)), [len(part[0]) for part in parts])
        # A feature that a turn has twice counts twice.
        entries, which = np.unique(rows * len(touched) + columns, return_inverse=True)
        sums = np.bincount(which, np.concatenate([part[1] for part in parts]))
        yield _Batch(cases, touched, entries // len(touched), entries % len(touched), np.asarray(sums, np.float32))


def _adam(first: Floats, second: Floats, gradient: Floats, rate: float) -> Floats:
    """The step, with the moments updated in place; `rate` holds the correction for their beginning at zero."""
    first += np.float32(1 - _MOMENTUM) * (gradient - first)
    second += np.float32(1 - _SPREAD) * (np.square(gradient) - second)
    return np.asarray(np.float32(rate) * first / (np.sqrt(second) + np.float32(_TINY)))
