"""The terminal client: a prompt for people, with streaming replies, notices and Ctrl-C; for pipes see `agent.piped`."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input.typeahead import get_typeahead, store_typeahead
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys

from agent.address import AccessError
from agent.bus import Bus, BusError
from agent.client import Client, check_conversation
from agent.dialogue import PROMPT, Dialogue, Turn, end, since
from agent.phrases import phrase
from agent.piped import Piped, lines
from agent.settings import Settings
from agent.transcript import DIM, YELLOW, Reply, Screen, encodable, one_line, stages


async def chat(client: Client, bus: Bus, settings: Settings, *, conversation: str | None = None) -> None:
    """Talks with whoever is at standard input and output, until they leave.

    Args:
        client: made on `bus`.
        bus: connected.
        settings: home folder, language, longest turn.
        conversation: the one to go on with; a new one where not given.

    Raises:
        BusError: the conversation can't be part of a topic, or the broker does not let us in any more.
    """
    if conversation is not None:
        check_conversation(conversation)
    screen = Screen(sys.stdout)
    if not (sys.stdin and sys.stdin.isatty() and sys.stdout.isatty()):
        piped = Piped(client, bus, settings, screen, conversation=conversation, errors=Screen(sys.stderr))
        if sys.stdin:
            await piped.run(lines(sys.stdin))
        return
    session: PromptSession[str] = PromptSession(history=_History(settings))
    prompted = Prompted(client, bus, settings, screen, conversation=conversation, session=session)
    talking = asyncio.create_task(prompted.run(), name="console")
    # Killed without this, it would leave the terminal without echo.
    loop = asyncio.get_running_loop()
    ends = (signal.SIGTERM, signal.SIGHUP)
    for number in ends:
        loop.add_signal_handler(number, talking.cancel)
    try:
        await asyncio.wait({talking})
    finally:
        for number in ends:
            loop.remove_signal_handler(number)
        await end(talking)
    if not talking.cancelled():
        talking.result()


class Prompted(Dialogue):
    """A person at a terminal.

    Args:
        session: reads what they type.
        others: as of `Dialogue`.
    """

    def __init__(self, *arguments: Any, session: PromptSession[str], **others: Any) -> None:
        super().__init__(*arguments, **others)
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Greets, then answers until they leave."""
        self._screen.line(phrase("greeting", self._lang), DIM)
        self._spawn(self._show_notices())
        self._spawn(self._mind_models(self._above))
        warned = False
        try:
            while True:
                try:
                    typed = await self._session.prompt_async(PROMPT, set_exception_handler=False)
                except KeyboardInterrupt:
                    if self._session.default_buffer.text:
                        warned = False
                        continue
                    if warned:
                        return
                    warned = True
                    self._screen.line(phrase("interrupted", self._lang), DIM)
                    continue
                except EOFError:
                    return
                warned = False
                if not await self.handle(typed):
                    return
        finally:
            for task in list(self._tasks):
                await end(task)

    async def _answer(self, turn: Turn) -> None:
        started = asyncio.get_running_loop().time()
        reply = Reply(self._screen)
        following = asyncio.create_task(
            self._follow(turn, set(), lambda text: self._screen.line(text, YELLOW), reply), name="console[turn]"
        )

        def interrupt() -> None:
            if turn.cancelled:
                following.cancel()
                return
            turn.cancelled = True
            self._spawn(self._cancel(turn))

        try:
            with self._keys(interrupt):
                await asyncio.wait({following})
        finally:
            await end(following)
        if following.cancelled():
            self._screen.line(phrase("abandoned", self._lang))
            return
        try:
            final = following.result()
        except AccessError:
            raise
        except BusError as error:
            self._screen.line(str(error))
            return
        reply.final(final)
        self._screen.line(stages(final, turn.route, since(started), cancelled=turn.cancelled), DIM)

    async def _cancel(self, turn: Turn) -> None:
        # Waits for the bus if need be; a refusal is seen by the turn itself.
        with contextlib.suppress(BusError):
            await self._client.cancel(turn.id, self.conversation)

    @contextlib.contextmanager
    def _keys(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """Reads keys while no prompt does: Ctrl-C interrupts, the rest is kept for the next prompt.

        Left to the terminal, they would be echoed into the reply.
        """
        source = self._session.input

        def take(pressed: list[KeyPress]) -> None:
            for press in pressed:
                if press.key == Keys.ControlC:
                    get_typeahead(source)
                    interrupt()
                elif press.key != Keys.CPRResponse:
                    store_typeahead(source, [press])

        take(get_typeahead(source))
        with source.raw_mode(), source.attach(lambda: take(source.read_keys())):
            yield

    async def _show_notices(self) -> None:
        async for notice in self._client.notices():
            await self._above(f"🔔 {one_line(notice.text)}")

    async def _above(self, text: str) -> None:
        """Shows a line above the prompt where there is one, otherwise right here."""
        await run_in_terminal(lambda: self._screen.line(text, YELLOW))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _History(FileHistory):
    """What was typed, for the arrow keys; not worth ending a chat for."""

    def __init__(self, settings: Settings) -> None:
        settings.home.mkdir(parents=True, exist_ok=True)
        super().__init__(str(settings.home / "history"))

    def load_history_strings(self) -> list[str]:
        try:
            return list(super().load_history_strings())
        except OSError:
            return []

    def store_string(self, string: str) -> None:
        with contextlib.suppress(OSError):
            os.close(os.open(os.fsdecode(self.filename), os.O_WRONLY | os.O_CREAT, 0o600))
            super().store_string(encodable(string))
