"""The names that the router knows, and how they are found."""

import json
from collections import Counter

import pytest

from agent.routing.gazetteer import NAMED, Gazetteer
from agent.routing.lexicon import CONCEPTS
from agent.routing.text import normalise
from agent.settings import PROJECT

OFFLINE = PROJECT / "data" / "offline"


@pytest.fixture(scope="module")
def gazetteer() -> Gazetteer:
    """With all names."""
    return Gazetteer.read(OFFLINE)


@pytest.mark.parametrize(
    ("text", "name", "concept"),
    [
        ("Any idea whether Toni Morrison ever married?", "toni morrison", "PERSON"),
        ("矢沢永吉は広島の出身？", "矢沢永吉", "PERSON"),
        ("how do I get to inverness", "inverness", "PLACE"),
        ("水納島の風は？", "水納島", "PLACE"),
        ("抱っこひもの相場", "抱っこひも", "product"),
        ("ドラえもんの作者", "ドラえもん", "fiction"),
        ("a recipe for shakshuka", "shakshuka", "dish"),
        ("what is photosynthesis", "photosynthesis", "topic"),
        ("阪神タイガースは勝った？", "阪神タイガース", "group"),
        ("turn off the lights please", "turn off the lights", "device"),
    ],
)
def test_finds_names(gazetteer: Gazetteer, text: str, name: str, concept: str) -> None:
    """Each kind has its names."""
    plain = normalise(text)
    start = plain.index(name)
    assert (start, start + len(name), concept) in gazetteer.spans(plain)


def test_short_hiragana_is_no_name(gazetteer: Gazetteer) -> None:
    """「なら」 is a small word; 「奈良」 is the town."""
    assert not any(concept == "PLACE" for _, _, concept in gazetteer.spans("それなら行く"))
    assert any(concept == "PLACE" for _, _, concept in gazetteer.spans("奈良に行く"))


def test_made_of_arrays_finds_the_same(gazetteer: Gazetteer) -> None:
    """What a model keeps of it is all of it."""
    again = Gazetteer.of(gazetteer.arrays())
    for text in ("明日の札幌とparisの天気を、富士山で", "who is taylor swift, the new york singer's friend?", ""):
        assert again.spans(text) == gazetteer.spans(text)
    assert Gazetteer.of(Gazetteer({}, {}).arrays()).spans("天気 weather") == []


def test_works_without_names() -> None:
    """A folder without these files only gives less evidence."""
    assert "weather" in {concept for _, _, concept in Gazetteer.read().spans("天気")}
    assert not Gazetteer.read().spans("inverness")


def test_names_are_clean() -> None:
    """No form twice in a kind, none that is a word of the lexicon, none so short that it is anything."""
    words = {normalise(word.replace("_", " ")) for words in CONCEPTS.values() for word in words.split()}
    content = json.loads((OFFLINE / "names.json").read_text(encoding="utf-8"))
    for kind, entries in content.items():
        forms = [normalise(form) for entry in entries for form in entry]
        assert all(entries), kind
        assert [form for form, count in Counter(forms).items() if count > 1] == [], kind
        assert words.intersection(forms) == set(), kind
        assert [form for form in forms if len(form) < (3 if form.isascii() else 2)] == [], kind
    assert {"PERSON", "PLACE"} <= set(NAMED)
