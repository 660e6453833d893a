"""The table and the plot of ratios."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table


class Ratio(NamedTuple):
    """Ours against something else, each measured several times in turn.

    Attributes:
        what: what was measured, with its unit.
        against: what it is compared with.
        ours, other: the measurements.
        target: what the ratio of the medians should be.
        more: whether more is better; then the target is the least that it should be.
    """

    what: str
    against: str
    ours: Sequence[float]
    other: Sequence[float]
    target: float
    more: bool

    @property
    def value(self) -> float:
        return median(self.ours) / median(self.other)

    @property
    def met(self) -> bool:
        return self.value >= self.target if self.more else self.value <= self.target


def show(ratios: Sequence[Ratio], folder: Path, name: str = "bench") -> None:
    """Print the table; write it to `NAME.json`, and the plot to `NAME.png`, in the folder."""
    table = Table("measured", "against", "ours", "other", "ratio", "target", "")
    for ratio in ratios:
        table.add_row(
            ratio.what,
            ratio.against,
            f"{median(ratio.ours):.3g}",
            f"{median(ratio.other):.3g}",
            f"{ratio.value:.2f} ×",
            f"{'≥' if ratio.more else '≤'} {ratio.target:g}",
            "met" if ratio.met else "missed",
        )
    Console().print(table)
    folder.mkdir(exist_ok=True)
    figures = [ratio._asdict() | {"ratio": ratio.value, "met": ratio.met} for ratio in ratios]
    (folder / f"{name}.json").write_text(json.dumps(figures, indent=1), "utf-8")
    _plot(ratios, folder / f"{name}.png")


def _plot(ratios: Sequence[Ratio], file: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 0.45 * len(ratios) + 1.2), layout="constrained")
    rows = range(len(ratios))
    colours = ["#2e9e5b" if ratio.met else "#d9822b" for ratio in ratios]
    axes.barh(rows, [ratio.value for ratio in ratios], color=colours)
    axes.plot([ratio.target for ratio in ratios], rows, "k|", markersize=14, label="target")
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_yticks(rows, [f"{ratio.what}, against {ratio.against}" for ratio in ratios])
    axes.invert_yaxis()
    axes.set_xlabel("ours / other")
    axes.legend()
    figure.savefig(file, dpi=120)
