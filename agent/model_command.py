"""`funcgemma models`: shows which models are there, pulls those that are missing, unloads them from memory."""

import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import uvloop

from agent.model_shelf import Download, Model, Shelf, look, pull, unload
from agent.ollama import Ollama, OllamaError, OllamaGone, plain
from agent.settings import Settings

_UPDATE = "./setup.sh --models"
_STORES = ("~/.ollama/models", "/usr/share/ollama/.ollama/models")
"""Where Ollama keeps models: started by a person, as a service on Linux."""
_STEP = 10
"""Per cent between two lines of a download that nobody watches."""


def show(settings: Settings, *, data: bool) -> int:
    """Prints what is there; the exit status is 0 where nothing is missing.

    Raises:
        OllamaError: there is no Ollama, or it does not do what it should.
    """
    shelf = uvloop.run(_look(settings, data=data))
    version = ".".join(map(str, shelf.version))
    print(f"Ollama {version} at {settings.ollama_url}\n")
    for line in _table(shelf):
        print(line)
    if shelf.others:
        print("\nAlso in memory: " + ", ".join(f"{name} ({size_text(size)})" for name, size in shelf.others.items()))
    if is_here(settings):
        print(f"\nFree: {_free()}")
    if shelf.too_old:
        print(f"\n{_too_old(settings, shelf)}")
    elif shelf.missing:
        command = "funcgemma models --pull" + (" --data" if data else "")
        print(f"\nGet what is missing ({_sizes(shelf.missing)}) with: {command}")
    return 1 if shelf.missing or shelf.too_old else 0


def fetch(settings: Settings, *, data: bool, yes: bool) -> int:
    """Downloads what is missing, after having asked (`yes`: without).

    Raises:
        OllamaError: there is no Ollama, it is too old, or a download fails.
    """
    shelf = uvloop.run(_look(settings, data=data))
    if shelf.too_old:
        raise OllamaError(_too_old(settings, shelf))
    if not shelf.missing:
        print("All models are there: " + ", ".join(model.name for model in shelf.models))
        return 0
    for line in _table(shelf):
        print(line)
    if is_here(settings):
        print(f"\nFree: {_free()}")
        if sum(model.size or 0 for model in shelf.missing) > _disk():
            print("That may be too little disk for what is missing.")
    if not yes and not _agreed(shelf.missing):
        print("Nothing was downloaded.")
        return 1
    try:
        for model in shelf.missing:
            with _progress(model.name) as told:
                uvloop.run(_pull(settings, model.name, told))
            print(f"{model.name} is there.", flush=True)
    except KeyboardInterrupt:
        print("What has come is kept; the same command goes on from there.", file=sys.stderr)
        raise
    return 0


def let_go(settings: Settings, names: Collection[str]) -> int:
    """Unloads models from memory; all that are there where none is named.

    Raises:
        OllamaError: there is no Ollama, or a model is still at work.
    """

    async def run() -> dict[str, int]:
        async with Ollama(settings.ollama_url) as ollama:
            try:
                loaded = await ollama.loaded()
            except OllamaGone as error:
                raise _absent(settings, error) from None
            wanted = {plain(name) for name in names} or set(loaded)
            await unload(ollama, wanted & set(loaded))
            return {name: loaded.get(name, 0) for name in sorted(wanted)}

    freed = uvloop.run(run())
    for name, size in freed.items():
        print(f"{name} has left memory ({size_text(size)})." if size else f"{name} was not in memory.")
    if not freed:
        print("No model is in memory.")
    return 0


def size_text(size: int | None) -> str:
    """Bytes for people, in the decimal units of Ollama's library."""
    if size is None:
        return "?"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def is_here(settings: Settings) -> bool:
    """Whether Ollama is on this computer, so that its memory and disk are what can be looked at."""
    url = settings.ollama_url if "://" in settings.ollama_url else f"http://{settings.ollama_url}"
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1", "0.0.0.0"}  # noqa: S104 - not bound to


async def _look(settings: Settings, *, data: bool) -> Shelf:
    async with Ollama(settings.ollama_url) as ollama:
        try:
            return await look(ollama, settings, data=data)
        except OllamaGone as error:
            raise _absent(settings, error) from None


def _absent(settings: Settings, error: OllamaGone) -> OllamaError:
    """What to do about an Ollama that does not answer: to start it, or to install it."""
    if not is_here(settings):
        return error
    if shutil.which("ollama"):
        return OllamaError(f"Ollama is not running. Start it with: ollama serve (or {_UPDATE})")
    return OllamaError(
        f"There is no Ollama at {settings.ollama_url}. Install it with: {_UPDATE} (or from ollama.com); "
        "without it FuncGemma answers all the same, with less to say."
    )


def _too_old(settings: Settings, shelf: Shelf) -> str:
    version = ".".join(map(str, shelf.version))
    return f"Ollama {version} is too old for {settings.router_model}. Update it with: {_UPDATE}"


def _table(shelf: Shelf) -> Iterator[str]:
    width = max(len(model.name) for model in shelf.models)
    uses = max(len(model.use) for model in shelf.models)
    for model in shelf.models:
        state = "there" if model.there else "missing"
        if model.memory:
            state += f", in memory ({size_text(model.memory)})"
        yield f"{model.name:<{width}}  {size_text(model.size):>6}  {model.use:<{uses}}  {state}"


def _sizes(models: Collection[Model]) -> str:
    total = size_text(sum(model.size or 0 for model in models))
    return f"more than {total}" if any(model.size is None for model in models) else total


def _free() -> str:
    memory = psutil.virtual_memory()
    return f"{size_text(memory.available)} of {size_text(memory.total)} memory, {size_text(_disk())} of disk"


def _disk() -> int:
    for store in (os.environ.get("OLLAMA_MODELS", ""), *_STORES, "~"):
        path = Path(store).expanduser()
        if store and os.access(path, os.X_OK):
            return shutil.disk_usage(path).free
    return shutil.disk_usage("/").free


def _agreed(models: Collection[Model]) -> bool:
    if not (sys.stdin and sys.stdin.isatty()):
        raise OllamaError("Nobody is there to agree to the download; to do it without asking: --yes")
    try:
        return input(f"\nDownload {_sizes(models)}? [Y/n] ").strip().lower() in {"", "y", "yes"}
    except EOFError:
        return False


async def _pull(settings: Settings, model: str, told: Callable[[Download], None]) -> None:
    async with Ollama(settings.ollama_url) as ollama, aclosing(pull(ollama, model)) as downloads:
        async for download in downloads:
            told(download)


@contextmanager
def _progress(model: str) -> Iterator[Callable[[Download], None]]:
    """A bar on a terminal, a line now and then otherwise."""
    if sys.stdout.isatty():
        from agent.download_bar import bar  # noqa: PLC0415 - the terminal's libraries are for this only

        with bar(model) as told:
            yield told
        return
    before = -1

    def tell(download: Download) -> None:
        nonlocal before
        if download.broken:
            print(f"{model}: {download.broken} It is tried again.", flush=True)
        elif download.total and (now := _STEP * (download.got * 100 // download.total // _STEP)) > before:
            print(f"{model}: {now} % of {size_text(download.total)}", flush=True)
            before = now

    yield tell
