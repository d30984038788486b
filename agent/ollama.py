"""Ollama's HTTP API as far as this project uses it: chat, raw generation, models in store and in memory.

A client of our own rather than the `ollama` package: that one has no bound on how long a server may be silent, and
loses the connection's errors while streaming. Fields are those of Ollama's `api/types.go`. What is not covered:
images, embeddings, thinking (it is switched off: a reply would begin after minutes).
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from agent.ollama_answers import Installed, Part, Progress, ToolCall, part_of, plain
from agent.ollama_errors import ModelMissing, OllamaError, OllamaGone, away, no_address

if TYPE_CHECKING:
    from agent.ollama_wire import Wire

__all__ = [
    "BUILT_FROM_SOURCE",
    "LEAST_FOR_FUNCTIONGEMMA",
    "Installed",
    "ModelMissing",
    "Ollama",
    "OllamaError",
    "OllamaGone",
    "Part",
    "Progress",
    "ToolCall",
    "is_too_old",
    "plain",
]

LEAST_FOR_FUNCTIONGEMMA = (0, 13, 5)
"""The first version of Ollama that knows FunctionGemma's format."""
BUILT_FROM_SOURCE = (0, 0, 0)
"""What an Ollama says that somebody built: it may be of any age."""

_PORTS = {"http": 80, "https": 443}
_ASK_S = 10.0
"""Longest wait for what Ollama knows without a model."""
_LOAD_S = 300.0
"""Longest wait for a model to be in memory."""
_PULL_S = 600.0
"""Longest silence of a pull: while a file of gigabytes is verified nothing is said."""


def is_too_old(version: tuple[int, ...], least: tuple[int, ...] = LEAST_FOR_FUNCTIONGEMMA) -> bool:
    """Whether a version of Ollama is older than what is needed; one built from source is taken to be new enough."""
    return BUILT_FROM_SOURCE < version < least


class Ollama:
    """A client for one Ollama; use as an async context manager, or call `close`.

    All calls raise `OllamaGone` where it does not answer, `ModelMissing` for a model that it does not have, and
    `OllamaError` for whatever else it refuses. Streams that are left (`aclose`, cancellation) close their connection
    at once, which makes Ollama stop generating.

    Args:
        url: where it listens; `http://` where it names no scheme.
        connect_s: longest wait for a connection, seconds.
    """

    def __init__(self, url: str, *, connect_s: float = 2.0) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._connect_s = connect_s
        self._made: Wire | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends all requests."""
        if self._made is not None:
            await self._made.close()

    @property
    def _wire(self) -> "Wire":
        if self._made is None:
            # An HTTP client takes as long to load as all the rest of a worker.
            from agent.ollama_wire import Wire  # noqa: PLC0415

            self._made = Wire(self.url, self._connect_s)
        return self._made

    # ---- what is there

    async def version(self) -> tuple[int, ...]:
        """Ollama's version, such as (0, 24, 0), or `BUILT_FROM_SOURCE`."""
        if self._made is None:
            await self._knock()
        answer = await self._wire.json("GET", "/api/version", within=_ASK_S)
        found = re.match(r"\d+(\.\d+)*", str(answer.get("version", "")))
        return tuple(int(part) for part in found[0].split(".")) if found else BUILT_FROM_SOURCE

    async def _knock(self) -> None:
        """Raises `OllamaGone` where nothing listens: who has no Ollama needs no HTTP client to find that out."""
        try:
            address = urlsplit(self.url)
            port = address.port or _PORTS.get(address.scheme)
            if not address.hostname or port is None:
                raise no_address(self.url)
            async with asyncio.timeout(self._connect_s):
                _, writer = await asyncio.open_connection(address.hostname, port)
        except ValueError:
            raise no_address(self.url) from None
        except OSError:
            raise away(self.url) from None
        writer.close()

    async def installed(self) -> dict[str, Installed]:
        """Models in store by name, without `:latest`."""
        answer = await self._wire.json("GET", "/api/tags", within=_ASK_S)
        models = [
            Installed(plain(one["name"]), int(one.get("size") or 0), str(one.get("digest") or ""))
            for one in answer.get("models") or ()
        ]
        return {one.name: one for one in models}

    async def loaded(self) -> dict[str, int]:
        """Models in memory: bytes by name, without `:latest`."""
        answer = await self._wire.json("GET", "/api/ps", within=_ASK_S)
        return {plain(one["name"]): int(one.get("size") or 0) for one in answer.get("models") or ()}

    async def capabilities(self, model: str) -> frozenset[str]:
        """What the model can do: `completion`, `tools`, `vision`, …"""  # noqa: D415 - the list goes on
        answer = await self._wire.json("POST", "/api/show", {"model": model}, within=_ASK_S)
        return frozenset(answer.get("capabilities") or ())

    # ---- generating

    def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        format: str | Mapping[str, Any] | None = None,  # noqa: A002 - the field's name
        options: Mapping[str, Any],
        keep_alive: str,
        first_s: float,
        next_s: float,
    ) -> AsyncGenerator[Part, None]:
        """Streams the model's answer to a dialogue.

        A prompt longer than the context is an error (`truncate` is false): cut silently, it would lose its beginning,
        which is where declarations and facts are.

        Args:
            model: name.
            messages: `role` and `content` each.
            tools: functions in OpenAI's form; only for models with the capability `tools`.
            format: `json` or a JSON Schema that the answer is held to.
            options: `temperature`, `num_ctx`, `num_predict`, `stop`, …; another `num_ctx` loads the model anew.
            keep_alive: how long the model stays in memory: `30m`, `0`, `-1` for ever.
            first_s: longest wait for the first part, seconds, loading the model included.
            next_s: longest wait for each further part; a call comes as one part when it is whole.
        """
        body: dict[str, Any] = {
            "model": model,
            "messages": list(messages),
            "stream": True,
            "options": dict(options),
            "keep_alive": _keep_alive(keep_alive),
            "truncate": False,
            "think": False,
        }
        if tools is not None:
            body["tools"] = list(tools)
        if format is not None:
            body["format"] = format
        return self._parts("/api/chat", body, first_s, next_s)

    def generate(
        self,
        model: str,
        prompt: str,
        *,
        raw: bool,
        options: Mapping[str, Any],
        keep_alive: str,
        first_s: float,
        next_s: float,
    ) -> AsyncGenerator[Part, None]:
        """Streams the continuation of a prompt; `raw`: as it is, without the model's template. Others as for `chat`."""
        body: dict[str, Any] = {
            "model": model,
            "prompt": prompt,
            "raw": raw,
            "stream": True,
            "options": dict(options),
            "keep_alive": _keep_alive(keep_alive),
            "truncate": False,
        }
        return self._parts("/api/generate", body, first_s, next_s)

    async def _parts(
        self, path: str, body: Mapping[str, Any], first_s: float, next_s: float
    ) -> AsyncGenerator[Part, None]:
        lines = self._wire.lines(path, body, last=_is_done, first_s=first_s, next_s=next_s)
        async with aclosing(lines):
            async for line in lines:
                yield part_of(line)

    async def rendered(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        options: Mapping[str, Any],
    ) -> str | None:
        """The prompt that Ollama makes of a dialogue, without generating; None where it is too old to tell.

        Such an Ollama does not know the field and generates, so one token is all that it may.
        """
        body: dict[str, Any] = {
            "model": model,
            "messages": list(messages),
            "stream": False,
            "options": {**options, "num_predict": 1},
            "truncate": False,
            "_debug_render_only": True,
        }
        if tools is not None:
            body["tools"] = list(tools)
        answer = await self._wire.json("POST", "/api/chat", body, within=_LOAD_S)
        told = answer.get("_debug_info")
        return str(told["rendered_template"]) if isinstance(told, dict) and "rendered_template" in told else None

    # ---- memory

    async def load(self, model: str, *, options: Mapping[str, Any], keep_alive: str) -> None:
        """Brings the model into memory; with other `options` than later requests it would be loaded twice."""
        body: dict[str, Any] = {
            "model": model,
            "messages": [],
            "options": dict(options),
            "keep_alive": _keep_alive(keep_alive),
        }
        await self._wire.json("POST", "/api/chat", {**body, "stream": False}, within=_LOAD_S)

    async def unload(self, model: str) -> None:
        """Lets the model go from memory, after the requests that it is at; see `loaded` for when it is gone."""
        body: dict[str, Any] = {"model": model, "messages": [], "keep_alive": 0, "stream": False}
        await self._wire.json("POST", "/api/chat", body, within=_ASK_S)

    # ---- store

    def pull(self, model: str) -> AsyncGenerator[Progress, None]:
        """Downloads a model; what an earlier pull got is kept, also when this one is left."""
        return self._progress("/api/pull", {"model": model, "stream": True})

    async def push_blob(self, path: Path) -> str:
        """Sends a file into Ollama's store, unless it is there, and gives its digest, `sha256:…`."""
        with path.open("rb") as file:
            digest = "sha256:" + (await asyncio.to_thread(hashlib.file_digest, file, "sha256")).hexdigest()
            if not await self._wire.has(f"/api/blobs/{digest}", within=_ASK_S):
                file.seek(0)
                await self._wire.send(f"/api/blobs/{digest}", file)
        return digest

    def create(
        self,
        model: str,
        files: Mapping[str, str],
        *,
        renderer: str | None = None,
        parser: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        quantize: str | None = None,
    ) -> AsyncGenerator[Progress, None]:
        """Makes a model of files that were sent before.

        Args:
            model: its name.
            files: digest by file name, as `push_blob` gave it.
            renderer: name of the renderer in Ollama, such as `functiongemma`; not found out by itself.
            parser: the same for the parser.
            parameters: default options.
            quantize: such as `q8_0`.
        """
        body: dict[str, Any] = {"model": model, "files": dict(files), "stream": True}
        more: dict[str, Any] = {"renderer": renderer, "parser": parser, "parameters": parameters, "quantize": quantize}
        return self._progress("/api/create", {**body, **{name: value for name, value in more.items() if value}})

    async def _progress(self, path: str, body: Mapping[str, Any]) -> AsyncGenerator[Progress, None]:
        lines = self._wire.lines(path, body, last=_is_success, first_s=_PULL_S, next_s=_PULL_S)
        async with aclosing(lines):
            async for line in lines:
                yield Progress(
                    str(line.get("status", "")), line.get("digest"), line.get("completed"), line.get("total")
                )


def _is_done(line: Mapping[str, Any]) -> bool:
    return bool(line.get("done"))


def _is_success(line: Mapping[str, Any]) -> bool:
    return line.get("status") == "success"


def _keep_alive(text: str) -> str | int:
    """A bare number is seconds, which Ollama takes as a number only: its durations have a unit."""
    return int(text) if re.fullmatch(r"-?\d+", text) else text
