"""The course of a training run as a picture; needs matplotlib, which only the `train` extra has."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_SMOOTHED = 0.9
"""Of the losses shown how much is the mean of those before."""


def save_curves(log: Sequence[Mapping[str, Any]], title: str, path: Path) -> None:
    """Draws losses above, accuracy and false positives below, by step, as PNG.

    Args:
        log: rows of `log.jsonl`: `step` and either `loss` or `validation`.
        title: what was trained.
        path: where to.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl  # noqa: PLC0415 - the base installation does without

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    losses = [(row["step"], row["loss"]) for row in log if "loss" in row]
    checked = [(row["step"], row["validation"]) for row in log if "validation" in row]
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(8, 7), layout="constrained")
    above.set_title(title)
    above.plot(*_columns(losses), color="tab:blue", alpha=0.25, linewidth=0.8)
    above.plot(*_columns(_smooth(losses)), color="tab:blue", label="training, smoothed")
    above.plot(*_columns([(step, found["loss"]) for step, found in checked]), "o-", color="black", label="validation")
    above.set_yscale("log")
    above.set_ylabel("loss, nats a token")
    for name, label, colour in (
        ("accuracy", "function right", "tab:green"),
        ("exact", "whole call right", "tab:blue"),
        ("false_positives", "called, though nothing is wanted", "tab:red"),
    ):
        points = [(step, 100 * found[name]) for step, found in checked if found[name] is not None]
        below.plot(*_columns(points), "o-", label=label, color=colour)
    below.set_ylim(-2, 102)
    below.set_ylabel("% of validation cases")
    below.set_xlabel("step")
    for axes in (above, below):
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _smooth(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    found: list[tuple[int, float]] = []
    for step, value in points:
        found.append((step, _SMOOTHED * found[-1][1] + (1 - _SMOOTHED) * value if found else value))
    return found


def _columns(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [step for step, _ in points], [value for _, value in points]
