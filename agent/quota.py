"""How much one client may ask for: turns a second, turns and conversations that wait at once.

What one client is over its quota costs that client only: the others have theirs.
"""

from collections import Counter
from collections.abc import Callable
from typing import Literal

Limit = Literal["rate", "turns", "conversations"]
_BURST_S = 2.0
"""A client that was quiet may send what it has saved up in this time, all at once."""


class Quota:
    """Counts what each client has under way.

    Args:
        rate: turns a second.
        turns: turns without a final.
        conversations: conversations with such turns.
        now: gives the time, seconds.
    """

    def __init__(self, *, rate: float, turns: int, conversations: int, now: Callable[[], float]) -> None:
        self._rate = rate
        self._turns = turns
        self._conversations = conversations
        self._now = now
        self._saved: dict[str, tuple[float, float]] = {}
        self._waiting: dict[str, Counter[str]] = {}

    def in_time(self, client: str) -> bool:
        """Whether the client keeps to its rate, counting one more message."""
        most = max(1.0, self._rate * _BURST_S)
        now = self._now()
        saved, since = self._saved.get(client, (most, now))
        saved = min(most, saved + (now - since) * self._rate)
        kept = saved >= 1
        self._saved[client] = (saved - kept, now)
        return kept

    def full(self, client: str, conversation: str) -> Limit | None:
        """The limit that one more turn would break; None where there is room for it."""
        waiting = self._waiting.get(client, Counter())
        if waiting.total() >= self._turns:
            return "turns"
        if conversation not in waiting and len(waiting) >= self._conversations:
            return "conversations"
        return None

    def enter(self, client: str, conversation: str) -> None:
        """Notes a turn that waits for its final."""
        self._waiting.setdefault(client, Counter())[conversation] += 1

    def leave(self, client: str, conversation: str) -> None:
        """Notes that it has had it."""
        waiting = self._waiting[client]
        waiting[conversation] -= 1
        if not waiting[conversation]:
            del waiting[conversation]
        if not waiting:
            del self._waiting[client]

    def number(self, limit: Limit) -> float:
        """How much a limit allows."""
        return {"rate": self._rate, "turns": self._turns, "conversations": self._conversations}[limit]
