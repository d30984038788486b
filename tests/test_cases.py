"""Files of labelled cases are read and written whole."""

import json
from pathlib import Path
from typing import Any

import pytest

from agent.routing.cases import load_cases, read_items, write_items


def a_case(text: str, **others: Any) -> dict[str, Any]:
    """A case of no function."""
    said = [{"role": "user", "content": text}]
    return {"conversation": said, "expected_function": None, "expected_arguments": {}, **others}


@pytest.mark.parametrize("name", ["cases.json", "cases.jsonl"])
def test_items_survive_writing_and_reading(name: str, tmp_path: Path) -> None:
    """Arrays and JSON Lines hold the same, line separators inside a text included."""
    items = [a_case("one\u2028two\x85three", lang="en"), a_case("二つ目")]
    write_items(tmp_path / name, items)
    assert read_items(tmp_path / name) == items
    assert [case.text for case in load_cases(tmp_path)] == [case.text for case in load_cases(tmp_path / name)]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_case_without_labelled_arguments(tmp_path: Path) -> None:
    """Null says that nobody has labelled the arguments, not that there are none."""
    write_items(tmp_path / "log.jsonl", [a_case("hm", expected_arguments=None), a_case("hm", test_id="en-x-b7-001")])
    unlabelled, labelled = load_cases(tmp_path / "log.jsonl")
    assert (unlabelled.labelled, unlabelled.arguments, unlabelled.batch) == (False, {}, "")
    assert (labelled.labelled, labelled.test_id, labelled.batch) == (True, "en-x-b7-001", "b7")


def test_broken_line_is_named(tmp_path: Path) -> None:
    """A half-written line is told by its number."""
    whole = json.dumps(a_case("hm"))
    (tmp_path / "log.jsonl").write_text(f"{whole}\n\n{whole[:20]}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"log\.jsonl .*line 3"):
        load_cases(tmp_path)
