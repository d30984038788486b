"""Linear heads over sparse and dense features: training by L-BFGS and scoring by gather and sum.

One-vs-rest (`independent`) for functions, so that none is what is left when no head is sure; softmax for closed values,
of which exactly one holds.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.routing.features import Row

Floats = NDArray[np.float32]
_MEMORY = 8
_PIECE = 1 << 13
_LEAST_RARE = 0.3
"""Logarithm of the inverse document frequency below which all features count alike."""


class Matrix:
    """Rows of sparse features, with columns renumbered to those that occur."""

    def __init__(self, rows: Sequence[Row], bits: int, least: int = 2) -> None:
        """Folds slots to `bits` bits and sorts the entries by column once, for the transposed product.

        Slots that occur less than `least` times are left out: those that occur once carry nothing from case to case
        and are most of all slots. The first entry of a row is kept in any case, so that no row is empty.
        """
        lengths = np.array([len(row.slots) for row in rows], np.int64)
        slots = np.concatenate([row.slots for row in rows]) & ((1 << bits) - 1)
        kept = np.bincount(slots, minlength=1 << bits)[slots] >= least
        kept[_starts(lengths)] = True
        row_of = np.repeat(np.arange(len(rows)), lengths)[kept]
        # By counting: sorting so many takes longer than training by them.
        present = np.bincount(slots[kept], minlength=1 << bits) > 0
        self.slots = np.flatnonzero(present)
        columns = (np.cumsum(present) - 1)[slots[kept]]
        self.shape = (len(rows), len(self.slots))
        self._columns = columns
        self._values = np.concatenate([row.values for row in rows])[kept]
        self._starts = _starts(np.bincount(row_of, minlength=len(rows)))
        order = np.argsort(columns * len(rows) + row_of)
        self._order_rows = row_of[order]
        self._order_values = self._values[order]
        self._column_starts = _starts(np.bincount(columns))

    def favour_rare(self, power: float) -> Floats:
        """Scales each column by a power of its inverse document frequency; returns the scales [columns].

        What many turns have says little of itself, and the penalty then holds it down more. The rows keep their mean
        square length.
        """
        count, columns = self.shape
        first = np.diff(self._order_rows, prepend=-1) != 0
        first[self._column_starts] = True
        frequency = np.add.reduceat(first, self._column_starts, dtype=np.int64)
        scales = np.maximum(np.log(count / np.maximum(frequency, 2)), _LEAST_RARE) ** power
        scaled = self._values * scales[self._columns]
        scales = (scales * np.sqrt(np.square(self._values).sum() / np.square(scaled).sum())).astype(np.float32)
        self._values = self._values * scales[self._columns]
        order_columns = np.repeat(np.arange(columns), np.diff([*self._column_starts, len(self._columns)]))
        self._order_values = self._order_values * scales[order_columns]
        return np.asarray(scales)

    def entries(self, row: int) -> tuple[NDArray[np.int64], Floats]:
        """Columns and values of one row."""
        first = self._starts[row]
        last = self._starts[row + 1] if row + 1 < len(self._starts) else len(self._columns)
        return self._columns[first:last], self._values[first:last]

    def dot(self, weights: Floats) -> Floats:
        """[rows, heads] from weights [columns, heads]."""
        return _gathered_sums(weights, self._columns, self._values, self._starts)

    def transposed_dot(self, errors: Floats) -> Floats:
        """[columns, heads] from errors [rows, heads]."""
        return _gathered_sums(errors, self._order_rows, self._order_values, self._column_starts)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of some parts begins that lie one after another."""
    return np.cumsum(lengths) - lengths


def _gathered_sums(table: Floats, indices: NDArray[np.int64], values: Floats, starts: NDArray[np.int64]) -> Floats:
    """Sums of `values * table[indices]` over the segments that begin at `starts`, in pieces that fit into the cache."""
    result = np.empty((len(starts), table.shape[1]), np.float32)
    cuts = np.unique(np.searchsorted(starts, np.arange(0, len(indices), _PIECE)))
    cuts = cuts[cuts < len(starts)]
    for first, last in zip(cuts, [*cuts[1:], len(starts)], strict=True):
        begin = starts[first]
        end = starts[last] if last < len(starts) else len(indices)
        entries = table.take(indices[begin:end], axis=0, mode="clip")
        entries *= values[begin:end, None]
        np.add.reduceat(entries, starts[first:last] - begin, axis=0, out=result[first:last])
    return result


def train(
    rows: Sequence[Row],
    targets: Floats,
    *,
    bits: int,
    penalty: float,
    independent: bool,
    weights: Floats | None = None,
    steps: int = 40,
) -> Floats:
    """Trains linear heads.

    Args:
        rows: features of each case.
        targets: [cases, heads], 1 where the head should fire.
        bits: slots are folded to 2 ** bits.
        penalty: L2 penalty on the weights, per case.
        independent: logistic heads one by one; otherwise one softmax.
        weights: weight of each case [cases], by default 1.
        steps: most steps of L-BFGS.

    Returns:
        Weights [2 ** bits + width + 1, heads]: of the slots, of the dense features, and the bias.
    """
    matrix = Matrix(rows, bits)
    count, columns = matrix.shape
    dense = np.stack([row.dense for row in rows])
    width = dense.shape[1]
    penalties = np.repeat(np.array([penalty, 0.0], np.float32), [columns + width, 1])[:, None]
    heads = targets.shape[1]
    case_weights = np.ones(count, np.float32) if weights is None else weights
    case_weights = (case_weights / case_weights.sum())[:, None]

    def loss(flat: Floats) -> tuple[float, Floats]:
        parameters = flat.reshape(columns + width + 1, heads)
        scores = matrix.dot(parameters[:columns]) + dense @ parameters[columns:-1] + parameters[-1]
        if independent:
            expected = sigmoid(scores)
            value = np.logaddexp(0, scores) - targets * scores
        else:
            shifted = scores - scores.max(axis=1, keepdims=True)
            total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            expected = np.exp(shifted - total)
            value = targets * (total - shifted)
        errors = ((expected - targets) * case_weights).astype(np.float32)
        gradient = penalties * parameters
        total_loss = float((value * case_weights).sum()) + 0.5 * float((gradient * parameters).sum())
        gradient[:columns] += matrix.transposed_dot(errors)
        gradient[columns:-1] += dense.T @ errors
        gradient[-1] = errors.sum(axis=0)
        return total_loss, gradient.ravel()

    flat = _lbfgs(loss, np.zeros((columns + width + 1) * heads, np.float32), steps)
    parameters = flat.reshape(columns + width + 1, heads)
    whole = np.zeros(((1 << bits) + width + 1, heads), np.float32)
    whole[matrix.slots] = parameters[:columns]
    whole[1 << bits :] = parameters[columns:]
    return whole


def score(weights: Floats, row: Row) -> Floats:
    """Scores [heads] of one row under weights [2 ** bits + width + 1, heads], which were trained on such rows."""
    slots = len(weights) - 1 - len(row.dense)
    result: Floats = row.values @ weights[row.slots & (slots - 1)] + row.dense @ weights[slots:-1] + weights[-1]
    return result


def softmax(scores: Floats) -> Floats:
    """Probabilities [heads] of scores [heads]."""
    powers = np.exp(scores - scores.max())
    result: Floats = powers / powers.sum()
    return result


def sigmoid(scores: Floats) -> Floats:
    """Probabilities of scores of any shape."""
    result: Floats = 0.5 * (1.0 + np.tanh(0.5 * scores))
    return result


def _lbfgs(loss: Callable[[Floats], tuple[float, Floats]], start: Floats, steps: int) -> Floats:
    """Minimises a smooth convex function; stops when a step gains less than a ten-thousandth."""
    point = start
    value, gradient = loss(point)
    history: list[tuple[Floats, Floats, float]] = []
    for _ in range(steps):
        direction = gradient.copy()
        kept: list[float] = []
        for moved, changed, scale in reversed(history):
            share = scale * float(moved @ direction)
            kept.append(share)
            direction -= share * changed
        if history:
            moved, changed, scale = history[-1]
            direction *= 1.0 / (scale * float(changed @ changed))
        else:
            direction *= 1.0 / max(1e-12, float(np.linalg.norm(gradient)))
        for (moved, changed, scale), share in zip(history, reversed(kept), strict=True):
            direction += (share - scale * float(changed @ direction)) * moved
        slope = -float(direction @ gradient)
        length = 1.0
        while True:
            there = point - length * direction
            new_value, new_gradient = loss(there)
            if new_value <= value + 1e-4 * length * slope or length < 1e-4:
                break
            length *= 0.4
        moved, changed = there - point, new_gradient - gradient
        curvature = float(moved @ changed)
        if curvature > 1e-12:
            history = [*history[-_MEMORY + 1 :], (moved, changed, 1.0 / curvature)]
        gained = value - new_value
        point, value, gradient = there, new_value, new_gradient
        if gained < 1e-4 * abs(value):
            break
    return point
