"""The chat model, where there is one, for what functions can't do by themselves: answers held to a JSON Schema."""

import asyncio
from contextlib import aclosing
from typing import Self, TypeVar

from pydantic import BaseModel, ValidationError

from agent.ollama import ModelMissing, Ollama, OllamaError, OllamaGone
from agent.settings import Settings
from agent.tokens import estimate

A = TypeVar("A", bound=BaseModel)

_MARGIN = 64


class ChatModelError(Exception):
    """Raised when the chat model is not there, or gave nothing of use."""


class ChatModel:
    """Asks the chat model; use as an async context manager.

    One that is not there is left alone for `look_s`, so that a turn does not wait for it each time.

    Args:
        settings: where it is; with the replier `offline` there is none.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ollama = Ollama(settings.ollama_url)
        self._away_until = 0.0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._ollama.close()

    @property
    def room(self) -> int:
        """Tokens that a question may have when its answer may be as long."""
        return (self._settings.num_ctx - _MARGIN) // 2

    async def answer(self, system: str, text: str, form: type[A]) -> A:
        """The model's answer in the given form.

        Args:
            system: what is to be done.
            text: what it is to be done with.
            form: what the answer is held to; flat models with few fields serve small models best.

        Raises:
            ChatModelError: there is no model, it refused, or its answer does not have the form.
        """
        loop = asyncio.get_running_loop()
        if self._settings.replier == "offline" or loop.time() < self._away_until:
            raise ChatModelError("There is no chat model now.")
        if estimate(system) + estimate(text) > self.room:
            raise ChatModelError("The text is too long for the chat model.")
        try:
            return form.model_validate_json(await self._said(system, text, form))
        except (OllamaGone, ModelMissing) as error:
            self._away_until = loop.time() + self._settings.look_s
            raise ChatModelError(str(error)) from None
        except OllamaError as error:
            raise ChatModelError(str(error)) from None
        except ValidationError as error:
            raise ChatModelError(f"The chat model gave another form than asked for: {error}") from None

    async def _said(self, system: str, text: str, form: type[BaseModel]) -> str:
        settings = self._settings
        parts = self._ollama.chat(
            settings.chat_model,
            [{"role": "system", "content": system}, {"role": "user", "content": text}],
            format=form.model_json_schema(),
            # The context as for replies: another one would make Ollama load the model anew.
            options={"temperature": 0, "num_ctx": settings.num_ctx, "num_predict": self.room},
            keep_alive=settings.keep_alive,
            first_s=settings.first_token_s,
            next_s=settings.next_token_s,
        )
        async with aclosing(parts):
            return "".join([part.content async for part in parts])
