"""Plots of the pages: their style, the plots that pages share, and how a plot becomes a picture.

A panel is 4.6 inches wide, so its letters stay readable on a screen of 380 pixels. The page sets panels side by side.
"""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.report.page import Picture, data_uri
from ffdi.report.table import shorten

# Colours of Okabe and Ito (2008): people with any common colour blindness can tell them apart.
BLUE = "#0072B2"
SERIES = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1b1f24")
GREY, GRID, INK = "#6b7280", "#e3e6ea", "#24292f"
DASHED = (0, (4, 3))

WIDTH, HEIGHT = 4.6, 3.1  # inches
TEXT = 10.5  # points
PAD = 0.4  # margin around a plot, in letter heights
DPI = 160  # a panel is then 736 pixels wide, sharp on dense screens


def panel(x: str = "", y: str = "", height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Return an empty panel. Settings go on the axes, never on matplotlib's globals.

    Args:
        x: Label below it.
        y: Label left of it.
        height: Inches.
    """
    figure = Figure(figsize=(WIDTH, height), facecolor="none")
    figure.set_layout_engine("tight", pad=PAD)
    axes = figure.add_subplot(facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(GREY)
    axes.tick_params(which="both", colors=GREY, labelcolor=INK, labelsize=TEXT - 0.5)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel(x, color=INK, fontsize=TEXT)
    axes.set_ylabel(y, color=INK, fontsize=TEXT)
    return figure, axes


def embed(figure: Figure, title: str, caption: str = "") -> Picture:
    """Return the plot as a PNG. Equal figures give equal bytes.

    Args:
        figure: The plot.
        title: Shown above it.
        caption: Shown below it; with the title it is the plot in words.
    """
    width, height = figure.get_size_inches() * 96
    buffer = io.BytesIO()
    figure.set_dpi(DPI)
    # `print_png` saves a third of the time of `savefig`, which draws twice.
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    source = data_uri(buffer.getvalue(), "image/png")
    return Picture(title, f"{title}. {caption}".strip(), source, caption, round(width), round(height))


def dots(rows: pd.DataFrame, x: str, line: float | None = None, band: float = 0.0) -> Figure:
    """Draw an AUC a row as a dot, its interval as a bar, its number at the right edge.

    Args:
        rows: name and auc, the first on top; with the columns low and high there are intervals.
        x: Label of the axis.
        line: Where to draw a dashed line.
        band: Half the width of a grey band around the line.
    """
    figure, axes = panel(x, height=max(2.1, 1.0 + 0.36 * len(rows)))
    axes.set_yticks(range(len(rows)), [shorten(str(name)) for name in rows["name"]])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    if line is not None:
        axes.axvline(line, color=GREY, linewidth=1.2, linestyle=DASHED)
        axes.axvspan(line - band, line + band, color=GREY, alpha=0.18, linewidth=0)
    places = np.arange(len(rows))
    if "low" in rows:
        axes.hlines(places, rows["low"], rows["high"], color=BLUE, linewidth=2.2, alpha=0.55)
    axes.plot(rows["auc"], places, "o", color=BLUE, markersize=6)
    for place, number in enumerate(rows["auc"]):
        axes.annotate(f"{number:.3f}", (1, place), (4, 0), xycoords=("axes fraction", "data"), va="center",
                      fontsize=9.5, textcoords="offset points", color=INK, annotation_clip=False)  # fmt: skip
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    return figure


def fold_curves(logs: Mapping[int, pd.DataFrame], column: str, y: str) -> Figure:
    """Draw a column of the logs over epochs: OOF solid, training images dashed and pale.

    Args:
        logs: By fold, as `training.log` gives them.
        column: Of the logs.
        y: Label of the axis.
    """
    figure, axes = panel("epochs done", y)
    looks: dict[str, dict[str, Any]] = {"train": {"linestyle": (0, (3, 2)), "alpha": 0.6}, "oof": {"marker": "o"}}
    for index, (fold, log) in enumerate(logs.items()):
        lines = {split: rows for split in looks if len(rows := log[(log["split"] == split) & log[column].notna()])}
        for split, rows in lines.items():
            label = f"fold {fold}" if split == list(lines)[-1] else None
            axes.plot(rows["epoch"], rows[column], color=SERIES[index % len(SERIES)], linewidth=1.7, markersize=3,
                      label=label, **looks[split])  # fmt: skip
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    figure.legend(loc="upper left", ncols=4, fontsize=TEXT - 2.8, labelcolor=INK, frameon=False,
                  handlelength=1.2, columnspacing=0.9, borderaxespad=0)  # fmt: skip
    height = -(-len(logs) // 4)  # lines of the legend, which stands above the plot
    figure.set_layout_engine("tight", pad=PAD, rect=(0, 0, 1, 1 - 0.24 * height / figure.get_figheight()))
    return figure
