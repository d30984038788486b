"""A run of writing labelled cases: asks, judges, keeps, and reports.

Every good case is on disk before the next question: a run that is killed has lost one answer at most.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from random import Random
from typing import Any

from agent.ollama import Ollama, OllamaGone
from agent.routing.cases import files_of, read_items, write_items, write_text
from agent.settings import Settings
from functions import registry
from tools.candidates import Judge, case_from
from tools.generation_plan import Kind, Plan, kind_of
from tools.generation_prompts import labelling, writing
from tools.label_rules import NONE, category_of

_MOST = 8
"""Cases in an answer: with more, a small model begins to repeat itself."""
_BREAKS = 3
"""Broken answers in a row, after which Ollama is taken to be gone."""
_SHOWN = 3
"""Examples of a kind that a question shows, and of what was refused that the report keeps."""
_TOKENS = 2048


class Generation:
    """One run of writing cases into a folder.

    Args:
        out: the folder; what is there already counts.
        batch: batch in the ids.
        plan: what is wanted.
        chosen: settings.
        seed: another one asks otherwise.

    Raises:
        OSError: a file can't be read.
        ValueError: a file holds no cases, or the project's own cases have such a batch.
    """

    def __init__(self, out: Path, batch: str, plan: Mapping[Kind, int], chosen: Settings, seed: int = 0) -> None:
        self._out = out
        self._batch = batch
        self._settings = chosen
        self._seed = seed
        self._cards = registry.cards()
        self._own = [item for file in files_of([chosen.cases]) for item in read_items(file)]
        if any(f"-{batch}-" in str(item.get("test_id")) for item in self._own):
            raise ValueError(f"There is a batch {batch} in {chosen.cases} already; take another --batch.")
        totals: Counter[tuple[str, str]] = Counter()
        for kind, number in plan.items():
            totals[kind.category, kind.lang] += number
        self._judge = Judge(self._cards, self._own, totals)
        self.plan = Plan(plan)
        self.refused: dict[str, dict[str, Any]] = {}
        self._asked = 0
        self._items: dict[str, list[dict[str, Any]]] = {name: [] for name in [*self._cards, NONE]}
        for category, found in self._items.items():
            if (file := out / f"{category}.json").exists():
                for item in read_items(file):
                    found.append(item)
                    self._judge.accept(item)
                    self.plan.have[kind_of(item, self._judge.hardness)] += 1
        if (report := out / "report.json").exists():
            told = json.loads(report.read_text(encoding="utf-8"))
            self.refused, self._asked = told["refused"], told["asked"]

    async def run(self, ollama: Ollama, tell: Callable[[int], None]) -> None:
        """Asks until there is enough, or nothing good comes any more.

        Args:
            ollama: the server.
            tell: takes how many cases there are, after each answer.

        Raises:
            OllamaError: it is gone, or it refuses.
        """
        breaks = 0
        while kind := self.plan.next():
            try:
                good = await self._ask(ollama, kind)
                breaks = 0
            except OllamaGone:
                breaks += 1
                self._refuse("the answer broke off", "")
                if breaks == _BREAKS:
                    raise
                continue
            finally:
                self._write_report()
            self.plan.tried(kind, good)
            tell(self.plan.done)

    async def _ask(self, ollama: Ollama, kind: Kind) -> int:
        """Asks for some cases of a kind; gives how many good ones came, be they of that kind or of another."""
        self._asked += 1
        # From the number of the question alone: after a break the next question is another one.
        random = Random(f"{self._seed}-{self._asked}")
        like = [item for item in self._own if _has_form_of(item, kind)]
        examples = random.sample(like, min(_SHOWN, len(like)))
        number = min(_MOST, self.plan.lacks(kind) + 2)
        answer = await self._answer(ollama, *writing(kind, number, self._cards, examples, random), heat=1.0)
        found = answer.get("cases") if isinstance(answer, dict) else None
        if not isinstance(found, list):
            self._refuse("the answer is not in the form that was asked for", str(answer))
            return 0
        fresh: list[dict[str, Any]] = []
        for written in found:
            item = case_from(written, kind, self._test_id(kind, len(fresh)))
            if item is None:
                self._refuse("the case is not in the form that was asked for", written)
            elif reason := self._judge.reason(item):
                self._refuse(reason, item)
            else:
                # Before the second look: what follows in the same answer must differ from it.
                self._judge.accept(item)
                fresh.append(item)
        return await self._keep(ollama, kind, fresh) if fresh else 0

    async def _keep(self, ollama: Ollama, kind: Kind, fresh: list[dict[str, Any]]) -> int:
        """Writes those whose label is found again, as far as they are wanted; gives how many that are."""
        answer = await self._answer(ollama, *labelling(fresh, self._cards), heat=0.0)
        labels = answer.get("labels") if isinstance(answer, dict) else None
        if not isinstance(labels, list) or len(labels) != len(fresh):
            self._refuse("the second answer is not in the form that was asked for", str(answer))
            return 0
        kept = self._items[kind.category]
        before = len(kept)
        for item, label in zip(fresh, labels, strict=True):
            became = kind_of(item, self._judge.hardness)
            if label != category_of(item):
                self._refuse(f"read again, it was {label}", item)
            elif not self.plan.lacks(became):
                self._refuse("there are enough like that", item)
            else:
                kept.append({**item, "test_id": self._test_id(kind, 0)})
                self.plan.have[became] += 1
        if len(kept) > before:
            write_items(self._out / f"{kind.category}.json", kept)
        return len(kept) - before

    async def _answer(
        self, ollama: Ollama, messages: list[dict[str, str]], schema: Mapping[str, Any], *, heat: float
    ) -> Any:
        """The model's answer, decoded; where it is no JSON its text, which the report then shows."""
        chosen = self._settings
        parts = ollama.chat(
            chosen.data_model,
            messages,
            format=schema,
            options={
                "temperature": heat,
                "seed": self._seed * 100_000 + self._asked,
                "num_ctx": chosen.num_ctx,
                "num_predict": _TOKENS,
            },
            keep_alive=chosen.keep_alive,
            first_s=chosen.first_token_s,
            next_s=chosen.next_token_s,
        )
        async with aclosing(parts):
            text = "".join([part.content async for part in parts])
        try:
            return json.loads(text)
        except ValueError:
            return text

    def _test_id(self, kind: Kind, more: int) -> str:
        numbers = [
            int(item["test_id"].rsplit("-", 1)[1]) for item in self._items[kind.category] if item["lang"] == kind.lang
        ]
        return f"{kind.lang}-{kind.category}-{self._batch}-{max(numbers, default=0) + 1 + more:03}"

    def _refuse(self, reason: str, what: Any) -> None:
        # The same kind of reason is one line of the report: what it is about is in the examples.
        one = self.refused.setdefault(re.sub(r"(?<!\w)(['\"]).*\1", "…", reason), {"number": 0, "examples": []})
        one["number"] += 1
        if what and len(one["examples"]) < _SHOWN:
            one["examples"].append({"reason": reason, "what": what})

    def _write_report(self) -> None:
        missing = [{**vars(kind), "number": number} for kind, number in self.plan.missing.items()]
        accepted = sum(map(len, self._items.values()))
        ordered = dict(sorted(self.refused.items(), key=lambda pair: -pair[1]["number"]))
        report = {
            "model": self._settings.data_model,
            "seed": self._seed,
            "asked": self._asked,
            "accepted": accepted,
            "missing": missing,
            "refused": ordered,
        }
        write_text(self._out / "report.json", json.dumps(report, ensure_ascii=False, indent=1) + "\n")

    def summary(self) -> str:
        """What came of it, for people."""
        kept = sum(map(len, self._items.values()))
        refused = sum(one["number"] for one in self.refused.values())
        lines = [f"{kept} cases in {self._out}, {refused} refused in {self._asked} answers"]
        ordered = sorted(self.refused.items(), key=lambda pair: -pair[1]["number"])
        lines += [f"{one['number']:6}  {reason}" for reason, one in ordered]
        missing: Counter[str] = Counter()
        for kind, number in self.plan.missing.items():
            missing[f"{kind.category} {kind.lang}"] += number
        if missing:
            lines.append(f"still missing: {', '.join(f'{number} of {name}' for name, number in missing.items())}")
        return "\n".join(lines)


def _has_form_of(item: Mapping[str, Any], kind: Kind) -> bool:
    """Whether a case has the form of a kind; how hard it is makes no difference to that."""
    return (category_of(item), item["lang"], len(item["conversation"]) > 1) == (kind.category, kind.lang, kind.history)
