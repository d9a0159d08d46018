"""The forecast of the board: what the submission may score, and which two to select in the end."""

import math

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.blending.forecast import UNKNOWN, Forecast, sentences
from ffdi.report import plots, style
from ffdi.report.figures import embed
from ffdi.report.page import Picture, Section, Text
from ffdi.report.table import Table, interval, percent, table

DUELS = 8  # candidates in the table of who beats whom; more numbers cannot be read
COLOURS = {"public": style.AMBER, "private": style.BLUE}


def sections(found: Forecast | None) -> tuple[Section, ...]:
    """None without a forecast."""
    if found is None:
        return ()
    texts = [Text(sentence, warning=sentence == UNKNOWN) for sentence in sentences(found)]
    spans = [f"{name} {interval(one.private.low, one.private.high)}" for name, one in found.outlooks.items()]
    alt = f"Private AUC, {found.level:.0%} interval: {', '.join(spans)}"
    board = found.board
    mix = f", {' and '.join(f'{share:.0%} {name}' for name, share in board.mix.items())}" if board.mix else ""
    dotted = " Dots reach down to where forgeries of unseen kinds may take it." if found.gap.lost else ""
    caption = (
        f"{board.public_rows:,} public and {board.private_rows:,} private images, {board.fake_share:.0%} fake{mix}, "
        f"drawn from the kinds of images that were held out, near-duplicates together.{dotted}"
    )
    pictures = [embed(dots(found), "What the board may show", alt, caption)]
    if len(found.outlooks) > 1:
        pictures.append(_duels(found))
    return (Section("The board", (*texts, *pictures, _table(found))),)


def dots(found: Forecast) -> Figure:
    """For each candidate the interval of its AUC on the public board above that on the private one."""
    names = list(found.outlooks)
    figure, axes = style.rows_panel(names, row=0.42)
    for shift, (kind, colour) in zip((-0.14, 0.14), COLOURS.items(), strict=True):
        shown = [getattr(one, kind) for one in found.outlooks.values()]
        place = [row + shift for row in range(len(names))]
        lows, highs = [one.low for one in shown], [one.high for one in shown]
        axes.hlines(place, lows, highs, color=colour, linewidth=2.2, alpha=0.6)
        if found.gap.lost:
            lowest = [one.lowest[kind] for one in found.outlooks.values()]
            axes.hlines(place, lowest, lows, color=colour, linewidth=1.4, linestyle=(0, (1, 2)))
        axes.plot([one.value for one in shown], place, "o", color=colour, markersize=4.5, label=kind)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, f"AUC (lines: {found.level:.0%} interval)", "")
    style.legend_above(figure, axes)
    return figure


def _duels(found: Forecast) -> Picture:
    """Who beats whom, of the candidates selected and the best of the others."""
    selected = [name for name in (found.best, found.second) if name is not None]
    others = sorted(found.outlooks.keys() - set(selected), key=lambda name: (-found.outlooks[name].private.value, name))
    names = [*selected, *others][:DUELS]
    matrix = pd.DataFrame(
        [[math.nan if mine == theirs else 100 * found.beats[mine][theirs] for theirs in names] for mine in names],
        index=names,
        columns=names,
    )
    alt = f"Chance that {names[0]} has the higher private AUC: " + ", ".join(
        f"{found.beats[names[0]][name]:.0%} against {name}" for name in names[1:]
    )
    cut = f" The selected, then the best of {len(found.outlooks)}." if len(found.outlooks) > DUELS else ""
    caption = f"Percent of drawn private boards on which the row's AUC is above the column's.{cut}"
    return embed(plots.chances(matrix), "Who beats whom", alt, caption)


def _table(found: Forecast) -> Table:
    rows = [
        {
            "candidate": name,
            "AUC": one.private.value,
            "public": interval(one.public.low, one.public.high),
            "private": interval(one.private.low, one.private.high),
            "unseen kinds: from": one.lowest.get("private", math.nan),
            "beats it": "" if name == found.best else percent(one.chance, 0),
            "rank correlation": one.likeness,
            "selected": {found.best: "sent", found.second: "second"}.get(name, ""),
        }
        for name, one in found.outlooks.items()
    ]
    frame = pd.DataFrame(rows)
    if found.gap.lost is None:
        frame = frame.drop(columns="unseen kinds: from")
    formats = {"AUC": ".4f", "rank correlation": ".3f", "unseen kinds: from": ".4f"}
    caption = (
        "AUC is nested. Beats it: the chance of a higher private AUC than that of what is sent. Rank correlation: of "
        "the held-out scores with its."
    )
    if found.gap.lost:
        caption += " Unseen kinds: the lower limit of the private AUC on a board that holds no others."
    return table(frame, f"Candidates, {found.level:.0%} intervals", caption, formats)
