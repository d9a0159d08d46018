"""Curves: what training did epoch by epoch, and ROC with its low end made visible."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from ffdi.metrics import auc
from ffdi.report import style

FALSE_POSITIVE_RATES = (1e-2, 5e-3, 1e-3)  # the contest breaks ties at 1e-3; its paper reports the three
FEW = 3  # curves that leave room for a legend
DOTTED = 12  # points of a line up to which each is marked
POINTS = 400  # of a drawn ROC curve; more than a panel has pixels


@dataclass(frozen=True)
class Roc:
    """Corners of a ROC curve from (0, 0) to (1, 1)."""

    fpr: np.ndarray
    tpr: np.ndarray
    negatives: int

    @property
    def finest(self) -> float:
        """The smallest false-positive rate that this many originals can show."""
        return 1 / self.negatives


def roc(target: np.ndarray, score: np.ndarray) -> Roc:
    """The ROC of `score` (higher: more likely fake) thinned to what can be seen on a linear and on a log axis."""
    fpr, tpr = auc.roc(target, score)
    if len(fpr) > 2 * POINTS:
        marks = np.concatenate([np.linspace(0, 1, POINTS), np.geomspace(1e-6, 1, POINTS)])
        keep = np.unique(np.concatenate([[0, len(fpr) - 1], np.searchsorted(fpr, marks, side="right") - 1]))
        fpr, tpr = fpr[keep], tpr[keep]
    return Roc(fpr, tpr, int((np.asarray(target) == 0).sum()))


def roc_panel(curves: Mapping[str, Roc]) -> Figure:
    """The whole of each curve, with the diagonal of chance."""
    figure, axes = style.panel(3.6)
    axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=(0, (4, 3)))
    for index, (name, curve) in enumerate(curves.items()):
        axes.plot(curve.fpr, curve.tpr, color=style.colour(index), linewidth=1.8, label=style.shorten(name))
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.02)
    style.name_axes(axes, "false-positive rate (originals called fake)", "true-positive rate (fakes found)")
    style.legend(axes, "lower right")
    return figure


def low_roc_panel(curves: Mapping[str, Roc]) -> Figure:
    """The low end of each curve on a log axis, with lines at the rates the contest looks at."""
    figure, axes = style.panel(3.6)
    finest = min(curve.finest for curve in curves.values())
    left = max(1e-6, min(7e-4, finest / 1.5))
    for rate in FALSE_POSITIVE_RATES:
        axes.axvline(rate, color=style.GREY, linewidth=1, linestyle=(0, (4, 3)))
    for index, (name, curve) in enumerate(curves.items()):
        axes.step(np.maximum(curve.fpr, left), curve.tpr, where="post", color=style.colour(index), linewidth=1.8,
                  label=style.shorten(name))  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(left, 1)
    axes.set_ylim(-0.01, 1.02)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(False, axis="x")
    style.name_axes(axes, "false-positive rate (log scale)", "true-positive rate (fakes found)")
    if len(curves) <= FEW:  # more would hide the curves; the whole ROC beside it names them
        style.legend(axes)
    return figure


def fold_curves(logs: Mapping[int, pd.DataFrame], column: str, y: str) -> Figure:
    """`column` of each fold's log over epochs: OOF solid, training (where it has the column) dashed and pale."""
    figure, axes = style.panel()
    looks: dict[str, dict[str, Any]] = {"train": {"linestyle": (0, (3, 2)), "alpha": 0.6}, "oof": {}}
    for index, (fold, log) in enumerate(logs.items()):
        lines = {split: line for split in looks if len(line := series(log, split, column))}
        for split, line in lines.items():
            axes.plot(
                line.index, line, color=style.colour(index), linewidth=1.7, marker="o",
                markersize=4 if len(line) <= DOTTED else 0, label=f"fold {fold}" if split == list(lines)[-1] else None,
                **looks[split],
            )  # fmt: skip
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    if np.ptp(axes.get_ylim()) < 1e-3 or max(map(abs, axes.get_ylim())) < 1e-2:
        axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    style.name_axes(axes, "epochs done", y)
    if len(logs) > 1:
        style.legend(axes, columns=2 if len(logs) > 5 else 1)
    return figure


def series(log: pd.DataFrame, split: str, column: str) -> pd.Series:
    """`column` of the lines of `split`, indexed by epochs done; empty where there is none."""
    if column not in log.columns:
        return pd.Series(dtype=float)
    mine = log[log["split"] == split].dropna(subset=[column])
    return pd.Series(mine[column].to_numpy(dtype=float), index=mine["epoch"].to_numpy(dtype=float))
