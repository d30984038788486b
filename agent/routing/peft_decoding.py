"""Greedy decoding of a call along the automaton of `agent.routing.constrained`.

The model reads several tokens in hardly more time than one, so it is given all that is known to come: tokens without
an alternative, and behind them a guess at what may follow. Of the guess as much is kept as greedy decoding, token by
token, would have chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from agent.routing.constrained import State
from agent.routing.functiongemma_text import ESCAPE
from agent.routing.peft_model import Gemma, Memory
from agent.routing.peft_vocabulary import Vocabulary

_LEAST_GUESSED, _MOST_GUESSED = 4, 24
"""Tokens of a guess: few at first, twice as many whenever all were right."""


@dataclass(frozen=True)
class Decoded:
    """What the model said.

    Attributes:
        tokens: all of it; the last ones need not have been read by the model.
        chance: probability of the function that is called, or of calling none, among what the cards allow.
        reads: how often the model read.
    """

    tokens: tuple[int, ...]
    chance: float
    reads: int


class Decoder:
    """Decodes with one model.

    Args:
        model: reads, and tells logits.
        vocabulary: its tokens.
        words: whether the model may begin to answer in words, which calls nothing. One that was trained to end its
            turn where there is nothing to call does not; for others the whole vocabulary's logits are computed once.
    """

    def __init__(self, model: Gemma, vocabulary: Vocabulary, *, words: bool = False) -> None:
        self._model = model
        self._words = words
        no_text = sorted(vocabulary.controls - {vocabulary.control(ESCAPE)})
        self._no_text = torch.tensor(no_text, device=model.device)

    def decode(self, prompt: Sequence[int], state: State, memory: Memory) -> Decoded:
        """Decodes until the automaton ends.

        Args:
            prompt: what the model reads first, at least one token.
            state: where the automaton is behind it.
            memory: what was read before; what is read now is added.
        """
        said: list[int] = []
        unread = list(prompt)
        chance, reads, most = 1.0, 0, _LEAST_GUESSED
        while state.tokens is None or len(state.tokens):
            if state.tokens is not None and len(state.tokens) == 1:
                said.append(state.tokens[0])
                unread.append(state.tokens[0])
                state = state.after(state.tokens[0])
                continue
            guess = state.likely[:most]
            read = memory.length + len(unread)
            states = self._model.read([*unread, *guess], memory, last=len(guess) + 1)
            reads += 1
            # The whole vocabulary's rows, where all tokens are allowed, are read once for the whole guess.
            logits = self._model.logits(states) if state.tokens is None else [None] * len(states)
            for right, hidden in enumerate(states):
                token, probability = self.choose(state, hidden, logits[right])
                chance *= 1.0 if state.settled else probability
                state = state.after(token)
                said.append(token)
                if right == len(guess) or token != guess[right]:
                    break
            most = min(2 * most, _MOST_GUESSED) if right == len(guess) else _LEAST_GUESSED
            memory.length = read + right
            unread = [token]
        return Decoded(tuple(said), chance, reads)

    def choose(self, state: State, hidden: Tensor, logits: Tensor | None) -> tuple[int, float]:
        """The likeliest of the tokens that are allowed, and its probability among them.

        Args:
            state: where the automaton is.
            hidden: the model's state of the token before, shape (hidden).
            logits: of the whole vocabulary, where they have been computed.
        """
        if state.tokens is None:
            logits = self._model.logits(hidden) if logits is None else logits
            return int(logits.index_fill(0, self._no_text, float("-inf")).argmax()), 1.0
        if len(state.tokens) == 1:
            return state.tokens[0], 1.0
        if self._words and state.first:
            call, nothing = state.tokens
            logits = self._model.logits(hidden)
            chance = float(logits.softmax(0)[call])
            return (call, chance) if int(logits.argmax()) == call else (nothing, 1.0 - chance)
        allowed = torch.tensor(state.tokens, device=hidden.device)
        chances = self._model.logits(hidden, allowed).softmax(0)
        best = int(chances.argmax())
        return state.tokens[best], float(chances[best])
