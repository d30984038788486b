"""The embedded router as a whole: decisions, arguments, pointing back, pending calls, cards that come and go."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.messages import Card, Pending, Turn, Utterance
from agent.routing import Decision
from agent.routing.cases import load_cases
from agent.routing.embedded import EmbeddedRouter
from agent.routing.model_file import load_model, model_key, save_model
from agent.routing.pattern_cases import pattern_cases
from agent.routing.text import is_japanese
from agent.settings import PROJECT, Settings
from tools.outcomes import turn_of

pytestmark = pytest.mark.long

STRING: Mapping[str, Any] = {"type": "string"}
BUILT_IN: Mapping[str, tuple[Mapping[str, Any], list[str]]] = {
    "travel_guide": (
        {
            "destination": STRING,
            "info_type": {
                "type": "string",
                "enum": ["general", "attractions", "food", "transportation", "accommodation", "events", "tips"],
            },
        },
        ["destination"],
    ),
    "celebrity_info": (
        {
            "person_name": STRING,
            "info_type": {"type": "string", "enum": ["general", "biography", "career", "achievements", "news"]},
        },
        ["person_name"],
    ),
    "shopping_intent": (
        {
            "product_or_service": STRING,
            "intent_type": {"type": "string", "enum": ["buy", "compare", "research", "deal"]},
        },
        ["product_or_service"],
    ),
    "sentiment_label": (
        {"text": STRING, "granularity": {"type": "string", "enum": ["basic", "detailed"]}},
        ["text"],
    ),
    "weather_info": (
        {
            "location": STRING,
            "forecast_type": {"type": "string", "enum": ["current", "today", "tomorrow", "hourly", "week"]},
        },
        ["location"],
    ),
    "schedule_reminder": (
        {
            "action": {"type": "string", "enum": ["create", "query", "update", "cancel"]},
            "description": STRING,
            "datetime": STRING,
        },
        ["action"],
    ),
    "translation_assist": (
        {"text": STRING, "source_language": STRING, "target_language": STRING},
        ["text", "target_language"],
    ),
}


def card(name: str, properties: Mapping[str, Any], required: Sequence[str], *examples: tuple[str, Any]) -> Card:
    return Card.model_validate(
        {
            "name": name,
            "description": name.replace("_", " "),
            "parameters": {"type": "object", "properties": properties, "required": list(required)},
            "examples": [{"text": text, "arguments": arguments} for text, arguments in examples],
        }
    )


CARDS = {name: card(name, properties, required) for name, (properties, required) in BUILT_IN.items()}
DICE = card(
    "roll_dice",
    {"count": {"type": "integer"}, "sides": {"type": "integer"}},
    [],
    ("roll a dice", {}),
    ("roll three dice", {"count": 3}),
    ("throw the dice for me", {}),
    ("サイコロを振って", {}),
    ("サイコロを2個振って", {"count": 2}),
)
LIGHTS = card(
    "set_light",
    {"room": {"type": "string", "enum": ["kitchen", "bedroom", "hall"]}, "on": {"type": "boolean"}},
    ["room", "on"],
    ("turn on the kitchen light", {"room": "kitchen", "on": True}),
    ("switch the bedroom light off", {"room": "bedroom", "on": False}),
    ("lights off in the hall", {"room": "hall", "on": False}),
    ("キッチンの電気をつけて", {"room": "kitchen", "on": True}),
    ("寝室の電気を消して", {"room": "bedroom", "on": False}),
)
MUSIC = card(
    "play_music",
    {"title": STRING},
    ["title"],
    ("play some music by Adele", {"title": "Adele"}),
    ("play the song Yesterday", {"title": "Yesterday"}),
    ("ユーミンの曲をかけて", {"title": "ユーミン"}),
)
FOREIGN = {one.name: one for one in (DICE, LIGHTS, MUSIC)}


def a_turn(text: str, *history: str, pending: Pending | None = None) -> Turn:
    """A turn; `history` alternates user and assistant and ends with the assistant."""
    return Turn(
        turn_id="t",
        client="c",
        conversation="v",
        text=text,
        lang="ja" if is_japanese(text) else "en",
        said_at=datetime(2026, 1, 15, 12, tzinfo=UTC),
        history=[
            Utterance(role="user" if number % 2 == 0 else "assistant", content=content)
            for number, content in enumerate(history)
        ],
        pending=pending,
        attempt=1,
    )


@pytest.fixture(scope="session")
def chosen() -> Settings:
    # The models of this installation: the key holds data and code, so an old one is never taken.
    return Settings()


@pytest.fixture(scope="session")
def router(chosen: Settings) -> EmbeddedRouter:
    return EmbeddedRouter.load(chosen)


@pytest.fixture
def fresh(chosen: Settings, router: EmbeddedRouter) -> EmbeddedRouter:
    """A router that no other test has shown cards to."""
    return EmbeddedRouter.load(chosen)


def decide(router: EmbeddedRouter, turn: Turn, cards: Mapping[str, Card] = CARDS) -> Decision:
    return asyncio.run(router.route(turn, cards))


@pytest.mark.parametrize(
    ("text", "function", "arguments"),
    [
        ("明日の札幌の天気は？", "weather_info", {"location": "札幌", "forecast_type": "tomorrow"}),
        ("What's the weather like in London today?", "weather_info", {"location": "London", "forecast_type": "today"}),
        ("京都のおすすめの観光スポットを教えて", "travel_guide", {"destination": "京都", "info_type": "attractions"}),
        ("where should I eat in Lisbon", "travel_guide", {"destination": "Lisbon", "info_type": "food"}),
        ("夏目漱石の代表作は？", "celebrity_info", {"person_name": "夏目漱石", "info_type": "achievements"}),
        ("明日の朝7時に起こして", "schedule_reminder", {"action": "create", "datetime": "明日の朝7時"}),
        (
            "「ありがとう」をフランス語で何て言う？",
            "translation_assist",
            {"text": "ありがとう", "target_language": "fr"},
        ),
        (
            'Translate "good morning" into Korean',
            "translation_assist",
            {"text": "good morning", "target_language": "ko"},
        ),
    ],
)
def test_route_plain_request(router: EmbeddedRouter, text: str, function: str, arguments: dict[str, str]) -> None:
    """Plain requests call the function with what they give."""
    decision = decide(router, a_turn(text))
    assert (decision.function, decision.arguments) == (function, arguments)
    assert decision.missing == []
    assert 0.5 <= decision.confidence <= 1
    assert decision.router == "embedded"


@pytest.mark.parametrize(
    "text",
    [
        "京都出身です",
        "先週イヤホンを買った",
        "ジョブズの伝記、面白かったよ",
        "雨の音って落ち着くよね",
        "英語の勉強は大変だ",
        "さっき会議が終わった",
        "ドラえもんって誰が作ったの？",
        "how does inflation work?",
        "なんで虹は七色なの？",
        "ありがとう、助かった",
    ],
)
def test_route_mention_without_wish(router: EmbeddedRouter, text: str) -> None:
    """The none examples of the labelling guide call nothing."""
    assert decide(router, a_turn(text)).function is None


def test_route_japanese_pointing_back(router: EmbeddedRouter) -> None:
    """そこ is the place that the dialogue before speaks of."""
    decision = decide(router, a_turn("そこの天気は？", "来週札幌に行くんだ", "いいですね。"))
    assert (decision.function, decision.arguments.get("location")) == ("weather_info", "札幌")


def test_route_language_only(router: EmbeddedRouter) -> None:
    """A turn that only names another language translates the text before."""
    decision = decide(router, a_turn("and in French?", 'Translate "good night" into Spanish', "Buenas noches."))
    assert decision.function == "translation_assist"
    assert decision.arguments == {"text": "good night", "target_language": "fr"}


def test_route_changed_time(router: EmbeddedRouter) -> None:
    """A change gives the new part only."""
    decision = decide(router, a_turn("make it 10 instead", "add yoga saturday 9am", "Added yoga for Saturday at 9 am."))
    assert decision.function == "schedule_reminder"
    assert decision.arguments["action"] == "update"
    assert decision.arguments["datetime"] == "10"


def test_route_missing_argument(router: EmbeddedRouter) -> None:
    """What nobody gave is missing, not guessed."""
    decision = decide(router, a_turn("傘いる？"))
    assert (decision.function, decision.missing) == ("weather_info", ["location"])
    assert "location" not in decision.arguments


def test_route_without_card(router: EmbeddedRouter) -> None:
    """A function without a card is not chosen."""
    without = {name: one for name, one in CARDS.items() if name != "weather_info"}
    assert decide(router, a_turn("明日の札幌の天気は？"), without).function != "weather_info"
    assert decide(router, a_turn("明日の札幌の天気は？"), {}).function is None


def test_route_confidence_of_none(router: EmbeddedRouter) -> None:
    """Nothing to call is a decision with a confidence of its own."""
    decision = decide(router, a_turn("ありがとう、助かった"))
    assert decision.function is None
    assert decision.confidence > 0.5


# ---- pending calls


@pytest.mark.parametrize(
    ("function", "text", "name", "value"),
    [
        ("weather_info", "東京", "location", "東京"),
        ("weather_info", "東京で", "location", "東京"),
        ("weather_info", "in Boston please", "location", "Boston"),
        ("schedule_reminder", "Friday at 3", "datetime", "Friday at 3"),
        ("translation_assist", "フランス語で", "target_language", "fr"),
        ("sentiment_label", "「もう帰りたい」", "text", "もう帰りたい"),
        ("shopping_intent", "a robot vacuum", "product_or_service", "robot vacuum"),
    ],
)
def test_route_answer_to_question(router: EmbeddedRouter, function: str, text: str, name: str, value: str) -> None:
    """The answer to the question completes the pending call."""
    given_before = {"weather_info": {"forecast_type": "today"}, "schedule_reminder": {"action": "create"}}.get(
        function, {}
    )
    pending = Pending(function=function, arguments=given_before, missing=[name])
    decision = decide(router, a_turn(text, pending=pending))
    assert decision.function == function
    assert decision.arguments == {**given_before, name: value}


@pytest.mark.parametrize("text", ["やっぱりいい", "やっぱりいいです", "never mind", "Forget it.", "ありがとう"])
def test_route_refused_question(router: EmbeddedRouter, text: str) -> None:
    """Who takes the request back is not asked again."""
    pending = Pending(function="weather_info", arguments={}, missing=["location"])
    assert decide(router, a_turn(text, pending=pending)).function is None


def test_route_other_call_instead_of_answer(router: EmbeddedRouter) -> None:
    """A turn that plainly calls something else is no answer."""
    pending = Pending(function="weather_info", arguments={}, missing=["location"])
    decision = decide(router, a_turn('Translate "good morning" into Korean', pending=pending))
    assert decision.function == "translation_assist"


def test_route_answer_for_foreign_card(router: EmbeddedRouter) -> None:
    """A foreign function's question is answered the same way, by the type of the parameter."""
    pending = Pending(function="set_light", arguments={"on": True}, missing=["room"])
    decision = decide(router, a_turn("the hall", pending=pending), {**CARDS, **FOREIGN})
    assert (decision.function, decision.arguments) == ("set_light", {"on": True, "room": "hall"})


# ---- foreign cards


@pytest.mark.parametrize(
    ("text", "function", "arguments"),
    [
        ("roll two dice", "roll_dice", {"count": 2}),
        ("サイコロ振って", "roll_dice", {}),
        ("please turn off the bedroom light", "set_light", {"room": "bedroom", "on": False}),
        ("寝室の電気をつけて", "set_light", {"room": "bedroom", "on": True}),
        ("play the song Imagine", "play_music", {"title": "Imagine"}),
    ],
)
def test_route_foreign_card(router: EmbeddedRouter, text: str, function: str, arguments: dict[str, Any]) -> None:
    """A card is learned when it is first seen, and fires on variants of its examples."""
    decision = decide(router, a_turn(text), {**CARDS, **FOREIGN})
    assert (decision.function, decision.arguments) == (function, arguments)


def test_route_foreign_card_examples(router: EmbeddedRouter) -> None:
    """Every example of a card calls it."""
    cards = {**CARDS, **FOREIGN}
    for name, one in FOREIGN.items():
        for example in one.examples:
            assert decide(router, a_turn(example.text), cards).function == name, example.text


def test_route_foreign_card_gone(fresh: EmbeddedRouter) -> None:
    """A card that disappears is forgotten; when it comes back it is learned again."""
    assert decide(fresh, a_turn("roll two dice"), {**CARDS, "roll_dice": DICE}).function == "roll_dice"
    assert decide(fresh, a_turn("roll two dice"), CARDS).function is None
    assert decide(fresh, a_turn("roll two dice"), {**CARDS, "roll_dice": DICE}).function == "roll_dice"


def test_route_foreign_card_changed(fresh: EmbeddedRouter) -> None:
    """A card with other examples replaces what was learned."""
    before = {**CARDS, "helper": DICE.model_copy(update={"name": "helper"})}
    after = {**CARDS, "helper": MUSIC.model_copy(update={"name": "helper"})}
    assert decide(fresh, a_turn("roll two dice"), before).function == "helper"
    assert decide(fresh, a_turn("roll two dice"), after).function is None
    assert decide(fresh, a_turn("play the song Imagine"), after).function == "helper"


def test_route_foreign_card_without_examples(fresh: EmbeddedRouter) -> None:
    """Name and description suffice for plain words, with less confidence."""
    plain = Card(name="coin_flip", description="Flips a coin and tells heads or tails. コインを投げて表か裏か。")
    decision = decide(fresh, a_turn("flip a coin"), {**CARDS, "coin_flip": plain})
    assert decision.function == "coin_flip"
    assert decision.confidence <= 0.7


def test_route_foreign_cards_steal_nothing(fresh: EmbeddedRouter) -> None:
    """Three strangers change the accuracy on the labelled cases by less than 0.3 points."""
    cases = load_cases(PROJECT / "data" / "test")[::17]
    right = [
        sum(fresh.decide(turn_of(case), cards).function == case.function for case in cases)
        for cards in (CARDS, {**CARDS, **FOREIGN})
    ]
    assert abs(right[0] - right[1]) / len(cases) < 0.003
    assert right[0] / len(cases) > 0.9  # seen cases: anything less means that training has gone wrong


# ---- robustness


@given(text=st.text(max_size=60), before=st.lists(st.text(max_size=30), max_size=3))
@hypothesis_settings(max_examples=150, deadline=None)
def test_route_any_text(text: str, before: list[str]) -> None:
    """No text makes the router crash, and decisions keep to their form."""
    router = _kept[0] if _kept else EmbeddedRouter.load(Settings())
    _kept[:] = [router]
    pending = Pending(function="weather_info", missing=["location"]) if len(before) == 2 else None
    decision = decide(router, a_turn(text, *before, pending=pending), {**CARDS, **FOREIGN})
    assert decision.function is None or decision.function in CARDS or decision.function in FOREIGN
    assert 0 <= decision.confidence <= 1
    for value in decision.arguments.values():
        assert value not in ("", None)


_kept: list[EmbeddedRouter] = []


def test_route_huge_text(router: EmbeddedRouter) -> None:
    """A turn of the greatest length is decided, too."""
    assert 0 <= decide(router, a_turn("明日の天気 and rain " * 500)).confidence <= 1


# ---- the model file


@pytest.fixture
def few_patterns(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is trained here learns from an eighth of the patterns."""
    monkeypatch.setattr("agent.routing.model.pattern_cases", lambda: pattern_cases()[::8])


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings with a thirtieth of the cases: quick to train."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "test").mkdir()
    for path in (PROJECT / "data" / "test").glob("*.json"):
        import json

        cases = json.loads(path.read_text(encoding="utf-8"))[::30]
        (folder / "test" / path.name).write_text(json.dumps(cases), encoding="utf-8")
    return Settings(router_models=folder / "models", cases=folder / "test")


@pytest.mark.usefixtures("few_patterns")
def test_load_cached_model_equals_fresh(small: Settings) -> None:
    """A model read back decides like the one just trained."""
    trained, cached = EmbeddedRouter.load(small), EmbeddedRouter.load(small)
    for case in load_cases(small.cases)[::10]:
        assert trained.decide(turn_of(case), CARDS) == cached.decide(turn_of(case), CARDS)
    assert np.array_equal(trained._model.network.table, cached._model.network.table)


@pytest.mark.usefixtures("few_patterns")
def test_load_corrupted_model(small: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file is trained anew and replaced."""
    EmbeddedRouter.load(small)
    (path,) = small.router_models.glob("*.npz")
    whole = path.read_bytes()
    again = load_model(path)
    path.write_bytes(whole[: len(whole) // 2])
    assert load_model(path) is None
    # What training gives is seen elsewhere.
    monkeypatch.setattr("agent.routing.embedded.train_model", lambda *_: again)
    EmbeddedRouter.load(small)
    assert path.read_bytes() == whole


@pytest.mark.usefixtures("few_patterns")
def test_load_changed_cases(small: Settings, tmp_path: Path) -> None:
    """Other cases give another key; the old model is removed when the new one is written."""
    copied = tmp_path / "test"
    shutil.copytree(small.cases, copied)
    before = model_key(copied, tmp_path / "offline")
    path = next(copied.glob("weather*.json"))
    path.write_text(path.read_text(encoding="utf-8").replace("]", " ]", 1), encoding="utf-8")
    assert model_key(copied, tmp_path / "offline") != before
    EmbeddedRouter.load(small)
    (old,) = small.router_models.glob("*.npz")
    model = load_model(old)
    assert model is not None
    shutil.copy(old, tmp_path / "old.npz")
    save_model(model, tmp_path / "new.npz")
    assert sorted(found.name for found in tmp_path.glob("*.npz")) == ["new.npz"]
    assert list(tmp_path.glob("*.part")) == []


def test_load_broken_cases(tmp_path: Path) -> None:
    """A file that holds no cases is named."""
    (tmp_path / "odd.json").write_text('[{"no": "case"}]', encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.json"):
        load_cases(tmp_path)
