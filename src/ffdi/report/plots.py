"""Plots of counts, distributions and scores: numbers in, one panel out. None is called without data."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter

from ffdi.report import style

THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.0f}")


def class_bars(counts: pd.DataFrame, x: str = "images") -> Figure:
    """One stacked bar a row of `counts` (index: split or fold; columns: label words), its fake share at the end."""
    figure, axes = style.rows_panel([str(name) for name in counts.index])
    left = np.zeros(len(counts))
    for label in [word for word in style.COLOURS if word in counts.columns]:
        widths = counts[label].to_numpy(dtype=float)
        axes.barh(range(len(counts)), widths, left=left, height=0.62, color=style.COLOURS[label], label=label)
        left += widths
    for row, total in enumerate(left):
        axes.annotate(
            _share_note(counts.iloc[row], total), (total, row), (5, 0), textcoords="offset points", va="center",
            fontsize=style.TEXT - 1, color=style.INK,
        )  # fmt: skip
    axes.set_xlim(0, max(left.max(), 1) * 1.32)
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(THOUSANDS)
    axes.grid(False, axis="y")
    style.name_axes(axes, x, "")
    style.legend_above(figure, axes)
    return figure


def group_sizes(sizes: np.ndarray) -> Figure:
    """How many groups hold 1, 2, 3, 4, 5 to 8, 9 to 16, ... images. `sizes`: images in each group."""
    names, counts = _by_size(np.asarray(sizes))
    figure, axes = style.panel()
    bars = axes.bar(range(len(names)), counts, color=style.BLUE, width=0.72)
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts], padding=2, fontsize=style.TEXT - 1,
                   color=style.INK)  # fmt: skip
    axes.set_xticks(range(len(names)), names)
    if max(counts) > 50 * min(count for count in counts if count):
        axes.set_yscale("log")
        axes.set_ylim(0.5, max(counts) * 2.5)
    else:
        axes.set_ylim(0, max(counts) * 1.12)
    axes.yaxis.set_major_formatter(THOUSANDS)
    axes.grid(False, axis="x")
    style.name_axes(axes, "images in a group", "groups")
    return figure


def histogram(values: np.ndarray, target: np.ndarray, x: str, bins: int = 40, log: bool = False) -> Figure:
    """Share of each label's images over `values`, one outline a label; `log`: on a log axis if they span decades."""
    values, target = np.asarray(values, dtype=float), np.asarray(target)
    log = log and _spans_decades(values[np.isfinite(values)])
    edges = bin_edges(values, bins, log)
    figure, axes = style.panel()
    for code, label in style.LABELS.items():
        mine = values[target == code]
        if not len(mine):
            continue
        heights = np.histogram(mine, edges)[0] / len(mine)
        if code >= 0:
            axes.stairs(heights, edges, fill=True, color=style.COLOURS[label], alpha=0.22)
        axes.stairs(heights, edges, color=style.COLOURS[label], linewidth=1.6, label=f"{label} ({_compact(len(mine))})")
    if log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.margins(y=0.12)
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0 if axes.get_ylim()[1] > 0.05 else None))
    style.name_axes(axes, x, "share of the label's images")
    style.legend_above(figure, axes)
    return figure


def bin_edges(values: np.ndarray, bins: int = 40, log: bool = False) -> np.ndarray:
    """Edges that hold all finite `values`: around whole numbers where all are whole and few, else even (in log)."""
    finite = values[np.isfinite(values)]
    low, high = float(finite.min()), float(finite.max())
    if log:
        return np.geomspace(low, high * (1 + 1e-9), bins + 1)
    if np.all(finite == np.round(finite)) and high - low <= 3 * bins:
        step = max(1, int(np.ceil((high - low + 1) / bins)))
        return np.arange(low - 0.5, high + step + 0.5, step)
    pad = 0 if high > low else max(abs(high), 1.0) * 0.05
    return np.linspace(low - pad, high + pad, bins + 1)


def _spans_decades(values: np.ndarray) -> bool:
    return bool(values.min() > 0 and values.max() / values.min() > 30)


def auc_dots(rows: pd.DataFrame, x: str = "AUC", reference: float | None = 0.5, band: float = 0) -> Figure:
    """One dot a row of `rows` (name, auc, low, high), its interval as a line, the value beside it.

    `reference` is drawn as a dashed line, `band` around it in grey.
    """
    figure, axes = style.rows_panel(list(rows["name"]), row=0.34)
    place = np.arange(len(rows))
    if {"low", "high"} <= set(rows.columns):
        axes.hlines(place, rows["low"], rows["high"], color=style.BLUE, linewidth=2.2, alpha=0.55)
    axes.plot(rows["auc"], place, "o", color=style.BLUE, markersize=6.5, zorder=3)
    for row, value in enumerate(rows["auc"]):
        axes.annotate(f"{value:.3f}", (1, row), (4, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center", fontsize=style.TEXT - 1, color=style.INK, annotation_clip=False)  # fmt: skip
    if reference is not None:
        axes.axvline(reference, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.axvspan(reference - band, reference + band, color=style.GREY, alpha=0.18, linewidth=0)
    axes.margins(x=0.06)
    style.name_axes(axes, x, "")
    return figure


def fold_spread(rows: pd.DataFrame, x: str = "AUC of one fold") -> Figure:
    """Every fold of every member as a dot, the member's mean as a bar. `rows`: name, fold, auc."""
    names = list(dict.fromkeys(rows["name"]))
    figure, axes = style.rows_panel(names, row=0.42)
    for row, name in enumerate(names):
        aucs = rows.loc[rows["name"] == name, "auc"].to_numpy(dtype=float)
        # Folds of like value are set apart vertically by their order, so that none hides another.
        offsets = (np.argsort(np.argsort(aucs)) % 3 - 1) * 0.13 if len(aucs) > 1 else np.zeros(1)
        axes.plot(aucs, row + offsets, "o", color=style.colour(row), markersize=6, alpha=0.75, markeredgewidth=0)
        axes.plot([aucs.mean()] * 2, [row - 0.3, row + 0.3], color=style.INK, linewidth=2.2, solid_capstyle="butt")
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    style.name_axes(axes, x, "")
    return figure


def correlation(matrix: pd.DataFrame, x: str = "rank correlation") -> Figure:
    """Heat map of a square `matrix`; rows carry number and name, columns the number, so that long names fit."""
    low = min(float(np.floor(np.nanmin(matrix.to_numpy(dtype=float)) * 20) / 20), 0.95)
    return _heat(matrix, x, low, 1)


def disagreement(matrix: pd.DataFrame, x: str = "apart, % of the list") -> Figure:
    """The same from 0 on; dark is alike, as there it is bright."""
    return _heat(matrix, x, 0, max(float(np.nanmax(matrix.to_numpy(dtype=float))), 1.0), ".0f")


def chances(matrix: pd.DataFrame) -> Figure:
    """Percentages that the row beats the column, of at most ten; the diagonal is left empty."""
    return _heat(matrix, "", 0, 100, ".0f")


def _heat(matrix: pd.DataFrame, x: str, low: float, high: float, form: str = ".2f") -> Figure:
    """`x`: what the bar beside it says; without it there is no bar."""
    count = len(matrix)
    figure, axes = style.panel(max(2.2, min(5.0, 0.9 + 0.42 * count)))
    values = matrix.to_numpy(dtype=float)
    image = axes.imshow(values, cmap="cividis", vmin=low, vmax=high, aspect="auto")
    numbers = [str(number) for number in range(1, count + 1)]
    size = style.TEXT - 0.5 if count <= 14 else max(3.5, 110 / count)
    axes.set_xticks(range(count), numbers, fontsize=size)
    axes.set_yticks(
        range(count), [f"{style.shorten(str(n), 20)}  {i}" for i, n in zip(numbers, matrix.index, strict=True)],
        fontsize=size,
    )  # fmt: skip
    axes.grid(False)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if count <= 10:
        _write_cells(axes, values, (low + high) / 2, form)
    if x:
        bar = figure.colorbar(image, ax=axes, shrink=0.9, pad=0.03)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=style.GREY, labelcolor=style.INK, labelsize=style.TEXT - 1)
        bar.set_label(x, fontsize=style.TEXT - 1, color=style.INK)
    return figure


def _write_cells(axes: Axes, values: np.ndarray, middle: float, form: str) -> None:
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            axes.text(column, row, format(value, form), ha="center", va="center", fontsize=style.TEXT - 1,
                      color="white" if value < middle else "#101214")  # fmt: skip


def _share_note(row: pd.Series, total: float) -> str:
    known = row.get("fake", 0) + row.get("original", 0)
    return f"{100 * row.get('fake', 0) / known:.1f}% fake" if known else f"{total:,.0f}"


def _compact(count: int) -> str:
    return f"{count:,}" if count < 10_000 else f"{count / 1000:,.0f}k"


def _by_size(sizes: np.ndarray) -> tuple[list[str], list[int]]:
    """Names and counts of the bins 1, 2, 3, 4, 5–8, 9–16, ... up to the largest size."""
    bounds: Sequence[tuple[int, int]] = [(1, 1), (2, 2), (3, 3), (4, 4)]
    while bounds[-1][1] < sizes.max():
        last = bounds[-1][1]
        bounds = [*bounds, (last + 1, 2 * last)]
    bounds = [bound for bound in bounds if bound[0] <= sizes.max()]
    counts = [int(((sizes >= low) & (sizes <= high)).sum()) for low, high in bounds]
    return [str(low) if low == high else f"{low}–{high}" for low, high in bounds], counts
