"""What the routers share below the decision: validation, numbers, languages, tokens, stripping."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.messages import Card
from agent.routing.languages import language_code, named_languages
from agent.routing.numerals import boolean, number, numbers
from agent.routing.stripping import bare
from agent.routing.text import tokens
from agent.routing.validation import LONGEST, missing, validate

CARD = Card(
    name="all_kinds",
    description="",
    parameters={
        "type": "object",
        "properties": {
            "place": {"type": "string"},
            "target_language": {"type": "string"},
            "when": {"type": "string", "enum": ["today", "tomorrow", "week"]},
            "level": {"type": "integer", "enum": [1, 2, 3]},
            "count": {"type": "integer", "minimum": 1},
            "ratio": {"type": "number"},
            "on": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["place", "when"],
    },
)


@pytest.mark.parametrize(
    ("name", "value", "repaired"),
    [
        ("place", "東京", "東京"),
        ("place", 7, "7"),
        ("place", "To\x00kyo\x1b", "Tokyo"),
        ("place", "x" * 3000, "x" * LONGEST),
        ("target_language", "フランス語", "fr"),
        ("target_language", "English", "en"),
        ("target_language", "zh-TW", "zh"),
        ("when", "TODAY", "today"),
        ("when", "明日", "tomorrow"),
        ("level", "2", 2),
        ("count", "３", 3),
        ("count", "三", 3),
        ("count", 4.0, 4),
        ("ratio", "0.5", 0.5),
        ("on", "true", True),
        ("on", "オフ", False),
        ("tags", "one", ["one"]),
    ],
)
def test_validate_repairs(name: str, value: object, repaired: object) -> None:
    """Where it is plain what was meant, the value is put right."""
    arguments, refused = validate("all_kinds", {name: value}, CARD)
    assert arguments == {name: repaired}
    assert type(arguments[name]) is type(repaired)
    assert refused == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("unknown", "x"),
        ("place", ["Tokyo"]),
        ("place", True),
        ("place", " \x00 "),
        ("target_language", "Klingonish"),
        ("when", "someday"),
        ("level", 9),
        ("level", True),
        ("count", "many"),
        ("count", 0),
        ("count", 2.5),
        ("ratio", float("nan")),
        ("on", "perhaps"),
    ],
)
def test_validate_refuses(name: str, value: object) -> None:
    """Everything else is dropped and named."""
    assert validate("all_kinds", {name: value}, CARD) == ({}, [name])


def test_validate_other_card() -> None:
    """A function is never called by the card of another."""
    assert validate("another", {"place": "x"}, CARD) == ({}, ["place"])


def test_missing_after_refusal() -> None:
    """A required parameter that was refused counts as missing."""
    arguments, _ = validate("all_kinds", {"place": "Oslo", "when": "someday"}, CARD)
    assert missing(arguments, CARD) == ["when"]


def test_validate_broken_schema() -> None:
    """A card with a broken schema refuses nothing that can be read."""
    broken = Card(name="odd", description="", parameters={"properties": {"a": {"type": "strnig"}}, "required": ["a"]})
    assert validate("odd", {"a": "x"}, broken) == ({"a": "x"}, [])


@given(
    st.dictionaries(
        st.sampled_from([*CARD.parameters["properties"], "z"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text()),
    )
)
@settings(deadline=None)
def test_validate_any_value(arguments: dict[str, object]) -> None:
    """Whatever a router gives: what passes once passes again, unchanged."""
    kept, refused = validate("all_kinds", arguments, CARD)
    assert kept.keys() | set(refused) == arguments.keys()
    assert validate("all_kinds", kept, CARD) == (kept, [])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("roll two dice", [2]),
        ("サイコロを三個", [3]),
        ("二十五と1,200と3.5", [25, 1200, 3.5]),
        ("ふたつ", [2]),
        ("often", []),
    ],
)
def test_numbers(text: str, values: list[float]) -> None:
    """Digits, 漢数字 and words are numbers; parts of words are not."""
    assert numbers(text) == values


def test_number_alone() -> None:
    """A number with other words is no number."""
    assert number("千二百") == 1200
    assert number("two dice") is None


@pytest.mark.parametrize(
    ("text", "value"), [("turn it on", True), ("電気を消して", False), ("オン", True), ("only", None)]
)
def test_boolean(text: str, value: bool | None) -> None:
    """On and off, yes and no, in both languages."""
    assert boolean(text) is value


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ("英語に訳して", None, "en"),
        ("これ、和訳して", None, "ja"),
        ("英語から日本語に訳して", "en", "ja"),
        ("from Spanish to English: hola", "es", "en"),
        ("Translate this into French", None, "fr"),
        ("how are you", None, None),
    ],
)
def test_named_languages(text: str, source: str | None, target: str | None) -> None:
    """Which language a text is in and which it is wanted in."""
    assert named_languages(text) == (source, target)


def test_named_languages_in_quotation() -> None:
    """A language named in the text to translate says nothing."""
    assert named_languages('say "I love Italian food" in German', "I love Italian food") == (None, "de")


def test_language_code() -> None:
    """Names and codes, in either language; nothing is guessed."""
    assert [language_code(name) for name in ("英語", "Korean", "de", "pt-BR", "nonsense")] == [
        "en",
        "ko",
        "de",
        "pt",
        None,
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("東京で", "東京"),
        ("東京でお願いします", "東京"),
        ("えっと、大阪です", "大阪"),
        ("in Boston please", "Boston"),
        ("um, the red one", "red one"),
        ("「東京」", "東京"),
        ("Friday at 3", "Friday at 3"),
        ("、", ""),
    ],
)
def test_bare(text: str, value: str) -> None:
    """What surrounds an answer is cut away, the answer itself is not."""
    assert bare(text) == value


@given(st.text())
def test_bare_any_text(text: str) -> None:
    """Stripping ends, and what is left was there."""
    assert bare(text) in text


@given(st.text())
def test_tokens_cut_literally(text: str) -> None:
    """Tokens lie in the text, in order, without overlap, and cover all but blanks."""
    cut = tokens(text)
    pieces = [text[start:end] for start, end in zip(cut.starts, cut.ends, strict=True)]
    assert "".join(pieces) == "".join(text.split())
    assert all(end <= start for end, start in zip(cut.ends, cut.starts[1:], strict=False))
