"""How many members the blend needs, and what each costs."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ffdi.blend.budget import Budget, Point
from ffdi.report import style
from ffdi.report.figures import Picture, embed
from ffdi.report.page import Section
from ffdi.report.table import Table, interval, table

CAPTION = "Equal weights. AUC is nested: which members these are was learned on the other folds."


def sections(found: Budget | None) -> tuple[Section, ...]:
    """None where fewer than two members held rows out."""
    if found is None:
        return ()
    pictures = [_picture(found.dropped, found, "Dropped one by one", "The next to go is the one that is missed least.")]
    if found.grown:  # no member may fit the budget
        caption = "The next is the one that raises AUC most."
        pictures.insert(0, _picture(found.grown, found, "Grown member by member", caption))
    return (Section("How many members", (*pictures, _table(found))),)


def curve(points: tuple[Point, ...], unit: str, limit: int | None) -> Figure:
    """Nested AUC with its interval against cost, points marked with the number of members."""
    figure, axes = style.panel()
    costs = [point.cost for point in points]
    axes.fill_between(
        costs, [one.nested.low for one in points], [one.nested.high for one in points], color=style.BLUE, alpha=0.15,
        linewidth=0,
    )  # fmt: skip
    axes.plot(costs, [one.nested.value for one in points], "o-", color=style.BLUE, linewidth=1.8, markersize=5)
    for one in points[:20]:
        axes.annotate(
            str(len(one.members)), (one.cost, one.nested.value), (0, 6), textcoords="offset points", ha="center",
            fontsize=style.TEXT - 1, color=style.INK,
        )  # fmt: skip
    if limit is not None and limit <= 2 * max(costs):
        axes.axvline(limit, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_xlim(left=0)
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if unit == "parameters":
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e6:g} M"))
    style.name_axes(axes, f"{unit} (figures: members)", "nested AUC (band: 95%)")
    return figure


def _picture(points: tuple[Point, ...], found: Budget, title: str, caption: str) -> Picture:
    alt = f"{title}: " + ", ".join(f"{len(one.members)} {one.nested.value:.4f}" for one in points)
    return embed(curve(points, found.unit, found.limit), title, alt, caption)


def _table(found: Budget) -> Table:
    rows = [
        {
            "way": way,
            "members": len(one.members),
            found.unit if found.unit != "members" else "cost": one.cost,
            "nested_AUC": one.nested.value,
            "95% interval": interval(one.nested.low, one.nested.high),
            "who": ", ".join(one.members),
        }
        for way, points in (("grown", found.grown), ("dropped", found.dropped))
        for one in points
    ]
    limit = f" Limit: {found.limit:,} {found.unit}." if found.limit is not None else ""
    return table(pd.DataFrame(rows), "Members and their cost", CAPTION + limit, {"nested_AUC": ".4f"}, most=100)
