"""The confusion matrix as a picture; needs matplotlib, which only the `train` extra has."""

from collections.abc import Mapping
from pathlib import Path


def save_confusions(matrix: Mapping[str, Mapping[str, int]], title: str, path: Path) -> None:
    """Draws counts by expected (down) and decided function (across) as PNG, shaded by share of the row.

    Raises:
        ImportError: matplotlib is not installed.
    """
    import matplotlib as mpl  # noqa: PLC0415 - the base installation does without

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    names = list(matrix)
    counts = [[matrix[expected][got] for got in names] for expected in names]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    size = 2.5 + 0.8 * len(names)
    figure, axes = plt.subplots(figsize=(size, size), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for down, row in enumerate(counts):
        for across, count in enumerate(row):
            if count:
                colour = "white" if shares[down][across] > 0.5 else "black"
                axes.text(across, down, str(count), ha="center", va="center", color=colour)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("decided")
    axes.set_ylabel("labelled")
    axes.set_title(title)
    figure.savefig(path, dpi=120)
    plt.close(figure)
