"""Measures the peft router beside `model.generate`: `python -m tools.bench router-peft`.

A Gemma 3 of FunctionGemma's shape (270M parameters, 262,144 tokens) with random weights, the project's functions, and
turns of the labelled cases. Both sides hold the same weights in 32 bits and answer the same turns, by turns:

- `generate`: transformers' `model.generate` on the whole prompt, greedy, with its own cache.
- `router`: the router as it runs, its declarations read before.

Random weights neither stop nor say anything of sense, so the answer is given: both make as many tokens as the
labelled answer has. `generate` makes that many of its own (which ones makes no difference to its time). The router
computes each choice as always, but the labelled token is then taken instead of the likeliest. Thus it makes the
labelled call, with the text that was labelled, and reads as often as a right answer takes.

What is not covered: how good answers are (`tools.evaluate_peft`).
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

import torch
from torch import Tensor
from transformers import AutoTokenizer, Gemma3ForCausalLM

from agent.messages import Card, Turn
from agent.routing.cases import Case, load_cases
from agent.routing.constrained import Grammar, State
from agent.routing.functiongemma import Toolset, neutral
from agent.routing.peft import PeftRouter
from agent.routing.peft_decoding import Decoded, Decoder
from agent.routing.peft_model import Gemma, Memory
from agent.routing.peft_values import Dialogue
from agent.routing.peft_vocabulary import Vocabulary
from agent.settings import settings
from functions import registry
from tests.small_gemma import make_model, make_tokenizer
from tools.outcomes import turn_of

_TOKENS = 262_144
_LEARNED = 12_000
"""Tokens that the tokenizer learns: with so many, texts take about as many tokens as with Gemma's own."""
_WAYS = {"spans": (True, False), "free text": (False, False), "spans, no adapter": (True, True)}
"""Ways the router may run: with spans or not, with the vocabulary's logits at the first token or not."""


@dataclass(frozen=True)
class Question:
    """A turn with its labelled answer, as the router and `generate` get it."""

    function: str
    turn: Turn
    prompt: Tensor
    answer: Sequence[int]


@dataclass(frozen=True)
class Took:
    """Milliseconds: by the clock, and of the processors' work, on which what else runs has less influence."""

    clock: float
    work: float


class _Clock:
    """Measures a block."""

    def __enter__(self) -> Self:
        self._began = (time.perf_counter(), time.process_time())
        return self

    def __exit__(self, *_error: object) -> None:
        clock, work = self._began
        self.took = Took((time.perf_counter() - clock) * 1000, (time.process_time() - work) * 1000)


@dataclass(frozen=True)
class _Scripted:
    """The automaton on its way along a given answer."""

    state: State
    answer: Sequence[int]
    place: int = 0

    @property
    def tokens(self) -> Sequence[int] | None:
        return self.state.tokens

    @property
    def likely(self) -> Sequence[int]:
        return self.state.likely

    @property
    def settled(self) -> bool:
        return self.state.settled

    @property
    def first(self) -> bool:
        return self.state.first

    def after(self, token: int) -> State:
        return _Scripted(self.state.after(token), self.answer, self.place + 1)


class ScriptedDecoder(Decoder):
    """Makes every choice as always, then takes the labelled token instead."""

    answer: Sequence[int] = ()
    reads = 0

    def decode(self, prompt: Sequence[int], state: State, memory: Memory) -> Decoded:
        """See `Decoder`."""
        decoded = super().decode(prompt, _Scripted(state, self.answer), memory)
        self.reads = decoded.reads
        return decoded

    def choose(self, state: State, hidden: Tensor, logits: Tensor | None) -> tuple[int, float]:
        """See `Decoder`."""
        _, chance = super().choose(state, hidden, logits)
        assert isinstance(state, _Scripted)  # noqa: S101 - `decode` sees to it
        return state.answer[state.place], chance


@dataclass(frozen=True)
class Measured:
    """A question on both sides; ours by the way it ran, with how often the model read."""

    question: Question
    generate: Took
    ours: Mapping[str, tuple[Took, int]]


def questions(number: int, toolset: Toolset, vocabulary: Vocabulary) -> Iterator[Question]:
    """Labelled cases, so many of each function and of none, whose answers the automaton allows."""
    grammar = Grammar(toolset, vocabulary, spans=True)
    cases = load_cases(settings().cases)
    Random(0).shuffle(cases)
    taken: dict[str | None, int] = {}
    for case in cases:
        if taken.get(case.function, 0) == number:
            continue
        answer = vocabulary.encode(toolset.completion(case.function, case.arguments).split("<start_function_resp")[0])
        if _allowed(grammar, vocabulary, case, answer):
            taken[case.function] = taken.get(case.function, 0) + 1
            prompt = vocabulary.encode(toolset.prompt(case.history, case.text))
            yield Question(case.function or "none", turn_of(case), torch.tensor([prompt]), answer)


def generate(model: Gemma3ForCausalLM, question: Question) -> Took:
    """Answers a question with `model.generate`."""
    length = len(question.answer)
    with _Clock() as clock:
        model.generate(
            question.prompt,
            attention_mask=torch.ones_like(question.prompt),
            do_sample=False,
            max_new_tokens=length,
            min_new_tokens=length,
        )
    return clock.took


def route(router: PeftRouter, decoder: ScriptedDecoder, question: Question, cards: Mapping[str, Card]) -> Took:
    """Answers a question with the router.

    Raises:
        RuntimeError: it decided otherwise than labelled.
    """
    decoder.answer = question.answer
    with _Clock() as clock:
        decision = asyncio.run(router.route(question.turn, cards))
    if (decision.function or "none") != question.function:
        raise RuntimeError(f"{question.turn.text}: {decision}")
    return clock.took


def main(turns: int) -> None:
    """Runs the whole measurement over so many turns of each function and of none, and prints it."""
    cards = registry.cards()
    toolset = Toolset(cards)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        make_tokenizer(path, [toolset.prefix, *(case.text for case in load_cases(settings().cases))], size=_LEARNED)
        make_model(
            path,
            layers=18,
            hidden=640,
            heads=4,
            head_dim=256,
            feed_forward=2048,
            window=512,
            whole=6,
            vocabulary=_TOKENS,
        )
        tokenizer = AutoTokenizer.from_pretrained(path)
        model = Gemma3ForCausalLM.from_pretrained(path, dtype=torch.float32)
    vocabulary, gemma = Vocabulary(tokenizer), Gemma(model)
    routers = {}
    for way, (spans, words) in _WAYS.items():
        decoder = ScriptedDecoder(gemma, vocabulary, words=words)
        routers[way] = (PeftRouter(gemma, vocabulary, decoder, spans=spans), decoder)
    asked = sorted(questions(turns, toolset, vocabulary), key=lambda question: question.function)
    print(f"{sum(weights.numel() for weights in model.parameters()) / 1e6:.0f} million parameters, 32 bits, ", end="")
    print(f"{torch.get_num_threads()} threads; load of the machine before: {os.getloadavg()[0]:.1f}")
    prefix = vocabulary.encode(toolset.prefix)
    print(f"{len(cards)} declarations: {len(prefix)} tokens, {len(toolset.prefix) / len(prefix):.1f} characters each")
    print(f"Largest difference of logits from transformers': {_difference(model, gemma, asked[0]):.1e}")
    for way, (router, decoder) in routers.items():
        print(f"Declarations read once: {route(router, decoder, asked[0], cards).clock:.0f} ms ({way})")
    generate(model, asked[0])
    columns = " | ".join(f"{way}, ms | reads | times" for way in _WAYS)
    print(f"\n| | prompt | answer | generate, ms | {columns} |\n|{' --- |' * (4 + 3 * len(_WAYS))}")
    measured: list[Measured] = []
    for number, question in enumerate(asked):
        ours = {
            way: (route(router, decoder, question, cards), decoder.reads) for way, (router, decoder) in routers.items()
        }
        measured.append(Measured(question, generate(model, question), ours))
        if number + 1 == len(asked) or asked[number + 1].function != question.function:
            print(_row(question.function, [one for one in measured if one.question.function == question.function]))
    print(_row("all", measured))
    print(f"\nTimes faster, median of {len(measured)} turns:\n")
    print("| | by the clock | least | in processor time |\n| --- | --- | --- | --- |")
    for way in _WAYS:
        clock = [one.generate.clock / one.ours[way][0].clock for one in measured]
        work = statistics.median(one.generate.work / one.ours[way][0].work for one in measured)
        print(f"| {way} | {statistics.median(clock):.1f} | {min(clock):.1f} | {work:.1f} |")
    print(f"\nLoad of the machine after: {os.getloadavg()[0]:.1f}")


def _row(name: str, measured: Sequence[Measured]) -> str:
    base = statistics.fmean(one.generate.clock for one in measured)
    prompt = statistics.fmean(one.question.prompt.shape[1] for one in measured)
    answer = statistics.fmean(len(one.question.answer) for one in measured)
    cells = [name, f"{prompt:.0f}", f"{answer:.0f}", f"{base:.0f}"]
    for way in _WAYS:
        took = statistics.fmean(one.ours[way][0].clock for one in measured)
        reads = statistics.fmean(one.ours[way][1] for one in measured)
        cells += [f"{took:.0f}", f"{reads:.1f}", f"{base / took:.1f}"]
    return f"| {' | '.join(cells)} |"


def _allowed(grammar: Grammar, vocabulary: Vocabulary, case: Case, answer: Sequence[int]) -> bool:
    said = [neutral(text).strip() for text in (*(one.content for one in case.history), case.text)]
    state = grammar.start(Dialogue(said, vocabulary))
    for token in answer:
        if token not in (state.tokens or ()):
            return False
        state = state.after(token)
    return True


def _difference(model: Gemma3ForCausalLM, gemma: Gemma, question: Question) -> float:
    with torch.inference_mode():
        theirs = model(question.prompt, logits_to_keep=1).logits[0, 0]
    ours = gemma.logits(gemma.read(question.prompt[0].tolist(), gemma.memory())[0])
    return float((theirs - ours).abs().max())
