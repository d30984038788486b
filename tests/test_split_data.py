"""Splits are stratified, leak nothing, and are the same for the same seed."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.routing.cases import batch_of, load_cases, read_items, write_items
from agent.settings import PROJECT
from tools.case_groups import bonds, groups
from tools.near_duplicates import RELATED, pairs, said
from tools.split_data import RunTaken, main, write_split
from tools.splitting import PARTS, SHARES, split_by_batch, stratum_of

DATA = PROJECT / "data" / "test"


def a_case(*said: str, batch: str = "") -> dict[str, Any]:
    """A case of no function; the messages alternate and end with the user's."""
    roles = ["user", "assistant"] * len(said)
    messages = [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]
    item: dict[str, Any] = {"lang": "en", "conversation": messages, "expected_function": None, "expected_arguments": {}}
    return {"test_id": f"en-no_function-{batch}-001", **item} if batch else item


def parts_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The parts as they are on the disk."""
    return {part: read_items(folder / f"{part}.jsonl") for part in PARTS}


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a run."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of the project's own files, and a quarter of the one without functions."""
    some = tmp_path_factory.mktemp("cases") / "no_function.json"
    write_items(some, read_items(DATA / "no_function.json")[::4])
    return [DATA / "weather_info.json", some]


@pytest.fixture(scope="module")
def run(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A split of these files."""
    folder = tmp_path_factory.mktemp("runs") / "run_1"
    write_split(files, folder, seed=7)
    return folder


def test_split_is_the_same_for_the_same_seed(files: list[Path], run: Path, tmp_path: Path) -> None:
    """Byte for byte, manifest included; another seed gives another one."""
    write_split(files, tmp_path / "again", seed=7)
    write_split(files, tmp_path / "other", seed=8)
    assert contents(tmp_path / "again") == contents(run)
    assert contents(tmp_path / "other")["train.jsonl"] != contents(run)["train.jsonl"]


def test_split_takes_every_case_once(files: list[Path], run: Path) -> None:
    """Nothing is lost, nothing doubled, nothing changed; the parts can be read as cases."""
    split = [json.dumps(item) for items in parts_of(run).values() for item in items]
    every = [json.dumps(item) for file in files for item in read_items(file)]
    assert sorted(split) == sorted(every)
    assert len(load_cases(run / "test.jsonl")) == len(parts_of(run)["test"])


def test_split_is_stratified(run: Path) -> None:
    """Each part has its share of each function, language, and of turns with a dialogue, give or take a group."""
    parts = {part: Counter(map(stratum_of, items)) for part, items in parts_of(run).items()}
    totals = sum(parts.values(), Counter())
    assert len(totals) == 8
    for stratum, number in totals.items():
        for part in PARTS:
            assert abs(parts[part][stratum] - SHARES[part] * number) <= 2


def test_no_near_duplicate_across_parts(run: Path) -> None:
    """The cases have near duplicates, and each pair is in one part."""
    where = [(part, item) for part, items in parts_of(run).items() for item in items]
    found = pairs([said(item) for _, item in where], RELATED)
    assert found
    assert [pair for pair in found if where[pair.first][0] != where[pair.second][0]] == []


def test_manifest_tells_hashes_and_counts(files: list[Path], run: Path) -> None:
    """What was read and written can be checked by it."""
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["options"]["seed"] == 7
    assert [one["file"] for one in manifest["inputs"]] == ["data/test/weather_info.json", "no_function.json"]
    for told, file in zip(manifest["inputs"], files, strict=True):
        assert told["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    for part, told in manifest["outputs"].items():
        assert told["sha256"] == hashlib.sha256((run / f"{part}.jsonl").read_bytes()).hexdigest()
        assert told["cases"] == len(parts_of(run)[part]) == sum(told["functions"].values())


def test_turns_of_one_dialogue_stay_together() -> None:
    """A log's turns, each with the messages before it, are one group, however short they are."""
    messages = ["hi", "Hello!", "rain?", "Where?", "Bath", "Dry.", "ta", "You're welcome.", "bye"]
    log = [a_case(*messages[max(0, turn - 6) : turn + 1]) for turn in range(0, len(messages), 2)]
    assert groups([a_case("what's two and two"), *log, a_case("rhyme with moon")]) == [[0], [1, 2, 3, 4, 5], [6]]


def test_near_duplicates_are_chained() -> None:
    """What is like one of a group belongs to it."""
    texts = ["can you hear me now", "can you hear me right now", "hey can you hear me right now", "say something"]
    assert groups([a_case(text) for text in texts]) == [[0, 1, 2], [3]]


WORDS = st.sampled_from(["hi", "ok", "rain?", "Bath", "what is the tallest tree", "what is the tallest trees", "no"])


@given(dialogues=st.lists(st.lists(WORDS, min_size=1, max_size=4), min_size=3, max_size=12), seed=st.integers(0, 9))
@hypothesis_settings(max_examples=60, deadline=None)
def test_batches_never_leak(dialogues: list[list[str]], seed: int) -> None:
    """Split by batches, nothing that belongs together is on two sides; what is dropped is told."""
    items = [a_case(*said[: 2 * ((len(said) - 1) // 2) + 1], batch=f"b{at % 4}") for at, said in enumerate(dialogues)]
    made = split_by_batch(items, seed)
    where = {index: part for part, found in made.parts.items() for index in found}
    assert sorted([*where, *made.dropped]) == list(range(len(items)))
    for together in bonds(items):
        assert len({where[index] for index in together if index in where}) <= 1


def test_by_batch_tests_on_unseen_authors(files: list[Path], tmp_path: Path) -> None:
    """Every batch is in one part, and no near duplicate across parts is left."""
    manifest = write_split(files, tmp_path / "run_1", seed=1, by_batch=True)
    parts = parts_of(tmp_path / "run_1")
    batches = {part: {batch_of(item) for item in items} for part, items in parts.items()}
    assert {part: sorted(found) for part, found in batches.items()} == manifest["batches"]
    assert all(batches.values())
    assert sum(map(len, batches.values())) == len(set.union(*batches.values()))
    where = [(part, item) for part, items in parts.items() for item in items]
    found = pairs([said(item) for _, item in where], RELATED)
    assert [pair for pair in found if where[pair.first][0] != where[pair.second][0]] == []
    assert manifest["dropped"] == manifest["cases"]["taken"] - len(where)


def test_balance_and_target_count(files: list[Path], tmp_path: Path) -> None:
    """As many of each function and language, and as many in all as were asked for."""
    balanced = write_split(files, tmp_path / "run_1", balance=True)
    cells = Counter(stratum_of(item)[:2] for items in parts_of(tmp_path / "run_1").values() for item in items)
    assert len(cells) == 4
    assert len(set(cells.values())) == 1
    assert balanced["cases"]["taken"] == sum(cells.values()) < balanced["cases"]["read"]
    write_split(files, tmp_path / "run_2", balance=True, target=200)
    parts = parts_of(tmp_path / "run_2")
    assert {part: len(items) for part, items in parts.items()} == {"train": 160, "validation": 20, "test": 20}
    cells = Counter(stratum_of(item)[:2] for items in parts.values() for item in items)
    assert set(cells.values()) == {50}


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Takes the next number; a run that is there is kept, and trouble is one sentence."""
    logs = tmp_path / "log.jsonl"
    write_items(logs, [a_case(text, batch="b1") for text in ("one", "two more", "three of them", "a fourth thing")])
    for number in (1, 2):
        assert main([str(logs), "--out", str(tmp_path)]) == 0
        assert str(tmp_path / f"run_{number}") in capsys.readouterr().out
    before = contents(tmp_path / "run_1")
    assert main([str(logs), "--out", str(tmp_path), "--run-id", "1"]) == 0
    assert main([str(logs), "--out", str(tmp_path), "--run-id", "1", "--seed", "5"]) == 1
    assert "run_1 holds another split" in capsys.readouterr().err
    assert contents(tmp_path / "run_1") == before
    assert main([str(logs), "--out", str(tmp_path), "--by-batch"]) == 1
    assert "three are needed" in capsys.readouterr().err
    assert main([str(logs), "--out", str(tmp_path), "--target-count", "9"]) == 1
    assert "There are 4 cases" in capsys.readouterr().err


def test_another_split_is_refused(tmp_path: Path) -> None:
    """Also where the cases have changed since."""
    write_items(tmp_path / "log.jsonl", [a_case("one"), a_case("two more"), a_case("three of them")])
    write_split([tmp_path / "log.jsonl"], tmp_path / "run_1")
    write_items(tmp_path / "log.jsonl", [a_case("one"), a_case("two more"), a_case("four of them")])
    with pytest.raises(RunTaken):
        write_split([tmp_path / "log.jsonl"], tmp_path / "run_1")
