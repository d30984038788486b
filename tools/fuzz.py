"""Feeds everything that reads a stranger's input with damaged input: `python -m tools.fuzz --inputs 1000000`.

Inputs are made by changing known ones: in their structure (a value of another kind, a key gone, doubled, nested) where
they are JSON, in their bytes otherwise. One that takes a way not seen before is kept and changed further; ways are the
kinds of error that a reader gives and, for code of ours, the lines that it runs. An input that raises what it must not,
or that takes longer than a second or two, is printed. Nothing here is timed but that.
"""

import argparse
import json
import signal
import sys
import traceback
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from types import FrameType
from typing import Any

from agent.settings import PROJECT
from tools.fuzz_targets import Target, targets

_PATIENCE_S = 5.0
_TRACED = 30
"""One input in so many is traced line by line, which is slow."""
_LONGEST = 5_000
_MOST_KEPT = 500
_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**53, -(2**63), 2**64, 10**30, 0.1, -0.0, 1e308, 5e-324, float("nan"), float("inf"),
    "", " ", "0", "x" * 300, "京都", "🎲", "\x00", "\x1b[2J", "\u202e", "\ufeff", "e\u0301", "٣", "²", "１２",
    "a/b", "#", "+", "..", "../../etc/passwd", "$ref", "';--", "{{x}}", "%s%n", "<escape>", "<end_of_turn>",
    "missing_x", "2026-02-30T25:61:61Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59",
    [], [[]], {}, {"": None}, {"$ref": "#"}, {"type": []}, {"type": ["string", "null"]}, {"enum": [None, {}, []]},
    {"items": True}, {"const": {}}, {"pattern": "("}, {"multipleOf": 1e-300}, {"minimum": float("inf")},
)  # fmt: skip
_WORDS = (
    b"<escape>", b"<start_function_call>", b"<end_function_call>", b"call:", b"{", b"}", b"[", b"]", b",", b":", b'"',
    b"\\u0000", b"\\ud800", b"NaN", b"-", b"e99999", b"0" * 400, b"\x1b[", b"\x9b", b"\xff", b"\xc3\xa9",
    b"\xe2\x80\xa8", b"//", b"@", b"%00", b"%zz", b"]", b"?", b"#", b"\r\n", b"[" * 300, b'{"a":' * 200,
)  # fmt: skip


class TooSlow(Exception):  # noqa: N818 - it is what the input is
    """Raised within a target that takes too long for an input."""


@dataclass
class Report:
    """What became of one target's inputs.

    Attributes:
        faults: input and stack trace, each kind of fault once.
    """

    name: str
    inputs: int = 0
    ways: set[Hashable] = field(default_factory=set)
    kept: int = 0
    faults: dict[str, tuple[bytes, str]] = field(default_factory=dict)


def run(inputs: int, seed: int, chosen: list[Target]) -> list[Report]:
    """Feeds the targets with that many inputs in all."""
    total = sum(target.weight for target in chosen)
    return [_fuzz(target, -(-inputs * target.weight // total), Random(f"{seed} {target.name}")) for target in chosen]


def _fuzz(target: Target, inputs: float, random: Random) -> Report:
    report = Report(target.name)
    corpus = list(target.seeds)
    with _alarm():
        while report.inputs < inputs:
            new = report.inputs < len(corpus)
            # The undamaged ones keep their half: most of what is kept is broken so that little of it is read.
            start = random.choice(corpus if random.random() < 0.5 else target.seeds)
            data = corpus[report.inputs] if new else mutated(start, random)
            report.inputs += 1
            traced = target.traced and (new or random.randrange(_TRACED) == 0)
            ways: set[Hashable] = set()
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
            try:
                with _lines(ways) if traced else _nothing():
                    ways |= {("way", way) for way in target.feed(data)}
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
                place = traceback.extract_tb(error.__traceback__)[-1]
                where = f"{type(error).__name__} in {place.filename}:{place.lineno}"
                report.faults.setdefault(where, (data, traceback.format_exc()))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if not ways <= report.ways:
                report.ways |= ways
                if not new and len(corpus) < _MOST_KEPT:
                    corpus.append(data)
    report.kept = len(corpus)
    return report


# ---- changing


def mutated(data: bytes, random: Random) -> bytes:
    """The input with one change or a few."""
    for _ in range(random.choice((1, 1, 2, 4))):
        if random.random() < 0.6:
            try:
                value = json.loads(data)
            except (ValueError, RecursionError):
                data = _bytes(data, random)
                continue
            data = json.dumps(_structure(value, random), ensure_ascii=False).encode(errors="surrogatepass")
        else:
            data = _bytes(data, random)
    return data[:_LONGEST]


def _structure(value: Any, random: Random) -> Any:
    """The JSON value with one place in it changed."""
    if isinstance(value, dict) and value and random.random() < 0.85:
        name = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {key: one for key, one in value.items() if key != name}
            case 1:
                return {**value, str(random.choice(_ODD)): value[name]}
            case 2:
                return {**value, name: random.choice(list(value.values()))}
            case _:
                return {**value, name: _structure(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.85:
        place = random.randrange(len(value))
        match random.randrange(4):
            case 0:
                return [*value, *value][:200]
            case 1:
                return value[:place] + value[place + 1 :]
            case _:
                return [*value[:place], _structure(value[place], random), *value[place + 1 :]]
    if isinstance(value, str) and value and random.random() < 0.5:
        return _bytes(value.encode(errors="replace"), random).decode(errors="replace")
    if isinstance(value, int | float) and abs(value) < 1e200 and random.random() < 0.3:
        return random.choice((value + 1, -value, value * 10**20, value / 3))
    return random.choice((*_ODD, [value], {"a": value}))


def _bytes(data: bytes, random: Random) -> bytes:
    """The bytes with one place in them changed."""
    place = random.randrange(len(data) + 1)
    end = min(len(data), place + random.choice((1, 2, 8, 64)))
    match random.randrange(6):
        case 0:
            return data[:place] + data[end:]
        case 1:
            return data[:place] + random.randbytes(random.choice((1, 1, 4))) + data[end:]
        case 2:
            return data[:end] + data[place:end] * random.choice((1, 3, 100)) + data[end:]
        case 3:
            return data[:place]
        case _:
            return data[:place] + random.choice(_WORDS) + data[place:]


# ---- watching


@contextmanager
def _alarm() -> Iterator[None]:
    def raise_(_number: int, _frame: FrameType | None) -> None:
        raise TooSlow(f"longer than {_PATIENCE_S:g} seconds")

    before = signal.signal(signal.SIGALRM, raise_)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _lines(seen: set[Hashable]) -> Iterator[None]:
    """Adds each line of our own code that is run."""
    folder = str(PROJECT / "agent")

    def line(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            seen.add((frame.f_code, frame.f_lineno))
        return line

    def call(frame: FrameType, _event: str, _argument: object) -> Any:
        return line if frame.f_code.co_filename.startswith(folder) else None

    before = sys.gettrace()
    sys.settrace(call)
    try:
        yield
    finally:
        sys.settrace(before)


def main() -> None:
    """Runs it and prints a table; the exit status tells whether all was well."""
    parser = argparse.ArgumentParser(prog="python -m tools.fuzz", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many in all (1,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the changes (0)")
    parser.add_argument("--only", metavar="TARGET", help="one of the targets")
    arguments = parser.parse_args()
    reports = run(arguments.inputs, arguments.seed, [one for one in targets() if arguments.only in (None, one.name)])
    print("| read | inputs | ways | kept | faults |\n| --- | --- | --- | --- | --- |")
    for one in reports:
        print(f"| {one.name} | {one.inputs:,} | {len(one.ways)} | {one.kept} | {len(one.faults)} |")
    faults = sum(len(one.faults) for one in reports)
    print(f"| all | {sum(one.inputs for one in reports):,} | | | {faults} |")
    for one in reports:
        for where, (data, trace) in one.faults.items():
            print(f"\n{one.name}: {where}\n{data[:1000]!r}\n{trace}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
