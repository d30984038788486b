"""The topic table: names, filters, who may do what."""

import pytest

from agent import topics
from agent.topics import Grant, access


def rights(grant: Grant) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"read": set(), "write": set()}
    for verb, filter_ in access(grant, "fg/v1"):
        found[verb].add(filter_.removeprefix("fg/v1/"))
    return found


def test_name_filter_and_levels_agree() -> None:
    """A topic's name fits its filter and gives its levels back."""
    name = topics.RESULT.name(function="f", client="c", conversation="v")
    assert name == "result/f/c/v"
    assert topics.RESULT.filter(client="c") == "result/+/c/+"
    assert topics.RESULT.levels(name) == {"function": "f", "client": "c", "conversation": "v"}
    assert topics.RESULT.levels("say/c/v") is None
    assert topics.FINAL.levels("reply/c/v/chunk") is None
    with pytest.raises(KeyError):
        topics.SAY.name(client="c")


def test_client_is_kept_to_its_own() -> None:
    """A client writes say and cancel, and reads under its own id, and the cards and statuses of all."""
    assert rights(Grant("me", "client")) == {
        "write": {"say/me/+", "cancel/me/+", "status/me", "dead/me"},
        "read": {
            "accepted/me/+", "route/me/+", "result/+/me/+", "reply/me/+/chunk", "reply/me/+/final", "notice/me/+",
            "function/+", "status/+",
        },
    }  # fmt: skip


def test_function_worker_is_kept_to_its_function() -> None:
    """A function worker reads its own calls and writes its own results, its card, notices."""
    assert rights(Grant("dice", "function", ("dice_roll",))) == {
        "write": {"result/dice_roll/+/+", "function/dice_roll", "notice/+/+", "status/dice", "dead/dice"},
        "read": {"call/dice_roll", "function/+", "status/+"},
    }


def test_function_worker_without_a_function_has_no_calls() -> None:
    """A grant that names no function opens no function's topics."""
    found = rights(Grant("nobody", "function"))
    assert not any(filter_.startswith(("call/", "result/")) for filters in found.values() for filter_ in filters)


@pytest.mark.parametrize("role", ["journal", "router", "chat"])
def test_roles_write_only_their_rows(role: topics.Role) -> None:
    """A worker writes the rows of the table that name it, and its own status and dead letters."""
    written = {one for one in rights(Grant("w", role))["write"] if not one.startswith(("status/", "dead/"))}
    assert written == {
        topic.filter() for topic in topics.TABLE if role in topic.writers and topic.writers != topics.EVERYONE
    }
