"""How every plot looks: one panel size, one palette, one name per class.

A panel is 4.6 inches wide, so that its letters stay readable on a screen 380 pixels wide; wider pictures are made of
several panels, which the page sets side by side where there is room.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's colours (2008), told apart by people with any common colour vision deficiency.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1b1f24",
)  # fmt: skip
SERIES = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK)
GREY = "#6b7280"
GRID = "#e3e6ea"
INK = "#24292f"

LABELS = {1: "fake", 0: "original", -1: "unlabelled"}  # the words for `target`, everywhere on the pages
COLOURS = {"fake": ORANGE, "original": BLUE, "unlabelled": GREY}

WIDTH, HEIGHT = 4.6, 3.1  # inches
TEXT = 10.5  # points
PAD = 0.4  # of the height of a letter, around everything


def labels(target: Iterable[int]) -> np.ndarray:
    """The word for each target (1, 0 or -1)."""
    return np.array([LABELS[int(value)] for value in target], dtype=object)


def colour(index: int) -> str:
    return SERIES[index % len(SERIES)]


def panel(height: float = HEIGHT) -> tuple[Figure, Axes]:
    """An empty panel `height` inches high; everything is set on the axes, nothing on global defaults."""
    figure = Figure(figsize=(WIDTH, height), facecolor="none")
    figure.set_layout_engine("tight", pad=PAD)
    axes = figure.add_subplot(facecolor="none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("bottom", "left"):
        axes.spines[side].set_color(GREY)
    axes.tick_params(which="both", colors=GREY, labelcolor=INK, labelsize=TEXT - 0.5)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def rows_panel(names: list[str], row: float = 0.36) -> tuple[Figure, Axes]:
    """A panel with one named line per row, the first on top."""
    figure, axes = panel(max(2.1, 1.0 + row * len(names)))
    axes.set_yticks(range(len(names)), [shorten(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def name_axes(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, color=INK, fontsize=TEXT)
    axes.set_ylabel(y, color=INK, fontsize=TEXT)


def legend(axes: Axes, where: Literal["best", "lower right"] = "best", columns: int = 1) -> None:
    axes.legend(
        loc=where, ncols=columns, fontsize=TEXT - 1, labelcolor=INK, framealpha=0.85, edgecolor="none",
        handlelength=1.6, borderaxespad=0.3,
    )  # fmt: skip


def legend_above(figure: Figure, axes: Axes) -> None:
    """In one line over the plot, as wide as the figure: for outlines and bars that leave no corner free."""
    handles, names = axes.get_legend_handles_labels()
    crowded = len(names) > 2
    figure.legend(
        handles, names, loc="upper left", ncols=max(1, len(names)), fontsize=TEXT - (2.8 if crowded else 1.5),
        labelcolor=INK, frameon=False, handlelength=1.0 if crowded else 1.4, columnspacing=0.7 if crowded else 1.2,
        handletextpad=0.5, borderaxespad=0,
    )  # fmt: skip
    figure.set_layout_engine("tight", pad=PAD, rect=(0, 0, 1, 1 - 0.24 / figure.get_figheight()))


def shorten(name: str, most: int = 24) -> str:
    """`name` with its middle left out when it is longer than `most` characters."""
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[-(most - 1 - head) :]}"
