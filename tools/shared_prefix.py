"""The declarations read once for many turns, in training: with their gradients, and no more memory than need be.

A prompt is mostly declarations, the same for every turn. Their keys and values are computed once for a step, all turns
of the step are read behind them, and what the turns' losses say about these keys and values is added up and goes back
through the declarations once. Loss and gradients are those of whole prompts; the work is a fraction.

Activations of the layers are not kept but computed again on the way back (`torch.utils.checkpoint`).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from transformers import Cache, Gemma3ForCausalLM
from transformers.cache_utils import DynamicLayer


class SharedPrefix:
    """A model that reads turns behind declarations.

    Args:
        model: a Gemma 3, its adapter's layers in place.
        tokens: of the declarations.
        checkpointing: keep no activations.
    """

    def __init__(self, model: Gemma3ForCausalLM, tokens: Sequence[int], *, checkpointing: bool) -> None:
        self._model = model
        self._ids = torch.tensor([tokens], device=model.device)
        config: Any = model.config
        self._sliding = [kind == "sliding_attention" for kind in config.layer_types]
        self._window: int = config.sliding_window
        self._read: list[Tensor] = []
        self._given: list[Tensor] = []
        if checkpointing:
            for layer in model.model.layers:
                layer.forward = _recomputed(layer.forward)

    def begin(self) -> None:
        """Reads the declarations with the weights as they are now."""
        layers = [_Recording(sliding) for sliding in self._sliding]
        self._model.model(input_ids=self._ids, past_key_values=Cache(layers=list(layers)))
        self._read = []
        for layer in layers:
            # Sliding layers see no more than the end of them.
            kept = slice(1 - self._window if layer.is_sliding else None, None)
            self._read += [states[..., kept, :] for states in layer.states]
        # Each turn's gradients stop here and wait for those of the others.
        self._given = [states.detach().requires_grad_(states.requires_grad) for states in self._read]

    def logits(self, ids: Tensor, where: Tensor) -> Tensor:
        """Reads turns behind the declarations.

        Args:
            ids: shape (turns, tokens). What fills up the shorter ones stands at their ends, where nobody sees it.
            where: of which tokens the successors are asked for, shape (turns, tokens).

        Returns:
            Logits, shape (asked, vocabulary).
        """
        length = self._ids.shape[1]
        pairs = zip(self._given[::2], self._given[1::2], self._sliding, strict=True)
        cache = Cache(layers=[_Behind(length, keys, values, sliding) for keys, values, sliding in pairs])
        states = self._model.model(input_ids=ids, past_key_values=cache).last_hidden_state
        # Most tokens are not learned: of 262,144 logits each, these would take most of the memory.
        asked: Tensor = self._model.lm_head(states[where])
        return asked

    def finish(self) -> None:
        """Takes the gradients of all turns since `begin` back through the declarations."""
        reached = [
            (read, given.grad) for read, given in zip(self._read, self._given, strict=True) if given.grad is not None
        ]
        torch.autograd.backward([read for read, _ in reached], [gradient for _, gradient in reached])
        self.forget()

    def forget(self) -> None:
        """Lets go of what was read."""
        self._read, self._given = [], []


class _Recording(DynamicLayer):  # type: ignore[misc]
    """Keys and values of one layer as they are computed first: those computed again would hold all behind them."""

    def __init__(self, sliding: bool) -> None:
        super().__init__()
        self.is_sliding = sliding
        self.states: tuple[Tensor, ...] = ()

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        self.states = self.states or (key_states, value_states)
        return key_states, value_states


class _Behind(DynamicLayer):  # type: ignore[misc]
    """Keys and values of the declarations, and behind them those of the turns; nothing is kept of these."""

    def __init__(self, length: int, keys: Tensor, values: Tensor, sliding: bool) -> None:
        super().__init__()
        self.is_sliding = sliding
        self._length = length
        self._before = (keys, values)

    def update(self, key_states: Tensor, value_states: Tensor, *_args: Any, **_kwargs: Any) -> tuple[Tensor, Tensor]:
        keys, values = (
            torch.cat([before.expand(len(new), -1, -1, -1), new], dim=-2)
            for before, new in zip(self._before, (key_states, value_states), strict=True)
        )
        return keys, values

    def get_seq_length(self) -> int:
        return self._length

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        kept = self._before[0].shape[-2]
        return kept + query_length, self._length - kept


def _recomputed(forward: Callable[..., Any]) -> Callable[..., Any]:
    """A layer that forgets its activations; nothing in it is random. Transformers' own way drops the cache."""

    def run(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(partial(forward, **kwargs), *args, use_reentrant=False, preserve_rng_state=False)

    return run
