"""A model writes cases: what is good is kept at once, what is not is refused with its reason."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.ollama import ModelMissing, OllamaGone
from agent.routing.cases import read_items, write_items
from agent.settings import PROJECT, Settings
from tests.conftest import PATIENCE_S
from tests.ollama_server import OllamaServer, Reply
from tools.data_report import check
from tools.generate_test_data import generate
from tools.generation import Generation
from tools.generation_plan import Kind, Plan, wanted

MODEL = "qwen2.5:7b"
OWN = "is the pass to Livigno snowed in tonight"
"""A turn of the project's own cases."""
TURNS = {
    "Is Bergen getting a soaking this evening?": {"location": "Bergen", "forecast_type": "today"},
    "gonna hang the washing out, will Hull stay dry": {"location": "Hull"},
    "how many degrees in muscat rn": {"location": "muscat", "forecast_type": "current"},
    "Snow for Zermatt at the weekend, or just slush?": {"location": "Zermatt", "forecast_type": "week"},
    "typhoon near Naha tomorrow??": {"location": "Naha", "forecast_type": "tomorrow"},
    "my nan in Tralee says it's bucketing, is that so": {"location": "Tralee"},
}


def plain(turn: str, arguments: dict[str, Any] | None = None) -> dict[str, Any]:
    """A case as the model writes it."""
    return {"turn": turn, "arguments": TURNS.get(turn, {}) if arguments is None else arguments}


def answers(*lists: Sequence[dict[str, Any]]) -> list[str]:
    """Answers to questions for cases."""
    return [json.dumps({"cases": list(cases)}, ensure_ascii=False) for cases in lists]


def is_look(body: dict[str, Any]) -> bool:
    """Whether the request is the second one, for labels."""
    return "labels" in body["format"]["properties"]


def writer(said: Sequence[str], *, label: str = "weather_info") -> Callable[[dict[str, Any]], Reply]:
    """A model that gives the first of these answers that fits the question, then none.

    An answer with dialogues fits a question for them, one that is in no form fits any. A turn with `(none)` it labels
    so.
    """
    left = list(said)

    def fits(text: str, body: dict[str, Any]) -> bool:
        dialogue = "before" in body["format"]["properties"]["cases"]["items"]["properties"]
        return '"turn"' not in text or ('"before"' in text) == dialogue

    def reply(body: dict[str, Any]) -> Reply:
        if is_look(body):
            asked = body["messages"][-1]["content"].split("\n\n")
            text = json.dumps({"labels": ["no_function" if "(none)" in one else label for one in asked]})
        else:
            text = next((one for one in left if fits(one, body)), json.dumps({"cases": []}))
            if text in left:
                left.remove(text)
        return Reply([text[at : at + 24] for at in range(0, len(text), 24)])

    return reply


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    """An Ollama with the model that writes, and two others in memory."""
    async with OllamaServer() as running:
        running.install(MODEL)
        for name in ("functiongemma", "gemma3:4b"):
            running.install(name)
            running.in_memory[name] = 1800.0
        yield running


@pytest.fixture
def chosen(server: OllamaServer, tmp_path: Path) -> Settings:
    """Settings with that server and a few cases of the project's own."""
    own = {
        "test_id": "en-weather_info-b1-001",
        "lang": "en",
        "conversation": [{"role": "user", "content": OWN}],
        "expected_function": "weather_info",
        "expected_arguments": {"location": "Livigno"},
    }
    write_items(tmp_path / "own" / "weather_info.json", [own])
    return Settings(ollama_url=server.url, cases=tmp_path / "own", home=tmp_path, data_model=MODEL)


def a_run(chosen: Settings, count: int = 4, *, none: bool = False) -> Generation:
    """A run for cases of one function in English."""
    plan = wanted(["weather_info"], ["en"], count, none=none)
    return Generation(chosen.home / "out", "g1", plan, chosen)


def turns(chosen: Settings, name: str = "weather_info") -> list[str]:
    """The turns on disk."""
    return [item["conversation"][-1]["content"] for item in read_items(chosen.home / "out" / f"{name}.json")]


FIRST = [plain(turn) for turn in list(TURNS)[:3]]
WITH_DIALOGUE = {
    "before": [{"user": "I land in Quito at noon", "assistant": "Enjoy the mountains!"}],
    "turn": "warm enough for shorts there?",
    "arguments": {"location": "Quito"},
}


async def test_good_cases_are_kept(server: OllamaServer, chosen: Settings) -> None:
    """As many as are wanted, a quarter with a dialogue, in the project's format, without a problem."""
    server.install(MODEL, reply=writer(answers([WITH_DIALOGUE], FIRST)))
    run = a_run(chosen)
    await generate(run, chosen)
    assert not run.plan.missing
    items = read_items(chosen.home / "out" / "weather_info.json")
    assert [item["test_id"] for item in items] == [f"en-weather_info-g1-00{number}" for number in (1, 2, 3, 4)]
    assert sorted(len(item["conversation"]) for item in items) == [1, 1, 1, 3]
    assert check([chosen.home / "out" / "weather_info.json"], whole=False).problems == []
    assert items[0]["expected_arguments"] == {"location": "Quito"}


async def test_answers_are_held_to_a_schema(server: OllamaServer, chosen: Settings) -> None:
    """Closed values are in the schema, and only a question for dialogues has room for one."""
    server.install(MODEL, reply=writer(answers([WITH_DIALOGUE], FIRST)))
    await generate(a_run(chosen), chosen)
    asked = [body["format"] for body in server.bodies("/api/chat") if body["messages"] and not is_look(body)]
    cases = [schema["properties"]["cases"]["items"]["properties"] for schema in asked]
    assert [("before" in case) for case in cases] == [True, False]
    assert "tonight" not in cases[0]["arguments"]["properties"]["forecast_type"]["enum"]


REFUSED = [
    (
        plain("Is it wet in Rome?", {"location": "Paris"}),
        "against the guide: location … stands nowhere in the dialogue",
    ),
    (plain("Is it wet in Rome?", {"forecast_type": "soon"}), "against the guide: forecast_type can't be …"),
    (plain("is the pass to Livigno snowed in tonight?"), "a near duplicate: …"),
    (plain("Rome、雨？", {"location": "Rome"}), "the turn is in another language"),
    (plain("so " * 200), "the turn is longer than 400 characters"),
    (plain("Rain is so cosy in Rome (none)", {"location": "Rome"}), "read again, it was no_function"),
    ({"text": "Is it wet in Rome?"}, "the case is not in the form that was asked for"),
]


@pytest.mark.parametrize(("bad", "reason"), REFUSED, ids=[reason for _, reason in REFUSED])
async def test_bad_case_is_refused(server: OllamaServer, chosen: Settings, bad: dict[str, Any], reason: str) -> None:
    """The report says why, with the case; the good ones beside it are kept."""
    server.install(MODEL, reply=writer(answers([WITH_DIALOGUE], [bad, *FIRST])))
    run = a_run(chosen)
    await generate(run, chosen)
    assert len(turns(chosen)) == 4
    report = json.loads((chosen.home / "out" / "report.json").read_text(encoding="utf-8"))
    assert list(report["refused"]) == [reason]
    assert report["refused"][reason]["number"] == 1
    assert report["refused"][reason]["examples"]
    assert reason in run.summary()


async def test_bad_answers_are_refused(server: OllamaServer, chosen: Settings) -> None:
    """What is no JSON, or another JSON, costs one question each; the report shows what came."""
    said = [*answers([WITH_DIALOGUE]), '{"cases": [{"turn": "Is it', "[1, 2]", *answers(FIRST)]
    server.install(MODEL, reply=writer(said))
    run = a_run(chosen)
    await generate(run, chosen)
    assert len(turns(chosen)) == 4
    (reason, told), *others = run.refused.items()
    assert (reason, told["number"], others) == ("the answer is not in the form that was asked for", 2, [])
    assert [one["what"] for one in told["examples"]] == ['{"cases": [{"turn": "Is it', "[1, 2]"]


async def test_the_same_again_is_refused(server: OllamaServer, chosen: Settings) -> None:
    """One pattern or one name is good for two cases, not for three; a dialogue must be needed."""
    places = ["Rome", "Ouagadougou", "Llanfairpwllgwyngyll"]
    filled = [plain(f"is {place} wet", {"location": place}) for place in places]
    named = [
        plain(turn, {"location": "Hull"}) for turn in ("coat in Hull?", "Hull, sunny or what", "any fog round Hull")
    ]
    needless = {**WITH_DIALOGUE, "turn": "Will I need a raincoat for my walk through Quito?"}
    server.install(MODEL, reply=writer(answers([needless], [WITH_DIALOGUE], filled, named)))
    run = a_run(chosen, 6)
    await generate(run, chosen)
    assert {name: one["number"] for name, one in run.refused.items()} == {
        "the turn needs no dialogue before it": 1,
        "the same pattern again": 1,
        "the same name again": 1,
    }
    assert len(turns(chosen)) == 5


async def test_no_function(server: OllamaServer, chosen: Settings) -> None:
    """Twice as many none cases, half of them provably hard; whether one is, is found out and not believed."""
    thanks = {"before": [{"user": "alarm at six", "assistant": "Set."}], "turn": "you're a gem"}
    riddle = {"before": [{"user": "I know a riddle", "assistant": "Let's hear!"}], "turn": "what has keys but no locks"}
    said: list[str] = ["It rained and nobody minded", "why do cats purr", "My cousin bought a kayak, of all things"]
    more = ["what's seven times eight", "The dentist was nice for once", "a rhyme with moss?", "who am I?"]
    plain_ones = [[{"turn": turn} for turn in some] for some in (said, more)]
    server.install(MODEL, reply=writer(answers([thanks], [riddle], *plain_ones), label="no_function"))
    run = Generation(chosen.home / "out", "g1", wanted([], ["en"], 4, none=True), chosen)
    await generate(run, chosen)
    items = read_items(chosen.home / "out" / "no_function.json")
    assert [(item["expected_function"], item["expected_arguments"]) for item in items] == [(None, {})] * 8
    assert not run.plan.missing
    assert "who am I?" not in turns(chosen, "no_function")
    assert run.refused["there are enough like that"]["number"] == 1


async def test_other_models_are_unloaded_and_put_back(server: OllamaServer, chosen: Settings) -> None:
    """While it writes it is alone; afterwards all is as it was."""
    seen: list[set[str]] = []
    inner = writer(answers([WITH_DIALOGUE], FIRST))

    def reply(body: dict[str, Any]) -> Reply:
        seen.append(set(server.in_memory))
        return inner(body)

    server.install(MODEL, reply=reply)
    await generate(a_run(chosen), chosen)
    assert seen
    assert set.union(*seen) == {MODEL}
    assert set(server.in_memory) == {"functiongemma", "gemma3:4b"}


async def test_a_break_costs_one_answer(server: OllamaServer, chosen: Settings) -> None:
    """A connection that breaks in the middle is asked again, as long as something comes in between."""
    inner, number = writer(answers([WITH_DIALOGUE], FIRST)), 0

    def reply(body: dict[str, Any]) -> Reply:
        nonlocal number
        number += 1
        return Reply(["{", '"cases'], cut_after=1) if number in (1, 2, 5, 6) else inner(body)

    server.install(MODEL, reply=reply)
    run = a_run(chosen)
    await generate(run, chosen)
    assert len(turns(chosen)) == 4
    assert run.refused["the answer broke off"]["number"] == 4


async def test_a_break_before_the_second_look_loses_nothing_wanted(server: OllamaServer, chosen: Settings) -> None:
    """Cases whose label was never confirmed are not kept, and are still wanted."""
    inner = writer(answers([WITH_DIALOGUE], FIRST, [plain(turn) for turn in list(TURNS)[3:]]))
    looks = 0

    def reply(body: dict[str, Any]) -> Reply:
        nonlocal looks
        looks += is_look(body)
        return Reply(["{"], cut_after=0) if is_look(body) and looks == 2 else inner(body)

    server.install(MODEL, reply=reply)
    run = a_run(chosen)
    await generate(run, chosen)
    assert turns(chosen) == [WITH_DIALOGUE["turn"], *list(TURNS)[3:]]


async def test_gone_for_good(server: OllamaServer, chosen: Settings) -> None:
    """Three breaks in a row end it; what there was is on disk, and another run takes it up without repeating it."""
    inner = writer(answers([WITH_DIALOGUE], FIRST[:1]))

    def reply(body: dict[str, Any]) -> Reply:
        return inner(body) if not turns_there(chosen) or len(turns(chosen)) < 2 else Reply(["{"], cut_after=0)

    server.install(MODEL, reply=reply)
    with pytest.raises(OllamaGone):
        await generate(a_run(chosen), chosen)
    assert turns(chosen) == [WITH_DIALOGUE["turn"], *list(TURNS)[:1]]
    server.install(MODEL, reply=writer(answers(FIRST)))
    again = a_run(chosen)
    await generate(again, chosen)
    assert not again.plan.missing
    assert turns(chosen) == [WITH_DIALOGUE["turn"], *list(TURNS)[:3]]
    assert again.refused["the answer broke off"]["number"] == 3
    assert again.refused["a near duplicate: …"]["number"] == 1


def turns_there(chosen: Settings) -> bool:
    """Whether any case is on disk."""
    return (chosen.home / "out" / "weather_info.json").exists()


async def test_killed_and_resumed(server: OllamaServer, chosen: Settings) -> None:
    """A process that is killed in an answer has lost nothing before it; `--resume` goes on, without it nothing does."""
    stuck = asyncio.Event()

    async def command(*more: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.generate_test_data", "-f", "weather_info", "--lang", "en", "--count", "4"),
            *("--skip-no-function", "--out", str(chosen.home / "out"), *more),
            cwd=PROJECT,
            env={**os.environ, "FUNCGEMMA_OLLAMA_URL": server.url, "FUNCGEMMA_CASES": str(chosen.cases)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    inner = writer(answers([WITH_DIALOGUE]))

    def reply(body: dict[str, Any]) -> Reply:
        if not turns_there(chosen):
            return inner(body)
        stuck.set()
        return Reply(["{", "}"], wait_after=(1, asyncio.Event()))

    server.install(MODEL, reply=reply)
    async with asyncio.timeout(3 * PATIENCE_S):
        process = await command()
        await stuck.wait()
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert turns(chosen) == [WITH_DIALOGUE["turn"]]
        process = await command()
        _, told = await process.communicate()
        assert (process.returncode, b"--resume" in told) == (1, True)
        server.install(MODEL, reply=writer(answers(FIRST)))
        process = await command("--resume")
        said, told = await process.communicate()
    assert (process.returncode, told) == (0, b"")
    assert b"4 cases" in said
    assert turns(chosen) == [WITH_DIALOGUE["turn"], *list(TURNS)[:3]]


async def test_stopped_by_sigterm_puts_models_back(server: OllamaServer, chosen: Settings) -> None:
    """Whoever stops it gets the models back that were in memory."""
    stuck = asyncio.Event()

    def reply(_body: dict[str, Any]) -> Reply:
        stuck.set()
        return Reply(["{", "}"], wait_after=(1, asyncio.Event()))

    server.install(MODEL, reply=reply)
    async with asyncio.timeout(PATIENCE_S):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tools.generate_test_data", "--out", str(chosen.home / "out")),
            cwd=PROJECT,
            env={**os.environ, "FUNCGEMMA_OLLAMA_URL": server.url, "FUNCGEMMA_CASES": str(chosen.cases)},
            stderr=asyncio.subprocess.PIPE,
        )
        await stuck.wait()
        assert set(server.in_memory) == {MODEL}
        process.terminate()
        _, told = await process.communicate()
    assert process.returncode == 130
    assert b"go on with --resume" in told
    assert set(server.in_memory) == {"functiongemma", "gemma3:4b"}


async def test_model_that_is_missing(server: OllamaServer, chosen: Settings) -> None:
    """One sentence with the command that gets it; the other models stay where they are."""
    server.remove(MODEL)
    with pytest.raises(ModelMissing, match="funcgemma models --data --pull"):
        await generate(a_run(chosen), chosen)
    assert set(server.in_memory) == {"functiongemma", "gemma3:4b"}


def test_plan_goes_round() -> None:
    """All kinds grow evenly, a quarter with a dialogue; a kind that gives nothing is left after a while."""
    plan = Plan(wanted(["a", "b"], ["ja", "en"], 8, none=True))
    assert sum(number for kind, number in plan.wanted.items() if kind.category == "a" and kind.lang == "ja") == 8
    assert plan.wanted[Kind("a", "ja", history=True)] == 2
    assert sum(number for kind, number in plan.wanted.items() if kind.hard) == 16
    vain = Kind("b", "en", history=False)
    for _ in range(200):
        if (kind := plan.next()) is None:
            break
        plan.have[kind] += kind != vain
        plan.tried(kind, int(kind != vain))
        shares = [plan.have[one] / number for one, number in plan.wanted.items() if one != vain]
        assert max(shares) - min(shares) <= 0.5
    assert plan.missing == {vain: 6}
