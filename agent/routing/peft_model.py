"""Gemma 3's forward pass for one dialogue at a time, written out over the weights of the transformers model.

The same mathematics as `transformers.models.gemma3.modeling_gemma3`, in the same precision. What makes it fast on a
processor is what is left out: with a token or a few at a time, reading the weights is nearly all of the time, so the
three projections before attention are one matrix, as are the two before the activation; they lie transposed, as the
processor reads them; keys and values are written in place; and the vocabulary's 262,144 rows are read only where they
are asked for.

What is not covered: images, batches, scaled attention logits (Gemma 2), training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, gelu, scaled_dot_product_attention

if TYPE_CHECKING:
    from transformers import Gemma3ForCausalLM

_CHUNK = 256
"""Tokens that are computed at once: bounds the memory, and sliding layers need not look at all keys."""
_ROOM = 256
"""Tokens that a memory grows by."""


@dataclass(frozen=True)
class _Layer:
    """One layer's weights; matrices as (inputs, outputs)."""

    sliding: bool
    before_attention: Tensor
    projections: Tensor
    query_norm: Tensor
    key_norm: Tensor
    attention_out: Tensor
    after_attention: Tensor
    before_feed_forward: Tensor
    gates: Tensor
    feed_forward_out: Tensor
    after_feed_forward: Tensor


@dataclass(frozen=True)
class _Sight:
    """Which tokens are read, and what they may look at.

    Attributes:
        begin, end: their places.
        first: the first place that any of them may look at.
        mask: what each of all heads' tokens may look at, shape (heads of a key * tokens, places from `first` on); None
            for all.
    """

    begin: int
    end: int
    first: int
    mask: Tensor | None


class Memory:
    """Keys and values of the tokens that have been read.

    Attributes:
        length: how many tokens. It may be lowered: what lies beyond is written over.
        states: shape (layers, 2, key heads, room, head size).
    """

    def __init__(self, states: Tensor) -> None:
        self.length = 0
        self.states = states

    def reserve(self, length: int) -> None:
        """Makes room for so many tokens in all."""
        layers, pair, heads, room, size = self.states.shape
        if length > room:
            grown = self.states.new_empty(layers, pair, heads, length + _ROOM, size)
            grown[..., : self.length, :] = self.states[..., : self.length, :]
            self.states = grown


class Gemma:
    """A Gemma 3 that reads tokens and tells what it makes of them.

    Args:
        model: its weights; the adapter merged into them. It is not needed afterwards.

    Raises:
        ValueError: another kind of model.
    """

    def __init__(self, model: "Gemma3ForCausalLM") -> None:
        config: Any = model.config
        inner: Any = model.model
        if config.model_type != "gemma3_text" or config.attention_bias or config.final_logit_softcapping:
            raise ValueError(f"a model of type {config.model_type} instead of Gemma 3's text model")
        self._heads: int = config.num_attention_heads
        self._key_heads: int = config.num_key_value_heads
        self._size: int = config.head_dim
        self._window: int = config.sliding_window
        self._epsilon: float = config.rms_norm_eps
        self._scale: float = config.query_pre_attn_scalar**-0.5
        self._rotary: Any = inner.rotary_emb
        self._norm = _weight(inner.norm)
        self._embedding: Tensor = inner.embed_tokens.weight.detach()
        self._rows: Tensor = model.lm_head.weight.detach()
        self._embedding_scale = torch.tensor(config.hidden_size**0.5, dtype=self._embedding.dtype).item()
        self._layers = [
            _layer(layer, config.layer_types[index] == "sliding_attention") for index, layer in enumerate(inner.layers)
        ]
        self._angles: dict[bool, tuple[Tensor, Tensor]] = {}
        self._prepare_angles(_ROOM)

    def memory(self) -> Memory:
        """An empty memory."""
        shape = (len(self._layers), 2, self._key_heads, _ROOM, self._size)
        return Memory(torch.empty(shape, dtype=self._embedding.dtype, device=self._embedding.device))

    def read(self, tokens: Sequence[int], memory: Memory, last: int = 1) -> Tensor:
        """Reads tokens behind those in the memory, and keeps them there.

        Args:
            tokens: at least one.
            memory: what has been read before.
            last: of so many of the tokens, from the end, the states are given.

        Returns:
            The last layer's normalised states of these tokens, shape (last, hidden).
        """
        with torch.inference_mode():
            memory.reserve(memory.length + len(tokens))
            self._prepare_angles(memory.length + len(tokens))
            ids = torch.tensor(tokens, device=self.device)
            states = torch.cat([self._read(chunk, memory) for chunk in torch.split(ids, _CHUNK)])
            return self._normalised(states[-last:], self._norm)

    def logits(self, state: Tensor, tokens: Tensor | None = None) -> Tensor:
        """Logits of the next token.

        Args:
            state: of the token before, shape (hidden), or of several tokens, shape (count, hidden).
            tokens: ids of the tokens that are asked for; None for all.

        Returns:
            Shape (tokens) or (count, tokens), 32-bit.
        """
        with torch.inference_mode():
            rows = self._rows if tokens is None else self._rows.index_select(0, tokens)
            return (rows @ state.t()).t().float()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._embedding.device

    def _read(self, ids: Tensor, memory: Memory) -> Tensor:
        end = memory.length + len(ids)
        sights = {sliding: self._sight(memory.length, end, sliding) for sliding in (False, True)}
        x = embedding(ids, self._embedding) * self._embedding_scale
        for layer, kept in zip(self._layers, memory.states, strict=True):
            normalised = self._normalised(x, layer.before_attention)
            attended = self._attend(layer, normalised, kept, sights[layer.sliding])
            x = x + self._normalised(attended @ layer.attention_out, layer.after_attention)
            gate, up = (self._normalised(x, layer.before_feed_forward) @ layer.gates).chunk(2, dim=-1)
            moved = (gelu(gate, approximate="tanh") * up) @ layer.feed_forward_out
            x = x + self._normalised(moved, layer.after_feed_forward)
        memory.length = end
        return x

    def _attend(self, layer: _Layer, x: Tensor, kept: Tensor, sight: _Sight) -> Tensor:
        """Attention of the tokens that are read; their keys and values are written into `kept`."""
        heads, key_heads, size = self._heads, self._key_heads, self._size
        projected = (x @ layer.projections).view(-1, heads + 2 * key_heads, size)
        read = slice(sight.begin, sight.end)
        cosines, sines = (angles[read, None] for angles in self._angles[layer.sliding])
        query = _turned(self._normalised(projected[:, :heads], layer.query_norm), cosines, sines)
        key = _turned(self._normalised(projected[:, heads : heads + key_heads], layer.key_norm), cosines, sines)
        kept[0, :, read] = key.transpose(0, 1)
        kept[1, :, read] = projected[:, heads + key_heads :].transpose(0, 1)
        keys, values = kept[:, :, sight.first : sight.end]
        # All heads that share a key are rows of one matrix.
        rows = query.view(-1, key_heads, heads // key_heads, size).permute(1, 2, 0, 3).reshape(key_heads, -1, size)
        # In a batch of one: PyTorch's fast kernels want four dimensions.
        given = scaled_dot_product_attention(
            rows[None], keys[None], values[None], attn_mask=sight.mask, scale=self._scale
        )
        return given.view(key_heads, heads // key_heads, -1, size).permute(2, 0, 1, 3).reshape(-1, heads * size)

    def _sight(self, begin: int, end: int, sliding: bool) -> _Sight:
        first = max(0, begin - self._window + 1) if sliding else 0
        if end - begin == 1:
            return _Sight(begin, end, first, None)
        places = torch.arange(first, end, device=self.device)
        distance = places[begin - first :, None] - places
        mask = (distance >= 0) & (distance < self._window) if sliding else distance >= 0
        return _Sight(begin, end, first, mask.repeat(self._heads // self._key_heads, 1))

    def _normalised(self, x: Tensor, weight: Tensor) -> Tensor:
        return torch.rms_norm(x.float(), weight.shape, weight, self._epsilon).to(x.dtype)

    def _prepare_angles(self, length: int) -> None:
        """Tables of the positions' angles, by whether a layer slides: the model's own module makes them."""
        if self._angles and length <= len(self._angles[True][0]):
            return
        places = torch.arange(2 * length, device=self._embedding.device)[None]
        for sliding in (False, True):
            kind = "sliding_attention" if sliding else "full_attention"
            cosines, sines = self._rotary(self._embedding, places, kind)
            self._angles[sliding] = (cosines[0], sines[0])


def _layer(layer: Any, sliding: bool) -> _Layer:
    attention, feed_forward = layer.self_attn, layer.mlp
    return _Layer(
        sliding=sliding,
        before_attention=_weight(layer.input_layernorm),
        projections=_matrix(attention.q_proj, attention.k_proj, attention.v_proj),
        query_norm=_weight(attention.q_norm),
        key_norm=_weight(attention.k_norm),
        attention_out=_matrix(attention.o_proj),
        after_attention=_weight(layer.post_attention_layernorm),
        before_feed_forward=_weight(layer.pre_feedforward_layernorm),
        gates=_matrix(feed_forward.gate_proj, feed_forward.up_proj),
        feed_forward_out=_matrix(feed_forward.down_proj),
        after_feed_forward=_weight(layer.post_feedforward_layernorm),
    )


def _matrix(*linears: Any) -> Tensor:
    return torch.cat([linear.weight.detach() for linear in linears]).t().contiguous()


def _weight(norm: Any) -> Tensor:
    """Gemma keeps how far a norm's weights are from 1."""
    weight: Tensor = norm.weight.detach()
    return 1.0 + weight.float()


def _turned(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary position embedding, halves as pairs."""
    left, right = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-right, left), dim=-1) * sines
