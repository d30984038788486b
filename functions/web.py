"""Requests to web services: JSON over HTTP with a timeout, repeats, a cache, and a pause for a service out of reach."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from agent.settings import Settings

if TYPE_CHECKING:
    import aiohttp

_CACHED = 500
_TRANSIENT = (429, 500, 502, 503, 504)


class WebError(Exception):
    """Raised when a web service does not answer, or not with JSON."""


class Web:
    """A client for JSON services; use as an async context manager.

    Answers are kept for `http_cache_s`. A service that could not be reached is left alone for `http_offline_s`, so
    that without a network a turn waits once and not each time.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None
        self._cache: OrderedDict[str, tuple[float, Any]] = OrderedDict()
        self._away: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def json(self, base: str, path: str, params: Mapping[str, str | int | float]) -> Any:
        """GETs `base` + `path` and gives the decoded JSON.

        Raises:
            WebError: offline by setting, out of reach, timed out, an error status (404 too), or not JSON.
        """
        if self._settings.offline:
            raise WebError("The network is switched off (FUNCGEMMA_OFFLINE).")
        now = time.monotonic()
        if self._away.get(base, 0) > now:
            raise WebError(f"{base} is out of reach.")
        key = f"{base}{path}?{sorted(params.items())}"
        if (kept := self._cache.get(key)) and kept[0] > now:
            return kept[1]
        answer = await self._get(base, path, params)
        self._cache[key] = (now + self._settings.http_cache_s, answer)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return answer

    async def _get(self, base: str, path: str, params: Mapping[str, str | int | float]) -> Any:
        # It takes a third of a second to load, and without a network it is for nothing.
        import aiohttp  # noqa: PLC0415

        for attempt in range(self._settings.http_retries + 1):
            last = attempt == self._settings.http_retries
            try:
                async with self._connected().get(base.rstrip("/") + path, params=params) as response:
                    if response.status in _TRANSIENT and not last:
                        await asyncio.sleep(0.2 * 2**attempt)
                        continue
                    if response.status >= 400:
                        raise WebError(f"{base} answered {response.status}.")
                    return await response.json(content_type=None)
            except (TimeoutError, aiohttp.ClientConnectionError) as error:
                # A name that does not resolve or a refused port won't mend within a turn: no repeat for these.
                if last or isinstance(error, aiohttp.ClientConnectorError):
                    self._away[base] = time.monotonic() + self._settings.http_offline_s
                    raise WebError(f"{base} is out of reach.") from error
            except (aiohttp.ClientError, ValueError) as error:
                raise WebError(f"{base} gave no proper answer: {error}") from error
        raise AssertionError("unreachable")  # pragma: no cover

    def _connected(self) -> "aiohttp.ClientSession":
        import aiohttp  # noqa: PLC0415

        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._settings.http_timeout_s),
                headers={"User-Agent": "FuncGemma/0.1 (local assistant)"},
            )
        return self._session
