"""What a turn looks like on a screen: clean text, a reply that grows, and the line about how it came to be.

Everything that comes from the bus passes `clean` on its way to a terminal. Not covered: what to show when; that is
`agent.console` and `agent.watch`.
"""

import json
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from agent.messages import Chunk, Final, Route

DIM, BOLD, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN = "2", "1", "31", "32", "33", "34", "35", "36"
"""Styles for `Screen`, as numbers of the terminal's own language."""

# Each sequence may lack its end, and then goes up to the end of the text: so the clean beginning of a text is always
# the beginning of the clean text, which a reply that comes in pieces relies on.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x9c|\x1b\\)?"
    r"|\x1b[ -/]*[0-~]?"
)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_VALUE = 60
_STAGES = {"router": "router", "function": "function", "chat": "reply"}


def clean(text: str) -> str:
    """The text without anything that steers a terminal: escape sequences, controls but newlines, bidi overrides."""
    text = text.replace("\t", " ").replace("\u2028", "\n").replace("\u2029", "\n")
    return encodable(_CONTROL.sub("", _SEQUENCE.sub("", text)))


def encodable(text: str) -> str:
    """The text without lone surrogates, which stand for bytes that were no UTF-8 and can't be written or sent."""
    return _SURROGATE.sub("�", text)


def safe_json(text: str) -> str:
    """JSON that means the same and steers no terminal: what `clean` takes away stands there as an escape."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """The clean text on one line."""
    return " ".join(clean(text).split())


def width(text: str) -> int:
    """Columns that a clean text takes."""
    return sum(_columns(character) for character in text)


def cut(text: str, columns: int) -> str:
    """As much of a clean text as fits, with an ellipsis where something is left out."""
    if width(text) <= columns:
        return text
    kept, left = "", columns - 1
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        kept += character
    return kept + "…" if columns > 0 else ""


def pad(text: str, columns: int) -> str:
    """A clean text cut or filled up to that many columns."""
    text = cut(text, columns)
    return text + " " * (columns - width(text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def described(function: str, arguments: Mapping[str, Any], missing: Sequence[str] = ()) -> str:
    """A call as one would write it; what is missing has a question mark."""
    # Each part is cleaned by itself: what one leaves open must not swallow the next.
    shown = [f"{one_line(name)}={_value(value)}" for name, value in arguments.items()]
    shown += [f"{one_line(name)}=?" for name in missing]
    return f"{one_line(function)}({', '.join(shown)})"


def _value(value: Any) -> str:
    return cut(one_line(json.dumps(value, ensure_ascii=False, default=str)), _LONGEST_VALUE)


def duration(ms: float) -> str:
    """A time for people: `0.8 ms`, `12 ms`, `3.4 s`."""
    if ms < 9.95:
        return f"{ms:.1f} ms"
    return f"{ms:.0f} ms" if ms < 999.5 else f"{ms / 1000:.1f} s"


def stages(final: Final, route: Route | None, total_ms: float, *, cancelled: bool = False) -> str:
    """The line under a reply: what was called, who decided that and how sure it was, how long each stage took."""
    if final.function:
        parts = [described(final.function, final.arguments, route.missing if route else ())]
    else:
        parts = ["conversation"] if final.router else []
    if final.status == "failed":
        parts.append("failed")
    if cancelled:
        parts.append("cancelled")
    took = dict(final.took_ms)
    for stage in [*(name for name in _STAGES if name in took), *(name for name in took if name not in _STAGES)]:
        part = f"{_STAGES.get(stage, one_line(stage))} {duration(took[stage])}"
        if stage == "router" and final.router:
            sure = f", {route.confidence:.2f}" if route else ""
            part += f" ({one_line(final.router)}{sure})"
        parts.append(part)
    parts.append(f"total {duration(total_ms)}")
    return " · ".join(parts)


class Screen:
    """Where text is written; it is cleaned here, so that nothing goes out raw.

    Args:
        stream: file to write to.
        colour: whether styles are used; by default on a terminal without NO_COLOR.
    """

    def __init__(self, stream: TextIO, *, colour: bool | None = None) -> None:
        self._stream = stream
        self._fresh = True
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            # A terminal that has no bell or no kanji shows a question mark rather than ending the chat.
            reconfigure(errors="replace")
        if colour is None:
            colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        self._colour = colour

    def write(self, text: str, style: str = "") -> None:
        """Writes text where the last one ended."""
        text = clean(text)
        if not text:
            return
        self._fresh = text.endswith("\n")
        self._stream.write(f"\x1b[{style}m{text}\x1b[0m" if style and self._colour else text)
        self._stream.flush()

    def fresh(self) -> None:
        """Begins a new line unless one has just begun."""
        if not self._fresh:
            self.write("\n")

    def line(self, text: str, style: str = "") -> None:
        """Writes a line, or several, of its own."""
        self.fresh()
        self.write(text, style)
        self.write("\n")


class Reply:
    """A reply while it comes in: pieces may be lost, late, or come again from the start after a crash.

    What is on the screen is never shown twice. Where a new start turns out otherwise, it is shown anew on a new line.

    Args:
        screen: is written to.
    """

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._shown = ""
        self._attempt = 0
        self._pieces: list[str] = []
        self._ahead: dict[int, str] = {}

    def chunk(self, chunk: Chunk) -> None:
        """Shows a piece as soon as all before it are there."""
        if chunk.attempt < self._attempt:
            return
        if chunk.attempt > self._attempt or (chunk.seq == 0 and self._pieces):
            self._attempt, self._pieces, self._ahead = chunk.attempt, [], {}
        if chunk.seq >= len(self._pieces):
            self._ahead[chunk.seq] = chunk.text
        while (piece := self._ahead.pop(len(self._pieces), None)) is not None:
            self._pieces.append(piece)
        text = clean("".join(self._pieces))
        if not self._shown.startswith(text):
            self._show(text)

    def final(self, final: Final) -> None:
        """Shows what is missing of the whole text, which is the truth."""
        self._show(clean(final.text))
        self._screen.fresh()

    def _show(self, text: str) -> None:
        if text.startswith(self._shown):
            self._screen.write(text[len(self._shown) :])
        else:
            self._screen.fresh()
            self._screen.write(text)
        self._shown = text
