"""HTTP to Ollama: JSON answers and streams of JSON lines.

The protocol is that of Ollama's `server/routes.go` and `docs/api.md`: a stream is one JSON object a line
(`application/x-ndjson`), its headers come with its first line, an error before the first line has a status of its own,
and an error after it is a line `{"error": …}` under status 200. What the requests mean is in `agent.ollama`.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, BinaryIO

import aiohttp

from agent.ollama_errors import OllamaError, OllamaGone, away, decoded, no_address, refusal, refused

_LINE = 4 * 1024 * 1024
"""Longest line, bytes: a call comes whole in one, and so do the tokens of a prompt."""


class Wire:
    """Requests to one Ollama.

    Each goes over a connection of its own: one that is kept may be that of an Ollama that has been restarted since,
    and closing it is how Ollama is told to stop generating.

    Args:
        url: where it listens, without a slash at the end.
        connect_s: longest wait for a connection, seconds.
    """

    def __init__(self, url: str, connect_s: float) -> None:
        self.url = url
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
            raise refused(answer, model, response.status)
        return decoded(answer)

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
                    raise refused(await response.read(), model, response.status)
            while True:
                async with asyncio.timeout_at(until):
                    line = await response.content.readline()
                if not line:
                    raise self._broken()
                if line.strip():
                    told = decoded(line)
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
                    raise refused(await response.read(), "", response.status)
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
            return no_address(self.url)
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError):
            return away(self.url)
        if isinstance(error, TimeoutError):
            return OllamaGone(f"Ollama ({self.url}) said nothing for {waited:g} seconds.")
        return self._broken()
