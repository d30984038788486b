"""What the embedded router's network is made of, on a few rows."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agent.routing import model
from agent.routing.cases import Case
from agent.routing.features import Row
from agent.routing.heads import Matrix
from agent.routing.network import train_networks

BITS = 6


def rows(count: int, seed: int = 0) -> list[Row]:
    """Rows with slots that come several times, in one row and in many."""
    dice = np.random.default_rng(seed)
    found = [dice.integers(0, 1 << BITS, dice.integers(1, 30)) ** 2 // (1 << BITS) for _ in range(count)]
    return [Row(slots, dice.random(len(slots)).astype(np.float32)) for slots in found]


def dense(given: list[Row]) -> Any:
    """The same as a table [rows, slots]."""
    table = np.zeros((len(given), 1 << BITS), np.float32)
    for at, row in enumerate(given):
        np.add.at(table[at], row.slots, row.values)
    return table


def test_matrix_products() -> None:
    """A matrix of rows multiplies as the table does whose columns it keeps."""
    given = rows(50)
    matrix = Matrix(given, BITS, least=1)
    table = dense(given)[:, matrix.slots]
    assert list(matrix.slots) == sorted(set(np.concatenate([row.slots for row in given])))
    weights = np.random.default_rng(1).random((len(matrix.slots), 3)).astype(np.float32)
    errors = np.random.default_rng(2).random((50, 3)).astype(np.float32)
    np.testing.assert_allclose(matrix.dot(weights), table @ weights, rtol=1e-4)
    np.testing.assert_allclose(matrix.transposed_dot(errors), table.T @ errors, rtol=1e-4)


def test_matrix_favours_rare() -> None:
    """A column counts by the rows that have it, not by how often they do; the mean square stays."""
    values = np.ones(2, np.float32)
    slots = [[1, 2 + at % 2] for at in range(40)] + [[5, 5]] * 3 + [[6, 7], [7, 9], [7, 10]]
    given = [Row(np.array(row), values) for row in slots]
    matrix = Matrix(given, BITS, least=1)
    before = np.square(np.concatenate([row.values for row in given])).sum()
    scales = dict(zip(matrix.slots.tolist(), matrix.favour_rare(1.0).tolist(), strict=True))
    assert scales[1] < scales[2] == scales[3] < scales[5] == scales[7] < scales[6]
    assert scales[5] / scales[2] == pytest.approx(np.log(46 / 3) / np.log(46 / 20), rel=1e-4)
    after = sum(np.square(matrix.entries(at)[1]).sum() for at in range(len(given)))
    assert after == pytest.approx(before, rel=1e-4)


def test_networks_one_without_some_cases() -> None:
    """The first network knows nothing of the cases left out, the second has learned them too; both come out again."""
    words = [Row(np.array([at % 3 + 1]), np.full(1, 8, np.float32), np.zeros(2, np.float32)) for at in range(6000)]
    readings: Any = [SimpleNamespace(words=row, meaning=row) for row in words]
    targets = np.array([[at % 3 == 1, at % 3 == 2] for at in range(6000)], np.float32)
    unseen = list(range(2, 6000, 3))
    before, after = train_networks(readings, targets, unseen, bits=BITS, rarity=1.0)
    again, _ = train_networks(readings, targets, unseen, bits=BITS, rarity=1.0)
    assert np.array_equal(before.table, again.table)
    scores = [[net.score(row, net.begin(row)) for row in words[:3]] for net in (before, after)]
    assert scores[0][1][0] > 0
    assert scores[0][2][1] < 0  # nobody has told it that this slot means anything
    assert scores[1][1][0] > 0
    assert scores[1][2][1] > 0
    assert max(scores[1][0]) < 0


def test_arguments_are_learned_from_some_of_each_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function with very many labelled cases gives some of each batch; one with few, and the patterns, give all."""
    monkeypatch.setattr(model, "_MOST_LABELLED", 10)
    cases = [
        Case(f"{at}", (), None if at % 4 == 0 else "many", {}, "en", f"b{at // 20}", labelled=at % 4 != 1)
        for at in range(100)
    ]
    cases += [Case("x", (), "few", {}, "en", "b9")] * 3 + [Case("x", (), "many", {}, "en", "patterns")] * 10
    chosen = [cases[index] for index in model._labelled(cases)]
    assert sum(case.function == "few" for case in chosen) == 3
    assert sum(case.batch == "patterns" for case in chosen) == 10
    many = [case for case in chosen if case.function == "many" and case.batch != "patterns"]
    assert len(many) == 10
    assert {case.batch for case in many} == {"b0", "b1", "b2", "b3", "b4"}
    assert all(case.labelled for case in many)
