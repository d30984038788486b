"""A dictionary that remembers what came last."""

from agent.recent import Recent


def test_recent_forgets_what_has_been_there_longest() -> None:
    """A new entry, by whichever way, drives out the oldest; one that is written again stays where it is."""
    kept: Recent[str, int] = Recent(2)
    kept["a"] = 1
    kept["b"] = 2
    kept["a"] = 3
    assert kept == {"a": 3, "b": 2}
    kept["c"] = 4
    assert kept == {"b": 2, "c": 4}
    kept.setdefault("d", 5)
    kept.update(e=6)
    assert kept == {"d": 5, "e": 6}
