"""The page of the ledger: do the leaderboard scores agree with nested CV and with the forecasts?"""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.core import digest
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Section, Text, provenance
from ffdi.report.table import Table, counted, intervals, table
from ffdi.submission.inversions import comparable_pairs, forecast_misses, inversions, sentences
from ffdi.submission.ledger import MEANING, Row

NAMED = 20  # submissions up to which each dot has its number; with more, only those with a warning
BY_CHANCE = 0.025  # share of pairs that noise inverts at most (two-sided 95%)
MISSED_BY_CHANCE = 0.1  # share of scores outside a 90% forecast
OPEN = ("pending", "lost", "sent")
NUMBERS = ("oof", "nested", "forecast_low", "forecast_high", "public", "private", "expected")
SHOWN = ["submission", "sent", "competition", "method", "oof", "nested", "forecast", "public", "private", "status",
         "error", "content", "tag"]  # fmt: skip


def page(rows: Sequence[Row]) -> Page:
    """Return the page. `rows`: all submissions that were sent, in the ledger's order."""
    slugs = sorted({row.competition for row in rows})
    sections = [Section(slug, _competition([row for row in rows if row.competition == slug])) for slug in slugs]
    return Page(
        title=f"Ledger of {counted(len(rows), 'submission')}",
        headline=_headline(rows),
        facts=_facts(rows),
        sections=(*sections, Section("Every submission", (_table(rows),))),
        provenance=provenance("ffdi ledger", {"ledger": digest.of_json(list(map(vars, rows)))}),
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
    frame = _frame(rows)
    counts = ", ".join(f"{count} {status}" for status, count in frame["status"].value_counts().items())
    facts = [Fact("submissions", f"{len(rows):,}", counts)]
    if frame["public"].notna().any():
        best = frame.iloc[int(frame["public"].argmax())]
        facts.append(Fact("best public AUC", f"{best['public']:.5f}", best["submission"]))
    shifts = (frame["public"] - frame["expected"]).dropna()
    if len(shifts):
        spread = f"{shifts.min():+.4f} to {shifts.max():+.4f}"
        facts.append(Fact("public less nested, median", f"{shifts.median():+.4f}", spread))
    pairs = len(comparable_pairs(rows))
    if pairs:
        chance = f"chance alone inverts up to {BY_CHANCE * pairs:.1f}"
        facts.append(Fact("pairs inverted beyond noise", f"{len(inversions(rows)):,} of {pairs:,}", chance))
    return tuple(facts)


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    """Return the rows as a table; `expected` is the nested AUC, or the OOF AUC where there is none."""
    frame = pd.DataFrame([vars(row) | {"expected": row.expected} for row in rows])
    return frame.astype(dict.fromkeys(NUMBERS, float))


def _competition(rows: Sequence[Row]) -> tuple[Block, ...]:
    shown = [row for row in rows if row.expected is not None and row.public is not None]
    blocks: list[Block] = [Text(sentence, warning=True) for sentence in sentences(rows)]
    if shown:
        caption = (
            "Bars: 90% forecast of the public score. Dashed: public equals nested. Orange: outside the forecast, or "
            "joined: in the wrong order beyond noise. One forecast in ten is missed by chance."
        )
        blocks.append(embed(_scatter(shown), "Nested and public AUC", caption))
    waiting = [row for row in rows if row.status in OPEN]
    blocks += [Text(f"{row.submission}, {row.date}: {row.status}, {MEANING[row.status]}.") for row in waiting]
    return tuple(blocks) or (Text("No score to compare yet."),)


def _scatter(rows: Sequence[Row]) -> Figure:
    """Draw public against expected AUC, forecasts as bars; inverted pairs are joined. `rows` have both scores."""
    figure, axes = style.panel(height=4.0)
    frame, inverted = _frame(rows).set_index("tag"), inversions(rows)
    x, y = frame["expected"], frame["public"]
    axes.vlines(x, frame["forecast_low"], frame["forecast_high"], color=style.BLUE, linewidth=5, alpha=0.16)
    for pair in inverted:
        ends = [pair.better.tag, pair.worse.tag]
        axes.plot(x[ends], y[ends], color=style.ORANGE, linewidth=1.6)
    missed = [row.tag for row in forecast_misses(rows)]
    axes.plot(x, y, "o", color=style.BLUE, markersize=6, zorder=3)
    axes.plot(x[missed], y[missed], "o", color=style.ORANGE, markersize=6, zorder=4)
    pad = max(0.002, 0.06 * float(x.max() - x.min()))
    diagonal = [x.min() - pad, x.max() + pad]
    axes.plot(diagonal, diagonal, color=style.GREY, linewidth=1.2, linestyle=style.DASHED, zorder=1)
    marked = {*missed, *(row.tag for pair in inverted for row in (pair.better, pair.worse))}
    for row in rows:
        if len(rows) <= NAMED or row.tag in marked:
            axes.annotate(row.submission.partition("-")[0], (x[row.tag], y[row.tag]), (5, 4), color=style.INK,
                          textcoords="offset points", fontsize=style.TEXT - 2)  # fmt: skip
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    style.name_axes(axes, "nested AUC (OOF AUC where there is none)", "public AUC")
    return figure


def _table(rows: Sequence[Row]) -> Table:
    frame = _frame(rows)[::-1]
    content = [f"{row.kernel} v{row.version}" if row.kernel else row.sha256[:12] for row in reversed(rows)]
    frame = frame.assign(
        sent=frame["date"].str.removesuffix("+00:00").str.replace("T", " "), content=content,
        forecast=intervals(frame, "forecast_low", "forecast_high"),
    )  # fmt: skip
    formats = {"oof": ".4f", "nested": ".4f", "public": ".5f", "private": ".5f"}
    caption = "AUC. Dates in UTC. Forecast: 90% interval of the public score."
    return table(frame[SHOWN], "Newest first", caption, formats, {"oof": "OOF", "error": "reason"}, limit=500)
