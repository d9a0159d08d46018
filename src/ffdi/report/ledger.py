"""The page of the ledger: do the leaderboard scores agree with nested CV and with the forecasts?"""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Section, Text
from ffdi.report.table import Table, counted, interval, table
from ffdi.submission.inversions import Inversion, comparable_pairs, forecast_misses, inversions, sentences
from ffdi.submission.ledger import MEANING, STATUSES, Row

NAMED = 20  # submissions up to which each dot has its number; with more, only those with a warning
BY_CHANCE = 0.025  # share of pairs that noise inverts at most (two-sided 95%)
MISSED_BY_CHANCE = 0.1  # share of scores outside a 90% forecast
OPEN = ("pending", "lost", "sent")


def page(rows: Sequence[Row], made_from: Mapping[str, str]) -> Page:
    """Return the page. `rows`: all submissions that were sent, in the ledger's order."""
    slugs = sorted({row.competition for row in rows})
    sections = [Section(slug, _competition([row for row in rows if row.competition == slug])) for slug in slugs]
    return Page(
        title=f"Ledger of {counted(len(rows), 'submission')}",
        headline=_headline(rows),
        facts=_facts(rows),
        sections=(*sections, Section("Every submission", (_table(rows),))),
        provenance=made_from,
    )


def _headline(rows: Sequence[Row]) -> str:
    scored = [row for row in rows if row.public is not None]
    known = [row for row in scored if row.forecast_low is not None]
    if not scored:
        return f"{counted(len(rows), 'submission')}, no score yet."
    if not known:
        return f"{counted(len(scored), 'public score')}, no forecast to compare with."
    inverted, missed, pairs = len(inversions(rows)), len(forecast_misses(rows)), len(comparable_pairs(rows))
    if not inverted and not missed:
        told = f"{counted(len(known), 'score')} inside the forecast, no rank inversion"
        return f"The leaderboard agrees with nested CV: {told}."
    told = f"{counted(inverted, 'rank inversion')} beyond noise, {counted(missed, 'score')} outside the forecast"
    if inverted <= BY_CHANCE * pairs and missed <= MISSED_BY_CHANCE * len(known):
        return f"The leaderboard agrees with nested CV: {told}, no more than chance brings."
    return f"The leaderboard contradicts nested CV: {told}."


def _facts(rows: Sequence[Row]) -> tuple[Fact, ...]:
    counts = {status: sum(row.status == status for row in rows) for status in STATUSES}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    facts = [Fact("submissions", f"{len(rows):,}", told)]
    scored = [row for row in rows if row.public is not None]
    if scored:
        best = max(scored, key=_public)
        facts.append(Fact("best public AUC", f"{best.public:.5f}", best.submission))
    shifts = pd.Series([_public(row) - _nested(row) for row in scored if row.honest is not None], dtype=float)
    if len(shifts):
        spread = f"{shifts.min():+.4f} to {shifts.max():+.4f}"
        facts.append(Fact("public less nested, median", f"{shifts.median():+.4f}", spread))
    pairs = comparable_pairs(rows)
    if pairs:
        kept = sum((_nested(one) - _nested(two)) * (_public(one) - _public(two)) >= 0 for one, two in pairs)
        told = f"{len(inversions(rows))} inverted beyond noise"
        facts.append(Fact("pairs in the expected order", f"{kept:,} of {len(pairs):,}", told))
    return tuple(facts)


def _competition(rows: Sequence[Row]) -> tuple[Block, ...]:
    shown = [row for row in rows if row.honest is not None and row.public is not None]
    blocks: list[Block] = [Text(sentence, warning=True) for sentence in sentences(rows)]
    if shown:
        caption = (
            "Bars: 90% forecast of the public score. Dashed: public equals nested. Orange: outside the forecast, or "
            "joined: in the wrong order beyond noise. One forecast in ten is missed by chance."
        )
        blocks.append(embed(scatter(shown, inversions(rows)), "Nested and public AUC", caption))
    pairs = len(comparable_pairs(rows))
    if pairs:
        blocks.append(
            Text(f"{counted(pairs, 'pair')} compared at 95%: chance alone inverts up to {BY_CHANCE * pairs:.1f}.")
        )
    waiting = [row for row in rows if row.status in OPEN]
    blocks += [Text(f"{row.submission}, {row.date}: {row.status}, {MEANING[row.status]}.") for row in waiting]
    return tuple(blocks) or (Text("No score to compare yet."),)


def scatter(rows: Sequence[Row], inverted: Sequence[Inversion]) -> Figure:
    """Draw public against nested AUC, forecasts as bars. `rows` have both scores; `inverted` pairs are joined."""
    figure, axes = style.panel(height=4.0)
    missed = {one.row.tag for one in forecast_misses(rows)}
    for row in rows:
        if row.forecast_low is not None and row.forecast_high is not None:
            axes.vlines(_nested(row), row.forecast_low, row.forecast_high, color=style.BLUE, linewidth=5, alpha=0.16)
        colour = style.ORANGE if row.tag in missed else style.BLUE
        axes.plot(_nested(row), _public(row), "o", color=colour, markersize=6, zorder=3)
    for pair in inverted:
        ends = (pair.better, pair.worse)
        axes.plot([_nested(row) for row in ends], [_public(row) for row in ends], color=style.ORANGE, linewidth=1.6)
    low, high = min(map(_nested, rows)), max(map(_nested, rows))
    pad = max(0.002, 0.06 * (high - low))
    ends_2 = [low - pad, high + pad]
    axes.plot(ends_2, ends_2, color=style.GREY, linewidth=1.2, linestyle=style.DASHED, zorder=1)
    marked = missed | {row.tag for pair in inverted for row in (pair.better, pair.worse)}
    for row in rows:
        if len(rows) <= NAMED or row.tag in marked:
            axes.annotate(row.submission.partition("-")[0], (_nested(row), _public(row)), (5, 4), color=style.INK,
                          textcoords="offset points", fontsize=style.TEXT - 2)  # fmt: skip
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    style.name_axes(axes, "nested AUC (OOF AUC where there is none)", "public AUC")
    return figure


def _table(rows: Sequence[Row]) -> Table:
    lines = [
        {
            "submission": row.submission, "sent": row.date.removesuffix("+00:00").replace("T", " "),
            "competition": row.competition, "method": row.method, "OOF": row.oof, "nested": row.nested,
            "forecast": interval(_number(row.forecast_low), _number(row.forecast_high)),
            "public": row.public, "private": row.private, "status": row.status, "reason": row.error,
            "content": f"{row.kernel} v{row.version}" if row.kernel else row.sha256[:12], "tag": row.tag,
        }
        for row in reversed(rows)
    ]  # fmt: skip
    frame = pd.DataFrame(lines).astype(dict.fromkeys(("OOF", "nested", "public", "private"), float))
    formats = {"OOF": ".4f", "nested": ".4f", "public": ".5f", "private": ".5f"}
    caption = "AUC. Dates in UTC. Forecast: 90% interval of the public score."
    return table(frame, "Newest first", caption, formats, limit=500)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _nested(row: Row) -> float:
    return _number(row.honest)


def _public(row: Row) -> float:
    return _number(row.public)
