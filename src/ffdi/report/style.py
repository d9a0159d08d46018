"""The style of every plot: one panel size, one palette, one word for each label.

A panel is 4.6 inches wide, so its letters stay readable on a screen of 380 pixels. The page sets panels side by side.
"""

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Colours of Okabe and Ito (2008): people with any common colour blindness can tell them apart.
BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1b1f24",
)  # fmt: skip
SERIES = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK)
GREY, GRID, INK = "#6b7280", "#e3e6ea", "#24292f"
DASHED = (0, (4, 3))

LABELS = {1: "fake", 0: "original", -1: "unlabelled"}  # word for each target
COLOURS = {"fake": ORANGE, "original": BLUE, "unlabelled": GREY}

WIDTH, HEIGHT = 4.6, 3.1  # inches
TEXT = 10.5  # points
PAD = 0.4  # margin around a plot, in letter heights


def colour(index: int) -> str:
    """Return the colour of series number `index`."""
    return SERIES[index % len(SERIES)]


def panel(height: float = HEIGHT) -> tuple[Figure, Axes]:
    """Return an empty panel, `height` inches high. Settings go on the axes, never on matplotlib's globals."""
    figure = Figure(figsize=(WIDTH, height), facecolor="none")
    figure.set_layout_engine("tight", pad=PAD)
    axes = figure.add_subplot(facecolor="none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["bottom", "left"]].set_color(GREY)
    axes.tick_params(which="both", colors=GREY, labelcolor=INK, labelsize=TEXT - 0.5)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def rows_panel(names: list[str], row: float = 0.36) -> tuple[Figure, Axes]:
    """Return a panel with one named row for each of `names`, the first on top."""
    figure, axes = panel(max(2.1, 1.0 + row * len(names)))
    axes.set_yticks(range(len(names)), [shorten(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def name_axes(axes: Axes, x: str, y: str) -> None:
    """Label both axes.

    Args:
        axes: Of a panel.
        x: Below it.
        y: Left of it.
    """
    axes.set_xlabel(x, color=INK, fontsize=TEXT)
    axes.set_ylabel(y, color=INK, fontsize=TEXT)


def legend(axes: Axes, where: Literal["best", "lower right"] = "best", columns: int = 1) -> None:
    """Add a legend inside the plot.

    Args:
        axes: Of a panel.
        where: Its place.
        columns: Entries side by side.
    """
    axes.legend(
        loc=where, ncols=columns, fontsize=TEXT - 1, labelcolor=INK, framealpha=0.85, edgecolor="none",
        handlelength=1.6, borderaxespad=0.3,
    )  # fmt: skip


def legend_above(figure: Figure, axes: Axes) -> None:
    """Add a legend in one line above the plot, for plots that leave no corner free."""
    handles, names = axes.get_legend_handles_labels()
    crowded = len(names) > 2
    figure.legend(
        handles, names, loc="upper left", ncols=max(1, len(names)), fontsize=TEXT - (2.8 if crowded else 1.5),
        labelcolor=INK, frameon=False, handlelength=1.0 if crowded else 1.4, columnspacing=0.7 if crowded else 1.2,
        handletextpad=0.5, borderaxespad=0,
    )  # fmt: skip
    figure.set_layout_engine("tight", pad=PAD, rect=(0, 0, 1, 1 - 0.24 / figure.get_figheight()))


def shorten(name: str, limit: int = 24) -> str:
    """Return `name` with its middle left out if it is longer than `limit` characters."""
    head = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:head]}…{name[-(limit - 1 - head) :]}"
