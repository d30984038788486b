"""What people are told about models: that one is there now, or is gone and why, each change once."""

from collections.abc import Mapping
from typing import get_args

from agent.availability import Code, Problem
from agent.messages import Lang, Status

_READY = ("{0} が使えるようになりました。", "{0} is ready and at work from now on.")
_AWAY = ("{0}（それまでは、モデルなしで答えます）", "{0} (Until then there are answers without it.)")


class ModelNotes:
    """Compares what the workers' statuses tell of their models with what was told before.

    That there is no Ollama from the start is nothing to tell: FuncGemma is at home without.

    Args:
        lang: of the notes.
    """

    def __init__(self, lang: Lang) -> None:
        self._lang: Lang = lang
        self._known: dict[str, Problem | None] = {}
        self._told: set[str] = set()

    def update(self, statuses: Mapping[str, Status]) -> list[str]:
        """New notes, given the statuses of all clients as they are now."""
        notes: list[str] = []
        for client, status in statuses.items():
            if status.role not in ("router", "chat") or status.state != "online" or "ready" not in status.details:
                continue
            problem = _problem(status)
            before = self._known.get(client, problem)
            first = client not in self._known
            self._known[client] = problem
            if problem is None and before is not None:
                self._told -= {_AWAY[self._index].format(before.sentence(self._lang))}
                notes.append(_READY[self._index].format(status.details.get("model")))
            elif problem is not None and (problem != before or (first and problem.code != "no_server")):
                note = _AWAY[self._index].format(problem.sentence(self._lang))
                if note not in self._told:
                    notes.append(note)
                self._told.add(note)
        return notes

    @property
    def _index(self) -> int:
        return 0 if self._lang == "ja" else 1


def _problem(status: Status) -> Problem | None:
    details = status.details
    if details.get("ready"):
        return None
    code = details.get("problem")
    known: Code = next((one for one in get_args(Code) if one == code), "no_server")
    return Problem(known, str(details.get("model", "")), str(details.get("detail", "")))
