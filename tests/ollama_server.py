"""A server that speaks Ollama's HTTP protocol, for tests and for trying things by hand without a model.

The protocol is that of Ollama's `server/routes.go`, `api/types.go` and `docs/api.md`. By hand:

    python -m tests.ollama_server --port 11434

What is not covered: embeddings, images, thinking, models in the cloud.
"""

import asyncio
import hashlib
import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.ollama_functiongemma import Parser, render

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_HIDDEN = re.compile(r"<(?:escape|(?:start|end)_function_\w+|(?:start|end)_of_turn)>")
_HIDDEN_IN_CHAT = re.compile(r"<(?:escape|(?:start|end)_function_(?!call)\w+|(?:start|end)_of_turn)>")
"""FunctionGemma's parser asks for the tokens around a call to be kept."""
_NUM_CTX = 4096
_CALL_TOKENS = 8
"""What a call takes at least."""
_TOOLS_SINCE = (0, 13, 5)
_LAYERS = (0.97, 0.02, 0.01)
"""What share of a model's size its files have: weights, template, licence."""
_STEPS = 20


@dataclass
class Reply:
    """What a model answers.

    Attributes:
        pieces: text, a token each; a FunctionGemma's goes through Ollama's parser in `/api/chat`.
        calls: calls as Ollama tells them, whole, after the pieces.
        wait: nothing is sent before it is set, headers neither.
        wait_after: after so many pieces, the next is sent when it is set.
        cut_after: the connection breaks after so many pieces.
        unfinished: the answer ends after the pieces, without its last line, as if it were whole.
        error: said in a line after the pieces; with a `status` other than 200, instead of them.
        status: HTTP status.
        reason: why it ended.
        pace_s: time between two pieces, seconds.
    """

    pieces: Sequence[str] = ()
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    wait: asyncio.Event | None = None
    wait_after: tuple[int, asyncio.Event] | None = None
    cut_after: int | None = None
    unfinished: bool = False
    error: str | None = None
    status: int = 200
    reason: str = "stop"
    pace_s: float = 0.0


@dataclass
class _Model:
    size: int
    capabilities: frozenset[str]
    reply: Callable[[dict[str, Any]], Reply]
    functiongemma: bool
    digest: str


@dataclass
class Pulling:
    """How pulls go: a break after so many lines of progress, once; a wait before that line; time between lines."""

    cut_after: int | None = None
    wait: asyncio.Event | None = None
    pace_s: float = 0.0
    error: str | None = None
    error_after: int = 0


@dataclass
class OllamaServer:
    """An Ollama without models of its own; use as an async context manager, or `start` and `stop`.

    Attributes:
        version: as it tells it; older than 0.13.5, its functiongemma takes no tools.
        knows_render: whether it knows `_debug_render_only`.
        hides_tokens: whether control tokens are left out of what models say, as llama-server does.
        busy: refuses to schedule anything.
        memory: bytes; a model that does not fit into them is refused.
        unloading: how many looks at `/api/ps` a model that was let go is still seen for.
        refuses_safetensors: whether models are made of GGUF files only, as newer versions do without MLX.
        pullable: models in its library, bytes by name.
        pulling: how pulls go.
        replies: what a model answers that was installed without saying so, by name.
        got: bytes that were downloaded, by name and file; kept when a pull breaks.
        requests: paths and bodies so far.
        in_memory: loaded models with their `keep_alive`, seconds.
        abandoned: paths of the requests whose client went away before the answer was whole.
        url: where it listens, once it does.
    """

    version: str = "0.24.0"
    knows_render: bool = True
    hides_tokens: bool = False
    busy: bool = False
    memory: float = math.inf
    unloading: int = 0
    refuses_safetensors: bool = False
    pullable: dict[str, int] = field(default_factory=dict)
    pulling: Pulling = field(default_factory=Pulling)
    replies: dict[str, Callable[[dict[str, Any]], Reply]] = field(default_factory=dict)
    got: dict[str, int] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    in_memory: dict[str, float] = field(default_factory=dict)
    abandoned: "asyncio.Queue[str]" = field(default_factory=asyncio.Queue)
    url: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    _models: dict[str, _Model] = field(default_factory=dict)
    _leaving: dict[str, int] = field(default_factory=dict)
    _connections: set[asyncio.Transport] = field(default_factory=set)
    _runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, port: int = 0) -> None:
        """Listens on 127.0.0.1; on a free port, or on the one given."""

        @web.middleware
        async def watched(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
            return await self._watched(request, handler)

        app = web.Application(client_max_size=2**30, middlewares=[watched])
        app.add_routes(
            [
                web.get("/", _root),
                web.get("/api/version", self._version),
                web.get("/api/tags", self._tags),
                web.get("/api/ps", self._ps),
                web.post("/api/show", self._show),
                web.post("/api/chat", self._chat),
                web.post("/api/generate", self._generate),
                web.post("/api/pull", self._pull),
                web.post("/api/create", self._create),
                web.head("/api/blobs/{digest}", self._blob_there),
                web.post("/api/blobs/{digest}", self._blob),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Drops all connections at once, as a killed server does; its models stay on the disk, not in memory."""
        if self._runner is None:
            return
        for transport in self._connections:
            transport.abort()
        await self._runner.cleanup()
        self._runner = None
        self.in_memory.clear()

    def install(
        self,
        name: str,
        *,
        size: int = 301_000_000,
        capabilities: Collection[str] = ("completion",),
        reply: Callable[[dict[str, Any]], Reply] | None = None,
        functiongemma: bool | None = None,
    ) -> None:
        """Puts a model into the store.

        Args:
            name: with or without `:latest`.
            size: bytes.
            capabilities: what `/api/show` tells.
            reply: what it answers to a request's body; where not given, as `replies` says, or a greeting.
            functiongemma: whether it has that renderer and parser; by its name where not given.
        """
        name = _plain(name)
        self._models[name] = _Model(
            size,
            frozenset(capabilities),
            reply or self.replies.get(name) or (lambda _body: Reply(["Hello", "."])),
            name.startswith("functiongemma") if functiongemma is None else functiongemma,
            hashlib.sha256(name.encode()).hexdigest(),
        )

    def remove(self, name: str) -> None:
        """Takes a model out of store and memory."""
        self._models.pop(_plain(name), None)
        self.in_memory.pop(_plain(name), None)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """The bodies of the requests to a path so far."""
        return [body for where, body in self.requests if where == path]

    # ---- what is there

    async def _watched(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._connections.add(transport)
        try:
            answer: web.StreamResponse = await handler(request)
        except _Refused as refused:
            return web.json_response({"error": str(refused)}, status=refused.status)
        except (asyncio.CancelledError, ConnectionError):
            self.abandoned.put_nowait(request.path)
            raise
        else:
            return answer
        finally:
            self._connections.discard(transport)

    async def _body(self, request: web.Request) -> dict[str, Any]:
        text = await request.text()
        if not text:
            raise _Refused(400, "missing request body")
        try:
            body = json.loads(text)
        except ValueError as error:
            raise _Refused(400, f"invalid character in body: {error}") from error
        self.requests.append((request.path, body))
        return dict(body)

    async def _version(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, {}))
        return web.json_response({"version": self.version})

    async def _tags(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, {}))
        return web.json_response({"models": [self._told(name) for name in self._models]})

    async def _ps(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, {}))
        told = []
        for name, keep in self.in_memory.items():
            expires = datetime.now(UTC) + timedelta(seconds=min(keep, 1e9))
            more = {"size_vram": 0, "expires_at": expires.isoformat(), "context_length": _NUM_CTX}
            told.append({**self._told(name), **more})
        for name, looks in list(self._leaving.items()):
            if looks > 1:
                self._leaving[name] = looks - 1
            else:
                self._leaving.pop(name)
                self.in_memory.pop(name, None)
        return web.json_response({"models": told})

    def _told(self, name: str) -> dict[str, Any]:
        model = self._models[name]
        full = name if ":" in name else f"{name}:latest"
        details = {"format": "gguf", "family": "gemma3", "families": ["gemma3"], "quantization_level": "Q8_0"}
        return {
            "name": full,
            "model": full,
            "modified_at": "2026-01-01T00:00:00Z",
            "size": model.size,
            "digest": model.digest,
            "details": details,
        }

    async def _show(self, request: web.Request) -> web.Response:
        name = _plain(str((await self._body(request)).get("model", "")))
        model = self._model(name)
        told = self._told(name)
        return web.json_response({"details": told["details"], "capabilities": sorted(self._capabilities(name, model))})

    def _model(self, asked: str) -> _Model:
        if _plain(asked) not in self._models:
            raise _Refused(404, f"model '{asked}' not found")
        return self._models[_plain(asked)]

    def _capabilities(self, name: str, model: _Model) -> frozenset[str]:
        since = tuple(int(part) for part in re.findall(r"\d+", self.version)[:3])
        old = _plain(name).startswith("functiongemma") and (0, 0, 0) < since < _TOOLS_SINCE
        return model.capabilities - ({"tools"} if old else set())

    # ---- generating

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        model = self._model(str(body.get("model", "")))
        messages, tools = body.get("messages") or [], body.get("tools") or []
        empty = {"role": "assistant", "content": ""}
        if not messages and self._unload(body):
            return web.json_response(_line(body, message=empty, done=True, done_reason="unload"))
        if tools and "tools" not in self._capabilities(body["model"], model):
            raise _Refused(400, f"registry.ollama.ai/library/{body['model']} does not support tools")
        self._load(body, model)
        if not messages:
            return web.json_response(_line(body, message=empty, done=True, done_reason="load"))
        prompt = render(messages, tools) if model.functiongemma else _template(messages)
        if body.get("_debug_render_only") and self.knows_render:
            told = {"rendered_template": prompt, "image_count": 0}
            return web.json_response(_line(body, message={"role": "", "content": ""}, done=False, _debug_info=told))
        reply = self._reply(body, model, prompt)
        parser = Parser() if model.functiongemma else None
        numbers = iter(range(1000))

        def said(piece: str) -> Iterator[dict[str, Any]]:
            if self.hides_tokens:
                piece = _HIDDEN_IN_CHAT.sub("", piece)
            for told in parser.add(piece) if parser else [piece]:
                yield _line(body, message=_message(told, numbers), done=False)

        def called(call: tuple[str, Mapping[str, Any]]) -> dict[str, Any]:
            return _line(body, message=_message(call, numbers), done=False)

        last = _line(body, message=empty, done=True)
        return await self._answer(request, body, reply, said, called, last, prompt)

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        model, prompt = self._model(str(body.get("model", ""))), str(body.get("prompt") or "")
        if not prompt and self._unload(body):
            return web.json_response(_line(body, response="", done=True, done_reason="unload"))
        self._load(body, model)
        if not prompt:
            return web.json_response(_line(body, response="", done=True, done_reason="load"))
        if not body.get("raw"):
            messages = [{"role": "user", "content": prompt}]
            prompt = render(messages, ()) if model.functiongemma else _template(messages)
        reply = self._reply(body, model, prompt)

        def said(piece: str) -> Iterator[dict[str, Any]]:
            # No token is kept for a raw prompt: those of calls are hidden too.
            if self.hides_tokens:
                piece = _HIDDEN.sub("", piece)
            yield _line(body, response=piece, done=False)

        last = _line(body, response="", done=True)
        return await self._answer(request, body, reply, said, None, last, prompt)

    def _load(self, body: Mapping[str, Any], model: _Model) -> None:
        if self.busy:
            raise _Refused(503, "server busy, please try again.  maximum pending requests exceeded")
        name = _plain(body["model"])
        if name not in self.in_memory:
            # Others that are idle are let go for one that needs their place.
            if model.size > self.memory:
                need, have = model.size / 2**30, self.memory / 2**30
                raise _Refused(
                    500, f"model requires more system memory ({need:.1f} GiB) than is available ({have:.1f} GiB)"
                )
            while sum(self._models[one].size for one in self.in_memory) + model.size > self.memory:
                del self.in_memory[next(iter(self.in_memory))]
        self._leaving.pop(name, None)
        self.in_memory[name] = _seconds(body.get("keep_alive", "5m"))

    def _unload(self, body: Mapping[str, Any]) -> bool:
        if body.get("keep_alive") is None or _seconds(body["keep_alive"]) != 0:
            return False
        name = _plain(body["model"])
        if self.unloading and name in self.in_memory:
            self._leaving[name] = self.unloading
        else:
            self.in_memory.pop(name, None)
        return True

    def _reply(self, body: dict[str, Any], model: _Model, prompt: str) -> Reply:
        options = body.get("options") or {}
        if body.get("truncate") is False and _tokens(prompt) > options.get("num_ctx", _NUM_CTX):
            raise _Refused(400, "the input length exceeds the context length")
        reply = model.reply(body)
        if reply.status != 200:
            raise _Refused(reply.status, reply.error or "error")
        most = options.get("num_predict", -1)
        if 0 < most < len(reply.pieces):
            reply.pieces, reply.calls, reply.reason = reply.pieces[:most], (), "length"
        for mark in options.get("stop") or ():
            reply.pieces = _stopped(reply.pieces, mark)
        return reply

    async def _answer(  # noqa: PLR0917 - the parts of one answer
        self,
        request: web.Request,
        body: Mapping[str, Any],
        reply: Reply,
        said: Callable[[str], Iterator[dict[str, Any]]],
        called: Callable[[tuple[str, Mapping[str, Any]]], dict[str, Any]] | None,
        last: dict[str, Any],
        prompt: str,
    ) -> web.StreamResponse:
        if reply.wait:
            await reply.wait.wait()
        last |= {"done_reason": reply.reason, "total_duration": 5_000_000, "load_duration": 1_000_000}
        last |= {"prompt_eval_count": _tokens(prompt), "prompt_eval_duration": 1_000_000}
        last |= {"eval_count": len(reply.pieces) + _CALL_TOKENS * len(reply.calls), "eval_duration": 1_000_000}
        stream = _Stream(request) if body.get("stream", True) else _Whole(request, tools=bool(body.get("tools")))
        for number, piece in enumerate(reply.pieces):
            if reply.wait_after and reply.wait_after[0] == number:
                await reply.wait_after[1].wait()
            if reply.cut_after == number:
                return await stream.cut()
            if reply.pace_s:
                await asyncio.sleep(reply.pace_s)
            for line in said(piece):
                await stream.add(line)
        if reply.wait_after and reply.wait_after[0] == len(reply.pieces):
            await reply.wait_after[1].wait()
        if reply.cut_after is not None and reply.cut_after >= len(reply.pieces):
            return await stream.cut()
        if reply.error is not None:
            return await stream.fail(reply.error)
        for call in reply.calls if called else ():
            await stream.add(called(call))  # type: ignore[misc]
        if reply.unfinished:
            return await stream.end()
        await stream.add(last)
        if _seconds(body.get("keep_alive", "5m")) == 0:
            self.in_memory.pop(_plain(body["model"]), None)
        return await stream.end()

    # ---- store

    async def _pull(self, request: web.Request) -> web.StreamResponse:
        name = _plain(str((await self._body(request)).get("model", "")))
        stream, how, sent = _Stream(request), self.pulling, 0
        await stream.add({"status": "pulling manifest"})
        if how.error is not None and how.error_after == 0:
            return await stream.fail(how.error)
        if name not in self.pullable and name not in self._models:
            return await stream.fail("pull model manifest: file does not exist")
        size = self.pullable.get(name) or self._models[name].size
        for number, share in enumerate(_LAYERS):
            digest, total = hashlib.sha256(f"{name}/{number}".encode()).hexdigest(), max(1, int(size * share))
            if name in self._models:
                self.got[digest] = total
            line: dict[str, Any] = {"status": f"pulling {digest[:12]}", "digest": f"sha256:{digest}", "total": total}
            first = True
            while True:
                got = self.got.get(digest, 0)
                # What is there already may be left out of a file's first line.
                await stream.add(line if first and got < total else {**line, "completed": got})
                first, sent = False, sent + 1
                if how.error is not None and how.error_after == sent:
                    return await stream.fail(how.error)
                if how.cut_after == sent:
                    how.cut_after = None
                    return await stream.cut()
                if got >= total:
                    break
                if how.wait:
                    await how.wait.wait()
                await asyncio.sleep(how.pace_s)
                self.got[digest] = min(total, got + math.ceil(total / _STEPS))
        await stream.add({"status": "verifying sha256 digest"})
        await stream.add({"status": "writing manifest"})
        if name not in self._models:
            tools = ("completion", "tools") if name.startswith("functiongemma") else ("completion",)
            self.install(name, size=size, capabilities=tools)
        await stream.add({"status": "success"})
        return await stream.end()

    async def _blob_there(self, request: web.Request) -> web.Response:
        return web.Response(status=200 if request.match_info["digest"] in self.blobs else 404)

    async def _blob(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, {}))
        content = await request.read()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        if request.match_info["digest"] != digest:
            raise _Refused(400, f'digest mismatch, expected "{request.match_info["digest"]}", got "{digest}"')
        self.blobs[digest] = content
        return web.Response(status=201)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await self._body(request)
        files = body.get("files") or {}
        if not files:
            raise _Refused(400, "neither 'from' or 'files' was specified")
        if missing := [digest for digest in files.values() if digest not in self.blobs]:
            raise _Refused(400, f"blob not found: {missing[0]}")
        if self.refuses_safetensors and any(name.endswith(".safetensors") for name in files):
            raise _Refused(503, "MLX runtime is not available")
        stream = _Stream(request)
        await stream.add({"status": "parsing GGUF" if any(".gguf" in name for name in files) else "converting model"})
        if body.get("quantize"):
            await stream.add({"status": f"quantizing F16 model to {str(body['quantize']).upper()}"})
        for digest in files.values():
            await stream.add({"status": f"using existing layer {digest}"})
        await stream.add({"status": "writing manifest"})
        ours = body.get("renderer") == "functiongemma"
        self.install(
            str(body["model"]),
            size=sum(len(self.blobs[digest]) for digest in files.values()),
            capabilities=("completion", "tools") if body.get("parser") == "functiongemma" else ("completion",),
            functiongemma=ours,
        )
        await stream.add({"status": "success"})
        return await stream.end()


class _Refused(Exception):  # noqa: N818 - it is answered
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Stream:
    """An answer in lines; its headers go out with the first."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._response: web.StreamResponse | None = None

    async def add(self, line: Mapping[str, Any]) -> None:
        if self._response is None:
            self._response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
            await self._response.prepare(self._request)
        await self._response.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    async def fail(self, error: str) -> web.StreamResponse:
        """An error has a status of its own before the first line only."""
        if self._response is None:
            raise _Refused(500, error)
        await self.add({"error": error})
        return await self.end()

    async def cut(self) -> web.StreamResponse:
        assert self._request.transport is not None
        self._request.transport.close()
        return self._response or web.Response()

    async def end(self) -> web.StreamResponse:
        assert self._response is not None
        await self._response.write_eof()
        return self._response


class _Whole(_Stream):
    """An answer in one piece: calls are in it only where the request had tools."""

    def __init__(self, request: web.Request, *, tools: bool) -> None:
        super().__init__(request)
        self._tools = tools
        self._text, self._calls = "", list[Any]()
        self._last: dict[str, Any] = {}

    async def add(self, line: Mapping[str, Any]) -> None:
        message = line.get("message", {})
        self._text += message.get("content", "") + line.get("response", "")
        self._calls += message.get("tool_calls", ())
        self._last = dict(line)

    async def end(self) -> web.StreamResponse:
        if "message" in self._last:
            self._last["message"] = {"role": "assistant", "content": self._text}
            if self._tools and self._calls:
                self._last["message"]["tool_calls"] = self._calls
        else:
            self._last["response"] = self._text
        return web.json_response(self._last)


async def _root(_request: web.Request) -> web.Response:
    return web.Response(text="Ollama is running")


def _plain(name: str) -> str:
    return name.removesuffix(":latest")


def _line(body: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": body["model"], "created_at": "2026-01-01T00:00:00.0Z", **fields}


def _message(said: str | tuple[str, Mapping[str, Any]], numbers: Iterator[int]) -> dict[str, Any]:
    if isinstance(said, str):
        return {"role": "assistant", "content": said}
    number = next(numbers)
    function = {"index": number, "name": said[0], "arguments": dict(said[1]) if said[0] else None}
    return {"role": "assistant", "content": "", "tool_calls": [{"id": f"call_{number:08}", "function": function}]}


def _template(messages: Sequence[Mapping[str, Any]]) -> str:
    """Gemma's template: it has no system turn, the system message stands in the user's."""
    text = ""
    for message in messages:
        role = "model" if message["role"] == "assistant" else "user"
        text += f"<start_of_turn>{role}\n{message['content']}<end_of_turn>\n"
    return text + "<start_of_turn>model\n"


def _tokens(text: str) -> int:
    return math.ceil(len(text) / 4)


def _stopped(pieces: Sequence[str], mark: str) -> list[str]:
    kept: list[str] = []
    for piece in pieces:
        before, found, _ = piece.partition(mark)
        kept += [before] if before else []
        if found:
            break
    return kept


def _seconds(value: Any) -> float:
    """A `keep_alive`: a number of seconds, or Go's notation; below zero is for ever."""
    if isinstance(value, int | float):
        return math.inf if value < 0 else float(value)
    text = str(value)
    sign, text = (-1, text[1:]) if text.startswith("-") else (1, text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)", text)
    if "".join(map("".join, parts)) != text and text != "0":
        raise _Refused(400, f'time: missing unit in duration "{value}"')
    return math.inf if sign < 0 else sum(float(number) * _UNITS[unit] for number, unit in parts)


if __name__ == "__main__":
    from tests.ollama_by_hand import main

    main()
