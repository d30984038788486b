"""LoRA training of a router model: the loop, and checkpoints from which it goes on as if it had never stopped.

Nothing in it is random but the adapter's first weights and the order of the cases, and both are functions of the seed:
a checkpoint holds the adapter, the optimiser and the number of steps, which is all. A loop of our own rather than
`transformers.Trainer`: that one knows no shared prefix, and goes through its data anew to find where it was.
"""

import math
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import Gemma3ForCausalLM

from tools.adapters import TuningError, place
from tools.shared_prefix import SharedPrefix
from tools.tuning_examples import Example, Order
from tools.tuning_model import quietly

_WARM_UP = 0.05
"""Share of the steps in which the learning rate rises."""
_LARGEST_GRADIENT = 1.0
_AT_ONCE = 8
"""Cases that a validation reads side by side, at least: without gradients there is room for them."""
_STATE = "training.pt"


@dataclass(frozen=True)
class Options:
    """How to train.

    Attributes:
        max_steps: updates of the adapter.
        lora_rank: of the adapter's matrices.
        lora_alpha: their product is scaled by alpha / rank.
        lr: the highest learning rate; it rises for a twentieth of the steps and falls along a cosine to nothing.
        batch_size: cases that are read side by side.
        accumulate: batches to a step.
        max_length: tokens of a case, declarations not counted.
        none_weight: how many times a case of no function counts.
        seed: for the adapter's first weights and the order of the cases.
        every: steps between two validations, with a checkpoint each.
    """

    max_steps: int = 500
    lora_rank: int = 16
    lora_alpha: int = 32
    lr: float = 3e-5
    batch_size: int = 1
    accumulate: int = 16
    max_length: int = 512
    none_weight: float = 1.0
    seed: int = 0
    every: int = 100


@dataclass(frozen=True)
class Validation:
    """How well the model says what it should, taken greedily and free of any grammar.

    Attributes:
        loss: per token, nats.
        accuracy: share of cases with the right function, or rightly none.
        exact: share of cases with the whole output right, arguments included.
        false_positives: share of the cases of no function in which one is called; None where there are none such.
    """

    loss: float
    accuracy: float
    exact: float
    false_positives: float | None


class Tuner:
    """Trains an adapter.

    Args:
        base: the base model.
        declarations: tokens of the prompts' common beginning.
        learned: the cases to learn.
        options: how.
        checkpointing: compute activations anew instead of keeping them.

    Attributes:
        step: how many steps are done.
        model: with its adapter.
    """

    def __init__(
        self,
        base: Gemma3ForCausalLM,
        declarations: Sequence[int],
        learned: Sequence[Example],
        options: Options,
        *,
        checkpointing: bool = True,
    ) -> None:
        self.step = 0
        self._options = options
        self._learned = learned
        self._order = Order([one.length for one in learned], options.batch_size, options.accumulate, options.seed)
        torch.manual_seed(options.seed)
        lora = LoraConfig(
            r=options.lora_rank,
            lora_alpha=options.lora_alpha,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        with quietly():
            made = get_peft_model(base, lora)
        assert isinstance(made, PeftModel)  # noqa: S101 - it is no mixed one
        self.model = made.train()
        self._prefix = SharedPrefix(base, declarations, checkpointing=checkpointing)
        self._trained = [weights for weights in self.model.parameters() if weights.requires_grad]
        self._optimiser = torch.optim.AdamW(self._trained, lr=options.lr, weight_decay=0.0)

    @property
    def rate(self) -> float:
        """The learning rate of the step that comes next."""
        warm = max(1, round(_WARM_UP * self._options.max_steps))
        if self.step < warm:
            return self._options.lr * (self.step + 1) / warm
        done = (self.step - warm) / max(1, self._options.max_steps - warm)
        return self._options.lr * (1 + math.cos(math.pi * done)) / 2

    def advance(self) -> float:
        """Does one step.

        Returns:
            The loss of its cases, nats a token.

        Raises:
            TuningError: it isn't a number any more.
        """
        batches = [[self._learned[index] for index in batch] for batch in self._order.step(self.step)]
        for group in self._optimiser.param_groups:
            group["lr"] = self.rate
        # Of all tokens of the step, so that it makes no difference how they are spread over batches.
        whole = sum(len(one.completion) * self._weight(one) for batch in batches for one in batch)
        loss = 0.0
        self._prefix.begin()
        for batch in batches:
            losses, _ = self._read(batch)
            weights = torch.cat([losses.new_full((len(one.completion),), self._weight(one) / whole) for one in batch])
            part = (losses * weights).sum()
            part.backward()
            loss += part.item()
        self._prefix.finish()
        if not math.isfinite(loss):
            raise TuningError(f"The loss at step {self.step + 1} is {loss}. Train with a smaller --lr.")
        torch.nn.utils.clip_grad_norm_(self._trained, _LARGEST_GRADIENT)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self.step += 1
        return loss

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def validate(self, cases: Sequence[Example]) -> Validation:
        """Measures the model on cases; it is not changed.

        Args:
            cases: at least one.
        """
        loss, tokens, named, exact = 0.0, 0, 0, 0
        nothing, called = 0, 0
        self._prefix.begin()
        ordered, size = sorted(cases, key=lambda one: one.length), max(_AT_ONCE, self._options.batch_size)
        for batch in (ordered[start : start + size] for start in range(0, len(ordered), size)):
            losses, hits = self._read(batch)
            loss += losses.sum().item()
            tokens += len(losses)
            right = iter(hits.tolist())
            for one in batch:
                # As long as each token is the likeliest, greedy decoding takes the same way.
                own = list(islice(right, len(one.completion)))
                good = all(own[: one.naming])
                named += good
                exact += all(own)
                nothing += not one.called
                called += not one.called and not good
        self._prefix.forget()
        return Validation(loss / tokens, named / len(cases), exact / len(cases), called / nothing if nothing else None)

    def save(self, folder: Path) -> None:
        """Writes a checkpoint: the adapter as PEFT has it, and what training needs to go on."""
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        self.model.save_pretrained(str(part))
        (part / "README.md").unlink(missing_ok=True)
        state = {"step": self.step, "options": asdict(self._options), "optimiser": self._optimiser.state_dict()}
        torch.save(state, part / _STATE)
        place(part, folder)

    def resume(self, folder: Path) -> None:
        """Goes on from a checkpoint.

        Raises:
            TuningError: it is none, or it was made with other options.
        """
        try:
            state = torch.load(folder / _STATE, map_location=self._trained[0].device, weights_only=True)
            adapter = load_file(folder / "adapter_model.safetensors")
        except OSError as error:
            raise TuningError(f"{folder} holds no checkpoint to go on from.") from error
        options = asdict(self._options)
        others = sorted(name for name in options if state["options"].get(name) != options[name])
        if others:
            told = ", ".join(f"--{name.replace('_', '-')} {state['options'].get(name)}" for name in others)
            raise TuningError(f"{folder} was made with {told}. Go on with the same, or train anew.")
        set_peft_model_state_dict(self.model, adapter)
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = state["step"]

    def trained_parameters(self) -> int:
        """How many numbers the adapter has."""
        return sum(tensor.numel() for tensor in get_peft_model_state_dict(self.model).values())

    def _weight(self, example: Example) -> float:
        return 1.0 if example.called else self._options.none_weight

    def _read(self, batch: Sequence[Example]) -> tuple[Tensor, Tensor]:
        """The losses of all tokens of the batch's completions, and whether each would have been chosen."""
        width = max(one.length for one in batch) - 1
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        where = torch.zeros((len(batch), width), dtype=torch.bool)
        for row, one in enumerate(batch):
            tokens = [*one.turn, *one.completion][:-1]
            ids[row, : len(tokens)] = torch.tensor(tokens)
            where[row, len(one.turn) - 1 : len(tokens)] = True
        device = self._trained[0].device
        targets = torch.tensor([token for one in batch for token in one.completion], device=device)
        logits = self._prefix.logits(ids.to(device), where.to(device)).float()
        return cross_entropy(logits, targets, reduction="none"), logits.argmax(-1) == targets
