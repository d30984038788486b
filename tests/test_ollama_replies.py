"""Replies of the chat model, on a server that speaks Ollama's protocol."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.messages import Error, Lang, Result, Route, Turn, Utterance
from agent.ollama import Ollama
from agent.replies import Start, Task, load
from agent.replies.offline import OfflineReplier
from agent.replies.ollama import OllamaReplier
from agent.replies.prompt import compose
from agent.settings import Settings
from tests.conftest import PATIENCE_S
from tests.ollama_server import OllamaServer, Reply

MODEL = "gemma3:4b"


def task(text: str, lang: Lang = "en", *, result: Result | None = None, **route: Any) -> Task:
    """A turn to reply to."""
    history = [Utterance(role=role, content=said) for role, said in route.pop("history", ())]
    turn = Turn(
        turn_id="t",
        client="cli-0",
        conversation="c",
        text=text,
        lang=lang,
        said_at=datetime(2026, 11, 23, 9, 0, tzinfo=ZoneInfo("Asia/Tokyo")),
        history=history,
        attempt=1,
    )
    given: dict[str, Any] = {
        "function": None,
        "arguments": {},
        "missing": [],
        "confidence": 0.9,
        "router": "r",
        "took_ms": 1.0,
    }
    return Task(Route.model_validate({"turn": turn, **given, **route}), result)


def weather() -> Result:
    """What a function gave."""
    return Result(
        call_id="1",
        function="weather_info",
        status="ok",
        data={"points": ["High 7 °C"], "note": "Take an umbrella.", "humidity": 81},
        summary="Rain in Sapporo tomorrow.",
        context={},
        took_ms=1.0,
    )


class Desk:
    """A replier on a server, and what it says."""

    def __init__(self, server: OllamaServer, settings: Settings) -> None:
        self.server = server
        self.replier = OllamaReplier(Ollama(server.url), settings, OfflineReplier())
        self.changes: asyncio.Queue[bool] = asyncio.Queue()

    async def note(self) -> None:
        """Called after each change of the model's availability."""
        self.changes.put_nowait(self.replier.condition["ready"])

    async def until(self, ready: bool) -> None:
        """Waits until the model is there, or gone."""
        async with asyncio.timeout(PATIENCE_S):
            while await self.changes.get() is not ready:
                pass

    async def reply(self, asked: Task) -> tuple[list[str], str]:
        """Who replied, one after the other, and the text that counts."""
        who, said = [], ""
        async with asyncio.timeout(PATIENCE_S):
            async for piece in self.replier.reply(asked):
                if isinstance(piece, Start):
                    who.append(piece.replier)
                    said = ""
                else:
                    said += piece
        return who, said

    def chats(self) -> list[dict[str, Any]]:
        """The dialogues that the model was asked with."""
        return [body for body in self.server.bodies("/api/chat") if body["messages"]]


Answers = Callable[[dict[str, Any]], Reply]


@pytest.fixture
async def server() -> AsyncIterator[OllamaServer]:
    """An Ollama with the chat model."""
    async with OllamaServer() as running:
        running.install(MODEL, reply=lambda _body: Reply(["It will ", "rain."]))
        yield running


@pytest.fixture
async def desk(server: OllamaServer, settings: Settings) -> AsyncGenerator[Desk, None]:
    """A replier whose model is there."""
    made = Desk(server, settings.model_copy(update={"look_s": 0.02, "next_token_s": 2.0}))
    watching = asyncio.create_task(made.replier.watch(made.note))
    await made.until(ready=True)
    yield made
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def test_model_replies_from_what_the_function_found(desk: Desk) -> None:
    """The facts stand in the prompt, the reply comes in pieces, and gemma3 is never sent `tools`."""
    assert await desk.reply(task("Will it rain?", result=weather())) == ([MODEL], "It will rain.")
    (body,) = desk.chats()
    asked = body["messages"][-1]["content"]
    for fact in ("Rain in Sapporo tomorrow.", "High 7 °C", "Take an umbrella.", '"humidity": 81', "Will it rain?"):
        assert fact in asked
    assert body["options"]["num_ctx"] == 4096
    assert body["keep_alive"] == "30m"
    assert all("tools" not in one for one in desk.server.bodies("/api/chat"))


async def test_reply_streams(desk: Desk) -> None:
    """A piece is there before the next one is made."""
    go_on = asyncio.Event()
    desk.server.install(MODEL, reply=lambda _body: Reply(["first", "second"], wait_after=(1, go_on)))
    async with asyncio.timeout(PATIENCE_S), aclosing(desk.replier.reply(task("hello"))) as pieces:  # type: ignore[type-var]
        assert [await anext(pieces), await anext(pieces)] == [Start(MODEL), "first"]
        go_on.set()
        assert [piece async for piece in pieces] == ["second"]


@pytest.mark.parametrize(("lang", "word"), [("ja", "アシスタント"), ("en", "assistant")])
async def test_instructions_are_in_the_language_of_the_turn(desk: Desk, lang: Lang, word: str) -> None:
    await desk.reply(task("やあ" if lang == "ja" else "hey", lang))
    system = desk.chats()[0]["messages"][0]
    assert system["role"] == "system"
    assert word in system["content"]
    assert "2026-11-23" in system["content"]


@pytest.mark.parametrize("text", ["長い話です。" * 20_000, "a long story " * 20_000, "🦊" * 50_000])
@pytest.mark.parametrize("grounded", [True, False])
async def test_long_prompts_are_made_to_fit(desk: Desk, text: str, grounded: bool) -> None:
    """Instructions, facts and turn fit the context, and the reader is told that something was left out."""
    found = weather().model_copy(update={"data": {"page": text}}) if grounded else None
    who, said = await desk.reply(task(text, result=found, history=[("user", text), ("assistant", text)] * 3))
    assert who == [MODEL]
    assert said.endswith("It will rain.")
    assert "left out" in said
    (body,) = desk.chats()
    assert body["truncate"] is False
    assert body["messages"][0]["role"] == "system"


def test_history_is_trimmed_from_its_beginning() -> None:
    """The latest messages are kept, whole, and the dialogue still begins with the user."""
    history = [(role, f"{number} " + "word " * 200) for number in range(3) for role in ("user", "assistant")]
    prompt = compose(task("and now?", history=history), 1200)
    said = prompt.messages[1:]
    assert [one["role"] for one in said] == ["user", "assistant", "user"]
    assert [one["content"].split()[0] for one in said] == ["2", "2", "and"]
    assert prompt.tokens <= 1200


async def test_prompt_that_the_server_finds_too_long_is_made_shorter(desk: Desk) -> None:
    """Where the estimate was wrong the turn is answered all the same, and the next estimate is better."""

    def strict(body: dict[str, Any]) -> Reply:
        if len(json.dumps(body["messages"])) > 6000:
            return Reply(status=400, error="the prompt exceeds the available context size")
        return Reply(["fine"])

    desk.server.install(MODEL, reply=strict)
    long = task("and now?", history=[("user", "word " * 800), ("assistant", "word " * 800)] * 3)
    assert await desk.reply(long) == ([MODEL], "fine")
    asked = len(desk.chats())
    assert asked > 1
    await desk.reply(long)
    assert len(desk.chats()) == asked + 1


async def test_reply_that_breaks_off_begins_anew(desk: Desk) -> None:
    """After a break the server is waited for, and the reply is the whole second one."""
    server, port = desk.server, int(desk.server.url.rsplit(":", 1)[1])
    replies = iter([Reply(["half ", "a"], cut_after=1), Reply(["whole"])])
    server.install(MODEL, reply=lambda _body: next(replies))
    async with asyncio.timeout(PATIENCE_S):
        pieces = desk.replier.reply(task("hello"))
        assert [await anext(pieces), await anext(pieces)] == [Start(MODEL), "half "]
        await server.stop()
        following = asyncio.ensure_future(anext(pieces))
        await server.start(port)
        assert await following == Start(MODEL)
        assert [piece async for piece in pieces] == ["whole"]


async def test_offline_reply_stands_in_for_a_server_that_stays_away(desk: Desk) -> None:
    """Whoever says it in the end is told, and the model counts as away."""
    desk.server.install(MODEL, reply=lambda _body: Reply(["half ", "a"], cut_after=1))
    who, said = await desk.reply(task("hello", result=weather()))
    assert who == [MODEL, MODEL, "offline"]
    assert said.startswith("Rain in Sapporo tomorrow.")


@pytest.mark.parametrize(
    "answer",
    [Reply(status=500, error="something broke"), Reply(["half"], error="it broke under 200"), Reply()],
    ids=["status", "line", "empty"],
)
async def test_offline_reply_stands_in_where_the_model_fails(desk: Desk, answer: Reply) -> None:
    desk.server.install(MODEL, reply=lambda _body: answer)
    who, said = await desk.reply(task("hello", result=weather()))
    assert who == [MODEL, "offline"]
    assert said.startswith("Rain in Sapporo tomorrow.")


async def test_silent_model_is_not_waited_for_for_ever(server: OllamaServer, settings: Settings) -> None:
    """First tokens may take long, but not for ever; what was begun there is stopped."""
    desk = Desk(server, settings.model_copy(update={"first_token_s": 0.05, "next_token_s": 0.05}))
    watching = asyncio.create_task(desk.replier.watch(desk.note))
    await desk.until(ready=True)
    server.install(MODEL, reply=lambda _body: Reply(["late"], wait=asyncio.Event()))
    who, said = await desk.reply(task("hello", result=weather()))
    assert who[-1] == "offline"
    assert said.startswith("Rain")
    async with asyncio.timeout(PATIENCE_S):
        assert await server.abandoned.get() == "/api/chat"
    watching.cancel()


async def test_reply_that_nobody_waits_for_is_stopped_at_the_server(desk: Desk) -> None:
    """Also before the first token: the model's time is wanted for the next turn."""
    asked = asyncio.Event()

    def slow(_body: dict[str, Any]) -> Reply:
        asked.set()
        return Reply(["late"], wait=asyncio.Event())

    desk.server.install(MODEL, reply=slow)
    listening = asyncio.create_task(desk.reply(task("hello")))
    async with asyncio.timeout(PATIENCE_S):
        await asked.wait()
        listening.cancel()
        assert await desk.server.abandoned.get() == "/api/chat"


@pytest.mark.parametrize(
    "asked",
    [
        task("weather?", function="weather_info", missing=["location"]),
        task("weather?", function="weather_info", unserved=True),
        task(
            "weather?",
            result=weather().model_copy(update={"status": "error", "error": Error(code="x", message="No such place.")}),
        ),
    ],
    ids=["missing", "unserved", "error"],
)
async def test_questions_and_refusals_need_no_model(desk: Desk, asked: Task) -> None:
    who, _said = await desk.reply(asked)
    assert who == ["offline"]
    assert desk.chats() == []


async def test_model_is_used_as_soon_as_it_is_there(settings: Settings) -> None:
    """Nothing has to be restarted: not when the server appears, nor when the model is pulled, nor when both go."""
    async with OllamaServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        await server.stop()
        desk = Desk(server, settings.model_copy(update={"look_s": 0.02}))
        watching = asyncio.create_task(desk.replier.watch(desk.note))
        await desk.until(ready=False)
        assert desk.replier.condition["problem"] == "no_server"
        assert (await desk.reply(task("hello")))[0] == ["offline"]
        await server.start(port)
        async with asyncio.timeout(PATIENCE_S):
            while desk.replier.condition.get("problem") != "no_model":
                await desk.changes.get()
        server.install(MODEL)
        await desk.until(ready=True)
        assert (await desk.reply(task("hello")))[0] == [MODEL]
        await server.stop()
        await desk.until(ready=False)
        assert (await desk.reply(task("hello")))[0] == ["offline"]
        watching.cancel()


def test_replier_may_be_set_to_offline(settings: Settings) -> None:
    assert isinstance(load(settings.model_copy(update={"replier": "offline"})), OfflineReplier)
    assert isinstance(load(settings), OllamaReplier)
