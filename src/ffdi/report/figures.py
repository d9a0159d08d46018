"""Turn a matplotlib figure into a picture of a page: SVG or PNG, whichever is smaller."""

import io

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ffdi.report.page import Picture, data_uri

PNG_DPI = 160  # a panel is then 736 pixels wide, sharp on dense screens
LARGEST_SVG = 90_000  # bytes; a larger SVG is replaced by a PNG if that is smaller


def embed(figure: Figure, title: str, caption: str = "", alt: str = "") -> Picture:
    """Return `figure` as SVG, or as PNG where the SVG is large. Equal figures give equal bytes.

    Args:
        figure: The plot.
        title: Shown above it.
        caption: Shown below it.
        alt: The plot in words; default: title and caption.
    """
    width, height = figure.get_size_inches() * 96
    svg = _saved(figure, "svg")
    source = data_uri(svg, "image/svg+xml")
    if len(svg) > LARGEST_SVG:
        source = min(source, data_uri(_saved(figure, "png"), "image/png"), key=len)
    return Picture(title, alt or f"{title}. {caption}".strip(), source, caption, round(width), round(height))


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    # `print_*` of the canvas saves a third of the time of `savefig`, which draws twice.
    # Without a fixed salt and with a date, each SVG would differ from the last.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "ffdi"}):
        if kind == "svg":
            FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
        else:
            figure.set_dpi(PNG_DPI)
            FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
