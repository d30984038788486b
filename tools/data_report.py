"""What there is to say about a set of labelled cases: amounts, variety, and everything that is wrong.

What is asked of a data set stands here as constants; the rules for one case are in `label_rules`.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.messages import Card
from agent.routing.cases import batch_of, read_items
from functions import registry
from tools.hard_negatives import Hardness
from tools.label_rules import LANGUAGES, NONE, category_of, curated, malformed, problems, spans, turn_of
from tools.near_duplicates import DUPLICATE, pairs, said
from tools.variety import distinct, entities, patterns, readable, skeleton

LEAST_FUNCTION = 450
"""Cases of a function in a language."""
LEAST_NONE = 1700
"""Cases of no function, in both languages together."""
LEAST_HISTORY = 0.2
"""Share of cases with a dialogue before the turn; a quarter is meant."""
LEAST_HARD = 0.4
"""Share of none cases whose trap can be proven; half of them are meant to have one, and not all can be proven."""
LEAST_DISTINCT = {"en": {2: 0.75, 3: 0.9}, "ja": {2: 0.5, 3: 0.7}}
"""Distinct n-grams; the tokens of Japanese are characters, which come again more often than words."""
MOST_PATTERN = 0.015
"""Share of a function's cases in a language that one pattern may have (three are always free)."""
MOST_ENTITY = 0.02
"""The same for one place, person or product."""
_FREE = 3
_SAMPLE = 20
"""Cases below which distinct n-grams tell nothing."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong; `test_id` and `text` are empty where it is about more than one case."""

    file: str
    test_id: str
    what: str
    text: str = ""

    def __str__(self) -> str:
        """The line that is printed."""
        where = f"{self.file} {self.test_id}".strip()
        return f"{where}: {self.what}" + (f" | {self.text}" if self.text else "")


@dataclass(frozen=True)
class Entry:
    """A case with the file that it is from."""

    file: str
    item: Mapping[str, Any]


@dataclass
class Cell:
    """What is told about the cases of one function in one language.

    Attributes:
        history: share of cases with a dialogue before the turn.
        lacking: share of cases without a required argument.
        distinct: share of distinct n-grams, by n.
        pattern: the most frequent pattern and how often it comes; `entity` the same for a place, person or product.
        hard: share of provably hard negatives; None where there is a function.
    """

    category: str
    lang: str
    cases: int
    history: float
    lacking: float
    distinct: dict[int, float]
    pattern: tuple[str, int] | None
    entity: tuple[str, int] | None
    hard: float | None


@dataclass
class Report:
    """What a check found."""

    cases: int = 0
    batches: dict[str, int] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    closed: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def check(files: Sequence[Path], *, whole: bool, against: Sequence[Path] = ()) -> Report:
    """Checks all cases in some files.

    Args:
        files: JSON arrays or JSON Lines; one called after a function is the project's own and holds cases of this
            function only.
        whole: whether they are a whole data set, of which amounts are asked.
        against: files that the cases must not repeat.

    Raises:
        OSError: a file can't be read.
        ValueError: a file holds no cases; the message names it.
    """
    known = registry.cards()
    names = {*known, NONE}
    entries, report = [], Report()
    for file in files:
        for item in read_items(file):
            entry = Entry(_shown(file), item)
            found = problems(item, known)
            if not malformed(item):
                entries.append(entry)
            if file.stem in names:
                found += curated(item)
                found += [] if category_of(item) == file.stem else [f"the file is for {file.stem}"]
            report.problems += [_problem(entry, what) for what in found]
            report.cases += 1
    old = [Entry(_shown(file), item) for file in against for item in read_items(file)]
    report.problems += [*_ids(entries, old), *_repeated(entries, old)]
    report.batches = dict(Counter(batch_of(entry.item) for entry in entries))
    hardness = Hardness(entry.item for entry in [*entries, *old])
    for category in sorted(names):
        for lang in LANGUAGES:
            cell = (category, lang)
            chosen = [entry for entry in entries if (category_of(entry.item), entry.item.get("lang")) == cell]
            if chosen:
                report.cells.append(_cell(category, lang, [entry.item for entry in chosen], known, hardness))
                report.problems += _monotony(report.cells[-1], chosen, known)
    report.closed = _closed(entries, known)
    if whole:
        report.problems += _amounts(report, _shown(files[0].parent) if files else "")
    return report


# ---- what is looked for


def _ids(entries: Sequence[Entry], old: Sequence[Entry]) -> list[Problem]:
    seen = {str(entry.item["test_id"]): entry.file for entry in old if "test_id" in entry.item}
    found = []
    for entry in entries:
        if (test_id := entry.item.get("test_id")) is None:
            continue
        if test_id in seen:
            found.append(_problem(entry, f"the same test_id is in {seen[test_id]}"))
        seen.setdefault(test_id, entry.file)
    return found


def _repeated(entries: Sequence[Entry], old: Sequence[Entry]) -> list[Problem]:
    every = [*entries, *old]
    found = []
    for pair in pairs([said(entry.item) for entry in entries], DUPLICATE, [said(entry.item) for entry in old]):
        one, other = every[pair.first], every[pair.second]
        same = [message["content"] for message in one.item["conversation"]] == [
            message["content"] for message in other.item["conversation"]
        ]
        what = "the same as" if same else f"{pair.likeness:.0f} % like"
        against = "" if category_of(one.item) == category_of(other.item) else ", under another label"
        text = f"{what} {other.item.get('test_id', other.file)}{against} ({turn_of(other.item)})"
        found.append(_problem(one, text))
    return found


def _monotony(cell: Cell, chosen: Sequence[Entry], known: Mapping[str, Card]) -> list[Problem]:
    """Templates, filled slots, and names that come too often."""
    found = []
    name, file = f"{cell.category} {cell.lang}", chosen[0].file
    for size, least in LEAST_DISTINCT[cell.lang].items():
        if cell.cases >= _SAMPLE and cell.distinct[size] < least:
            found.append(Problem(file, name, f"distinct-{size} is {cell.distinct[size]:.2f}, less than {least}"))
    most = max(_FREE, MOST_PATTERN * len(chosen))
    for pattern, number in patterns((entry.item for entry in chosen), known).items():
        if number > most:
            who = [str(entry.item.get("test_id", "")) for entry in chosen if skeleton(entry.item, known) == pattern]
            what = f"{number} cases have one pattern, {readable(pattern)}: {' '.join(who[:5])}"
            found.append(Problem(file, name, what))
    most = max(_FREE, MOST_ENTITY * len(chosen))
    for parameter, counted in entities(entry.item for entry in chosen).items():
        found += [
            Problem(file, name, f"{parameter} {value!r} comes {number} times")
            for value, number in counted.items()
            if number > most
        ]
    return found


def _amounts(report: Report, where: str) -> list[Problem]:
    found = []
    numbers = {(cell.category, cell.lang): cell for cell in report.cells}
    # A function that has no case at all is learned from its card.
    for category in sorted({cell.category for cell in report.cells} | {NONE}):
        least = LEAST_NONE // len(LANGUAGES) if category == NONE else LEAST_FUNCTION
        for lang in LANGUAGES:
            cell = numbers.get((category, lang))
            if cell is None or cell.cases < least:
                number = cell.cases if cell else 0
                found.append(Problem(where, f"{category} {lang}", f"{number} cases, fewer than {least}"))
            elif cell.history < LEAST_HISTORY:
                share = f"{100 * cell.history:.0f} % with a dialogue before them"
                found.append(Problem(where, f"{category} {lang}", f"{share}, fewer than {100 * LEAST_HISTORY:.0f} %"))
    hard = [(cell.hard, cell.cases) for cell in report.cells if cell.hard is not None]
    proven = sum(part * number for part, number in hard) / max(1, sum(number for _, number in hard))
    if proven < LEAST_HARD:
        found.append(Problem(where, NONE, f"{100 * proven:.0f} % hard negatives, fewer than {100 * LEAST_HARD:.0f} %"))
    for name, counted in report.closed.items():
        found += [Problem(where, name, f"no case has {value}") for value, number in counted.items() if not number]
    if "" in report.batches:
        found.append(Problem(where, "", f"{report.batches['']} cases belong to no batch"))
    return found


def _cell(
    category: str, lang: str, items: Sequence[Mapping[str, Any]], known: Mapping[str, Card], hardness: Hardness
) -> Cell:
    required = known[category].parameters["required"] if category in known else ()
    lacking = sum(any(name not in (item["expected_arguments"] or {}) for name in required) for item in items)
    named = Counter[str]()
    for counted in entities(items).values():
        named += counted
    return Cell(
        category=category,
        lang=lang,
        cases=len(items),
        history=sum(len(item["conversation"]) > 1 for item in items) / len(items),
        lacking=lacking / len(items),
        distinct={size: round(distinct(items, size), 3) for size in (2, 3)},
        pattern=next(((readable(text), number) for text, number in patterns(items, known).most_common(1)), None),
        entity=next(iter(named.most_common(1)), None),
        hard=sum(map(hardness, items)) / len(items) if category == NONE else None,
    )


def _closed(entries: Sequence[Entry], known: Mapping[str, Card]) -> dict[str, dict[str, int]]:
    """How often each value of a closed list comes, and how often none is given; languages are told as they come."""
    found = {}
    for function, card in known.items():
        labels = [
            entry.item["expected_arguments"]
            for entry in entries
            if entry.item["expected_function"] == function and entry.item["expected_arguments"] is not None
        ]
        for name, schema in card.parameters["properties"].items():
            if name not in spans(card) and labels:
                counted = Counter(str(label[name]) for label in labels if name in label)
                values = schema.get("enum") or [value for value, _ in counted.most_common()]
                found[f"{function}.{name}"] = {value: counted[value] for value in values}
    return found


def _shown(path: Path) -> str:
    """The path as a person at the prompt would write it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _problem(entry: Entry, what: str) -> Problem:
    try:
        text = turn_of(entry.item)
    except (KeyError, IndexError, TypeError):
        text = json.dumps(entry.item, ensure_ascii=False)[:80]
    return Problem(entry.file, str(entry.item.get("test_id", "")), what, text)
