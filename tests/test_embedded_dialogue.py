"""The embedded router in a running chat: what is taken out of the dialogue before a turn, and what is not."""

from collections.abc import Mapping

import pytest

from agent.messages import Card
from agent.routing.embedded import EmbeddedRouter
from agent.settings import Settings
from tests.test_embedded import CARDS, LIGHTS, a_turn, decide

CURIE = ("Who was Marie Curie?", "Marie Curie was a physicist and chemist who won two Nobel Prizes.")
FRENCH = ("「おはよう」をフランス語に訳して", "「Bonjour」です。")
INTO_FRENCH = ("Translate good morning into French", "Bonjour.")
PLANTS = (
    "remind me tomorrow at 9am to water the plants",
    "OK, I'll remind you tomorrow (Tuesday, 24 November) at 9:00: water the plants.",
)
EARPHONES = ("イヤホンのおすすめは？", "承知しました。ソニーが人気です。")
SAPPORO = ("明日の札幌の天気は？", "札幌は晴れです。")
LISBON = ("what's the weather in Lisbon?", "Sunny, 20 degrees.")
GREETING = ("こんにちは", "承知しました。")


@pytest.fixture(scope="session")
def router() -> EmbeddedRouter:
    return EmbeddedRouter.load(Settings())


@pytest.mark.parametrize("history", [(), CURIE, SAPPORO, INTO_FRENCH])
@pytest.mark.parametrize(
    ("text", "when", "what"),
    [
        ("remind me tomorrow at 9am to water plant number 5", "tomorrow at 9am", "water plant number 5"),
        ("remind me on friday at noon to call the bank", "friday at noon", "call the bank"),
        ("明日7時に起こして", "明日7時", None),
        ("wake me tomorrow at 6", "tomorrow at 6", None),
    ],
)
def test_route_reminder_complete_in_itself(
    router: EmbeddedRouter, history: tuple[str, ...], text: str, when: str, what: str | None
) -> None:
    """A reminder with a time of its own takes nothing out of what was said about other things."""
    decision = decide(router, a_turn(text, *history))
    assert decision.function == "schedule_reminder"
    assert (decision.arguments.get("datetime"), decision.arguments.get("description")) == (when, what)


@pytest.mark.parametrize(
    "text", ["what reminders do I have?", "what are my reminders?", "show me my reminders", "リマインダー見せて"]
)
def test_route_query_after_create(router: EmbeddedRouter, text: str) -> None:
    """To ask what there is, is not to ask for the reminder just made."""
    decision = decide(router, a_turn(text, *PLANTS))
    assert (decision.function, decision.arguments) == ("schedule_reminder", {"action": "query"})


@pytest.mark.parametrize("history", [FRENCH, INTO_FRENCH, CURIE])
@pytest.mark.parametrize("text", ["天気教えて", "what's the weather like?"])
def test_route_weather_of_no_place(router: EmbeddedRouter, history: tuple[str, ...], text: str) -> None:
    """A language or a person is no place: the place is asked for."""
    decision = decide(router, a_turn(text, *history))
    assert (decision.function, decision.missing) == ("weather_info", ["location"])


@pytest.mark.parametrize(
    ("text", "history", "function", "argument"),
    [
        (
            "そこの天気は？",
            ("京都の観光スポットは？", "清水寺や嵐山が人気です。"),
            "weather_info",
            ("location", "京都"),
        ),
        ("そこの名物は？", SAPPORO, "travel_guide", ("destination", "札幌")),
        ("and what should I eat there?", LISBON, "travel_guide", ("destination", "Lisbon")),
        ("what else did she do?", CURIE, "celebrity_info", ("person_name", "Marie Curie")),
        ("cancel it", PLANTS, "schedule_reminder", ("description", "water the plants")),
        ("もっと安いのは？", EARPHONES, "shopping_intent", ("product_or_service", "イヤホン")),
        (
            "その二つの違いは？",
            ("ヘッドホン買いたい", "ソニーとBOSEが人気です。"),
            "shopping_intent",
            ("product_or_service", "ソニーとBOSE"),
        ),
    ],
)
def test_route_value_of_same_kind(
    router: EmbeddedRouter, text: str, history: tuple[str, ...], function: str, argument: tuple[str, str]
) -> None:
    """What a turn points back to is what an earlier turn gave as the same kind of thing."""
    decision = decide(router, a_turn(text, *history))
    assert decision.function == function
    assert argument in decision.arguments.items()


def test_route_own_value_first(router: EmbeddedRouter) -> None:
    """The turn's own place counts, not the one before."""
    decision = decide(router, a_turn("じゃあ大阪は？", *SAPPORO))
    assert (decision.function, decision.arguments.get("location")) == ("weather_info", "大阪")


def test_route_no_product_out_of_politeness(router: EmbeddedRouter) -> None:
    """Pieces of what the assistant says are no values."""
    decision = decide(router, a_turn("もっと安いのは？", *GREETING))
    assert "product_or_service" not in decision.arguments


@pytest.mark.parametrize(
    ("text", "room"),
    [
        ("turn off the hall light", "hall"),
        ("turn off the garage light", None),
        ("廊下の電気消して", None),
        ("玄関の電気消して", None),
        ("寝室の電気をつけて", "bedroom"),
        ("会議室の電気を消して", None),
    ],
)
def test_route_closed_value_only_if_mentioned(router: EmbeddedRouter, text: str, room: str | None) -> None:
    """A room that nobody named is asked for."""
    cards: Mapping[str, Card] = {**CARDS, "set_light": LIGHTS}
    decision = decide(router, a_turn(text), cards)
    assert decision.function == "set_light"
    assert decision.arguments.get("room") == room
    assert decision.missing == ([] if room else ["room"])


@pytest.mark.parametrize("history", [(), LISBON, SAPPORO])
@pytest.mark.parametrize(
    "text",
    [
        "nice to meet you",
        "hello",
        "はじめまして",
        "!!!",
        "？？？",
        "1+1は？",
        "I live in Paris",
        "大阪に住んでます",
        "今日はいい天気だね",
        "lovely weather today",
    ],
)
def test_route_chat(router: EmbeddedRouter, history: tuple[str, ...], text: str) -> None:
    """Chat calls nothing, whatever was asked before, and the router is fairly sure of it."""
    decision = decide(router, a_turn(text, *history))
    assert decision.function is None
    assert decision.confidence > 0.7
