"""Whether models are there: what is found out about them, and what people are told, once."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Self

import pytest

from agent.availability import Availability, Problem
from agent.messages import Status
from agent.model_notes import ModelNotes
from agent.ollama import Ollama, OllamaError
from tests.conftest import PATIENCE_S
from tests.ollama_server import OllamaServer, Reply

MODEL = "functiongemma"


class Watched:
    """An availability that is looked after, and its changes."""

    def __init__(self, server: OllamaServer, **others: Any) -> None:
        self.ollama = Ollama(server.url)
        options: dict[str, Any] = {"look_s": 0.01, "least": (0, 13, 5), **others}
        self.it = Availability(self.ollama, MODEL, **options)
        self.changes: asyncio.Queue[str | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._running = asyncio.create_task(self.it.run(self._note))
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._running
        await self.ollama.close()

    async def _note(self) -> None:
        self.changes.put_nowait(self.it.problem.code if self.it.problem else None)

    async def next(self) -> str | None:
        """The code of the next problem; None where the model is ready."""
        async with asyncio.timeout(PATIENCE_S):
            return await self.changes.get()


async def test_each_change_is_told_once() -> None:
    """From nothing to the model and back, in whatever order things happen."""
    async with OllamaServer(version="0.9.6") as server:
        port = int(server.url.rsplit(":", 1)[1])
        async with Watched(server) as watched:
            assert await watched.next() == "old_server"
            assert watched.it.condition["detail"] == "0.9.6"
            server.version = "0.13.5"
            assert await watched.next() == "no_model"
            server.install(f"{MODEL}:latest")
            assert await watched.next() is None
            await server.stop()
            assert await watched.next() == "no_server"
            await server.start(port)
            assert await watched.next() is None
            server.remove(MODEL)
            assert await watched.next() == "no_model"
            assert watched.changes.empty()


@pytest.mark.parametrize("pause_s", [3600.0, 0.0])
async def test_model_that_does_not_fit_is_not_tried_again_at_once(
    monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    """Each try reads gigabytes from the disk; after a while there may be room."""
    monkeypatch.setattr("agent.availability._MEMORY_PAUSE_S", pause_s)
    tried: list[None] = []
    async with OllamaServer(memory=100) as server:
        server.install(MODEL, size=10**9)

        async def prepare() -> None:
            tried.append(None)
            await watched.ollama.load(MODEL, options={}, keep_alive="5m")

        watched = Watched(server, prepare=prepare)
        async with watched:
            assert await watched.next() == "no_memory"
            server.memory = 10**10
            if pause_s:
                for _ in range(3):
                    await watched.it._look()
                assert len(tried) == 1
            else:
                assert await watched.next() is None


async def test_failure_in_use_is_noticed_at_once() -> None:
    """Whoever used the model and failed need not wait for the next look; what was refused says nothing of the model."""
    async with OllamaServer() as server:
        server.install(MODEL, reply=lambda _body: Reply(["x"]))
        async with Watched(server, look_s=60.0) as watched:
            assert await watched.next() is None
            watched.it.failed(OllamaError("the prompt is too long", 400))
            assert watched.it.ready
            server.remove(MODEL)
            with pytest.raises(OllamaError) as caught:
                await watched.ollama.load(MODEL, options={}, keep_alive="5m")
            watched.it.failed(caught.value)
            assert await watched.next() == "no_model"


@pytest.mark.parametrize(
    ("problem", "ja", "en"),
    [
        (Problem("no_server", MODEL), "ollama serve", "ollama serve"),
        (Problem("old_server", MODEL, "0.9"), "0.9 は古すぎて", "0.9 is too old for functiongemma"),
        (Problem("no_model", MODEL), "funcgemma models --pull", "funcgemma models --pull"),
        (Problem("no_memory", MODEL), "funcgemma models --unload", "funcgemma models --unload"),
    ],
)
def test_problem_is_a_plain_sentence_with_the_command_that_mends_it(problem: Problem, ja: str, en: str) -> None:
    assert ja in problem.sentence("ja")
    assert en in problem.sentence("en")


def statuses(**details: Mapping[str, Any]) -> dict[str, Status]:
    """Statuses of a router and a chat worker."""
    roles = {"router": "router", "chat": "chat"}
    return {
        f"{name}-0": Status.model_validate({"state": "online", "role": roles[name], "details": told})
        for name, told in details.items()
    }


def test_people_are_told_each_change_once() -> None:
    """That there is no Ollama is no news for whoever has none; all else is, and once for both workers."""
    notes = ModelNotes("en")
    away = {"ready": False, "problem": "no_server", "model": "gemma3:4b", "detail": ""}
    assert notes.update(statuses(chat=away, router=away)) == []
    pulled = {**away, "problem": "no_model"}
    (told,) = notes.update(statuses(chat=pulled, router=away))
    assert "funcgemma models --pull" in told
    assert notes.update(statuses(chat=pulled, router=away)) == []
    (told,) = notes.update(statuses(chat={"ready": True, "model": "gemma3:4b"}, router=away))
    assert told == "gemma3:4b is ready and at work from now on."
    (told,) = notes.update(statuses(chat=away, router=away))
    assert "ollama serve" in told
    assert notes.update(statuses(chat=away, router=away)) == []


def test_one_server_that_goes_is_told_once_for_all_workers() -> None:
    notes = ModelNotes("ja")
    both = {"router": {"ready": True, "model": "functiongemma"}, "chat": {"ready": True, "model": "gemma3:4b"}}
    assert notes.update(statuses(**both)) == []
    gone = {"ready": False, "problem": "no_server", "detail": ""}
    assert len(notes.update(statuses(router={**gone, "model": "functiongemma"}, chat=both["chat"]))) == 1
    assert notes.update(statuses(router={**gone, "model": "functiongemma"}, chat={**gone, "model": "gemma3:4b"})) == []
    assert len(notes.update(statuses(**both))) == 2
    gone_again = statuses(router={**gone, "model": "functiongemma"}, chat=both["chat"])
    assert len(notes.update(gone_again)) == 1


def test_worker_of_another_version_is_understood() -> None:
    """Unknown codes and missing fields do no harm."""
    notes = ModelNotes("en")
    assert notes.update(statuses(chat={"ready": False, "problem": "moon"}, router={})) == []
