"""The labelled cases keep to the guide, and the checker finds each kind of problem."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from rapidfuzz import fuzz

from agent.routing.cases import case_files, write_items
from agent.settings import PROJECT
from functions import registry
from tools import check_data
from tools.data_report import Problem, check
from tools.hard_negatives import Hardness
from tools.label_rules import doubts, problems
from tools.near_duplicates import Said, alike, pairs

KNOWN = registry.cards()


def a_case(
    text: str = "How cold is it in Oslo today?",
    function: str | None = "weather_info",
    /,
    *before: str,
    lang: str = "en",
    number: int = 1,
    **arguments: Any,
) -> dict[str, Any]:
    """A case; messages before it alternate and end with the assistant's."""
    said = [
        {"role": "user" if place % 2 == 0 else "assistant", "content": content}
        for place, content in enumerate((*before, text))
    ]
    category = function or "no_function"
    return {
        "test_id": f"{lang}-{category}-b1-{number:03}",
        "lang": lang,
        "category": category,
        "conversation": said,
        "expected_function": function,
        "expected_arguments": arguments,
    }


def test_data_has_no_problems() -> None:
    """All of `data/test`: labels, duplicates, templates, names, amounts."""
    report = check(case_files(PROJECT / "data" / "test"), whole=True)
    assert list(map(str, report.problems)) == []
    assert report.cases >= 8000
    assert len(report.batches) >= 10
    assert len({cell.category for cell in report.cells}) >= 8


GOOD = [
    a_case(location="Oslo", forecast_type="today"),
    a_case("and there?", "weather_info", "I fly to Lima", "Nice!", location="Lima"),
    a_case(
        "もう全部いやになった！", "sentiment_label", lang="ja", text="もう全部いやになった！", granularity="detailed"
    ),
    a_case("And this one?", "sentiment_label", "Happy or sad: 'ok.'", "Neutral.", text="ok."),
    a_case("when's tom hankss birthday", "celebrity_info", person_name="tom hanks"),
    a_case("a guitar or a ukulele?", "shopping_intent", product_or_service="a guitar or a ukulele"),
    a_case("thanks!", None),
    a_case("weather", "weather_info"),
    {**a_case(), "expected_arguments": None},
]


@pytest.mark.parametrize("item", GOOD)
def test_good_case(item: dict[str, Any]) -> None:
    """What the guide allows is no problem."""
    assert problems(item, KNOWN) == []


BAD = [
    ({"conversation": []}, "fields are missing"),
    ({**a_case(), "conversation": []}, "conversation is empty"),
    ({**a_case(), "conversation": [{"role": "system", "content": "x"}]}, "a role is 'system'"),
    (a_case(" "), "a message is empty"),
    (a_case("Mild today.", "weather_info", "Oslo?"), "not the user's"),
    ({**a_case(), "conversation": [{"role": "user", "content": "Oslo"}] * 2}, "don't alternate"),
    (a_case("a flat white", "make_coffee"), "no function make_coffee"),
    ({**a_case("hm", None), "expected_arguments": {"x": "y"}}, "no function, but arguments"),
    ({**a_case(), "category": "no_function"}, "category is"),
    (a_case(lang="fr"), "lang is 'fr'"),
    (a_case(lang="ja"), "there is no Japanese"),
    (a_case("オスロは？"), "there is no English"),
    (a_case(place="Oslo"), "no parameter place"),
    (a_case(location=""), "location is no text"),
    (a_case(forecast_type="tonight"), "forecast_type can't be"),
    (a_case(location="Bergen"), "stands nowhere"),
    (a_case(location="Osl"), "inside a word"),
    (a_case(location="Oslo "), "blanks around it"),
    (a_case("say 'hi all' in French", "translation_assist", text="'hi all'"), "quotation marks"),
    (a_case("in french: hi", "translation_assist", text="hi", target_language="French"), "no ISO 639-1 code"),
    (a_case("alarm at 6", "schedule_reminder", action="create", datetime="at 6"), "small word before it"),
    (a_case("I want a new bike", "shopping_intent", product_or_service="a new bike"), "small word before it"),
    (
        a_case("明日の9時に起こして", "schedule_reminder", lang="ja", action="create", datetime="明日の9時に"),
        "particle",
    ),
    (a_case("alarm at 6", "schedule_reminder", datetime="6"), "action is missing"),
    (a_case("How cold is it in Oslo?", location="Oslo?"), "punctuation"),
    (a_case("I hate it all", "sentiment_label", text="I hate it all"), "granularity is detailed"),
    (a_case("I hate it all!!", "sentiment_label", text="I hate it all", granularity="detailed"), "whole turn"),
]


@pytest.mark.parametrize(("item", "told"), BAD, ids=[told for _, told in BAD])
def test_bad_case(item: dict[str, Any], told: str) -> None:
    """Each rule of the guide that is broken is told, and no other."""
    found = problems(item, KNOWN)
    assert len(found) == 1
    assert told in found[0]


def test_language_that_is_only_implied_is_doubtful() -> None:
    """A target language that nobody has named is probably guessed."""
    implied = a_case("what do I say to the waiter in Lima", "translation_assist", target_language="es")
    named = a_case("and in Spanish?", "translation_assist", target_language="es")
    assert len(doubts(implied, KNOWN)) == 1
    assert doubts(named, KNOWN) == []


def problems_of(folder: Path, items: list[dict[str, Any]], *, whole: bool = False) -> list[Problem]:
    """What is found in one file."""
    write_items(folder / "weather_info.json", items)
    return check([folder / "weather_info.json"], whole=whole).problems


def test_duplicates(tmp_path: Path) -> None:
    """The same sentence, nearly the same one, and the same with another label are found; short replies are not."""
    found = problems_of(
        tmp_path,
        [
            a_case("Will I need an umbrella on the walk home?", number=1),
            a_case("will i need an umbrella on the walk home", number=2),
            a_case("Will I need my umbrella for the walk home?", number=3),
            a_case("and tomorrow?", "weather_info", "How is Oslo?", "Mild.", number=4),
            a_case("and tomorrow?", "weather_info", "Is the lake frozen in Inari?", "It is, and it snows.", number=5),
        ],
    )
    assert sorted((problem.test_id[-3:], problem.what.split(" (")[0]) for problem in found) == [
        ("001", "100 % like en-weather_info-b1-002"),
        ("001", "89 % like en-weather_info-b1-003"),
        ("002", "89 % like en-weather_info-b1-003"),
    ]


TEXTS = st.lists(st.text("ab", min_size=1, max_size=12), min_size=1, max_size=12)


@given(new=TEXTS, old=TEXTS, least=st.sampled_from([60.0, 78.0, 85.0]))
@hypothesis_settings(max_examples=60, deadline=None)
def test_pairs_are_all_pairs(new: list[str], old: list[str], least: float) -> None:
    """Texts are told apart by their lengths only where they can't be as like as is asked."""
    made, others = ([Said("en", text, "") for text in texts] for texts in (new, old))
    every = [*made, *others]
    expected = {
        (first, second)
        for first in range(len(made))
        for second in range(first + 1, len(every))
        if fuzz.ratio(every[first].turn, every[second].turn) >= least and alike(every[first], every[second], least)
    }
    assert {(pair.first, pair.second) for pair in pairs(made, least, others)} == expected


@pytest.mark.parametrize(
    ("text", "hard"),
    [
        ("okay that is enough", False),
        ("dinner at 8 pm, as ever", True),
        ("it was on a Wednesday", True),
        ("八時に起きたよ", True),
        ("Reykjavik again, he says", True),
        ("わかった、ありがとう", False),
    ],
)
def test_provably_hard(text: str, hard: bool) -> None:
    """A time, or a place that the router knows by name, is a trap."""
    assert Hardness([])({"conversation": [{"role": "user", "content": text}]}) == hard


def test_duplicate_under_another_label(tmp_path: Path) -> None:
    """A contradiction says so."""
    write_items(tmp_path / "log.jsonl", [a_case("gosh, it's cold"), a_case("gosh, it's cold", None)])
    (found,) = check([tmp_path / "log.jsonl"], whole=False).problems
    assert "the same as en-no_function-b1-001, under another label" in found.what


def test_templates_and_names(tmp_path: Path) -> None:
    """Slots that were filled in, and one name again and again, are found though no two sentences are alike."""
    places = ["Ulaanbaatar", "Rio", "Ouagadougou", "Bath", "Thiruvananthapuram", "Nice", "Llanfairpwllgwyngyll", "Ely"]
    filled = [a_case(f"is {place} wet", location=place, number=number) for number, place in enumerate(places)]
    (found,) = problems_of(tmp_path, filled)
    assert "8 cases have one pattern, is…wet" in found.what
    turns = ["Oslo, coat or no coat?", "any rain due round Oslo", "how's Oslo", "windy? (Oslo)", "Oslo now"]
    named = [a_case(turn, location="Oslo", number=number) for number, turn in enumerate(turns)]
    (found,) = problems_of(tmp_path, named)
    assert "location 'oslo' comes 5 times" in found.what


def test_same_words_again_and_again(tmp_path: Path) -> None:
    """Few different n-grams are found, also where each sentence is put together anew."""
    places, words = ["Rome", "Kyoto", "Quito", "Lagos"], ["rain", "snow", "hail", "fog", "wind", "sun"]
    turns = [f"{place} {one} {other}" for place in places for one in words for other in words if one != other]
    found = problems_of(tmp_path, [a_case(turn, number=number) for number, turn in enumerate(turns)])
    assert any("distinct-2 is" in problem.what for problem in found)


def test_files_and_ids(tmp_path: Path) -> None:
    """The project's own files hold one function, ids with a batch, each once, and no further fields; others may not."""
    nameless = a_case("Brr")
    del nameless["test_id"]
    items = [
        a_case(number=1),
        a_case("is it snowing out by the barn", number=1),
        a_case("ta", None),
        nameless,
        {**a_case("any frost in Tromso"), "test_id": "en-weather_info-001"},
        {**a_case("galoshes, or is it dry?"), "test_id": "ja-weather_info-b1-004"},
        {**a_case("do I want a hat?", number=5), "sure": True},
    ]
    assert sorted(problem.what.split(" in ")[0] for problem in problems_of(tmp_path, items)) == [
        "test_id is not LANG-CATEGORY-BATCH-NUMBER",
        "test_id says ja-weather_info",
        "the file is for weather_info",
        "the same test_id is",
        "there is no test_id",
        "unknown fields sure",
    ]
    write_items(tmp_path / "log.jsonl", items[2:])
    assert check([tmp_path / "log.jsonl"], whole=False).problems == []


def test_amounts_are_asked_of_the_whole(tmp_path: Path) -> None:
    """A set with too few cases, dialogues, hard negatives and values is told so; a part of one is not."""
    items = [a_case(location="Oslo", forecast_type="today"), a_case("why is the sky blue", None)]
    write_items(tmp_path / "some.jsonl", items)
    assert check([tmp_path / "some.jsonl"], whole=False).problems == []
    told = "\n".join(map(str, check([tmp_path / "some.jsonl"], whole=True).problems))
    assert "weather_info en: 1 cases, fewer than 450" in told
    assert "weather_info ja: 0 cases" in told
    assert "no_function: 0 % hard negatives" in told
    assert "weather_info.forecast_type: no case has hourly" in told


def test_dialogues_are_asked_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough cases, but none with a dialogue before its turn."""
    monkeypatch.setattr("tools.data_report.LEAST_FUNCTION", 1)
    problems_found = problems_of(tmp_path, [a_case()], whole=True)
    assert "0 % with a dialogue before them, fewer than 20 %" in "\n".join(map(str, problems_found))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a problem and exit 1; a batch is compared with what is there; everything goes into the JSON."""
    taken = json.loads((PROJECT / "data" / "test" / "weather_info.json").read_text(encoding="utf-8"))[0]
    write_items(tmp_path / "weather_info.json", [{**taken, "test_id": "ja-weather_info-new-001"}])
    assert check_data.main([str(tmp_path / "weather_info.json")]) == 0
    assert check_data.main([str(tmp_path), "--batch", "--json", str(tmp_path / "out" / "report.json")]) == 1
    told = capsys.readouterr().out
    assert f"ja-weather_info-new-001: the same as {taken['test_id']}" in told
    assert "1 problems" in told
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert [problem["test_id"] for problem in report["problems"]] == ["ja-weather_info-new-001"]


def test_command_with_a_file_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, no stack trace."""
    assert check_data.main([str(tmp_path / "nothing.json")]) == 1
    assert "nothing.json" in capsys.readouterr().err
