"""What each way to blend is worth: in-sample beside nested, so that the optimism shows."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.blending.choice import Choice
from ffdi.blending.honest import YARDSTICK
from ffdi.blending.honest import table as honest_table
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Section, Text
from ffdi.report.table import Table, interval, table

TITLE = "How to weigh the members"
HEADINGS = {
    "in_sample": "in-sample AUC",
    "nested": "nested AUC",
    "gain": f"gain over {YARDSTICK}",
    "gain_interval": "95% interval",
}


def section(choice: Choice) -> Section:
    """The reason of the choice; with at least two members that held rows out, the honest table and its dot plot."""
    if choice.found is None:
        return Section(TITLE, (Text(choice.why),))
    frame = honest_table(choice.found)
    worst = frame.iloc[int(frame["optimism"].argmax())]
    caption = (
        "Nested: every fold is weighted by what the other folds taught; near-duplicates never part. "
        f"In-sample, {worst['method']} flatters itself most, by {worst['optimism']:.4f}."
    )
    alt = "Nested AUC: " + ", ".join(f"{row.method} {row.nested:.4f}" for row in frame.itertuples())
    gain_alt = "Gain: " + ", ".join(f"{row.method} {row.gain:+.4f}" for row in frame.itertuples())
    return Section(
        TITLE,
        (
            Text(choice.why),
            embed(dots(frame), "In-sample against nested AUC", alt, caption),
            embed(gains(frame), f"Nested gain over {YARDSTICK}", gain_alt, "An interval across 0 is noise."),
            _table(frame, choice.row),
        ),
    )


def dots(frame: pd.DataFrame) -> Figure:
    """Nested AUC filled, with its interval; in-sample AUC hollow. `frame`: as `honest.table` makes it."""
    figure, axes = style.rows_panel(list(frame["method"]))
    place = range(len(frame))
    axes.hlines(place, frame["low"], frame["high"], color=style.BLUE, linewidth=2.2, alpha=0.55)
    axes.plot(
        frame["in_sample"], place, "o", color=style.ORANGE, markersize=8, markerfacecolor="none", label="in-sample"
    )
    axes.plot(frame["nested"], place, "o", color=style.BLUE, markersize=5.5, label="nested, 95% interval")
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, "AUC", "")
    style.legend_above(figure, axes)
    return figure


def gains(frame: pd.DataFrame) -> Figure:
    """Differences of paired nested AUCs with their intervals; the line at 0 is the yardstick."""
    figure, axes = style.rows_panel(list(frame["method"]))
    place = range(len(frame))
    axes.axvline(0, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.hlines(place, frame["gain_low"], frame["gain_high"], color=style.BLUE, linewidth=2.2, alpha=0.55)
    axes.plot(frame["gain"], place, "o", color=style.BLUE, markersize=5.5)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, "difference of AUC (lines: 95% interval)", "")
    return figure


def _table(frame: pd.DataFrame, row: str) -> Table:
    shown = frame[["method", "in_sample", "nested"]].copy()
    shown["95% interval"] = [interval(*pair) for pair in zip(frame["low"], frame["high"], strict=True)]
    shown["optimism"], shown["gain"] = frame["optimism"], frame["gain"]
    bounds = zip(frame["gain_low"], frame["gain_high"], strict=True)
    shown["gain_interval"] = [interval(*pair, "+.4f") for pair in bounds]
    shown["method"] = [f"{name} *" if name == row else name for name in frame["method"]]
    formats = {"in_sample": ".4f", "nested": ".4f", "optimism": "+.4f", "gain": "+.4f"}
    return table(shown, "The honest table, simplest method first", "* blends.", formats, HEADINGS)
