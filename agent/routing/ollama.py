"""FunctionGemma on Ollama: asks it which function a turn calls, in the way that the server at hand answers well.

There are three ways, since Ollama's own rendering of tools is not what the model was trained on (it has another
trigger phrase and drops enums): `inline` puts Google's declarations into the system message, `tools` lets Ollama render
them, `raw` sends the whole prompt. A probe on start tries them in this order.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal

from agent.messages import Card, Turn, Utterance
from agent.ollama import Ollama, Part
from agent.routing.functiongemma import STOPS, FunctionCall, Toolset, neutral
from agent.routing.functiongemma_text import ESCAPE
from agent.settings import Settings
from agent.tokens import estimate, fitted

__all__ = ["NoCall", "OllamaRouter"]

log = logging.getLogger(__name__)

Mode = Literal["inline", "tools", "raw"]
_MODES: tuple[Mode, ...] = ("inline", "tools", "raw")
_MOST_TOKENS = 160
"""A call is at most this long; a text to translate may be, so it is cut off rather than waited for."""
_TALK_CHARS = 120
"""Text that goes on for so long without a call is a reply in words: the turn calls nothing."""
_AT_ONCE_TOKENS = 2
"""A turn that ends after so few is ended on purpose: a call that the server lost would have taken more."""
_TURN_TOKENS = 900
_MESSAGE_TOKENS = 120
_PROBE = Card(
    name="get_current_weather",
    description="Gets the current weather in a given location.",
    parameters={
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": 'The city and state, e.g. "San Francisco, CA" or "Tokyo, JP"'}
        },
        "required": ["location"],
    },
)
_PROBE_TEXT = "Hey, what's the weather in Tokyo, Japan right now?"
_PROBE_PLACE = "Tokyo"


class NoCall(Exception):  # noqa: N818 - what came back
    """Raised when the model gave neither words nor a call that can be read."""

    def __init__(self) -> None:
        super().__init__("FunctionGemma gave nothing that can be read.")


class OllamaRouter:
    """Asks FunctionGemma through Ollama.

    Args:
        ollama: the server.
        settings: model, mode, context, patience.

    Attributes:
        mode: the way it asks now.
    """

    def __init__(self, ollama: Ollama, settings: Settings) -> None:
        self._ollama = ollama
        self._settings = settings
        self.mode: Mode = "inline" if settings.router_mode == "auto" else settings.router_mode
        self._toolset: Toolset | None = None

    async def ask(self, turn: Turn, cards: Mapping[str, Card]) -> FunctionCall | None:
        """The call that FunctionGemma makes of a turn, not validated yet; None where it answers in words.

        Raises:
            NoCall: it gave nothing of use.
            OllamaError: the server did not answer.
        """
        if self._toolset is None or self._toolset.cards != cards:
            self._toolset = Toolset(dict(cards))
        return await self._ask(self.mode, self._toolset, *trimmed(turn))

    async def prepare(self) -> None:
        """Loads the model; finds out which way of asking the server answers well, unless one is set.

        Raises:
            OllamaError: the server did not answer.
        """
        await self._ollama.load(
            self._settings.router_model, options=self._options(), keep_alive=self._settings.keep_alive
        )
        probe = Toolset({_PROBE.name: _PROBE})
        if self._settings.router_mode == "auto":
            self.mode = await self._best_mode(probe)
        await self._check_rendering(probe)

    async def _best_mode(self, probe: Toolset) -> Mode:
        marks: dict[Mode, int] = {}
        for mode in _MODES:
            marks[mode] = await self._mark(mode, probe)
            if marks[mode] == 2:
                break
        best = max(marks, key=lambda mode: marks[mode])
        told = ", ".join(f"{mode} {mark}/2" for mode, mark in marks.items())
        if marks[best] == 0:
            log.warning("%s answered no way of asking with a call (%s).", self._settings.router_model, told)
        log.info("%s is asked in mode %s (%s).", self._settings.router_model, best, told)
        return best

    async def _mark(self, mode: Mode, probe: Toolset) -> int:
        """2 for the right call with its place, 1 for the right function without it (`<escape>` was lost), else 0."""
        try:
            async with asyncio.timeout(self._settings.first_token_s):
                call = await self._ask(mode, probe, (), _PROBE_TEXT)
        except NoCall:
            return 0
        except TimeoutError:
            return 0
        if call is None or call.name != _PROBE.name:
            return 0
        return 1 + (_PROBE_PLACE in str(call.arguments.get("location", "")))

    async def _check_rendering(self, probe: Toolset) -> None:
        """Warns where the server makes another prompt than the one that the model was trained on."""
        if self.mode == "raw":
            return
        messages, tools = _conversation(self.mode, probe, (), _PROBE_TEXT)
        shown = await self._ollama.rendered(self._settings.router_model, messages, tools=tools, options=self._options())
        wanted = probe.prompt((), _PROBE_TEXT)
        # Versions of Ollama differ in whether the first token is in the text or put before it later.
        if shown is not None and shown.removeprefix("<bos>") != wanted.removeprefix("<bos>"):
            log.warning(
                "In mode %s Ollama makes another prompt than FunctionGemma was trained on.\nOllama: %r\nTrained: %r",
                self.mode,
                shown,
                wanted,
            )

    async def _ask(self, mode: Mode, toolset: Toolset, history: Sequence[Utterance], text: str) -> FunctionCall | None:
        said, last = "", Part()
        async with aclosing(self._parts(mode, toolset, history, text)) as parts:  # type: ignore[type-var]
            async for part in parts:
                last = part
                for call in part.calls:
                    # A call that Ollama could not read comes without a name.
                    if call.name:
                        return toolset.named(call.name, call.arguments)
                said += part.content
                # A brace may also stand in a text that has not been closed yet.
                closed = "}" in part.content and said.count(ESCAPE) % 2 == 0
                calls = toolset.calls(said) if closed else []
                if calls and said.rstrip().endswith(("}", "<end_function_call>")):
                    return calls[0]
                if len(said) > _TALK_CHARS and "call:" not in said:
                    return None
        calls = toolset.calls(said)
        if calls:
            return calls[0]
        if (not said.strip() and not _ended_at_once(last)) or "call:" in said:
            raise NoCall
        return None

    def _parts(self, mode: Mode, toolset: Toolset, history: Sequence[Utterance], text: str) -> AsyncIterator[Part]:
        common: dict[str, Any] = {
            "options": self._options(),
            "keep_alive": self._settings.keep_alive,
            "first_s": self._settings.first_token_s,
            "next_s": self._settings.next_token_s,
        }
        model = self._settings.router_model
        if mode == "raw":
            return self._ollama.generate(model, toolset.prompt(history, text), raw=True, **common)
        messages, tools = _conversation(mode, toolset, history, text)
        return self._ollama.chat(model, messages, tools=tools, **common)

    def _options(self) -> dict[str, Any]:
        # All in one place: another num_ctx makes Ollama load the model anew.
        return {
            "temperature": 0,
            "num_ctx": self._settings.num_ctx,
            "num_predict": _MOST_TOKENS,
            "stop": list(STOPS),
        }


def _ended_at_once(last: Part) -> bool:
    """Whether the model said nothing since it wanted nothing, as it is trained to where there is nothing to call."""
    return last.reason == "stop" and last.tokens is not None and last.tokens <= _AT_ONCE_TOKENS


def _conversation(
    mode: Mode, toolset: Toolset, history: Sequence[Utterance], text: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
    # What people say must not end a turn or begin one, as control tokens would.
    said = [{"role": one.role, "content": neutral(one.content)} for one in history]
    said.append({"role": "user", "content": neutral(text)})
    if mode == "tools":
        return said, toolset.tools()
    return [{"role": "system", "content": toolset.developer}, *said], None


def trimmed(turn: Turn) -> tuple[list[Utterance], str]:
    """The dialogue, short enough to leave the declarations their place in the context."""
    text = fitted(turn.text, _TURN_TOKENS)
    left = _TURN_TOKENS - estimate(text) // 2
    history: list[Utterance] = []
    for said in reversed(turn.history):
        content = fitted(said.content, _MESSAGE_TOKENS)
        left -= estimate(content)
        if left < 0:
            break
        history.insert(0, Utterance(role=said.role, content=content))
    return history, text
