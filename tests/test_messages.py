"""Every payload model, found by itself: round trips, unknown fields, what each must bear."""

import inspect
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from agent import messages, topics
from agent.messages import Message

MODELS = [
    model
    for _, model in inspect.getmembers(messages, inspect.isclass)
    if issubclass(model, Message) and model is not Message
]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_model_survives_the_bus(model: type[Message]) -> None:
    """What is written is read again as the same, with id, source and time, also beside fields of a later version."""
    turn = {
        "turn_id": "t",
        "client": "c",
        "conversation": "v",
        "text": "x",
        "lang": "ja",
        "said_at": "2026-11-23T09:00:00+09:00",
    }
    given_values: dict[str, Any] = {
        **turn,
        "turn": turn,
        "confidence": 0.5,
        "router": "r",
        "took_ms": 1,
        "call_id": "c",
        "function": "f",
        "status": "ok",
        "seq": 0,
        "name": "f",
        "description": "d",
        "state": "online",
        "role": "chat",
        "topic": "say/a/b",
        "reason": "why",
        "payload": "{}",
    }
    if model is messages.Final:
        given_values["took_ms"] = {"router": 1.5}
    made = model.model_validate({name: value for name, value in given_values.items() if name in model.model_fields})
    text = json.loads(made.model_dump_json())
    assert {"id", "source", "time"} <= set(text)
    assert model.model_validate({**text, "field_of_a_later_version": {"x": [1]}}) == made


def test_every_topic_has_its_model() -> None:
    """The topic table and the models name each other."""
    assert {topic.payload for topic in topics.TABLE} == {model.__name__ for model in MODELS}


@given(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.text()),
    )
)
@settings(max_examples=50, deadline=None)
def test_no_model_takes_just_anything(value: Any) -> None:
    """A payload that is some other JSON is refused by every model, and nothing else happens."""
    for model in MODELS:
        with pytest.raises(ValidationError):
            model.model_validate_json(json.dumps(value))


def test_names_in_topics_hold_no_wildcard_and_no_slash() -> None:
    """A client or conversation that would reach into other topics is refused."""
    for bad in ("a/b", "+", "#", "", "a" * 65, "ä", ".."[:1]):
        with pytest.raises(ValidationError):
            messages.CallContext(client=bad, conversation="c", turn_id="t", sealed="s")
