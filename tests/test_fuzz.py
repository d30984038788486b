"""The short form of the fuzzing, and whether it would find anything; the long one is `python -m tools.fuzz`."""

import json
import os
from random import Random

from tools.fuzz import mutated, run
from tools.fuzz_targets import Features, Target, targets


def test_damaged_input_does_no_harm() -> None:
    """Every payload model, cards, arguments, models' output: refused or read, nothing else."""
    seed = int.from_bytes(os.urandom(4))
    reports = run(6000, seed, targets())
    assert sum(report.inputs for report in reports) >= 6000
    assert {(report.name, where): seed for report in reports for where in report.faults} == {}


def test_fault_behind_several_changes_is_found() -> None:
    """An input that goes a step further is kept, so that what lies behind three conditions is reached."""

    def feed(data: bytes) -> Features:
        value = json.loads(data) if data[:1] == b"{" and data[-1:] == b"}" and data.count(b"{") == 1 else {}
        ways = [None, *(name for name in ("a", "b", "c") if value.get(name) is None)]
        if len(ways) == 4:
            raise ZeroDivisionError
        return ways

    def careful(data: bytes) -> Features:
        try:
            return feed(data)
        except ValueError:
            return ()

    [report] = run(4_000, 1, [Target("t", [b'{"a": 1, "b": 1, "c": 1}'], careful)])
    assert [where.split()[0] for where in report.faults] == ["ZeroDivisionError"]
    assert report.kept > 1


def test_mutations_keep_to_what_they_promise() -> None:
    """Never too long, and the same for the same seed."""
    data = json.dumps({"a": ["x" * 4_000], "b": {"c": 1}}).encode()
    made = [mutated(data, Random(seed)) for seed in range(300)]
    assert max(map(len, made)) <= 5_000
    assert made == [mutated(data, Random(seed)) for seed in range(300)]
    assert len(set(made)) > 200
