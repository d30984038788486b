"""Functions that misbehave, for `python -m tools.torture`: one is slow, one hangs, one raises."""

import asyncio

from functions.registry import function


@function(examples=["count the sheep in the meadow", "please count the sheep in the meadow"])
async def slow_test() -> str:
    """Counts the sheep in the meadow, slowly."""
    await asyncio.sleep(0.7)
    return "That took a while."


@function(examples=["stare into the endless void", "please stare into the endless void"], limit_s=1.0)
async def hanging_test() -> str:
    """Stares into the endless void and never answers."""
    await asyncio.Event().wait()
    return ""


@function(examples=["saw off the branch we sit on", "please saw off the branch we sit on"])
async def broken_test() -> str:
    """Saws off the branch we sit on: it raises."""
    raise ZeroDivisionError
