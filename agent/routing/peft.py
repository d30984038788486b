"""The router on transformers and PEFT: FunctionGemma with a LoRA adapter, computed here.

What all turns have in common, the declarations, the model reads once for a set of cards; a turn begins behind that.
Decoding follows the cards (`agent.routing.constrained`), so that what comes out can be called.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.messages import Card, Turn
from agent.routing import Decision, RouterError
from agent.routing.constrained import Grammar
from agent.routing.functiongemma import Toolset, neutral
from agent.routing.ollama import trimmed
from agent.routing.peft_values import Dialogue
from agent.routing.peft_vocabulary import Vocabulary
from agent.routing.validation import missing, validate
from agent.settings import Settings

if TYPE_CHECKING:
    from agent.routing.peft_decoding import Decoded, Decoder
    from agent.routing.peft_model import Gemma, Memory

__all__ = ["PeftRouter"]

log = logging.getLogger(__name__)

_KEPT = 4
"""Sets of cards whose declarations stay read: about 35 kB a token each."""


@dataclass
class _Prepared:
    """A set of cards as far as it is the same for all turns."""

    grammar: Grammar
    memory: "Memory"
    length: int


class PeftRouter:
    """Routes with a Gemma 3 that was trained on FunctionGemma's format.

    Args:
        model: reads.
        vocabulary: its tokens.
        decoder: decodes with it.
        spans: hold free text to spans of the dialogue.
    """

    name = "peft"

    def __init__(self, model: "Gemma", vocabulary: Vocabulary, decoder: "Decoder", *, spans: bool = True) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._decoder = decoder
        self._spans = spans
        self._prepared: OrderedDict[str, _Prepared] = OrderedDict()
        # One at a time: they share a memory, and more would only take the cores from each other.
        self._thread = ThreadPoolExecutor(1, "peft")

    @classmethod
    def load(cls, settings: Settings) -> "PeftRouter":
        """The model and adapter of the settings.

        Raises:
            RouterError: packages, model or adapter are missing, or are of another kind.
        """
        try:
            from agent.routing.peft_decoding import Decoder  # noqa: PLC0415 - torch is an extra
            from agent.routing.peft_model import Gemma  # noqa: PLC0415

            weights, tokenizer = _loaded(settings)
        except ImportError as error:
            raise RouterError(
                "The peft router needs packages that are not installed. Run: .venv/bin/pip install -e '.[train]'"
            ) from error
        try:
            model, vocabulary = Gemma(weights), Vocabulary(tokenizer)
            # Without an adapter a model says in words that there is nothing to call: nobody taught it otherwise.
            decoder = Decoder(model, vocabulary, words=settings.peft_adapter is None)
            return cls(model, vocabulary, decoder, spans=settings.peft_spans)
        except ValueError as error:
            raise RouterError(f"{settings.peft_base} can't be the peft router's model: {error}") from error

    async def route(self, turn: Turn, cards: Mapping[str, Card]) -> Decision:
        """Decides for one turn; see `Router`."""
        toolset = Toolset(cards)
        loop = asyncio.get_running_loop()
        decoded = await loop.run_in_executor(self._thread, self.decode, turn, toolset)
        calls = toolset.calls(self._vocabulary.text(decoded.tokens))
        if not calls:
            return Decision(None, decoded.chance, self.name)
        card = cards[calls[0].name]
        arguments, refused = validate(card.name, calls[0].arguments, card)
        if refused:
            log.debug("%s: refused %s of %s", card.name, refused, calls[0].arguments)
        if turn.pending is not None and turn.pending.function == card.name:
            arguments = {**turn.pending.arguments, **arguments}
        return Decision(card.name, decoded.chance, self.name, arguments, missing(arguments, card))

    def decode(self, turn: Turn, toolset: Toolset) -> "Decoded":
        """What the model says to a turn; computes for as long as it takes, one turn at a time."""
        prepared = self._prepare(toolset)
        prepared.memory.length = prepared.length
        history, text = trimmed(turn)
        said = [neutral(content).strip() for content in (*(one.content for one in history), text)]
        prompt = self._vocabulary.encode(toolset.turns(history, text))
        state = prepared.grammar.start(Dialogue(said, self._vocabulary))
        return self._decoder.decode(prompt, state, prepared.memory)

    def _prepare(self, toolset: Toolset) -> _Prepared:
        """Reads the declarations, unless they have been read."""
        found = self._prepared.get(toolset.prefix)
        if found is None:
            memory = self._model.memory()
            self._model.read(self._vocabulary.encode(toolset.prefix), memory)
            grammar = Grammar(toolset, self._vocabulary, spans=self._spans)
            found = self._prepared[toolset.prefix] = _Prepared(grammar, memory, memory.length)
            if len(self._prepared) > _KEPT:
                self._prepared.popitem(last=False)
        self._prepared.move_to_end(toolset.prefix)
        return found


def _loaded(settings: Settings) -> tuple[Any, Any]:
    import torch  # noqa: PLC0415 - an extra
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    disable_progress_bar()
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.peft_base)
        model: Any = AutoModelForCausalLM.from_pretrained(settings.peft_base, dtype=torch.float32)
    except (OSError, ValueError) as error:
        raise RouterError(
            f"The model {settings.peft_base} can't be loaded. Set FUNCGEMMA_PEFT_BASE to its folder, or accept its "
            "terms on huggingface.co and run: .venv/bin/hf auth login"
        ) from error
    if settings.peft_adapter is not None:
        from peft import PeftModel  # noqa: PLC0415

        try:
            model = PeftModel.from_pretrained(model, str(settings.peft_adapter)).merge_and_unload()
        except (OSError, ValueError, RuntimeError) as error:
            raise RouterError(
                f"{settings.peft_adapter} holds no adapter for {settings.peft_base}. Set FUNCGEMMA_PEFT_ADAPTER to "
                "one that was trained on it, or leave it out."
            ) from error
    device = settings.peft_device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    # Half precision pays on a GPU only, and only there it is the one that the model was trained in.
    precise = device != "cuda" or not torch.cuda.is_bf16_supported()
    try:
        model = model.to(device=device, dtype=torch.float32 if precise else torch.bfloat16)
    except (RuntimeError, AssertionError) as error:
        raise RouterError(f"There is no {device} here to compute on. Set FUNCGEMMA_PEFT_DEVICE to auto.") from error
    return model, tokenizer
