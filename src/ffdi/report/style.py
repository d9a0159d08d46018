"""The style of every plot, one word for each label, and how a plot becomes a picture of a page.

A panel is 4.6 inches wide, so its letters stay readable on a screen of 380 pixels. The page sets panels side by side.
"""

import io

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ffdi.report.page import Picture, data_uri

# Colours of Okabe and Ito (2008): people with any common colour blindness can tell them apart.
BLUE = "#0072B2"
SERIES = (BLUE, "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#1b1f24")
GREY, GRID, INK = "#6b7280", "#e3e6ea", "#24292f"
DASHED = (0, (4, 3))

LABELS = {1: "fake", 0: "original", -1: "unlabelled"}  # word for each target

WIDTH, HEIGHT = 4.6, 3.1  # inches
TEXT = 10.5  # points
PAD = 0.4  # margin around a plot, in letter heights
DPI = 160  # a panel is then 736 pixels wide, sharp on dense screens


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


def name_axes(axes: Axes, x: str, y: str) -> None:
    """Label both axes.

    Args:
        axes: Of a panel.
        x: Below it.
        y: Left of it.
    """
    axes.set_xlabel(x, color=INK, fontsize=TEXT)
    axes.set_ylabel(y, color=INK, fontsize=TEXT)


def legend(figure: Figure, axes: Axes) -> None:
    """Add a legend above the plot, in lines of four."""
    handles, names = axes.get_legend_handles_labels()
    lines = -(-len(names) // 4)
    figure.legend(handles, names, loc="upper left", ncols=4, fontsize=TEXT - (1.5 if len(names) < 3 else 2.8),
                  labelcolor=INK, frameon=False, handlelength=1.2, columnspacing=0.9, borderaxespad=0)  # fmt: skip
    figure.set_layout_engine("tight", pad=PAD, rect=(0, 0, 1, 1 - 0.24 * lines / figure.get_figheight()))


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


def shorten(name: str, limit: int = 24) -> str:
    """Return `name` with its middle left out if it is longer than `limit` characters."""
    head = (limit - 1) // 2
    return name if len(name) <= limit else f"{name[:head]}…{name[-(limit - 1 - head) :]}"
