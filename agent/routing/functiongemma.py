"""FunctionGemma's prompts and answers: what it is told of the cards, the dialogue as it knows it, and its calls.

The format itself is written in `functiongemma_text` and read in `functiongemma_parser`; how cards are made fit for it
is in `functiongemma_cards`. Here is what routers and training work with.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from agent.messages import Card, Utterance
from agent.routing.functiongemma_cards import SAME, declared, flat
from agent.routing.functiongemma_parser import STOPS, parse
from agent.routing.functiongemma_text import RESPONSE, FunctionCall, call_text, declaration, neutral, response_text

__all__ = [
    "STOPS",
    "TRIGGER",
    "FunctionCall",
    "Toolset",
    "call_text",
    "declaration",
    "neutral",
    "parse",
    "response_text",
]

TRIGGER = "You are a model that can do function calling with the following functions"
"""The model calls functions only after this sentence, which stands right before the declarations."""
_TURN, _END = "<start_of_turn>", "<end_of_turn>"


class Toolset:
    """Cards as FunctionGemma sees them.

    Sorted by name, so that the prefix is the same in every process and a prompt cache serves it.

    Args:
        cards: by name.

    Attributes:
        cards: the same, sorted.
        declared: the cards as they are declared: names that the template would pass over have an alias.
        developer: the developer's message: the trigger and the declarations.
        prefix: the beginning of every prompt, up to the end of the developer's turn.
    """

    def __init__(self, cards: Mapping[str, Card]) -> None:
        self.cards: Mapping[str, Card] = dict(sorted(cards.items()))
        shown = {name: declared(card) for name, card in self.cards.items()}
        self.declared: Mapping[str, Card] = {name: card for name, (card, _) in shown.items()}
        self._aliases = {name: names for name, (_, names) in shown.items()}
        self._own = {name: names.inverse() for name, names in self._aliases.items()}
        self.developer = TRIGGER + "".join(map(declaration, self.declared.values()))
        self.prefix = f"<bos>{_TURN}developer\n{self.developer}{_END}\n"

    def prompt(self, history: Sequence[Utterance], text: str) -> str:
        """The whole prompt of a turn; see `turns`."""
        return self.prefix + self.turns(history, text)

    def turns(self, history: Sequence[Utterance], text: str) -> str:
        """What follows the prefix: the dialogue, up to where the model goes on.

        Args:
            history: what was said before, oldest first. Messages of one role in a row become one turn.
            text: what the user says now. Control tokens in it are broken up, as in the history.
        """
        said: list[tuple[str, str]] = []
        for one in history:
            if told := neutral(one.content).strip():
                _say(said, "model" if one.role == "assistant" else "user", told)
        _say(said, "user", neutral(text).strip())
        return "".join(f"{_TURN}{speaker}\n{told}{_END}\n" for speaker, told in said) + f"{_TURN}model\n"

    def completion(self, function: str | None, arguments: Mapping[str, Any]) -> str:
        """What the model is to say after a prompt, as training teaches it: a call, or none.

        Args:
            function: the function to call; None where the model has nothing to call.
            arguments: under the card's names.
        """
        if function is None:
            return _END
        names = self._aliases.get(function, SAME)
        return call_text(FunctionCall(function, dict(names.renamed(arguments)))) + RESPONSE

    def calls(self, output: str) -> list[FunctionCall]:
        """The calls in the model's output under the cards' names, not validated; see `parse`."""
        return [self.named(call.name, call.arguments) for call in parse(output, self.declared)]

    def named(self, name: str, arguments: Mapping[str, Any]) -> FunctionCall:
        """A call that a server has read itself, under the card's names."""
        return FunctionCall(name, dict(self._own.get(name, SAME).renamed(arguments)))

    def tools(self) -> list[dict[str, Any]]:
        """For Ollama's `tools`: flat, with the allowed values in the descriptions, since its renderer drops them."""
        return [flat(card) for card in self.declared.values()]


def _say(said: list[tuple[str, str]], speaker: str, told: str) -> None:
    if said and said[-1][0] == speaker:
        told = f"{said.pop()[1]}\n{told}"
    said.append((speaker, told))
