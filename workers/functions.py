"""The functions worker: hosts functions on the bus.

It publishes their cards, runs their calls and publishes results. A call that comes twice is answered from the first
run; one that expired while nobody was there to do it is not done late: its user has been told so, or the journal sends
the turn anew.
"""

import asyncio
import logging
import re
import sys
import time
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from pydantic_core import PydanticSerializationError

from agent import topics
from agent.bus import Bus, BusError, Unfit
from agent.credentials import Credentials
from agent.messages import Call, Error, Notice, Result, Status
from agent.recent import Recent
from agent.replies import texts
from agent.results import fitting
from agent.settings import Settings, settings
from agent.worker import Worker, main, open_bus, run
from functions.chat_model import ChatModel
from functions.registry import Context, Function, FunctionError, load, load_file
from functions.web import Web

log = logging.getLogger(__name__)

_REMEMBERED = 1000
_SERVICE_RETRY_S = 5.0


class FunctionsWorker(Worker):
    """Hosts functions.

    Args:
        functions: by name.
    """

    def __init__(self, bus: Bus, settings: Settings, functions: Mapping[str, Function]) -> None:
        super().__init__(bus, settings)
        self._functions = functions
        self._validators = {name: Draft202012Validator(one.card.parameters) for name, one in functions.items()}
        self._done: Recent[tuple[str, str], asyncio.Task[Result]] = Recent(_REMEMBERED)
        self._started_at = datetime.now(UTC)
        self._caught_up = False
        bus.on(topics.STATUS, Status, self._status, note=True, client=bus.client_id)
        for name in functions:
            bus.on(topics.CALL, Call, self._call, function=name)

    @property
    def details(self) -> dict[str, Any]:
        """Tells which functions it serves."""
        return {**super().details, "functions": sorted(self._functions)}

    async def prepare(self) -> None:
        """Opens the clients for web services and the chat model."""
        self._web = Web(self.settings)
        self._chat = ChatModel(self.settings)

    async def greet(self) -> None:
        """Publishes the cards."""
        for name, function in self._functions.items():
            await self.bus.send(topics.CARD, function.card, name=name)

    async def work(self) -> None:
        """Runs the services of the functions, such as reminders that fall due."""
        async with asyncio.TaskGroup() as group:
            for function in self._functions.values():
                if function.service is not None:
                    group.create_task(self._serve(function), name=f"{self.bus.client_id}[{function.name}]")
            await asyncio.Event().wait()

    async def finish(self) -> None:
        """Closes the clients."""
        await self._web.__aexit__(None, None, None)
        await self._chat.__aexit__(None, None, None)

    async def _call(self, call: Call, levels: dict[str, str]) -> None:
        if call.function != levels["function"]:
            raise Unfit(f"the call is for {call.function}, its topic for {levels['function']}")
        answer = topics.RESULT.levels(call.reply_to.removeprefix(self.bus.root + "/"))
        if answer is None or answer["function"] != call.function:
            raise Unfit(f"reply_to is no result topic of {call.function}: {call.reply_to!r}")
        if not self._caught_up and call.expires_at is not None and call.expires_at < self._started_at:
            # Its user was told that nobody serves the function, or the journal sends the turn anew.
            log.info("Call %s of %s came before this worker and has expired", call.call_id, call.function)
            return
        key = (call.function, call.call_id)
        if key not in self._done:
            self._done[key] = asyncio.create_task(self._run(call, answer))
        result = await asyncio.shield(self._done[key])
        # The context is this call's own: a later attempt of the turn has another one.
        own = {"context": call.context}
        try:
            result = fitting(result, self.settings.max_result, call.lang)
            await self.bus.send(topics.RESULT, result.model_copy(update=own), **answer)
        except (BusError, PydanticSerializationError) as error:
            log.exception("The result of %s can't be sent", call.function)
            failed = _error(call, "failed", str(error))
            await self.bus.send(topics.RESULT, failed.model_copy(update=own), **answer)

    async def _status(self, status: Status, _levels: dict[str, str]) -> None:
        # It comes behind all calls that had waited. Those after it were made with this worker there, whatever the
        # clocks of two machines say.
        self._caught_up = self._caught_up or status.id == self.bus.announced

    async def _run(self, call: Call, answer: dict[str, str]) -> Result:
        started = time.perf_counter()
        result = await self._outcome(call, answer)
        took = (time.perf_counter() - started) * 1000
        return result.model_copy(update={"took_ms": round(took, 3)})

    async def _outcome(self, call: Call, answer: dict[str, str]) -> Result:
        ja = call.lang == "ja"
        wrong = next(self._validators[call.function].iter_errors(call.arguments), None)
        if wrong is not None:
            log.warning("Call %s of %s has bad arguments: %s", call.call_id, call.function, wrong.message)
            said = f"引数が正しくありません：{wrong.message}" if ja else f"The arguments are not right: {wrong.message}"
            return _error(call, "invalid", said)
        function = self._functions[call.function]
        if call.dry_run and not function.card.runs_dry:
            return _error(call, "dry_run", texts.withheld(call.lang, call.function))
        context = Context(
            call_id=call.call_id,
            lang=call.lang,
            said_at=call.said_at,
            client=answer["client"],
            conversation=answer["conversation"],
            settings=self.settings,
            web=self._web,
            chat=self._chat,
            dry_run=call.dry_run,
        )
        try:
            async with asyncio.timeout(function.limit_s or self.settings.function_s):
                given = await function.call(call.arguments, context)
            return Result(
                call_id=call.call_id, function=call.function, status="ok", data=given.payload(), summary=given.summary
            )
        except FunctionError as error:
            return _error(call, error.code, str(error))
        except TimeoutError:
            return _error(
                call, "timeout", "時間がかかりすぎたため、中止しました。" if ja else "It took too long and was stopped."
            )
        except Exception:
            log.exception("%s failed", call.function)
            said = f"「{call.function}」でエラーが起きました。" if ja else f"{call.function} failed with an error."
            return _error(call, "failed", said)

    async def _serve(self, function: Function) -> None:
        assert function.service is not None  # noqa: S101 - checked by the caller
        while True:
            try:
                async with aclosing(function.service(self.settings)) as notifications:  # type: ignore[type-var]
                    async for one in notifications:
                        notice = Notice(id=one.id, function=function.name, text=one.text, data=dict(one.data))
                        await self.bus.send(topics.NOTICE, notice, client=one.client, conversation=one.conversation)
            except Exception:
                log.exception("The service of %s failed; it starts again", function.name)
            await asyncio.sleep(_SERVICE_RETRY_S)


def _error(call: Call, code: str, message: str) -> Result:
    return Result(call_id=call.call_id, function=call.function, status="error", error=Error(code=code, message=message))


def make(bus: Bus, settings: Settings) -> FunctionsWorker:
    """The worker of all functions in `functions/`."""
    return FunctionsWorker(bus, settings, load())


def make_from_file(path: Path) -> FunctionsWorker:
    """The worker of the functions in a file, with a credential of its own.

    Raises:
        CredentialError: another kind of client has its name.
        SystemExit: the file can't be used.
    """
    try:
        found = load_file(path)
    except (FileNotFoundError, ValueError, TypeError, SyntaxError) as error:
        sys.exit(f"{path.name}: {error}")
    name = "worker-" + re.sub(r"[^A-Za-z0-9_-]", "-", path.stem)
    Credentials(settings()).permit(name, tuple(found))
    print(f"{name} serves {', '.join(found)}; Ctrl-C ends it.", flush=True)
    return FunctionsWorker(open_bus(name, "function", settings()), settings(), found)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--file":
        run(lambda: make_from_file(Path(sys.argv[2])))
    else:
        main(make, "function", "functions")
