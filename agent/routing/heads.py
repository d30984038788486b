"""Linear heads over hashed features: training by L-BFGS and scoring by gather and sum.

One-vs-rest (`independent`) for functions, so that none is what is left when no head is sure; softmax for closed values,
of which exactly one holds.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.routing.features import Row

Floats = NDArray[np.float32]
_MEMORY = 8


class Matrix:
    """Rows of sparse features, with columns renumbered to those that occur."""

    def __init__(self, rows: Sequence[Row], bits: int) -> None:
        """Folds slots to `bits` bits and sorts the entries by column once, for the transposed product."""
        lengths = np.array([len(row.slots) for row in rows], np.int64)
        slots = np.concatenate([row.slots for row in rows]) & ((1 << bits) - 1)
        self.slots, columns = np.unique(slots, return_inverse=True)
        self.shape = (len(rows), len(self.slots))
        self._columns = columns
        self._values = np.concatenate([row.values for row in rows]).astype(np.float32)
        self._starts = np.concatenate(([0], np.cumsum(lengths)[:-1]))
        order = np.argsort(columns, kind="stable")
        self._order_rows = np.repeat(np.arange(len(rows)), lengths)[order]
        self._order_values = self._values[order]
        self._column_starts = np.searchsorted(columns[order], np.arange(len(self.slots)))

    def dot(self, weights: Floats) -> Floats:
        """[rows, heads] from weights [columns, heads]."""
        entries = weights[self._columns]
        entries *= self._values[:, None]
        return np.add.reduceat(entries, self._starts, axis=0)

    def transposed_dot(self, errors: Floats) -> Floats:
        """[columns, heads] from errors [rows, heads]."""
        entries = errors[self._order_rows]
        entries *= self._order_values[:, None]
        return np.add.reduceat(entries, self._column_starts, axis=0)


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
        Weights [2 ** bits + 1, heads]; the last row is the bias.
    """
    matrix = Matrix(rows, bits)
    count, columns = matrix.shape
    heads = targets.shape[1]
    case_weights = np.ones(count, np.float32) if weights is None else weights
    case_weights = (case_weights / case_weights.sum())[:, None]

    def loss(flat: Floats) -> tuple[float, Floats]:
        parameters = flat.reshape(columns + 1, heads)
        scores = matrix.dot(parameters[:-1]) + parameters[-1]
        if independent:
            expected = _sigmoid(scores)
            value = np.logaddexp(0, scores) - targets * scores
        else:
            shifted = scores - scores.max(axis=1, keepdims=True)
            total = np.log(np.exp(shifted).sum(axis=1, keepdims=True))
            expected = np.exp(shifted - total)
            value = targets * (total - shifted)
        errors = ((expected - targets) * case_weights).astype(np.float32)
        gradient = np.empty_like(parameters)
        gradient[:-1] = matrix.transposed_dot(errors) + penalty * parameters[:-1]
        gradient[-1] = errors.sum(axis=0)
        total_loss = float((value * case_weights).sum()) + 0.5 * penalty * float((parameters[:-1] ** 2).sum())
        return total_loss, gradient.ravel()

    flat = _lbfgs(loss, np.zeros((columns + 1) * heads, np.float32), steps)
    parameters = flat.reshape(columns + 1, heads)
    whole = np.zeros(((1 << bits) + 1, heads), np.float32)
    whole[matrix.slots] = parameters[:-1]
    whole[-1] = parameters[-1]
    return whole


def score(weights: Floats, row: Row) -> Floats:
    """Scores [heads] of one row under weights [2 ** bits + 1, heads]."""
    slots = row.slots & (len(weights) - 2)
    result: Floats = row.values @ weights[slots] + weights[-1]
    return result


def softmax(scores: Floats) -> Floats:
    """Probabilities [heads] of scores [heads]."""
    powers = np.exp(scores - scores.max())
    result: Floats = powers / powers.sum()
    return result


def _sigmoid(scores: Floats) -> Floats:
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
