"""Replies of the chat model on Ollama, streamed, grounded on what the function gave.

Questions for what is missing, refusals and errors stay what they are without a model: exact, and at once. Where the
model is away, or breaks off and does not come back, the offline replier says what there is to say.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from agent.availability import Availability, Changed
from agent.ollama import Ollama, OllamaError, OllamaGone
from agent.replies import Piece, Start, Task
from agent.replies.offline import OfflineReplier
from agent.replies.prompt import compose
from agent.settings import Settings

log = logging.getLogger(__name__)

_MARGIN = 64
"""Tokens of the context left free: the estimate of a prompt's length is only one."""
_TRIES = 3
_SHORTER = 0.7
_SMALLEST = 256


class OllamaReplier:
    """Makes replies with a chat model.

    Args:
        ollama: the server.
        settings: model, context, patience.
        offline: replies where the model can't.
    """

    def __init__(self, ollama: Ollama, settings: Settings, offline: OfflineReplier) -> None:
        self._ollama = ollama
        self._settings = settings
        self._offline = offline
        self._scale = 1.0
        self._availability = Availability(ollama, settings.chat_model, look_s=settings.look_s, prepare=self._load)

    @property
    def condition(self) -> Mapping[str, Any]:
        """See `agent.availability.Upgradable`."""
        at_work = self._settings.chat_model if self._availability.ready else self._offline.name
        return {"replier": at_work, **self._availability.condition}

    async def watch(self, changed: Changed) -> None:
        """Looks after the model for ever."""
        async with self._ollama:
            await self._availability.run(changed)

    async def reply(self, task: Task) -> AsyncIterator[Piece]:
        """Yields the reply in pieces; a second `Start` where it begins anew, or another replier takes over.

        While `watch` runs: before its first look nobody knows whether there is a model.
        """
        if _is_for_model(task):
            await self._availability.looked(self._settings.first_token_s)
        if not (self._availability.ready and _is_for_model(task)):
            async for piece in self._offline.reply(task):
                yield piece
            return
        try:
            async with aclosing(self._from_model(task)) as pieces:
                async for piece in pieces:
                    yield piece
        except OllamaError as error:
            log.warning("The reply is made without the model: %s", error)
            self._availability.failed(error)
            async for piece in self._offline.reply(task):
                yield piece

    async def _from_model(self, task: Task) -> AsyncGenerator[Piece, None]:
        """The same; a server that breaks off is waited for once, since it may only be starting again.

        Raises:
            OllamaError: there is no reply to be had.
        """
        broken: OllamaGone | None = None
        try:
            async with aclosing(self._streamed(task)) as pieces:
                async for piece in pieces:
                    yield piece
        except OllamaGone as error:
            broken = error
        if broken is None:
            return
        log.warning("The reply breaks off and is tried again: %s", broken)
        await self._back()
        async with aclosing(self._streamed(task)) as pieces:
            async for piece in pieces:
                yield piece

    async def _streamed(self, task: Task) -> AsyncGenerator[Piece, None]:
        yield Start(self._settings.chat_model)
        room = self._settings.num_ctx - self._settings.reply_tokens - _MARGIN
        for attempt in range(_TRIES):
            prompt = compose(task, max(_SMALLEST, int(room * self._scale)))
            parts = self._ollama.chat(
                self._settings.chat_model,
                prompt.messages,
                options=self._options(),
                keep_alive=self._settings.keep_alive,
                first_s=self._settings.first_token_s,
                next_s=self._settings.next_token_s,
            )
            said = False
            try:
                async with aclosing(parts):
                    async for part in parts:
                        if part.content:
                            yield part.content if said else prompt.note + part.content
                            said = True
                        if part.prompt_tokens:
                            self._learn(prompt.tokens, part.prompt_tokens)
            except OllamaGone:
                raise
            except OllamaError as error:
                # The server was told not to cut a prompt that is too long; this one was, so it is made shorter.
                if not _is_too_long(error) or attempt == _TRIES - 1:
                    raise
                self._scale *= _SHORTER
                continue
            if not said:
                raise OllamaError(f"{self._settings.chat_model} gave an empty reply.")
            return

    def _learn(self, estimated: int, counted: int) -> None:
        """Makes later prompts shorter where the server counts more tokens than were estimated."""
        if counted > estimated:
            self._scale = min(self._scale, estimated / counted)

    async def _back(self) -> None:
        """Waits until the server answers again, at most as long as for a token.

        Raises:
            OllamaGone: it doesn't.
        """
        try:
            async with asyncio.timeout(self._settings.next_token_s):
                while True:
                    try:
                        await self._ollama.version()
                    except OllamaGone:
                        await asyncio.sleep(min(1.0, self._settings.look_s))
                    else:
                        return
        except TimeoutError:
            raise OllamaGone("Ollama did not come back.") from None

    async def _load(self) -> None:
        await self._ollama.load(
            self._settings.chat_model, options=self._options(), keep_alive=self._settings.keep_alive
        )

    def _options(self) -> dict[str, Any]:
        return {
            "temperature": 0.3,
            "num_ctx": self._settings.num_ctx,
            "num_predict": self._settings.reply_tokens,
        }


def _is_for_model(task: Task) -> bool:
    """Whether there is something to put into words, and not only to ask or to refuse."""
    if task.result is not None:
        return task.result.status == "ok"
    return task.route.function is None


def _is_too_long(error: OllamaError) -> bool:
    return error.status == 400 and any(
        word in str(error).lower() for word in ("context", "length", "exceed", "too long")
    )
