"""A progress bar for downloads in a terminal."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.layout.dimension import AnyDimension
from prompt_toolkit.shortcuts import ProgressBar, ProgressBarCounter
from prompt_toolkit.shortcuts.progress_bar.formatters import Bar, Formatter, Label, Percentage, Text, TimeLeft

from agent.model_shelf import Download

_WIDE = 80
"""Columns that all of it takes."""


class _Bytes(Formatter):
    """How much is there, of how much."""

    def format(
        self,
        progress_bar: ProgressBar,  # noqa: ARG002
        progress: ProgressBarCounter[object],
        width: int,  # noqa: ARG002
    ) -> AnyFormattedText:
        if not progress.total:
            return ""
        unit, name = (1e9, "GB") if progress.total >= 1e9 else (1e6, "MB")
        return f"{progress.items_completed / unit:.1f} of {progress.total / unit:.1f} {name}"

    def get_width(self, progress_bar: ProgressBar) -> AnyDimension:  # noqa: ARG002
        return len("9999.9 of 9999.9 GB")


@contextmanager
def bar(model: str) -> Iterator[Callable[[Download], None]]:
    """Shows a bar; what is entered takes each step of the download."""
    form = [Label(), Text("  "), Percentage(), Text(" "), Bar()]
    if shutil.get_terminal_size().columns >= _WIDE:
        form += [Text(" "), _Bytes(), Text("  "), TimeLeft(), Text(" left")]
    with ProgressBar(formatters=form) as shown:
        counter: ProgressBarCounter[object] = shown(label=model, total=0)

        def tell(download: Download) -> None:
            counter.total = download.total
            counter.items_completed = download.got
            counter.label = f"{model} (tried again)" if download.broken else model
            shown.invalidate()

        yield tell
        counter.items_completed = counter.total or 0
        counter.done = True
