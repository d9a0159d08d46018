"""Shared plots: each takes tables or arrays and returns one panel. They need data."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.report import style


def dots(rows: pd.DataFrame, x: str, line: float | None = None, band: float = 0.0) -> Figure:
    """Draw an AUC a row as a dot, its interval as a bar, its number at the right edge.

    Args:
        rows: name and auc, the first on top; with the columns low and high there are intervals.
        x: Label of the axis.
        line: Where to draw a dashed line.
        band: Half the width of a grey band around the line.
    """
    figure, axes = style.panel(max(2.1, 1.0 + 0.36 * len(rows)))
    axes.set_yticks(range(len(rows)), [style.shorten(str(name)) for name in rows["name"]])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if line is not None:
        axes.axvline(line, color=style.GREY, linewidth=1.2, linestyle=style.DASHED)
        axes.axvspan(line - band, line + band, color=style.GREY, alpha=0.18, linewidth=0)
    places = np.arange(len(rows))
    if "low" in rows:
        axes.hlines(places, rows["low"], rows["high"], color=style.BLUE, linewidth=2.2, alpha=0.55)
    axes.plot(rows["auc"], places, "o", color=style.BLUE, markersize=6)
    for place, number in enumerate(rows["auc"]):
        axes.annotate(f"{number:.3f}", (1, place), (4, 0), xycoords=("axes fraction", "data"), va="center",
                      fontsize=9.5, textcoords="offset points", color=style.INK, annotation_clip=False)  # fmt: skip
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, x, "")
    return figure


def fold_curves(logs: Mapping[int, pd.DataFrame], column: str, y: str) -> Figure:
    """Draw a column of the logs over epochs: OOF solid, training images dashed and pale.

    Args:
        logs: By fold, as `training.log` gives them.
        column: Of the logs.
        y: Label of the axis.
    """
    figure, axes = style.panel()
    looks: dict[str, dict[str, Any]] = {"train": {"linestyle": (0, (3, 2)), "alpha": 0.6}, "oof": {"marker": "o"}}
    for index, (fold, log) in enumerate(logs.items()):
        lines = {split: line for split in looks if len(line := series(log, split, column))}
        for split, line in lines.items():
            label = f"fold {fold}" if split == list(lines)[-1] else None
            axes.plot(line.index, line, color=style.colour(index), linewidth=1.7, markersize=3, label=label,
                      **looks[split])  # fmt: skip
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    style.name_axes(axes, "epochs done", y)
    style.legend(figure, axes)
    return figure


def series(log: pd.DataFrame, split: str, column: str) -> pd.Series:
    """Return a column of a log, indexed by epochs done; empty if there is none.

    Args:
        log: Of one fold.
        split: "train" or "oof".
        column: Of the log.
    """
    lines = log[log["split"] == split].set_index("epoch")
    return lines.get(column, pd.Series(dtype=float)).dropna().astype(float)
