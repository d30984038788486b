"""The evaluation command on small files."""

import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.routing.pattern_cases import pattern_cases
from agent.settings import PROJECT, Settings
from tools import confusion_chart, evaluate, report
from tools.routers import ready

pytestmark = pytest.mark.long

CASES: Sequence[Mapping[str, Any]] = [
    {
        "test_id": "en-weather_info-x1-001",
        "lang": "en",
        "conversation": [{"role": "user", "content": "What's the weather like in London today?"}],
        "expected_function": "weather_info",
        "expected_arguments": {"location": "London", "forecast_type": "today"},
    },
    {
        "lang": "ja",
        "conversation": [
            {"role": "user", "content": "来週札幌に行くんだ"},
            {"role": "assistant", "content": "いいですね。"},
            {"role": "user", "content": "そこの天気は？"},
        ],
        "expected_function": "weather_info",
        "expected_arguments": None,
        "sure": False,
    },
    {"lang": "ja", "conversation": [{"role": "user", "content": "ありがとう、助かった"}], "expected_function": None},
]


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """The cases as JSON Lines."""
    path = tmp_path / "cases.jsonl"
    path.write_text("".join(json.dumps(case) + "\n" for case in CASES), encoding="utf-8")
    return path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """The command in this process."""
    monkeypatch.setattr(sys, "argv", ["evaluate", *map(str, arguments)])
    evaluate.main()


def test_evaluate_writes_a_report(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Figures are printed and written; arguments that are not labelled are not scored, unsure rows stand apart."""
    run(monkeypatch, "--router", "embedded", "--data", lines, "--json", tmp_path / "out" / "one.json")
    told = capsys.readouterr()
    assert (tmp_path / "out" / "one.md").read_text(encoding="utf-8").strip() == told.out.strip()
    found = report.read(tmp_path / "out" / "one.json")
    assert found.about["number"] == 3
    assert found.measures["slices"]["all"]["accuracy"]["part"] == 3
    assert found.measures["slices"]["sure"]["accuracy"]["whole"] == 2
    assert found.measures["arguments"]["required_exact"]["whole"] == 1
    assert [case["expected_arguments"] is None for case in found.cases] == [False, True, True]
    assert found.cases[0]["arguments"] == {"location": "London", "forecast_type": "today"}


def test_evaluate_array_and_lines_alike(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a JSON array gives the same outcomes as a file of JSON Lines."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "cases.json").write_text(json.dumps(CASES), encoding="utf-8")
    for data in (lines, tmp_path / "folder"):
        run(monkeypatch, "--data", data, "--json", tmp_path / f"{data.stem}.json")
    one, other = (report.read(tmp_path / f"{name}.json") for name in ("cases", "folder"))
    assert [{**case, "took_ms": 0} for case in one.cases] == [{**case, "took_ms": 0} for case in other.cases]


def test_evaluate_leaves_batches_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where two batches contradict each other, each is decided as the other one has it."""
    cases = [
        case
        for name in ("weather_info", "no_function")
        for case in json.loads((PROJECT / "data" / "test" / f"{name}.json").read_text(encoding="utf-8"))[:40]
    ]
    for batch, function in (("y1", "weather_info"), ("y2", None)):
        said = [{"role": "user", "content": "zorbulate frimp quax"}]
        odd = {"test_id": f"en-x-{batch}-1", "lang": "en", "conversation": said, "expected_function": function}
        cases += [odd] * 20
    (tmp_path / "cases.json").write_text(json.dumps(cases), encoding="utf-8")
    monkeypatch.setattr("agent.routing.model.pattern_cases", lambda: pattern_cases()[::8])
    run(monkeypatch, "--data", tmp_path / "cases.json", "--leave-batch-out", "--json", tmp_path / "out.json")
    found = report.read(tmp_path / "out.json").cases
    assert [case["function"] for case in found[-40:]] == [None] * 20 + ["weather_info"] * 20


def test_evaluate_limit_takes_the_same_sample(lines: Path) -> None:
    """A limited run is repeatable and keeps the order."""
    one, other = evaluate.chosen_cases(lines, 2), evaluate.chosen_cases(lines, 2)
    assert one == other
    assert len(one) == 2


def test_compare_names_what_changed(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A case that was right and is wrong now is listed, and the figures stand side by side."""
    path = tmp_path / "one.json"
    run(monkeypatch, "--data", lines, "--json", path)
    changed = json.loads(path.read_text(encoding="utf-8"))
    changed["cases"][0]["function"] = "travel_guide"
    changed["measures"]["slices"]["all"]["accuracy"]["value"] = 2 / 3
    (tmp_path / "two.json").write_text(json.dumps(changed), encoding="utf-8")
    capsys.readouterr()
    run(monkeypatch, "--compare", path, tmp_path / "two.json")
    told = capsys.readouterr().out
    assert "| all: function right | 100.0 % | 66.7 % | -33.3 |" in told
    assert "0 became right, 1 became wrong" in told
    assert re.search(r"London today\? \| weather_info \| weather_info \| travel_guide \|", told)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--data", "nowhere"), "There are no labelled cases in nowhere"),
        (("--router", "cascade"), "Ollama is not running. Start it with: ollama serve"),
        (("--router", "peft", "--leave-batch-out"), "Only the embedded router"),
        (("--compare", "a.json", "b.json"), "a.json holds no report"),
    ],
)
def test_evaluate_plain_sentences(
    arguments: Sequence[str], sentence: str, monkeypatch: pytest.MonkeyPatch, lines: Path, settings: Settings
) -> None:
    """What can't be measured ends in one sentence; a cascade without its model is not measured as one."""
    monkeypatch.setattr(evaluate, "settings", lambda: settings)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch, "--data", lines, *arguments)
    assert re.match(rf"evaluate: {re.escape(sentence)}", str(ended.value))
    assert "\n" not in str(ended.value)


def test_chart_without_matplotlib(lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed the rest is written and a sentence says what is missing."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    run(monkeypatch, "--data", lines, "--json", tmp_path / "one.json")
    assert {path.name for path in tmp_path.glob("one.*")} == {"one.json", "one.md"}


def test_chart(tmp_path: Path) -> None:
    """The picture is a PNG."""
    pytest.importorskip("matplotlib")
    confusion_chart.save_confusions({"a": {"a": 3, "b": 1}, "b": {"a": 0, "b": 2}}, "title", tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")


def test_ready_embedded(settings: Settings) -> None:
    """The embedded router needs no model to be measured."""

    async def name() -> str:
        async with ready("embedded", settings.model_copy(update={"router_models": Settings().router_models})) as router:
            return router.name

    assert asyncio.run(name()) == "embedded"
