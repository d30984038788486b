"""HTTP to Ollama: JSON answers, streams of JSON lines, and what goes wrong with either, in plain sentences.

The protocol is that of Ollama's `server/routes.go` and `docs/api.md`: a stream is one JSON object a line
(`application/x-ndjson`), its headers come with its first line, an error before the first line has a status of its own,
and an error after it is a line `{"error": …}` under status 200. What the requests mean is in `agent.ollama`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, BinaryIO

import aiohttp

_LINE = 4 * 1024 * 1024
"""Longest line, bytes: a call comes whole in one, and so do the tokens of a prompt."""

_UPDATE = "./setup.sh --models"
"""The command that brings Ollama up to date, where it may; otherwise it says how."""


class OllamaError(Exception):
    """Raised when Ollama refuses or fails; one plain sentence, with the command that mends it where there is one.

    Attributes:
        status: HTTP status; None where there was none or the error came under 200. For a prompt that is too long for
            the context it is 400 always: versions differ in how they report that.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        """Keeps the status beside the message."""
        super().__init__(message)
        self.status = status


class OllamaGone(OllamaError):  # noqa: N818 - says what happened
    """Raised when nothing listens there, the connection broke (also mid-stream), or it was silent for too long."""


class ModelMissing(OllamaError):  # noqa: N818 - says what happened
    """Raised when Ollama does not have the model."""


class Wire:
    """Requests to one Ollama.

    Each goes over a connection of its own: one that is kept may be that of an Ollama that has been restarted since,
    and closing it is how Ollama is told to stop generating.

    Args:
        url: where it listens; `http://` where it names no scheme.
        connect_s: longest wait for a connection, seconds.
    """

    def __init__(self, url: str, connect_s: float) -> None:
        self.url = (url if "://" in url else f"http://{url}").rstrip("/")
        self._connect_s = connect_s
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Ends all requests; another one may follow."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def json(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, within: float) -> Any:
        """Sends one request and gives the decoded answer.

        Args:
            method: GET or POST.
            path: from `/api/…` on.
            body: JSON object.
            within: longest wait for the whole answer, seconds.

        Raises:
            OllamaError: as its kinds say.
        """
        model = str((body or {}).get("model", ""))
        response = None
        try:
            async with asyncio.timeout(within):
                response = await self._open().request(method, self.url + path, json=body)
                answer = await response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise self._gone(error, within) from error
        finally:
            if response is not None:
                response.close()
        if response.status >= 400:
            raise _refused(answer, model, response.status)
        return _decoded(answer)

    async def lines(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        last: Callable[[Mapping[str, Any]], bool],
        first_s: float,
        next_s: float,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """POSTs and gives the JSON objects of the answer as they come; leaving it closes the connection at once.

        Args:
            path: from `/api/…` on.
            body: JSON object; `model` goes into error messages.
            last: whether a line is the last one; a stream that ends without it has broken off.
            first_s: longest wait for the first line, seconds; a model may have to be loaded before.
            next_s: longest wait for each further line.

        Raises:
            OllamaError: as its kinds say.
        """
        model, clock = str(body.get("model", "")), asyncio.get_running_loop().time
        until, waited = clock() + first_s, first_s
        response = None
        try:
            async with asyncio.timeout_at(until):
                response = await self._open().post(self.url + path, json=body)
                if response.status >= 400:
                    raise _refused(await response.read(), model, response.status)
            while True:
                async with asyncio.timeout_at(until):
                    line = await response.content.readline()
                if not line:
                    raise self._broken()
                if line.strip():
                    told = _decoded(line)
                    if "error" in told:
                        raise refusal(str(told["error"]), model, None)
                    yield told
                    if last(told):
                        return
                until, waited = clock() + next_s, next_s
        except (aiohttp.ClientError, OSError) as error:
            raise self._gone(error, waited) from error
        except ValueError as error:
            raise OllamaError(f"Ollama's answer has a line of more than {_LINE:,} bytes.") from error
        finally:
            if response is not None:
                response.close()

    async def has(self, path: str, *, within: float) -> bool:
        """Whether there is something at `path` (HEAD).

        Raises:
            OllamaGone: no answer.
        """
        try:
            async with asyncio.timeout(within), self._open().head(self.url + path) as response:
                return response.status < 400
        except (aiohttp.ClientError, OSError) as error:
            raise self._gone(error, within) from error

    async def send(self, path: str, file: BinaryIO) -> None:
        """POSTs an open file, however long that takes.

        Raises:
            OllamaError: refused, or gone.
        """
        try:
            async with self._open().post(self.url + path, data=file) as response:
                if response.status >= 400:
                    raise _refused(await response.read(), "", response.status)
        except (aiohttp.ClientError, OSError) as error:
            raise self._gone(error, self._connect_s) from error

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                timeout=aiohttp.ClientTimeout(total=None, connect=self._connect_s),
                read_bufsize=_LINE // 2,
            )
        return self._session

    def _broken(self) -> OllamaGone:
        return OllamaGone(f"The connection to Ollama ({self.url}) broke before the answer was whole.")

    def _gone(self, error: Exception, waited: float) -> OllamaGone:
        if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
            return OllamaGone(f"{self.url} is no address of Ollama; set FUNCGEMMA_OLLAMA_URL.")
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError):
            return OllamaGone(f"Ollama does not answer at {self.url}; start it with: ollama serve")
        if isinstance(error, TimeoutError):
            return OllamaGone(f"Ollama ({self.url}) said nothing for {waited:g} seconds.")
        return self._broken()


def refusal(said: str, model: str, status: int | None) -> OllamaError:
    """What to raise for an error that Ollama reported.

    Args:
        said: its own words.
        model: the model that was asked for; empty where none was.
        status: HTTP status; None for an error line under 200.
    """
    low = said.lower()
    if "exceed" in low and "context" in low:
        return OllamaError(f"The prompt is longer than the context of {model} ({said}).", 400)
    if "newer version of ollama" in low:
        return OllamaError(f"This Ollama is too old for {model}; update it with: {_UPDATE}", status)
    if "does not support tools" in low:
        return OllamaError(
            f"{model} takes no tools on this Ollama; if it is functiongemma, update Ollama with: {_UPDATE}", status
        )
    if "more system memory" in low or "out of memory" in low:
        return OllamaError(
            f"There is too little free memory for {model} ({said}); "
            "close other programs, or free models with: funcgemma models --unload",
            status,
        )
    if "no space left" in low:
        return OllamaError(f"The disk is too full for {model}; free some space, then: funcgemma models --pull", status)
    if "pull model manifest" in low and "file does not exist" in low:
        return OllamaError(f"Ollama's library has no model {model}; the names are at ollama.com/library", status)
    # The wording differs from call to call and from version to version; the status does not.
    if status == 404 and model:
        return ModelMissing(
            f"Ollama does not have the model {model}; get it with: funcgemma models --pull (or: ollama pull {model})",
            status,
        )
    if status == 503:
        return OllamaError(f"Ollama is busy, try again in a moment ({said}).", status)
    told = f" ({status})" if status else ""
    return OllamaError(f"Ollama could not do it{told}: {said}", status)


def _refused(answer: bytes, model: str, status: int) -> OllamaError:
    return refusal(str(_decoded(answer).get("error") or "no reason given"), model, status)


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        said = " ".join(text.decode(errors="replace").split())[:60]
        raise OllamaError(f"What answers there is not Ollama, or a very old one (set FUNCGEMMA_OLLAMA_URL): {said}")
    return found
