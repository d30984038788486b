"""Whether a model on Ollama can be used now: looked at on start and from then on, told when it changes.

What is not covered: pulling models (`agent.model_shelf`), and what stands in for a model that is away.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from agent.messages import Lang
from agent.ollama import ModelMissing, Ollama, OllamaError, OllamaGone, is_too_old, plain

log = logging.getLogger(__name__)

Code = Literal["no_server", "old_server", "no_model", "no_memory", "trouble"]
_MEMORY_PAUSE_S = 60.0
"""A model that did not fit is not tried again at once: each try reads it from the disk."""
_SENTENCES: Mapping[Code, tuple[str, str]] = {
    # code: Japanese, English; {0} is the model, {1} what the server said or which version it is
    "no_server": (
        "Ollamaが動いていません。起動するには: ollama serve",
        "Ollama is not running. Start it with: ollama serve",
    ),
    "old_server": (
        "Ollama {1} は古すぎて {0} を動かせません。更新するには: ./setup.sh --models",
        "Ollama {1} is too old for {0}. Update it with: ./setup.sh --models",
    ),
    "no_model": (
        "モデル {0} がありません。入手するには: funcgemma models --pull",
        "The model {0} is not there. Get it with: funcgemma models --pull",
    ),
    "no_memory": (
        "メモリが足りず {0} を読み込めません。空けるには: funcgemma models --unload",
        "There is too little memory for {0}. Free some with: funcgemma models --unload",
    ),
    "trouble": (
        "Ollamaが今 {0} を動かせません（{1}）。様子を見るには: funcgemma models",
        "Ollama can't run {0} now ({1}). Have a look with: funcgemma models",
    ),
}

Changed = Callable[[], Awaitable[None]]


@runtime_checkable
class Upgradable(Protocol):
    """A router or replier that gets better when a model appears, and falls back when it goes."""

    @property
    def condition(self) -> Mapping[str, Any]:
        """What is at work now, for the worker's status: `model`, `ready`, and where it isn't `problem` (a code)."""
        ...

    async def watch(self, changed: Changed) -> None:
        """Looks after its model for ever; awaits `changed` after each change of `condition`."""
        ...


@dataclass(frozen=True)
class Problem:
    """Why a model can't be used.

    Attributes:
        code: what is the matter.
        model: its name.
        detail: the server's version or words.
    """

    code: Code
    model: str
    detail: str = ""

    def sentence(self, lang: Lang) -> str:
        """One plain sentence, with the command that mends it."""
        return _SENTENCES[self.code][0 if lang == "ja" else 1].format(self.model, self.detail)


class Availability:
    """Looks whether a model is there.

    Args:
        ollama: the server.
        model: name of the model.
        look_s: seconds between two looks.
        least: oldest version of Ollama that runs the model.
        prepare: makes the model ready (loads it, tries it out) each time it appears; an `OllamaError` of it counts as
            the model's failure.

    Attributes:
        problem: why it can't be used; None where it can.
    """

    def __init__(
        self,
        ollama: Ollama,
        model: str,
        *,
        look_s: float,
        least: tuple[int, ...] = (0,),
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.problem: Problem | None = Problem("no_server", model)
        self._ollama = ollama
        self._model = plain(model)
        self._look_s = look_s
        self._least = least
        self._prepare = prepare
        self._soon = asyncio.Event()
        self._looked = asyncio.Event()
        self._paused_until = 0.0

    @property
    def ready(self) -> bool:
        """Whether the model can be used."""
        return self.problem is None

    @property
    def condition(self) -> dict[str, Any]:
        """For a worker's status: the model, whether it is ready, and what is in the way."""
        told: dict[str, Any] = {"model": self._model, "ready": self.ready}
        if self.problem is not None:
            told |= {"problem": self.problem.code, "detail": self.problem.detail}
        return told

    async def run(self, changed: Changed) -> None:
        """Looks for ever, at once and every `look_s`; awaits `changed` after each change."""
        told: Problem | str | None = "nothing yet"
        while True:
            self._soon.clear()
            await self._look()
            self._looked.set()
            if self.problem != told:
                told = self.problem
                log.info("%s", told.sentence("en") if told else f"The model {self._model} is ready.")
                await changed()
            try:
                async with asyncio.timeout(self._look_s):
                    await self._soon.wait()
            except TimeoutError:
                continue
            if self.problem != told:
                told = self.problem
                await changed()
                # What has just failed is not looked at again in the same moment.
                await asyncio.sleep(self._look_s)

    async def looked(self, within_s: float) -> None:
        """Returns after the first look, or so many seconds: what has just started knows nothing of its model yet."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._looked.wait()

    def failed(self, error: OllamaError) -> None:
        """Notes what somebody who used the model met with; a refusal of the request itself changes nothing."""
        problem = self._problem(error)
        if problem is not None:
            self.problem = problem
            self._soon.set()

    async def _look(self) -> None:
        if asyncio.get_running_loop().time() < self._paused_until:
            return
        try:
            version = await self._ollama.version()
            if is_too_old(version, self._least):
                self.problem = Problem("old_server", self._model, ".".join(map(str, version)))
                return
            if self._model not in await self._ollama.installed():
                self.problem = Problem("no_model", self._model)
                return
            if self.problem is not None and self._prepare is not None:
                await self._prepare()
            self.problem = None
        except OllamaError as error:
            self.problem = self._problem(error) or Problem("trouble", self._model, str(error))

    def _problem(self, error: OllamaError) -> Problem | None:
        if isinstance(error, OllamaGone):
            return Problem("no_server", self._model)
        if isinstance(error, ModelMissing):
            return Problem("no_model", self._model)
        if "memory" in str(error).lower():
            self._paused_until = asyncio.get_running_loop().time() + _MEMORY_PAUSE_S
            return Problem("no_memory", self._model, str(error))
        return None
