"""How much one client may ask for: turns a second, turns and conversations that wait at once.

What one client is over its quota costs that client only: the others have theirs.
"""

from collections import Counter
from collections.abc import Callable
from typing import Literal

Limit = Literal["rate", "turns", "conversations"]
_BURST_S = 2.0
"""A client that was quiet may send what it has saved up in this time, all at once."""
_REFUSALS = 10.0
_REFUSALS_BURST_S = 10.0
"""Refusals of what is over the rate: so many a second, and those of ten seconds at once."""


class Quota:
    """Counts what each client has under way.

    Args:
        rate: turns a second.
        turns: turns without a final.
        conversations: conversations with such turns.
        now: gives the time, seconds.

    Attributes:
        passed_over: messages that got no answer, by client; whoever tells of them clears it.
    """

    def __init__(self, *, rate: float, turns: int, conversations: int, now: Callable[[], float]) -> None:
        self._rate = rate
        self._turns = turns
        self._conversations = conversations
        self._turns_saved = _Bucket(rate, rate * _BURST_S, now)
        self._refusals_saved = _Bucket(_REFUSALS, _REFUSALS * _REFUSALS_BURST_S, now)
        self._granted: Counter[str] = Counter()
        self.passed_over: Counter[str] = Counter()
        self._waiting: dict[str, Counter[str]] = {}

    def admit(self, client: str) -> bool:
        """Whether a message of the client is to be answered, if only by a refusal.

        A client that is far over its rate gets no answer to most of what it sends: refusing each message would take
        longer than sending it, and everybody else would wait behind it.
        """
        if self._turns_saved.take(client):
            self._granted[client] += 1
            return True
        if self._refusals_saved.take(client):
            return True
        self.passed_over[client] += 1
        return False

    def in_time(self, client: str) -> bool:
        """Whether a message that was admitted keeps to the client's rate."""
        kept = self._granted[client] > 0
        self._granted[client] -= kept
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


class _Bucket:
    """Saves up so much a second for each client, up to a limit, and gives it out one by one."""

    def __init__(self, rate: float, most: float, now: Callable[[], float]) -> None:
        self._rate, self._most, self._now = rate, max(1.0, most), now
        self._saved: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> bool:
        """Takes one out; tells whether there was one."""
        now = self._now()
        saved, since = self._saved.get(client, (self._most, now))
        saved = min(self._most, saved + (now - since) * self._rate)
        taken = saved >= 1
        self._saved[client] = (saved - taken, now)
        return taken
