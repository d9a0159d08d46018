"""A matplotlib figure as one string that a page can hold: SVG or PNG, whichever is smaller."""

import base64
import io

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from ffdi.report.page import Picture

PNG_DPI = 160  # a panel is 800 pixels wide: sharp on a screen of twice the usual density
SHARP_UP_TO = 90_000  # bytes; an SVG below this is taken even if a PNG is smaller, it stays sharp when enlarged


def embed(figure: Figure, title: str, alt: str, caption: str = "") -> Picture:
    """`figure` inside a Picture. Figures made alike give the same bytes."""
    width, height = figure.get_size_inches() * 96
    svg = _saved(figure, "svg")
    source = data_uri(svg, "image/svg+xml")
    if len(svg) > SHARP_UP_TO:
        png = _saved(figure, "png")
        source = min(source, data_uri(png, "image/png"), key=len)
    return Picture(title, alt, source, caption, round(width), round(height))


def data_uri(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    # `print_*` of the canvas instead of `savefig`, which draws everything once more to no end: a third of the time.
    # A fixed salt and no date: ids and metadata of an SVG are otherwise new on every call.
    with matplotlib.rc_context({"svg.fonttype": "path", "svg.hashsalt": "ffdi"}):
        if kind == "svg":
            FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
        else:
            figure.set_dpi(PNG_DPI)
            FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()
