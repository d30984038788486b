"""The real processes with models: upgraded and fallen back while they run, and a turn answered once whatever breaks."""

import asyncio
import os
import re
import signal
import sys
from contextlib import AsyncExitStack
from typing import Any

from agent.client import Client
from agent.credentials import Credentials
from agent.messages import Chunk, Final, Result, Route
from agent.presence import Presence
from agent.settings import PROJECT, Settings
from agent.supervisor import environment
from agent.worker import open_bus
from tests.ollama_server import OllamaServer, Reply
from tests.test_processes import LONG_S, Observer, up

ROUTER, CHAT = "functiongemma", "gemma3:4b"


def fast(settings: Settings, server: OllamaServer) -> Settings:
    """Settings with this server, looked at often."""
    return settings.model_copy(update={"ollama_url": server.url, "look_s": 0.1})


def route(body: dict[str, Any]) -> Reply:
    """A FunctionGemma that knows the probe, and what 「札幌の天気」 is."""
    said = body["messages"][-1]["content"]
    if "Tokyo" in said:
        name, place = "get_current_weather", "Tokyo, Japan"
    elif "札幌" in said:
        name, place = "weather_info", "札幌"
    else:
        return Reply(["I cannot assist with that."])
    return Reply(["<start_function_call>", f"call:{name}{{location:<escape>{place}<escape>}}", "<end_function_call>"])


def install(server: OllamaServer, *pieces: str, **others: Any) -> None:
    """Puts both models onto the server; the chat model says these pieces."""
    server.install(ROUTER, capabilities=("completion", "tools"), reply=route)
    server.install(CHAT, reply=lambda _body: Reply(pieces, **others))


async def condition(presence: Presence, ready: bool) -> set[int]:
    """Waits until router and chat worker say that their models are there, or gone; gives their process ids."""
    while True:
        told = [presence.statuses.get(name) for name in ("router-0", "chat-0")]
        if all(one is not None and one.details.get("ready") is ready for one in told):
            return {int(one.details["pid"]) for one in told if one is not None}
        await presence.changed(LONG_S)


async def said(client: Client, text: str) -> tuple[str, str, str, str | None]:
    """Says something; gives router, replier, text and function of the final."""
    final = await client.final(text, "c")
    return str(final.router), str(final.replier), final.text, final.function


async def test_models_are_used_when_they_appear_and_not_missed_when_they_go(settings: Settings) -> None:
    """No worker is restarted for it."""
    async with OllamaServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        settings = fast(settings, server)
        await server.stop()
        async with up(settings) as client, asyncio.timeout(LONG_S):
            before = await condition(client.presence, ready=False)
            router, replier, text, _ = await said(client, "札幌の天気は？")
            assert (router, replier) == ("embedded", "offline")
            install(server, "札幌は", "雪です。")
            await server.start(port)
            assert await condition(client.presence, ready=True) == before
            router, replier, text, function = await said(client, "札幌の天気は？")
            assert re.fullmatch("cascade:(agreed|functiongemma)", router)
            assert (replier, text, function) == (CHAT, "札幌は雪です。", "weather_info")
            asked = [body["messages"] for body in server.bodies("/api/chat") if body["model"] == CHAT]
            assert "札幌" in asked[-1][-1]["content"]
            await server.stop()
            assert await condition(client.presence, ready=False) == before
            router, replier, _, _ = await said(client, "札幌の天気は？")
            assert (router, replier) == ("embedded", "offline")


async def test_chat_worker_killed_in_mid_reply_replies_once(settings: Settings) -> None:
    """The reply is begun anew by the next process, and clients see one final."""
    async with OllamaServer() as server:
        settings = fast(settings, server)
        install(server, "It is ", "cold.", wait_after=(1, asyncio.Event()))
        async with up(settings) as client, asyncio.timeout(LONG_S):
            bus = open_bus("operator-0", "operator", settings, will=False)
            observer = Observer(bus)
            async with bus:
                await condition(client.presence, ready=True)
                final = None
                async for event in client.say("札幌の天気は？", "c", turn_id="killed"):
                    if isinstance(event, Chunk) and event.text == "It is ":
                        install(server, "It is ", "cold.")
                        os.kill(int(client.presence.statuses["chat-0"].details["pid"]), signal.SIGKILL)
                    if isinstance(event, Final):
                        final = event
                assert final is not None
                assert final.text == "It is cold."
                last = await client.final("やあ", "c")
                await observer.saw(last.turn_id)
                assert len(observer.finals["killed"]) == 1


async def test_server_restarted_in_mid_reply_still_answers(settings: Settings) -> None:
    """The turn waits for the server and is answered whole."""
    async with OllamaServer() as server:
        settings = fast(settings, server)
        install(server, "It is ", "cold.", wait_after=(1, asyncio.Event()))
        port = int(server.url.rsplit(":", 1)[1])
        async with up(settings) as client, asyncio.timeout(LONG_S):
            await condition(client.presence, ready=True)
            async for event in client.say("札幌の天気は？", "c"):
                if isinstance(event, Chunk) and event.text == "It is ":
                    install(server, "It is ", "cold.")
                    await server.stop()
                    await server.start(port)
                if isinstance(event, Route):
                    assert event.function == "weather_info"
                if isinstance(event, Final):
                    assert (event.text, event.replier) == ("It is cold.", CHAT)


async def test_reply_is_cancelled_before_its_first_token(settings: Settings) -> None:
    """A model may take minutes to load: whoever does not want to wait need not."""
    async with OllamaServer() as server:
        settings = fast(settings, server)
        install(server, "late", wait=asyncio.Event())
        async with up(settings) as client, asyncio.timeout(LONG_S):
            await condition(client.presence, ready=True)
            async for event in client.say("札幌の天気は？", "c", turn_id="unwanted"):
                if isinstance(event, Result):
                    while not any(body["model"] == CHAT and body["messages"] for body in server.bodies("/api/chat")):
                        await client.presence.changed(0.05)
                    await client.cancel("unwanted", "c")
                if isinstance(event, Final):
                    assert "late" not in event.text
            assert await server.abandoned.get() == "/api/chat"


async def test_client_is_told_once_that_a_model_came_or_went(settings: Settings) -> None:
    """Told beside the replies, which stay what they are."""
    async with OllamaServer() as server:
        port = int(server.url.rsplit(":", 1)[1])
        settings = fast(settings, server)
        install(server, "Hello!")
        async with up(settings) as client, asyncio.timeout(LONG_S), AsyncExitStack() as stack:
            await condition(client.presence, ready=True)
            # The chat is to be another client than the test.
            stack.enter_context(Credentials(settings).borrow("cli"))
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "agent.cli",
                "chat",
                cwd=PROJECT,
                env={**os.environ, **environment(settings), "FUNCGEMMA_LANG": "en"},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdin.write(b"hello\n")
            await until(process.stdout, b"Hello!")
            await server.stop()
            await until(process.stderr, b"ollama serve")
            await condition(client.presence, ready=False)
            await server.start(port)
            await until(process.stderr, b"gemma3:4b is ready")
            rest_out, rest_err = await process.communicate(b"hello\n")
            assert process.returncode == 0
            assert b"Hello!" in rest_out
            assert b"ollama serve" not in rest_err


async def until(stream: asyncio.StreamReader, text: bytes) -> None:
    """Reads lines up to one with the text."""
    while text not in (line := await stream.readline()):
        assert line, f"{text!r} never came"
