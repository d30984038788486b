"""The client's face for other programs: a turn a line, and a plain reply."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, TextIO

from agent.client import NoAnswer
from agent.dialogue import PROMPT, Dialogue, Turn, end, since
from agent.transcript import Screen, stages

_SLACK_S = 60.0
"""A program is not left waiting for ever: this much longer than the longest reply."""


class Piped(Dialogue):
    """A turn a line, for other programs: the line, its reply, and nothing else.

    Args:
        errors: what stands in the way is told here.
        others: as of `Dialogue`.
    """

    def __init__(self, *arguments: Any, errors: Screen, **others: Any) -> None:
        super().__init__(*arguments, **others)
        self._errors = errors
        self._told: set[str] = set()

    async def run(self, source: AsyncIterator[str]) -> None:
        """Answers line by line until the end or `quit`."""
        minding = asyncio.create_task(self._mind_models(self._tell), name="piped[models]")
        try:
            async for line in source:
                if line.strip() and not await self.handle(line):
                    return
        finally:
            await end(minding)

    async def _tell(self, text: str) -> None:
        self._errors.line(text)

    async def handle(self, typed: str) -> bool:
        """Shows the line, then does what it asks for."""
        self._screen.line(PROMPT + typed.strip())
        return await super().handle(typed)

    async def _answer(self, turn: Turn) -> None:
        started = asyncio.get_running_loop().time()
        # Shown whole: what a crash made of the pieces on the way is of no use to a program.
        try:
            async with asyncio.timeout(self._settings.reply_s + _SLACK_S):
                final = await self._follow(turn, self._told, self._errors.line, None)
        except TimeoutError:
            raise NoAnswer("There was no answer. See: funcgemma status") from None
        self._screen.line(final.text)
        if final.status == "ok":
            # What stood in the way is over; should it come back, it is told again.
            self._told.clear()
        if self._settings.debug:
            self._screen.line(stages(final, turn.route, since(started)))


async def lines(stream: TextIO) -> AsyncIterator[str]:
    """The lines of a file, pipe or terminal as they come; what is no UTF-8 is replaced.

    A thread of its own reads, past the stream's buffer: one that is left waiting must not keep the process from ending.
    """
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        for line in stream:
            yield line
        return
    left = bytearray()
    while piece := await _in_thread(lambda: os.read(descriptor, 65536)):
        left += piece
        if b"\n" in piece:
            *whole, rest = bytes(left).split(b"\n")
            left = bytearray(rest)
            for one in whole:
                yield one.decode(errors="replace")
    if left:
        yield left.decode(errors="replace")


def _in_thread(read: Callable[[], bytes]) -> "asyncio.Future[bytes]":
    loop = asyncio.get_running_loop()
    future: asyncio.Future[bytes] = loop.create_future()

    def settle(got: bytes) -> None:
        if not future.done():
            future.set_result(got)

    def run() -> None:
        try:
            got = read()
        except OSError:
            got = b""
        # The loop may be gone by then.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, got)

    threading.Thread(target=run, daemon=True).start()
    return future
