import random

from functions import function


@function(examples=["roll a die", ("roll a 20 sided die", {"sides": 20}), "サイコロを振って", "さいころ投げて"])
async def dice_roll(sides: int = 6) -> str:
    """Rolls a die and tells the number."""
    return f"🎲 {random.randint(1, sides)}"
