"""From labelled cases to a deployed router: a small Gemma goes the whole way, and its parts keep their promises."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent.messages import Card, Utterance
from agent.routing.cases import Case, write_items
from agent.routing.functiongemma import Toolset
from agent.settings import PROJECT, Settings
from functions import registry
from tests.ollama_functiongemma import render
from tests.ollama_server import OllamaServer, Reply
from tools import deploy, evaluate, evaluate_peft, finetune_peft, report, split_data
from tools.adapters import AdapterRun

torch = pytest.importorskip("torch", reason="the train extra is not installed")
pytest.importorskip("peft", reason="the train extra is not installed")

from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: E402

from agent.routing.peft_vocabulary import Vocabulary  # noqa: E402
from tests.small_gemma import make_model, make_tokenizer  # noqa: E402
from tests.small_router import CARDS, make_base, make_cases  # noqa: E402
from tools.tuner import Options, Tuner  # noqa: E402
from tools.tuning_examples import Example, Order, example  # noqa: E402
from tools.tuning_model import load_base  # noqa: E402

# PEFT asks transformers under a name that it has given up.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")]
STEPS = 200


@dataclass(frozen=True)
class Workshop:
    """Folders of a pipeline, and the arguments that name them."""

    path: Path

    @property
    def base(self) -> Path:
        return self.path / "base"

    @property
    def run(self) -> AdapterRun:
        return AdapterRun(self.path / "adapters" / "run_1")

    def split(self, *others: object) -> None:
        assert (
            split_data.main([str(self.path / "cases.json"), "--out", str(self.path / "splits"), "--run-id", "1"]) == 0
        )

    def tune(self, *others: object) -> None:
        places = ("--splits", self.path / "splits", "--out", self.path / "adapters", "--base-model", self.base)
        finetune_peft.main([*map(str, places), "--device", "cpu", *map(str, others)])

    def use(self, tool: Callable[[Sequence[str]], None], *others: object) -> None:
        places = ("--splits", self.path / "splits", "--runs", self.path / "adapters", "--device", "cpu")
        tool([*map(str, places), *map(str, others)])


@pytest.fixture(scope="module", autouse=True)
def small_world() -> Iterator[None]:
    """Few functions, and one thread: small matrices would only wait for a second one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "load", lambda: {name: SimpleNamespace(card=card) for name, card in CARDS.items()})
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """A base model, a split, and an adapter of 200 steps."""
    made = Workshop(tmp_path_factory.mktemp("tuned"))
    make_base(made.base)
    write_items(made.path / "cases.json", make_cases(600))
    made.split()
    made.tune("--max-steps", STEPS, "--lr", 2e-3, "--batch-size", 16, "--accumulate", 1, "--no-checkpointing")
    return made


@pytest.fixture
def tiny(tmp_path: Path) -> Workshop:
    """An untrained model and a split of a few cases: whatever it learns, it learns fast."""
    made = Workshop(tmp_path)
    make_tokenizer(made.base, [Toolset(CARDS).prefix], size=500)
    make_model(made.base, layers=2, hidden=32, window=16)
    write_items(made.path / "cases.json", make_cases(40))
    made.split()
    return made


def accuracy(path: Path) -> float:
    """Share of the cases with the right function."""
    return float(report.read(path).measures["slices"]["all"]["accuracy"]["value"])


def test_tuned_router_beats_its_base_by_far(tuned: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On cases that training never saw; checkpoints can be measured by themselves."""
    monkeypatch.setattr(evaluate, "settings", lambda: Settings(peft_base=str(tuned.base), peft_device="cpu"))
    test = tuned.path / "splits" / "run_1" / "test.jsonl"
    base = ["evaluate", "--router", "peft", "--data", str(test), "--json", str(tmp_path / "base.json")]
    monkeypatch.setattr(sys, "argv", base)
    evaluate.main()
    tuned.use(evaluate_peft.main, "--json", tmp_path / "tuned.json")
    tuned.use(evaluate_peft.main, "--checkpoint", 100, "--limit", 5, "--json", tmp_path / "halfway.json")
    assert accuracy(tmp_path / "tuned.json") > accuracy(tmp_path / "base.json") + 0.4
    assert accuracy(tmp_path / "tuned.json") > 0.9
    assert report.read(tmp_path / "halfway.json").about["checkpoint"] == 100
    assert {path.name for path in tmp_path.glob("tuned.*")} == {"tuned.json", "tuned.md", "tuned.png"}


def test_run_says_what_was_done(tuned: Workshop) -> None:
    """Manifest, log, checkpoints and curves lie where the documentation says."""
    manifest = tuned.run.manifest()
    assert manifest["options"]["max_steps"] == STEPS
    assert manifest["adapter"]["validation"]["exact"] > 0.9
    assert list(tuned.run.checkpoints()) == [100, 200]
    rows = finetune_peft.read_log(tuned.run)
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, STEPS + 1))
    assert [row["step"] for row in rows if "validation" in row] == [0, 100, 200]
    assert (tuned.run.folder / "curves.png").read_bytes().startswith(b"\x89PNG")


# ---- deploying


class Served:
    """The merged model as the server has it: made of what was sent to it."""

    def __init__(self, server: OllamaServer, folder: Path) -> None:
        self._server = server
        self._folder = folder
        self._model: Any = None

    def reply(self, body: Mapping[str, Any]) -> Reply:
        """What the model says to a chat, token by token."""
        if self._model is None:
            self._folder.mkdir()
            for name, digest in self._server.bodies("/api/create")[-1]["files"].items():
                (self._folder / name).write_bytes(self._server.blobs[digest])
            self._model = AutoModelForCausalLM.from_pretrained(self._folder, dtype=torch.bfloat16)
            self._vocabulary = Vocabulary(AutoTokenizer.from_pretrained(self._folder))
        prompt = body["prompt"] if "prompt" in body else render(body["messages"], body.get("tools") or ())
        ids = torch.tensor([self._vocabulary.encode(prompt)])
        ends = [self._vocabulary.control(name) for name in ("<end_of_turn>", "<start_function_response>")]
        said = self._model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=40, eos_token_id=ends
        )
        return Reply([self._vocabulary.text([token]) for token in said[0, ids.shape[1] :].tolist()])


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    """An Ollama without models."""
    async with OllamaServer() as running:
        yield running


@pytest.fixture
def settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The installation's settings, out of the way of the project's own."""
    file = tmp_path / "funcgemma.toml"
    file.write_text('# mine\nport = 4242\nrouter_model = "functiongemma"\n', encoding="utf-8")
    monkeypatch.setitem(Settings.model_config, "toml_file", file)
    return file


async def run_deploy(tuned: Workshop, server: OllamaServer, monkeypatch: pytest.MonkeyPatch, *others: object) -> None:
    chosen = Settings(ollama_url=server.url)
    monkeypatch.setattr(deploy, "settings", lambda: chosen)
    await asyncio.to_thread(tuned.use, deploy.main, "--name", "mine", *others)


async def test_deployed_model_answers_as_the_adapter_and_becomes_the_router(
    tuned: Workshop,
    settings_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    server: OllamaServer,
) -> None:
    """What Ollama gets is enough to answer as the adapter does; only the model's line changes in the settings."""
    server.replies = {"mine": Served(server, settings_file.parent / "served").reply}
    await run_deploy(tuned, server, monkeypatch, "--cases", 12, "--quantize", "q8_0")
    (made,) = server.bodies("/api/create")
    assert (made["renderer"], made["parser"], made["quantize"]) == ("functiongemma", "functiongemma", "q8_0")
    assert made["parameters"]["temperature"] == 0
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(made["files"])
    assert "12 of 12 functions" in capsys.readouterr().out
    assert settings_file.read_text(encoding="utf-8") == '# mine\nport = 4242\nrouter_model = "mine"\n'
    modelfile = (tuned.run.folder / "merged" / "Modelfile").read_text(encoding="utf-8")
    assert modelfile.startswith("FROM .\nRENDERER functiongemma\nPARSER functiongemma\n")


async def test_model_that_answers_otherwise_is_not_taken(
    tuned: Workshop, settings_file: Path, monkeypatch: pytest.MonkeyPatch, server: OllamaServer
) -> None:
    """A conversion may go wrong without a word: the router keeps what it has."""
    before = settings_file.read_text(encoding="utf-8")
    server.replies = {"mine": lambda _body: Reply(["I", " cannot."])}
    with pytest.raises(SystemExit, match="answers otherwise than the adapter, so the router keeps functiongemma"):
        await run_deploy(tuned, server, monkeypatch)
    assert settings_file.read_text(encoding="utf-8") == before


async def test_environment_that_overrules_the_settings_is_named(
    tuned: Workshop, tmp_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch, server: OllamaServer
) -> None:
    """Written into a file that has no say, the name would be a promise that is not kept."""
    monkeypatch.setenv("FUNCGEMMA_ROUTER_MODEL", "another")
    server.replies = {"mine": Served(server, tmp_path / "served").reply}
    with pytest.raises(SystemExit, match=r"FUNCGEMMA_ROUTER_MODEL in the environment or in .env says another"):
        await run_deploy(tuned, server, monkeypatch, "--cases", 4)


async def test_converted_file_is_deployed_in_place_of_the_weights(
    tuned: Workshop, tmp_path: Path, settings_file: Path, monkeypatch: pytest.MonkeyPatch, server: OllamaServer
) -> None:
    """Newer versions of Ollama refuse weights as they are, and the sentence says what they take."""
    (tmp_path / "router.gguf").write_bytes(b"GGUF")
    server.refuses_safetensors = True
    server.replies = {"mine": lambda _body: Reply(["I", " cannot."])}
    with pytest.raises(SystemExit, match=r"convert_hf_to_gguf.py .*merged, then deploy the file with --gguf FILE"):
        await run_deploy(tuned, server, monkeypatch)
    with pytest.raises(SystemExit, match="answers otherwise"):
        await run_deploy(tuned, server, monkeypatch, "--gguf", tmp_path / "router.gguf")
    assert list(server.bodies("/api/create")[-1]["files"]) == ["router.gguf"]


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (None, "Ollama does not answer at .*; start it with: ollama serve"),
        ("0.12.0", "too old for FunctionGemma's format"),
    ],
)
async def test_ollama_that_cannot_is_said_in_a_sentence(
    tuned: Workshop, version: str | None, said: str, settings_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing listens there, or it does not know the format."""
    server = OllamaServer(version=version or "0.24.0")
    await server.start()
    if version is None:
        await server.stop()
    with pytest.raises(SystemExit, match=said):
        await run_deploy(tuned, server, monkeypatch)
    await server.stop()


# ---- training


def test_broken_run_goes_on_as_if_it_had_not_been(tiny: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same losses to the last bit, and the same adapter; what was logged after the checkpoint is done again."""
    options = ("--max-steps", 6, "--every", 2, "--lr", 1e-2, "--batch-size", 2, "--accumulate", 3)
    tiny.tune(*options)
    unbroken = finetune_peft.read_log(tiny.run)
    wanted = tiny.run.manifest()["adapter"]["sha256"]
    tiny.run.folder.rename(tiny.path / "unbroken")
    advance = Tuner.advance

    def breaking(tuner: Tuner) -> float:
        if tuner.step == 5:
            raise KeyboardInterrupt
        return advance(tuner)

    with monkeypatch.context() as patch:
        patch.setattr(Tuner, "advance", breaking)
        with pytest.raises(SystemExit, match="130"):
            tiny.tune(*options)
    assert finetune_peft.read_log(tiny.run)[-1]["step"] == 5
    tiny.tune(*options, "--resume-from-checkpoint")
    assert finetune_peft.read_log(tiny.run) == unbroken
    assert tiny.run.manifest()["adapter"]["sha256"] == wanted
    with pytest.raises(SystemExit, match=r"was made with --lr 0\.01\. Go on with the same"):
        tiny.tune(*options, "--lr", 1e-3, "--resume-from-checkpoint")
    with pytest.raises(SystemExit, match=r"holds checkpoints. Go on with --resume-from-checkpoint"):
        tiny.tune(*options)


def some(*lengths: tuple[int, int]) -> list[Example]:
    """Examples of so many tokens of turn and completion; those with one token to say are of no function."""
    random = torch.Generator().manual_seed(0)

    def tokens(number: int) -> list[int]:
        return [int(token) for token in torch.randint(107, 450, (number,), generator=random)]

    return [Example(tokens(turn), tokens(length), 1, length > 1) for turn, length in lengths]


def tuner_of(base: Path, learned: Sequence[Example], options: Options, *, checkpointing: bool = False) -> Tuner:
    """A tuner whose adapter has begun to do something."""
    made = Tuner(
        load_base(str(base), torch.device("cpu"), torch.float32),
        list(range(200, 240)),
        learned,
        options,
        checkpointing=checkpointing,
    )
    random = torch.Generator().manual_seed(1)
    for name, weights in made.model.named_parameters():
        if "lora_B" in name:
            weights.data.normal_(0, 0.1, generator=random)
    return made


@pytest.mark.parametrize("checkpointing", [False, True])
def test_declarations_read_once_teach_as_whole_prompts_do(tiny: Workshop, checkpointing: bool) -> None:
    """Loss and gradients are those of the whole prompts, each by itself, also past a sliding window."""
    learned, options = some((5, 3), (30, 8), (12, 1), (18, 20)), Options(batch_size=2, accumulate=2)
    tuner = tuner_of(tiny.base, learned, options, checkpointing=checkpointing)
    found: dict[str, Any] = {}

    def keep() -> None:
        found.update({name: weights.grad for name, weights in tuner.model.named_parameters() if weights.requires_grad})

    tuner._optimiser.step = keep
    loss = tuner.advance()
    whole = tuner_of(tiny.base, learned, options)
    wanted = torch.zeros(())
    for one in learned:
        ids = torch.tensor([[*range(200, 240), *one.turn, *one.completion]])
        logits = whole.model(ids).logits[0, -len(one.completion) - 1 : -1]
        wanted = wanted + torch.nn.functional.cross_entropy(logits, torch.tensor(one.completion), reduction="sum") / 32
    wanted.backward()
    assert loss == pytest.approx(float(wanted.detach()), rel=1e-5)
    trained = {name: weights for name, weights in whole.model.named_parameters() if weights.requires_grad}
    torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
    assert any(weights.grad is not None and weights.grad.abs().max() > 0.01 for weights in trained.values())
    for name, weights in trained.items():
        torch.testing.assert_close(found[name], weights.grad, atol=1e-6, rtol=1e-4)


def test_objective_weighs_the_cases_of_no_function(tiny: Workshop) -> None:
    """The loss is the mean over tokens in which those of no function count W times."""
    learned = some((9, 1), (9, 7))
    parts = [tuner_of(tiny.base, [one], Options(accumulate=1)).advance() for one in learned]
    weighted = tuner_of(tiny.base, learned, Options(batch_size=2, accumulate=1, none_weight=3.0)).advance()
    assert weighted == pytest.approx((3 * parts[0] + 7 * parts[1]) / 10, rel=1e-4)


def test_validation_counts_what_greedy_decoding_would_say(tuned: Workshop) -> None:
    """A model that learned its cases gets them right, one that did not calls where nothing is wanted."""
    log = [row["validation"] for row in finetune_peft.read_log(tuned.run) if "validation" in row]
    assert log[0]["false_positives"] > 0.5
    assert log[-1]["accuracy"] >= log[-1]["exact"] > 0.9
    assert log[-1]["false_positives"] < 0.1


def test_order_is_a_function_of_the_seed(tmp_path: Path) -> None:
    """Each pass has every example once, a step is a mixture, and its batches are of about one length."""
    lengths = [1] * 50 + [30] * 50
    order, again, other = Order(lengths, 5, 2, 7), Order(lengths, 5, 2, 7), Order(lengths, 5, 2, 8)
    steps = [order.step(number) for number in range(20)]
    assert steps[13] == again.step(13) != other.step(13)
    passes = [
        sorted(index for step in steps[begin : begin + 10] for batch in step for index in batch) for begin in (0, 10)
    ]
    assert passes == [list(range(100))] * 2
    assert steps[:10] != steps[10:]
    assert sum({lengths[index] for batch in step for index in batch} == {1, 30} for step in steps) > 15
    assert all(max(map(lengths.__getitem__, step[0])) <= min(map(lengths.__getitem__, step[1])) for step in steps)


# ---- cases as tokens


SAY = {
    "say": Card(
        name="say", description="say", parameters={"type": "object", "properties": {"text": {"type": "string"}}}
    )
}


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Vocabulary:
    """A small tokenizer."""
    path = tmp_path_factory.mktemp("tokens")
    return Vocabulary(make_tokenizer(path, ["one two three four five six seven eight nine ten"], size=700))


def said(turn: str, history: Sequence[str] = (), function: str | None = "say", **arguments: str) -> Case:
    """A case; the messages before are the assistant's."""
    before = tuple(Utterance(role="assistant", content=content) for content in history)
    return Case(turn, before, function, dict(arguments), "en", "")


def test_long_dialogue_is_cut_and_never_the_answer(vocabulary: Vocabulary) -> None:
    """The oldest message goes first, then the middle of the text; the answer stays whole."""
    toolset = Toolset(SAY)
    case = said("one two three " * 8 + "ten", ["four five " * 9, "six seven"], text="one")
    whole, cut = example(case, toolset, vocabulary, 512)
    assert whole is not None
    assert not cut
    assert vocabulary.text(whole.completion) == toolset.completion("say", {"text": "one"})
    assert vocabulary.text(whole.completion[: whole.naming]).startswith("<start_function_call>call:say")
    shorter, cut = example(case, toolset, vocabulary, whole.length - 1)
    assert shorter is not None
    assert cut
    assert shorter.completion == whole.completion
    assert "four" not in vocabulary.text(shorter.turn)
    assert "six seven" in vocabulary.text(shorter.turn)
    least = len(whole.completion) + 40
    shortest, _ = example(case, toolset, vocabulary, least)
    assert shortest is not None
    assert shortest.length <= least
    assert " … " in vocabulary.text(shortest.turn)
    assert vocabulary.text(shortest.turn).endswith("ten<end_of_turn>\n<start_of_turn>model\n")


def test_case_that_would_lose_an_argument_is_left_out(vocabulary: Vocabulary) -> None:
    """It would teach the model to make one up; so is one whose answer alone is too long."""
    toolset = Toolset(SAY)
    case = said("one two three " * 8, ["seven"], text="seven")
    whole, _ = example(case, toolset, vocabulary, 512)
    assert whole is not None
    assert example(case, toolset, vocabulary, whole.length - 1)[0] is None
    assert example(case, toolset, vocabulary, len(whole.completion))[0] is None
    nothing, _ = example(said("hi", function=None), toolset, vocabulary, 60)
    assert nothing is not None
    assert not nothing.called
    assert vocabulary.text(nothing.completion) == "<end_of_turn>"


# ---- what can't be done


def test_what_cannot_be_trained_is_said_in_a_sentence(tiny: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No split, a split that was changed, no room for the declarations, no model, no adapter."""
    with pytest.raises(
        SystemExit, match=r"run_7 holds no split of the cases. Make one with: python -m tools.split_data"
    ):
        tiny.tune("--run-id", 7)
    with pytest.raises(SystemExit, match=r"can't be loaded. Set FUNCGEMMA_PEFT_BASE or --base-model"):
        tiny.tune("--base-model", tiny.path / "nowhere")
    with pytest.raises(SystemExit, match=r"holds no trained adapter. Train one with: python -m tools.finetune_peft"):
        tiny.use(evaluate_peft.main)
    with monkeypatch.context() as patch:
        patch.setattr(finetune_peft, "settings", lambda: Settings(num_ctx=600))
        with pytest.raises(SystemExit, match=r"declarations take \d+ tokens; with --max-length 512 that is more than"):
            tiny.tune()
    with pytest.raises(SystemExit, match=r"No case fits into 9 tokens. Raise --max-length"):
        tiny.tune("--max-length", 9)
    with (tiny.path / "splits" / "run_1" / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(SystemExit, match=r"train.jsonl was changed since it was written"):
        tiny.tune()


def test_deploy_compares_one_case_at_least(capsys: pytest.CaptureFixture[str]) -> None:
    """With none to compare, any model would do as well as the adapter."""
    with pytest.raises(SystemExit, match="2"):
        deploy.main(["--cases", "0"])
    assert "--cases: '0' is no whole number from 1 on" in capsys.readouterr().err


@pytest.mark.parametrize("tool", ["finetune_peft", "evaluate_peft", "deploy"])
def test_without_the_extra_a_sentence_says_what_to_install(tool: str, tuned: Workshop) -> None:
    """The base installation has no torch; the commands can be looked at all the same."""
    script = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'peft', 'tqdm'): sys.modules[name] = None\n"
        f"from tools.{tool} import main\n"
        "from tools import adapters\n"
        "adapters.cards_hash = lambda cards: None if len(sys.argv) < 2 else sys.argv[1]\n"
        "main(sys.argv[2:])\n"
    )
    places = ["--splits", tuned.path / "splits", *(["--out"] if tool == "finetune_peft" else ["--runs"])]
    cards = tuned.run.manifest()["cards_sha256"]
    told = subprocess.run(
        [sys.executable, "-c", script, cards, *map(str, places), str(tuned.path / "adapters")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 1
    assert "pip install -e '.[train]'" in told.stderr
    assert "Traceback" not in told.stderr
