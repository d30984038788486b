"""The figures of an evaluation, against values worked out by hand."""

from typing import Any

import pytest

from agent.messages import Card, Utterance
from agent.routing import Decision
from agent.routing.cases import Case
from tools.comparison import sign_test
from tools.measures import Measures, calibration_bins, measure, percentile, share
from tools.outcomes import Outcome

WEATHER = Card(
    name="weather_info",
    description="",
    parameters={"type": "object", "properties": {"location": {}, "forecast_type": {}}, "required": ["location"]},
)
CARDS = {"weather_info": WEATHER, "travel_guide": Card(name="travel_guide", description="")}


def an_outcome(
    expected: str | None,
    got: str | None,
    *,
    wanted: dict[str, Any] | None = None,
    given: dict[str, Any] | None = None,
    confidence: float = 0.9,
    took_ms: float = 1.0,
    **others: Any,
) -> Outcome:
    """An outcome with the fields of its case that matter."""
    case = Case(text=f"{expected} {got}", history=(), function=expected, arguments=wanted or {}, lang="en", batch="b1")
    return Outcome(Case(**{**vars(case), **others}), Decision(got, confidence, "embedded", given or {}), took_ms)


def figures(*outcomes: Outcome) -> Measures:
    return measure(outcomes, CARDS)


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (0, 0, 0.0, 1.0)],
)
def test_share_interval(part: int, whole: int, low: float, high: float) -> None:
    """Wilson's interval has its textbook values and stays inside 0 and 1."""
    found = share(part, whole)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_measure_functions_and_false_positives() -> None:
    """Precision, recall and F1 by function, and calls that nobody asked for, are counted apart."""
    found = figures(
        an_outcome("weather_info", "weather_info"),
        an_outcome("weather_info", "travel_guide"),
        an_outcome("weather_info", None),
        an_outcome(None, "weather_info"),
        an_outcome(None, None),
        an_outcome(None, None),
    )
    weather = found.functions["weather_info"]
    assert (weather.precision.value, weather.recall.value, weather.f1) == pytest.approx((1 / 2, 1 / 3, 2 / 5))
    assert found.functions["travel_guide"].precision.value == 0
    assert found.functions["travel_guide"].recall.value is None
    assert found.functions["none"].precision.value == pytest.approx(2 / 3)
    assert found.slices["all"].accuracy.value == pytest.approx(3 / 6)
    assert found.slices["all"].false_positives.value == pytest.approx(1 / 3)
    assert [(one.expected, one.got, one.number) for one in found.confusions] == [
        ("none", "weather_info", 1),
        ("weather_info", "none", 1),
        ("weather_info", "travel_guide", 1),
    ]
    assert found.confusions[0].examples == ["None weather_info"]


def test_measure_arguments() -> None:
    """Arguments count where the function is right and they are labelled; what nobody gave must be absent."""
    kyoto = {"location": "Kyoto"}
    found = figures(
        an_outcome("weather_info", "weather_info", wanted=kyoto, given={**kyoto, "forecast_type": "week"}),
        an_outcome("weather_info", "weather_info", wanted=kyoto, given=kyoto),
        an_outcome("weather_info", "weather_info", wanted={}, given=kyoto),
        an_outcome("weather_info", None, wanted=kyoto),
        an_outcome("weather_info", "weather_info", given=kyoto, labelled=False),
    ).arguments
    assert (found.required_exact.part, found.required_exact.whole) == (2, 3)
    assert (found.all_exact.part, found.all_exact.whole) == (1, 3)
    assert (found.calls_exact.part, found.calls_exact.whole) == (2, 4)
    assert {name: (part.part, part.whole) for name, part in found.parameters.items()} == {
        "weather_info.location": (2, 3),
        "weather_info.forecast_type": (0, 1),
    }


def test_measure_slices() -> None:
    """Languages, single and multi turn, and sure labels have figures of their own."""
    said = (Utterance(role="user", content="hi"),)
    found = figures(
        an_outcome(None, None, lang="ja", history=said),
        an_outcome(None, "weather_info", sure=False),
        an_outcome(None, None),
    ).slices
    assert {name: (part.accuracy.part, part.accuracy.whole) for name, part in found.items()} == {
        "all": (2, 3),
        "sure": (2, 2),
        "not sure": (0, 1),
        "en": (1, 2),
        "en, sure": (1, 1),
        "ja": (1, 1),
        "ja, sure": (1, 1),
        "single turn": (1, 2),
        "multi turn": (1, 1),
        "batch b1": (2, 3),
    }


def test_measure_calibration() -> None:
    """The error is the mean gap between confidence and accuracy, weighted by the size of each bin."""
    assert [one.number for one in calibration_bins([0.95, 1.0, 0.51], [True, False, True])] == [1, 2]
    found = figures(
        an_outcome(None, None, confidence=0.9),
        an_outcome(None, "weather_info", confidence=1.0),
        an_outcome(None, None, confidence=0.6),
        an_outcome(None, None, confidence=0.6),
    )
    assert found.ece == pytest.approx(0.5 * (0.95 - 0.5) + 0.5 * (1.0 - 0.6))


def test_measure_latency() -> None:
    """Percentiles are values that occurred."""
    times = [float(number) for number in range(1, 101)]
    assert (percentile(times, 0.5), percentile(times, 0.95), percentile([7.0], 0.95)) == (50, 95, 7)
    assert figures(an_outcome(None, None, took_ms=3.0), an_outcome(None, None, took_ms=1.0)).p50_ms == 1.0


def test_sign_test() -> None:
    """Nine better and one worse is 22 in 1,024; as many better as worse is nothing."""
    assert sign_test(9, 1) == pytest.approx(22 / 1024)
    assert sign_test(3, 3) == 1
    assert sign_test(0, 0) == 1
