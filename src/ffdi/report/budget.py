"""How many members the blend needs, and what each costs."""

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ffdi.blending.budget import Budget, Point
from ffdi.blending.cost import MEMBERS, MINUTES, PARAMETERS, Cost
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Picture, Section, Text
from ffdi.report.table import Table, counted, interval, table

CAPTION = (
    "Equal weights. AUC is nested: which members these are was learned on the other folds. Minutes: to predict the "
    "test images with all folds and views, at the speed measured where they were predicted."
)


def sections(found: Budget | None) -> tuple[Section, ...]:
    """None where fewer than two members held rows out."""
    if found is None:
        return ()
    pictures = [
        _picture(found.grown, found.costs[0], "Grown member by member", "The next is the one that raises AUC most."),
        _picture(
            found.dropped, Cost(MEMBERS, {}), "Dropped one by one", "The next to go is the one that is missed least."
        ),
    ]
    return (Section("How many members", (Text(verdict(found)), *pictures, _table(found))),)


def verdict(found: Budget) -> str:
    """Who is left out, or how few members do as well as all of them."""
    if found.left_out:
        limits = " and ".join(f"{cost.limit:,.10g} {cost.unit}" for cost in found.costs if cost.limit is not None)
        return f"Left out to stay within {limits}: {', '.join(found.left_out)}."
    whole = found.dropped[0]
    enough = min((point for point in found.dropped if point.nested.value >= whole.nested.low), key=_count)
    return (
        f"With {counted(_count(enough), 'member')} ({', '.join(enough.members)}) the nested AUC, "
        f"{enough.nested.value:.4f}, is still inside the interval of all {_count(whole)} ({whole.nested.value:.4f}, "
        f"{interval(whole.nested.low, whole.nested.high)})."
    )


def curve(points: tuple[Point, ...], cost: Cost) -> Figure:
    """Nested AUC with its interval against cost, points marked with the number of members."""
    figure, axes = style.panel()
    spent = [float(_count(point)) if cost.unit == MEMBERS else point.costs[cost.unit] for point in points]
    axes.fill_between(
        spent, [one.nested.low for one in points], [one.nested.high for one in points], color=style.BLUE, alpha=0.15,
        linewidth=0,
    )  # fmt: skip
    axes.plot(spent, [one.nested.value for one in points], "o-", color=style.BLUE, linewidth=1.8, markersize=5)
    named = [] if cost.unit == MEMBERS else list(zip(points, spent, strict=True))[:20]
    for one, at in named:
        axes.annotate(
            str(len(one.members)), (at, one.nested.value), (0, 6), textcoords="offset points", ha="center",
            fontsize=style.TEXT - 1, color=style.INK,
        )  # fmt: skip
    if cost.limit is not None and cost.limit <= 2 * max(spent):
        axes.axvline(cost.limit, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_xlim(left=0)
    axes.margins(y=0.12)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=cost.unit != MINUTES))
    if cost.unit == PARAMETERS:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e6:g} M"))
    figures = "" if cost.unit == MEMBERS else " (figures: members)"
    style.name_axes(axes, f"{cost.unit}{figures}", "nested AUC (band: 95%)")
    return figure


def _picture(points: tuple[Point, ...], cost: Cost, title: str, caption: str) -> Picture:
    alt = f"{title}: " + ", ".join(f"{len(one.members)} {one.nested.value:.4f}" for one in points)
    return embed(curve(points, cost), title, alt, caption)


def _table(found: Budget) -> Table:
    units = [cost.unit for cost in found.costs if cost.unit != MEMBERS]
    rows = [
        {
            "way": way,
            "members": len(one.members),
            **{unit: one.costs[unit] for unit in units},
            "nested_AUC": one.nested.value,
            "95% interval": interval(one.nested.low, one.nested.high),
            "who": ", ".join(one.members),
        }
        for way, points in (("grown", found.grown), ("dropped", found.dropped))
        for one in points
    ]
    limits = "".join(f" Limit: {cost.limit:,.10g} {cost.unit}." for cost in found.costs if cost.limit is not None)
    formats = {"nested_AUC": ".4f", MINUTES: ".2f", PARAMETERS: ",.0f"}
    return table(pd.DataFrame(rows), "Members and their cost", CAPTION + limits, formats, most=100)


def _count(point: Point) -> int:
    return len(point.members)
