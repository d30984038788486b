"""The models that FuncGemma uses on Ollama: which are there, how the others get there, and which are in memory.

On a computer with 8 GB, functiongemma and gemma3:4b are in memory together; qwen2.5:7b has to be there `alone`.
What is not covered: whether a model can be used at this moment (`agent.availability`).
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from agent.ollama import Ollama, OllamaError, OllamaGone, is_too_old, plain
from agent.settings import Settings
from agent.settings import settings as of_this_process

log = logging.getLogger(__name__)

DOWNLOADS = {"functiongemma": 301_000_000, "gemma3:4b": 3_300_000_000, "qwen2.5:7b": 4_700_000_000}
"""What has to be downloaded, bytes, as Ollama's library tells it."""

_RETRIES = 5
_PAUSE_S = 1.0
_LOOK_S = 0.2
_UNLOAD_S = 60.0
"""A model that is at work goes when it has done its work."""
_PASSING = re.compile(
    r"max retries exceeded|\bEOF\b|connection re(?:set|fused)|broken pipe|time[d ]*out|handshake|dial tcp|unreachable|"
    r"no such host|server misbehaving|\b50[234]\b",
    re.IGNORECASE,
)
"""Words of Ollama when its own connection to the library broke, after it has tried again by itself."""


@dataclass(frozen=True)
class Model:
    """A model that FuncGemma uses.

    Attributes:
        name: on Ollama.
        use: what for.
        size: bytes on the disk, or to be downloaded; None where that is not known.
        there: whether it is in store.
        memory: bytes in memory; 0 where it is not loaded.
    """

    name: str
    use: str
    size: int | None
    there: bool
    memory: int


@dataclass(frozen=True)
class Shelf:
    """What is there.

    Attributes:
        version: of Ollama.
        models: those that FuncGemma uses.
        others: further models in memory, bytes by name.
    """

    version: tuple[int, ...]
    models: tuple[Model, ...]
    others: dict[str, int]

    @property
    def missing(self) -> tuple[Model, ...]:
        """Models that are not in store."""
        return tuple(model for model in self.models if not model.there)

    @property
    def too_old(self) -> bool:
        """Whether this Ollama can't run functiongemma."""
        return is_too_old(self.version)


@dataclass(frozen=True)
class Download:
    """How far the download of a model is.

    Attributes:
        status: what Ollama is at, in its words.
        got: bytes that are there.
        total: bytes in all; 0 where that is not known yet.
        broken: why it has just broken off; it goes on by itself. Empty otherwise.
    """

    status: str
    got: int
    total: int
    broken: str = ""


async def look(ollama: Ollama, settings: Settings, *, data: bool = False) -> Shelf:
    """Looks what is there.

    Args:
        ollama: the server.
        settings: names of the models.
        data: the model that writes labelled cases, too.

    Raises:
        OllamaError: it does not answer.
    """
    uses = {plain(settings.router_model): "picks functions", plain(settings.chat_model): "replies"}
    if data:
        uses[plain(settings.data_model)] = "writes labelled cases"
    version, installed, loaded = await ollama.version(), await ollama.installed(), await ollama.loaded()
    models = tuple(
        Model(
            name,
            use,
            installed[name].size if name in installed else DOWNLOADS.get(name),
            name in installed,
            loaded.get(name, 0),
        )
        for name, use in uses.items()
    )
    return Shelf(version, models, {name: size for name, size in loaded.items() if name not in uses})


async def pull(ollama: Ollama, model: str, *, pause_s: float = _PAUSE_S) -> AsyncGenerator[Download, None]:
    """Downloads a model; goes on where it was when the connection breaks, be it ours or Ollama's to its library.

    Args:
        ollama: the server.
        model: name.
        pause_s: seconds before the first retry; doubled for each further one that gets nothing.

    Raises:
        OllamaError: it can't be had, or the connection breaks each time before anything has come.
    """
    got: dict[str, int] = {}
    totals: dict[str, int] = {}
    status, vain = "", 0
    while True:
        before, broken = sum(got.values()), None
        try:
            async with aclosing(ollama.pull(model)) as lines:
                async for line in lines:
                    status = line.status
                    if line.digest is not None:
                        totals[line.digest] = line.total or 0
                        got[line.digest] = line.completed or got.get(line.digest, 0)
                    yield Download(status, sum(got.values()), _total(model, totals.values()))
        except OllamaError as error:
            broken = error
        if broken is None:
            return
        vain = 0 if sum(got.values()) > before else vain + 1
        if not _passes(broken):
            raise broken
        if vain > _RETRIES:
            raise OllamaError(
                f"The download of {model} breaks off each time ({broken}). What has come is kept; "
                "try again later with: funcgemma models --pull"
            ) from broken
        yield Download(status, sum(got.values()), _total(model, totals.values()), str(broken))
        await asyncio.sleep(pause_s * 2**vain)


def _total(model: str, told: Iterable[int]) -> int:
    """Ollama tells a file's size when it comes to that file; what is known before stands for those to come."""
    return max(sum(told), DOWNLOADS.get(plain(model), 0))


def _passes(error: OllamaError) -> bool:
    return isinstance(error, OllamaGone) or _PASSING.search(str(error)) is not None


async def unload(ollama: Ollama, models: Collection[str]) -> None:
    """Lets models go from memory and returns when they are gone.

    Raises:
        OllamaError: one is still at work after a minute, or Ollama does not answer.
    """
    leaving = {plain(model) for model in models}
    if not leaving:
        return
    for model in leaving:
        await ollama.unload(model)
    try:
        async with asyncio.timeout(_UNLOAD_S):
            while leaving & set(await ollama.loaded()):  # noqa: ASYNC110 - Ollama tells it to those who ask only
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise OllamaError(f"Still at work and in memory: {', '.join(sorted(leaving))}. Try again later.") from None


@asynccontextmanager
async def alone(ollama: Ollama, model: str, settings: Settings | None = None) -> AsyncIterator[None]:
    """Has no other model in memory while it is entered, and puts those back that were there.

    Workers that ask for another model meanwhile make Ollama load it all the same: stop them before, or don't talk.

    Args:
        ollama: the server.
        model: the one that may be there.
        settings: context and stay of those that are put back; otherwise those of this process.

    Raises:
        OllamaError: on entering: the others can't be unloaded. On leaving only a warning is logged.
    """
    settings = settings or of_this_process()
    there = await ollama.loaded()
    others = [name for name in there if name != plain(model)]
    try:
        await unload(ollama, others)
        yield
    finally:
        if others:
            await _put_back(ollama, others, None if plain(model) in there else model, settings)


async def _put_back(ollama: Ollama, others: list[str], leaves: str | None, settings: Settings) -> None:
    try:
        if leaves is not None:
            await unload(ollama, [leaves])
        for name in others:
            await ollama.load(name, options={"num_ctx": settings.num_ctx}, keep_alive=settings.keep_alive)
    except OllamaError as error:
        # They are loaded when they are next asked; only that turn waits for it.
        log.warning("Models that were in memory before are not back: %s", error)
