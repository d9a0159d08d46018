"""The forecast of the board: what the submission may score, and which two to select in the end."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.blend.forecast import UNKNOWN, Forecast, sentences
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Section, Text
from ffdi.report.table import Table, interval, percent, table

COLOURS = {"public": style.AMBER, "private": style.BLUE}


def sections(found: Forecast | None) -> tuple[Section, ...]:
    """None without a forecast."""
    if found is None:
        return ()
    texts = [Text(sentence, warning=sentence == UNKNOWN) for sentence in sentences(found)]
    spans = [f"{name} {interval(one.private.low, one.private.high)}" for name, one in found.outlooks.items()]
    alt = f"Private AUC, {found.level:.0%} interval: {', '.join(spans)}"
    board = found.board
    caption = (
        f"{board.public_rows:,} public and {board.private_rows:,} private images, {board.fake_share:.0%} fake, drawn "
        "from the kinds of images that were held out."
    )
    picture = embed(dots(found), "What the board may show", alt, caption)
    return (Section("The board", (*texts, picture, _table(found))),)


def dots(found: Forecast) -> Figure:
    """For each candidate the interval of its AUC on the public board above that on the private one."""
    names = list(found.outlooks)
    figure, axes = style.rows_panel(names, row=0.42)
    for shift, (kind, colour) in zip((-0.14, 0.14), COLOURS.items(), strict=True):
        shown = [getattr(one, kind) for one in found.outlooks.values()]
        place = [row + shift for row in range(len(names))]
        lows, highs = [one.low for one in shown], [one.high for one in shown]
        axes.hlines(place, lows, highs, color=colour, linewidth=2.2, alpha=0.6)
        axes.plot([one.value for one in shown], place, "o", color=colour, markersize=4.5, label=kind)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, f"AUC (lines: {found.level:.0%} interval)", "")
    style.legend_above(figure, axes)
    return figure


def _table(found: Forecast) -> Table:
    rows = [
        {
            "candidate": name,
            "AUC": one.private.value,
            "public": interval(one.public.low, one.public.high),
            "private": interval(one.private.low, one.private.high),
            "beats the best on private": "" if name == found.best else percent(one.chance, 0),
            "rank correlation": one.likeness,
            "selected": {found.best: "best", found.second: "differs"}.get(name, ""),
        }
        for name, one in found.outlooks.items()
    ]
    formats = {"AUC": ".4f", "rank correlation": ".3f"}
    caption = "Rank correlation: of the held-out scores with those of the best."
    return table(pd.DataFrame(rows), f"Candidates, {found.level:.0%} intervals", caption, formats)
