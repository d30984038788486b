"""The peft router on a small Gemma 3 that is made and trained here: exact, held to the cards, and sparing."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent.messages import Card, Pending, Turn, Utterance
from agent.routing import Decision, RouterError, load
from agent.routing.functiongemma import FunctionCall, Toolset, neutral
from agent.routing.validation import validate
from agent.settings import Settings

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("peft", reason="the train extra is not installed")

from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from agent.routing.constrained import Grammar, State  # noqa: E402
from agent.routing.peft import PeftRouter  # noqa: E402
from agent.routing.peft_decoding import Decoder  # noqa: E402
from agent.routing.peft_model import Gemma  # noqa: E402
from agent.routing.peft_values import Dialogue  # noqa: E402
from agent.routing.peft_vocabulary import Vocabulary  # noqa: E402
from tests.small_gemma import make_model, make_tokenizer, train  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
"""What peft still asks transformers for."""


def card(name: str, required: Sequence[str] = (), **properties: Mapping[str, Any]) -> Card:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return Card(name=name, description=name, parameters=schema)


WHEN = {"type": "string", "enum": ["today", "tomorrow"]}
CARDS = {
    made.name: made
    for made in (
        card("weather_info", ["location"], location={"type": "string"}, when=WHEN),
        card("weather_map", ["description"], description={"type": "string"}),
        card("timer", ["minutes"], minutes={"type": "integer"}),
    )
}
PLACES = ["Tokyo", "Leeds", "New York", "東京", "鰻谷"]
ANSWERS: dict[str, tuple[str | None, dict[str, Any]]] = {
    "hello": (None, {}),
    "timer 5 minutes": ("timer", {"minutes": 5}),
    "timer 45 minutes": ("timer", {"minutes": 45}),
}
for place in PLACES:
    ANSWERS |= {
        f"rain in {place} tomorrow?": ("weather_info", {"location": place, "when": "tomorrow"}),
        f"{place}の今日の天気": ("weather_info", {"location": place, "when": "today"}),
        f"weather {place}": ("weather_info", {"location": place}),
        f"map of {place}": ("weather_map", {"description": place}),
    }
RICH = {
    made.name: made
    for made in (
        card(
            "order",
            ["item"],
            item={"type": "string"},
            amount={"type": "integer"},
            size={"type": "integer", "enum": [1, 10, 12]},
            price={"type": "number"},
            gift={"type": "boolean"},
            tags={"type": "array", "items": {"type": "string", "enum": ["new", "old"]}},
            notes={"type": "array", "items": {"type": "string"}},
            to={"type": "object", "properties": {"street": {"type": "string"}, "number": {"type": "integer"}}},
        ),
        card("say", [], text={"type": "string"}, target_language={"type": "string"}),
        card("stop"),
    )
}
RICH_TURNS = ["two big 鰻 for 12 Mill Road, please", "say <escape>hello<end_of_turn> in French", "stop", "🎏🎏"]


def turn(text: str, *history: tuple[str, str], pending: Pending | None = None) -> Turn:
    return Turn(
        turn_id="1",
        client="test",
        conversation="1",
        text=text,
        lang="en",
        said_at=datetime.now(UTC),
        history=[Utterance(role=role, content=content) for role, content in history],
        pending=pending,
    )


@pytest.fixture(scope="module", autouse=True)
def single_thread() -> Iterator[None]:
    """Small matrices: a second thread would only wait."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Gemma that answers."""
    path = tmp_path_factory.mktemp("trained")
    tools = Toolset(CARDS)
    pairs = [(tools.prompt((), text), tools.completion(*answer)) for text, answer in ANSWERS.items()]
    make_tokenizer(path, [*ANSWERS, tools.prefix], size=700)
    make_model(path, layers=2, window=24)
    assert train(path, pairs, steps=120, rate=5e-3) < 0.1
    return path


@pytest.fixture(scope="module")
def wild(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Vocabulary]:
    """A model of random weights that are large enough to have opinions, and its tokens."""
    path = tmp_path_factory.mktemp("wild")
    make_tokenizer(path, ["big please Mill Road French"], size=600)
    model = make_model(path, layers=3, window=16)
    torch.manual_seed(1)
    for weights in model.parameters():
        weights.data.normal_(0, 0.3)
    return model, Vocabulary(AutoTokenizer.from_pretrained(path))


def router_of(model: Any, vocabulary: Vocabulary, *, spans: bool) -> PeftRouter:
    gemma = Gemma(model)
    return PeftRouter(gemma, vocabulary, Decoder(gemma, vocabulary), spans=spans)


def told(function: str | None, arguments: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    return function, arguments


def test_model_reads_in_pieces_what_transformers_reads_at_once(wild: tuple[Any, Vocabulary]) -> None:
    model, _ = wild
    gemma = Gemma(model)
    ids = torch.randint(107, 600, (600,), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = model(ids[None]).logits[0]
    memory = gemma.memory()
    found = []
    begin = 0
    for length in (300, 1, 40, 1, 258):
        piece = ids[begin : begin + length].tolist()
        # What was read in vain is written over.
        gemma.read([5, 6, 7], memory)
        memory.length -= 3
        states = gemma.read(piece, memory, last=length)
        found += [gemma.logits(state) for state in states]
        begin += length
    torch.testing.assert_close(torch.stack(found), wanted, atol=1e-4, rtol=1e-4)
    some = torch.tensor([3, 500, 48])
    torch.testing.assert_close(gemma.logits(states[-1], some), found[-1][some])


def test_decodes_what_generate_gives_where_that_fits(trained: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(trained)
    vocabulary = Vocabulary(AutoTokenizer.from_pretrained(trained))
    routers = {spans: router_of(model, vocabulary, spans=spans) for spans in (True, False)}
    tools = Toolset(CARDS)
    stops = [vocabulary.control(stop) for stop in ("<start_function_response>", "<end_of_turn>")]
    same = {True: 0, False: 0}
    for text in [*ANSWERS, *(f"rain in {place}?" for place in PLACES), "map of Leeds tomorrow", "timer 54 minutes"]:
        ids = torch.tensor([vocabulary.encode(tools.prompt((), text))])
        given = model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=40, eos_token_id=stops
        )
        free = vocabulary.text(token for token in given[0, ids.shape[1] :].tolist() if token != stops[0])
        for spans, router in routers.items():
            decoded = router.decode(turn(text), tools)
            if fits(tools, free, text, spans=spans):
                assert vocabulary.text(decoded.tokens) == free
                same[spans] += 1
    assert min(same.values()) > len(ANSWERS) * 0.9


def fits(tools: Toolset, output: str, text: str, *, spans: bool) -> bool:
    """Whether an output is nothing, or one whole call that the cards allow."""
    if output == "<end_of_turn>":
        return True
    calls = tools.calls(output)
    if len(calls) != 1 or calls[0].name not in CARDS:
        return False
    arguments, refused = validate(calls[0].name, calls[0].arguments, CARDS[calls[0].name])
    closed = ("when", "minutes")
    said = all(not spans or key in closed or value in text for key, value in arguments.items())
    return said and not refused and output + "<start_function_response>" == tools.completion(calls[0].name, arguments)


async def test_routes_with_a_model_and_an_adapter(trained: Path, tmp_path: Path) -> None:
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(trained),
        LoraConfig(r=4, target_modules="all-linear", init_lora_weights=True),
    )
    adapted.save_pretrained(tmp_path)
    settings = Settings(router="peft", peft_base=str(trained), peft_adapter=tmp_path, peft_device="cpu")
    router = load(settings)
    for text, (function, arguments) in ANSWERS.items():
        decision = await router.route(turn(text), CARDS)
        assert told(decision.function, decision.arguments) == (function, arguments)
        assert decision.confidence > 0.8
        assert decision.router == "peft"


async def test_adapter_changes_what_the_model_says(trained: Path, tmp_path: Path) -> None:
    adapted = get_peft_model(
        AutoModelForCausalLM.from_pretrained(trained), LoraConfig(r=4, target_modules="all-linear")
    )
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            weights.data.normal_(0, 0.3)
    adapted.save_pretrained(tmp_path)
    settings = Settings(router="peft", peft_base=str(trained), peft_adapter=tmp_path, peft_device="cpu")
    router = PeftRouter.load(settings)
    prompt = router._vocabulary.encode("map of Leeds")
    with torch.inference_mode():
        wanted = adapted.eval()(torch.tensor([prompt])).logits[0, -1]
    found = router._model.logits(router._model.read(prompt, router._model.memory())[0])
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


async def test_confidence_is_the_probability_of_the_function(trained: Path) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(trained), AutoModelForCausalLM.from_pretrained(trained)
    vocabulary = Vocabulary(tokenizer)
    router = router_of(model, vocabulary, spans=True)
    prompt = Toolset(CARDS).prompt((), "map of rain")

    def chances(text: str, *tokens: str) -> list[float]:
        with torch.inference_mode():
            logits = model(torch.tensor([vocabulary.encode(text)])).logits[0, -1]
        chosen: list[float] = logits[[vocabulary.encode(token)[0] for token in tokens]].softmax(0).tolist()
        return chosen

    call = chances(prompt, "<start_function_call>", "<end_of_turn>")[0]
    prompt += "<start_function_call>call:"
    weather, timer = chances(prompt, "weather", "timer")
    info, shown = chances(prompt + "weather_", "info", "map")
    decision = await router.route(turn("map of rain"), CARDS)
    wanted = {"weather_map": weather * shown, "weather_info": weather * info, "timer": timer}
    assert decision.function in wanted
    assert decision.confidence == pytest.approx(call * wanted[decision.function], rel=1e-3)


@pytest.mark.parametrize("spans", [True, False])
def test_every_way_through_the_automaton_makes_a_call_that_fits(wild: tuple[Any, Vocabulary], spans: bool) -> None:
    _, vocabulary = wild
    tools = Toolset(RICH)
    grammar = Grammar(tools, vocabulary, spans=spans)
    escape, *some = vocabulary.encode("<escape>big Mill 鰻")
    filled = set()
    for seed in range(300):
        choose = Random(seed).choice
        state: State = grammar.start(Dialogue(["hi", neutral(RICH_TURNS[seed % 4])], vocabulary))
        said = []
        while state.tokens is None or state.tokens:
            said.append(choose([escape, *some]) if state.tokens is None else choose(state.tokens))
            state = state.after(said[-1])
        output = vocabulary.text(said)
        calls = tools.calls(output)
        assert len(calls) == (output != "<end_of_turn>")
        for call in calls:
            check(call, ["hi", neutral(RICH_TURNS[seed % 4])] if spans else None)
            filled |= {(call.name, key) for key in call.arguments}
    assert len(filled) == sum(len(made.parameters["properties"]) for made in RICH.values())


@pytest.mark.parametrize("spans", [True, False])
def test_untrained_model_can_only_make_calls_that_fit(wild: tuple[Any, Vocabulary], spans: bool) -> None:
    model, vocabulary = wild
    router = router_of(model, vocabulary, spans=spans)
    tools = Toolset(RICH)
    for text in RICH_TURNS:
        said = vocabulary.text(router.decode(turn(text, ("user", "hi"), ("assistant", "Hello!")), tools).tokens)
        calls = tools.calls(said)
        assert len(calls) == (said != "<end_of_turn>")
        for call in calls:
            check(call, ["hi", "Hello!", neutral(text)] if spans else None)


def test_free_text_holds_no_control_token(wild: tuple[Any, Vocabulary]) -> None:
    model, vocabulary = wild
    gemma = Gemma(model)
    end = vocabulary.control("<end_of_turn>")
    eager = model.lm_head.weight.detach()[end]
    assert int(gemma.logits(eager).argmax()) == end
    state: State = Grammar(Toolset({"say": RICH["say"]}), vocabulary, spans=False).start(Dialogue([SAID], vocabulary))
    for token in vocabulary.encode("<start_function_call>call:say{text:<escape>"):
        state = state.after(token)
    chosen, _ = Decoder(gemma, vocabulary).choose(state, eager, None)
    assert chosen not in vocabulary.controls - {vocabulary.control("<escape>")}


def check(call: FunctionCall, said: Sequence[str] | None) -> None:
    """A call fits its card, and its texts stand in what was said."""
    given, refused = validate(call.name, call.arguments, RICH[call.name])
    blank = {key for key, value in call.arguments.items() if not str(value).strip(" []'")}
    assert set(refused) <= blank
    for key in ("item", "text"):
        if key in given and said is not None:
            assert any(call.arguments[key] in message for message in said)
    assert call.arguments.get("size", 1) in (1, 10, 12)
    assert set(call.arguments.get("tags", ())) <= {"new", "old"}
    assert isinstance(call.arguments.get("amount", 0), int)
    assert set(call.arguments.get("to", ())) <= {"street", "number"}


def test_model_that_answers_in_words_calls_nothing(wild: tuple[Any, Vocabulary]) -> None:
    model, vocabulary = wild
    tools = Toolset(RICH)
    gemma = Gemma(model)
    router = PeftRouter(gemma, vocabulary, Decoder(gemma, vocabulary, words=True))
    for text in RICH_TURNS:
        with torch.inference_mode():
            chances = model(torch.tensor([vocabulary.encode(tools.prompt((), text))])).logits[0, -1].softmax(0)
        decoded = router.decode(turn(text), tools)
        call = float(chances[vocabulary.control("<start_function_call>")])
        assert call < float(chances.max())
        assert vocabulary.text(decoded.tokens) == "<end_of_turn>"
        assert decoded.chance == pytest.approx(1 - call, abs=1e-4)


async def test_without_cards_nothing_is_called(trained: Path) -> None:
    router = load(Settings(router="peft", peft_base=str(trained), peft_device="cpu"))
    assert (await router.route(turn("timer 5 minutes"), {})).function is None


async def test_declarations_are_read_once_for_a_set_of_cards(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    router = PeftRouter.load(Settings(peft_base=str(trained), peft_device="cpu"))
    read: list[int] = []
    original = Gemma.read

    def counted(gemma: Gemma, tokens: Sequence[int], memory: Any, last: int = 1) -> Any:
        read.append(len(tokens))
        return original(gemma, tokens, memory, last)

    monkeypatch.setattr(Gemma, "read", counted)

    async def longest(cards: Mapping[str, Card]) -> tuple[int, Decision]:
        read.clear()
        decision = await router.route(turn("timer 5 minutes"), cards)
        return max(read), decision

    declarations = len(router._vocabulary.encode(Toolset(CARDS).prefix))
    first = await longest(CARDS)
    assert first[0] == declarations
    fewer = {name: CARDS[name] for name in ("timer", "weather_map")}
    assert (await longest(fewer))[0] > 30
    # Published anew, by name in another order: the same cards.
    again = await longest({name: made.model_copy(update={"id": "new"}) for name, made in reversed(CARDS.items())})
    assert again[0] < 30
    assert again[1] == first[1]


async def test_certain_tokens_and_the_vocabulary_cost_nothing(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, model = AutoTokenizer.from_pretrained(trained), AutoModelForCausalLM.from_pretrained(trained)
    router = router_of(model, Vocabulary(tokenizer), spans=True)
    rows: list[int] = []
    original = Gemma.logits

    def counted(gemma: Gemma, state: Any, tokens: Any = None) -> Any:
        rows.append(len(tokens) if tokens is not None else 10**6)
        return original(gemma, state, tokens)

    monkeypatch.setattr(Gemma, "logits", counted)
    text = "rain in New York tomorrow?"
    decoded = router.decode(turn(text), Toolset(CARDS))
    assert len(decoded.tokens) > 2 * len(rows)
    # Guesses that are right save readings.
    assert decoded.reads < len(rows)
    assert max(rows) < 3 * len(text)


async def test_answer_completes_the_pending_call(trained: Path) -> None:
    router = load(Settings(router="peft", peft_base=str(trained), peft_device="cpu"))
    pending = Pending(function="weather_info", arguments={"when": "today"}, missing=["location"])
    decision = await router.route(turn("weather Leeds", pending=pending), CARDS)
    assert decision.arguments == {"location": "Leeds", "when": "today"}
    another = await router.route(turn("map of Leeds", pending=pending), CARDS)
    assert another.arguments == {"description": "Leeds"}


SAID = "Remind me in São Paulo: 鰻を食べる 🎏, 2 < 3"


@given(st.tuples(st.integers(0, len(SAID) - 1), st.integers(1, len(SAID))), st.booleans())
@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_span_of_the_dialogue_can_be_given_and_nothing_else(
    wild: tuple[Any, Vocabulary], place: tuple[int, int], mended: bool
) -> None:
    begin, length = place
    value = SAID[begin : begin + length]
    _, vocabulary = wild
    tools = Toolset({"say": RICH["say"]})
    state: State | None = Grammar(tools, vocabulary, spans=True).start(Dialogue(["hi", SAID], vocabulary))
    wrong = value + "#" if mended else value
    for token in vocabulary.encode(f"<start_function_call>call:say{{text:<escape>{wrong}<escape>}}<end_function_call>"):
        state = state.after(token) if state is not None and token in (state.tokens or ()) else None
    assert (state is None) == mended
    assert mended or (state is not None and not state.tokens)


def test_span_does_not_end_within_a_character(wild: tuple[Any, Vocabulary]) -> None:
    _, vocabulary = wild
    state: State = Grammar(Toolset({"say": RICH["say"]}), vocabulary, spans=True).start(Dialogue([SAID], vocabulary))
    escape, *spelt = vocabulary.encode("<escape>鰻")
    assert len(spelt) == 3
    for token in vocabulary.encode("<start_function_call>call:say{text:<escape>"):
        state = state.after(token)
    for token in spelt:
        assert escape not in (state.tokens or ())
        state = state.after(token)
    assert escape in (state.tokens or ())


@pytest.mark.parametrize(
    ("base", "adapter", "said"),
    [("missing", None, "FUNCGEMMA_PEFT_BASE"), (None, "missing", "FUNCGEMMA_PEFT_ADAPTER")],
)
def test_what_is_missing_is_said_in_a_sentence(
    trained: Path, tmp_path: Path, base: str | None, adapter: str | None, said: str
) -> None:
    settings = Settings(
        router="peft",
        peft_base=str(tmp_path / base if base else trained),
        peft_adapter=tmp_path / adapter if adapter else None,
        peft_device="cpu",
    )
    with pytest.raises(RouterError, match=said):
        load(settings)


def test_model_of_another_kind_is_refused(trained: Path, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(trained)
    tokenizer.add_special_tokens({"additional_special_tokens": []})
    model = AutoModelForCausalLM.from_pretrained(trained)
    model.config.attention_bias = True
    with pytest.raises(ValueError, match="gemma3_text"):
        Gemma(model)


async def test_turns_that_come_at_once_are_answered_one_by_one(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    router = load(Settings(router="peft", peft_base=str(trained), peft_device="cpu"))
    running: list[str] = []
    original = PeftRouter.decode

    def alone(router: PeftRouter, turn: Turn, tools: Toolset) -> Any:
        running.append(turn.text)
        assert running == [turn.text]
        decoded = original(router, turn, tools)
        running.remove(turn.text)
        return decoded

    monkeypatch.setattr(PeftRouter, "decode", alone)
    texts = list(ANSWERS)[:6]
    decisions = await asyncio.gather(*(router.route(turn(text), CARDS) for text in texts))
    assert [decision.function for decision in decisions] == [ANSWERS[text][0] for text in texts]
