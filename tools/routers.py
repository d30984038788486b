"""The configured routers, ready to be measured: with their model at work, or not at all."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from agent.availability import Problem, Upgradable
from agent.routing import Router, RouterError, load
from agent.settings import Settings

NAMES = ("embedded", "functiongemma", "cascade", "peft")


@contextlib.asynccontextmanager
async def ready(name: str, settings: Settings) -> AsyncIterator[Router]:
    """The router of this name, once its model answers.

    Raises:
        RouterError: its model can't be used; measuring what stands in for it would mislead.
    """
    router = load(settings.model_copy(update={"router": name}))
    if not isinstance(router, Upgradable):
        yield router
        return
    looked = asyncio.Event()

    async def changed() -> None:
        looked.set()

    watching = asyncio.create_task(router.watch(changed), name=f"evaluate[{name}].watch")
    try:
        await looked.wait()
        condition = router.condition
        if not condition["ready"]:
            problem = Problem(condition["problem"], condition["model"], condition["detail"])
            raise RouterError(problem.sentence("en"))
        yield router
    finally:
        watching.cancel()
        await asyncio.wait([watching])
