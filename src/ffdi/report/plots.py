"""Shared plots: each takes tables or arrays and returns one panel. They need data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from ffdi.metrics import auc
from ffdi.report import style

THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")
FALSE_POSITIVE_RATES = (1e-2, 5e-3, 1e-3)  # the contest breaks ties at 1e-3; its paper reports all three
ROC_POINTS = 400  # of a drawn curve: more than a panel has pixels
MARKED = 12  # points of a line up to which each has a marker
CELLS = 10  # rows of a heat map up to which each cell holds its number


@dataclass(frozen=True)
class Dots:
    """One series of a dot plot: columns of a table with a row for each dot, and how it looks."""

    rows: pd.DataFrame
    value: str
    low: str = ""  # columns of the interval, if there is one
    high: str = ""
    label: str = ""
    colour: str = style.BLUE
    marker: str = "o"
    size: float = 6.0
    shift: float = 0.0  # rows downwards, so that two series do not hide each other
    hollow: bool = False


def dots(
    names: Sequence[str], series: Sequence[Dots], x: str, line: float | None = None, band: float = 0.0,
    numbers: bool = False,
) -> Figure:  # fmt: skip
    """Draw a named row for each value, intervals as bars.

    Args:
        names: One for each row, the first on top.
        series: Drawn in this order.
        x: Label of the axis.
        line: Where to draw a dashed line.
        band: Half the width of a grey band around the line.
        numbers: Write the values of the first series at the right edge.
    """
    figure, axes = style.rows_panel(list(names), row=0.36 if len(series) < 2 else 0.42)
    if line is not None:
        axes.axvline(line, color=style.GREY, linewidth=1.2, linestyle=style.DASHED)
        axes.axvspan(line - band, line + band, color=style.GREY, alpha=0.18, linewidth=0)
    for one in series:
        rows = np.arange(len(names)) + one.shift
        if one.low:
            axes.hlines(rows, one.rows[one.low], one.rows[one.high], color=one.colour, linewidth=2.2, alpha=0.55)
        axes.plot(one.rows[one.value], rows, one.marker, color=one.colour, markersize=one.size, label=one.label or None,
                  markerfacecolor="none" if one.hollow else one.colour)  # fmt: skip
    for row, value in enumerate(series[0].rows[series[0].value] if numbers else ()):
        axes.annotate(f"{value:.3f}", (1, row), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center", fontsize=style.TEXT - 1, color=style.INK, annotation_clip=False)  # fmt: skip
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, x, "")
    if any(one.label for one in series):
        style.legend_above(figure, axes)
    return figure


def class_bars(counts: pd.DataFrame) -> Figure:
    """Draw a stacked bar for each row of `counts` (columns: label words), with its share of fakes at the end."""
    figure, axes = style.rows_panel([str(name) for name in counts.index])
    left = np.zeros(len(counts))
    for label in [word for word in style.COLOURS if word in counts.columns]:
        widths = counts[label].to_numpy(dtype=float)
        axes.barh(range(len(counts)), widths, left=left, height=0.62, color=style.COLOURS[label], label=label)
        left += widths
    for row, total in enumerate(left):
        axes.annotate(_fake_share(counts.iloc[row], total), (total, row), (5, 0), textcoords="offset points",
                      va="center", fontsize=style.TEXT - 1, color=style.INK)  # fmt: skip
    axes.set_xlim(0, max(left.max(), 1) * 1.32)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.grid(False, axis="y")
    style.name_axes(axes, "images", "")
    style.legend_above(figure, axes)
    return figure


def histogram(values: np.ndarray, target: np.ndarray, x: str) -> Figure:
    """Draw the distribution of a number for each label.

    Args:
        values: A number of each image.
        target: Its class.
        x: Label of the axis.
    """
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    finite = values[np.isfinite(values)]
    edges = np.histogram_bin_edges(finite, 40)
    figure, axes = style.panel()
    for code, label in style.LABELS.items():
        mine = values[target == code]
        if len(mine):
            heights = np.histogram(mine, edges)[0] / len(mine)
            axes.stairs(heights, edges, fill=True, color=style.COLOURS[label], alpha=0.22 if code >= 0 else 0)
            axes.stairs(heights, edges, color=style.COLOURS[label], linewidth=1.6, label=f"{label} ({len(mine):,})")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if axes.get_ylim()[1] > 0.05 else None))
    style.name_axes(axes, x, "share of the label's images")
    style.legend_above(figure, axes)
    return figure


def fold_spread(rows: pd.DataFrame) -> Figure:
    """Draw the AUC of each fold of each member as a dot, the member's mean as a bar. `rows`: name, fold, auc."""
    names = list(dict.fromkeys(rows["name"]))
    figure, axes = style.rows_panel(names, row=0.42)
    for row, name in enumerate(names):
        aucs = rows.loc[rows["name"] == name, "auc"].to_numpy(dtype=float)
        # Neighbouring values are moved up or down, so that no dot hides another.
        offsets = (np.argsort(np.argsort(aucs)) % 3 - 1) * 0.13 if len(aucs) > 1 else np.zeros(1)
        axes.plot(aucs, row + offsets, "o", color=style.colour(row), markersize=6, alpha=0.75, markeredgewidth=0)
        axes.plot([aucs.mean()] * 2, [row - 0.3, row + 0.3], color=style.INK, linewidth=2.2, solid_capstyle="butt")
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    style.name_axes(axes, "AUC of one fold", "")
    return figure


def heat(matrix: pd.DataFrame, low: float, high: float, spec: str = ".2f") -> Figure:
    """Draw a heat map. Rows have number and name, columns the number.

    Args:
        matrix: Square; NaN cells stay empty.
        low: Value of the darkest colour.
        high: Value of the lightest colour.
        spec: Format of the numbers in the cells.
    """
    count, values = len(matrix), matrix.to_numpy(dtype=float)
    figure, axes = style.panel(max(2.2, min(5.0, 0.9 + 0.42 * count)))
    image = axes.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto")
    size = style.TEXT - 0.5 if count <= 14 else max(3.5, 110 / count)
    names = [f"{style.shorten(str(name), 20)}  {number}" for number, name in enumerate(matrix.index, 1)]
    axes.set_xticks(range(count), [str(number + 1) for number in range(count)], fontsize=size)
    axes.set_yticks(range(count), names, fontsize=size)
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if count > CELLS:
        figure.colorbar(image, ax=axes, shrink=0.9, pad=0.03)
        return figure
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(column, row, format(value, spec), ha="center", va="center", fontsize=style.TEXT - 1,
                      color="white" if value < (low + high) / 2 else "#101214")  # fmt: skip
    return figure


def roc(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], low: bool = False) -> Figure:
    """Draw the ROC curve of each (target, score); with `low` on a log axis that shows low false-positive rates."""
    figure, axes = style.panel(3.6)
    left = max(1e-6, min(7e-4, finest_rate(curves) / 1.5)) if low else -0.01
    if low:
        axes.set_xscale("log")
        for rate in FALSE_POSITIVE_RATES:
            axes.axvline(rate, color=style.GREY, linewidth=1, linestyle=style.DASHED)
    else:
        axes.plot([0, 1], [0, 1], color=style.GREY, linewidth=1, linestyle=style.DASHED)
    for index, (name, (target, score)) in enumerate(curves.items()):
        fpr, tpr = _thinned(*auc.roc(target, score))
        axes.plot(np.maximum(fpr, left), tpr, drawstyle="steps-post" if low else "default", linewidth=1.8,
                  color=style.colour(index), label=style.shorten(name))  # fmt: skip
    axes.set_xlim(left, 1 if low else 1.01)
    axes.set_ylim(-0.01, 1.02)
    if low:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(False, axis="x")
    else:
        style.legend(axes, "lower right")
    style.name_axes(axes, f"false-positive rate{' (log scale)' if low else ''}", "true-positive rate")
    return figure


def finest_rate(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> float:
    """Return the lowest false-positive rate above 0 that the originals of these curves can show."""
    return min(1 / max(int((target == 0).sum()), 1) for target, _ in curves.values())


def fold_curves(logs: Mapping[int, pd.DataFrame], column: str, y: str) -> Figure:
    """Draw a column of the logs over epochs: OOF solid, training images dashed and pale.

    Args:
        logs: By fold, as `training.log` gives them.
        column: Of the logs.
        y: Label of the axis.
    """
    figure, axes = style.panel()
    looks: dict[str, dict[str, Any]] = {"train": {"linestyle": (0, (3, 2)), "alpha": 0.6}, "oof": {}}
    for index, (fold, log) in enumerate(logs.items()):
        lines = {split: line for split in looks if len(line := series(log, split, column))}
        for split, line in lines.items():
            axes.plot(
                line.index, line, color=style.colour(index), linewidth=1.7, marker="o",
                markersize=4 if len(line) <= MARKED else 0, label=f"fold {fold}" if split == list(lines)[-1] else None,
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
    """Return a column of a log, indexed by epochs done; empty if there is none.

    Args:
        log: Of one fold.
        split: "train" or "oof".
        column: Of the log.
    """
    if column not in log.columns:
        return pd.Series(dtype=float)
    mine = log[log["split"] == split].dropna(subset=[column])
    return pd.Series(mine[column].to_numpy(dtype=float), index=mine["epoch"].to_numpy(dtype=float))


def _thinned(fpr: np.ndarray, tpr: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keep the corners of a ROC curve that can be seen on a linear and on a log axis."""
    if len(fpr) <= 2 * ROC_POINTS:
        return fpr, tpr
    marks = np.concatenate([np.linspace(0, 1, ROC_POINTS), np.geomspace(1e-6, 1, ROC_POINTS)])
    keep = np.unique([0, len(fpr) - 1, *(np.searchsorted(fpr, marks, side="right") - 1)])
    return fpr[keep], tpr[keep]


def _fake_share(row: pd.Series, total: float) -> str:
    known = row.get("fake", 0) + row.get("original", 0)
    return f"{100 * row.get('fake', 0) / known:.1f}% fake" if known else f"{total:,.0f}"
