"""The page of the ledger: does the board confirm what was held of the submissions before they were sent?"""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.blending.forecast import LEVEL
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Block, Fact, Page, Picture, Section, Text
from ffdi.report.table import Table, counted, interval, table
from ffdi.submission.alarms import Inversion, Surprise, compared, inversions, sentences, surprises
from ffdi.submission.row import MEANING, STATUSES, Row

NAMED = 20  # submissions up to which every dot carries its number; above, those with an alarm alone
SHOWN = 30  # the newest scored ones, of which each has a line in the second picture
TURNED_BY_CHANCE = 0.025  # of the pairs, at most: noise is two-sided at 95 %
MISSED_BY_CHANCE = 1 - LEVEL
OPEN = ("pending", "lost", "sent")


def page(rows: Sequence[Row], provenance: Mapping[str, str] | None = None) -> Page:
    """`rows`: all sends, in the ledger's order."""
    slugs = sorted({row.competition for row in rows})
    sections = [_competition(slug, [row for row in rows if row.competition == slug]) for slug in slugs]
    return Page(
        title=f"Ledger of {counted(len(rows), 'send')}",
        headline=_headline(rows),
        facts=_facts(rows),
        sections=(*sections, Section("Every send", (_table(rows),))),
        provenance=provenance or {},
    )


def _headline(rows: Sequence[Row]) -> str:
    scored = [row for row in rows if row.public is not None]
    if not scored:
        return f"{counted(len(rows), 'send')}, and no score yet."
    judged = [row for row in scored if row.forecast_low is not None]
    if not judged:
        return f"{counted(len(scored), 'public score')}, and no forecast to compare with."
    turned, odd, pairs = len(inversions(rows)), len(surprises(rows)), len(compared(rows))
    found = f"{counted(turned, 'rank inversion')} beyond noise, {counted(odd, 'score')} outside the forecast"
    if not turned and not odd:
        number = counted(len(judged), "public score")
        return f"The board confirms the honest scores: {number} as forecast, no rank inversion."
    if turned <= TURNED_BY_CHANCE * pairs and odd <= MISSED_BY_CHANCE * len(judged):
        return f"The board is as the honest scores have it: {found}, no more than chance brings."
    return f"The board contradicts the honest scores: {found}."


def _facts(rows: Sequence[Row]) -> tuple[Fact, ...]:
    facts = [Fact("sends", f"{len(rows):,}", _counts(rows))]
    scored = [row for row in rows if row.public is not None]
    if scored:
        best = max(scored, key=lambda row: row.public or 0.0)
        facts.append(Fact("best public AUC", f"{best.public:.5f}", best.submission))
    drops = pd.Series([_drop(row) for row in scored if row.honest is not None], dtype=float)
    if len(drops):
        spread = f"{drops.min():+.4f} to {drops.max():+.4f}" if len(drops) > 1 else "one submission"
        facts.append(Fact("public less honest, median", f"{drops.median():+.4f}", spread))
    pairs = compared(rows)
    if pairs:
        kept = sum(_same_order(one, two) for one, two in pairs)
        facts.append(
            Fact("pairs in the expected order", f"{kept:,} of {len(pairs):,}", f"{len(inversions(rows))} alarms")
        )
    return tuple(facts)


def _counts(rows: Sequence[Row]) -> str:
    counts = {status: sum(row.status == status for row in rows) for status in STATUSES}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count)


def _competition(slug: str, rows: Sequence[Row]) -> Section:
    shown = [row for row in rows if row.honest is not None and row.public is not None]
    blocks: list[Block] = list(_pictures(shown)) if shown else []
    blocks += [Text(sentence, warning=True) for sentence in sentences(rows)]
    pairs = len(compared(rows))
    if pairs:
        blocks.append(
            Text(
                f"{counted(pairs, 'pair')} compared at 95 %, each as if the two ranked images alike: by chance alone "
                f"up to {TURNED_BY_CHANCE * pairs:.1f} may be turned round beyond the noise."
            )
        )
    blocks += [
        Text(f"{row.submission}, {row.date}: {row.status}, {MEANING[row.status]}.")
        for row in rows
        if row.status in OPEN
    ]
    return Section(slug, tuple(blocks) or (Text("No score to compare yet."),))


def _pictures(rows: Sequence[Row]) -> list[Picture]:
    turned, odd = inversions(rows), surprises(rows)
    alt = "; ".join(f"{row.submission} honest {row.honest:.4f}, public {row.public:.4f}" for row in rows[-SHOWN:])
    caption = "Lines up and down: the forecast of the public board (90 %). Dashed: the board as the honest score. "
    caption += "Joined: two whose order the board turned round beyond noise." if turned else "No order is turned round."
    newest = "Newest last. One forecast in ten is missed by chance."
    return [
        embed(
            scatter(rows, turned, odd), "Honest score against the board", f"Public against honest AUC: {alt}", caption
        ),
        embed(spans(rows[-SHOWN:]), "Forecast and board", f"By submission: {alt}", newest),
    ]


def scatter(rows: Sequence[Row], turned: Sequence[Inversion], odd: Sequence[Surprise]) -> Figure:
    """A dot a submission, its forecast as a line; pairs in `turned` are joined. `rows` have both scores."""
    figure, axes = style.panel(height=4.0)
    for row in rows:
        if row.forecast_low is not None and row.forecast_high is not None:
            axes.vlines(_honest(row), row.forecast_low, row.forecast_high, color=style.BLUE, linewidth=5, alpha=0.16)
    for pair in turned:
        ends = (pair.better, pair.worse)
        axes.plot([_honest(row) for row in ends], [_public(row) for row in ends], color=style.ORANGE, linewidth=1.6)
    strange = {one.row.tag for one in odd}
    for label, colour, inside in (("inside the forecast", style.BLUE, True), ("outside", style.ORANGE, False)):
        part = [row for row in rows if (row.tag not in strange) == inside]
        if part:
            axes.plot([_honest(row) for row in part], [_public(row) for row in part], "o", color=colour, label=label,
                      markersize=6, zorder=3)  # fmt: skip
    low, high = min(map(_honest, rows)), max(map(_honest, rows))
    room = max(0.002, 0.06 * (high - low))
    axes.plot([low - room, high + room], [low - room, high + room], color=style.GREY, linewidth=1.2,
              linestyle=(0, (4, 3)), zorder=1)  # fmt: skip
    alarmed = strange | {row.tag for pair in turned for row in (pair.better, pair.worse)}
    for row in rows:
        if len(rows) <= NAMED or row.tag in alarmed:
            axes.annotate(row.submission.partition("-")[0], (_honest(row), _public(row)), (5, 4), color=style.INK,
                          textcoords="offset points", fontsize=style.TEXT - 2)  # fmt: skip
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    style.name_axes(axes, "honest AUC (nested, else OOF)", "public AUC")
    style.legend_above(figure, axes)
    return figure


def spans(rows: Sequence[Row]) -> Figure:
    """For each submission the forecast interval, the honest score as a tick and the public score as a dot."""
    figure, axes = style.rows_panel([row.submission for row in rows], row=0.34)
    for place, row in enumerate(rows):
        if row.forecast_low is not None and row.forecast_high is not None:
            axes.hlines(place, row.forecast_low, row.forecast_high, color=style.BLUE, linewidth=5, alpha=0.25)
    places = range(len(rows))
    axes.plot([_honest(row) for row in rows], places, "|", color=style.INK, markersize=11, label="honest")
    axes.plot([_public(row) for row in rows], places, "o", color=style.AMBER, markersize=6, label="public")
    private = [(row.private, place) for place, row in enumerate(rows) if row.private is not None]
    if private:
        axes.plot(*zip(*private, strict=True), "D", color=style.BLUE, markersize=5, label="private")
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, "AUC (lines: forecast of the public board)", "")
    style.legend_above(figure, axes)
    return figure


def _table(rows: Sequence[Row]) -> Table:
    lines = [
        {
            "submission": row.submission,
            "sent": row.date.removesuffix("+00:00").replace("T", " "),
            "competition": row.competition,
            "method": row.method,
            "OOF": row.oof,
            "nested": row.nested,
            "forecast": ""
            if row.forecast_low is None
            else interval(row.forecast_low, row.forecast_high or row.forecast_low),
            "public": row.public,
            "private": row.private,
            "status": row.status,
            "reason": row.error,
            "what": f"{row.kernel} v{row.version}" if row.kind == "kernel" else row.sha256[:12],
            "tag": row.tag,
        }
        for row in reversed(rows)
    ]
    frame = pd.DataFrame(lines).astype({name: float for name in ("OOF", "nested", "public", "private")})
    formats = {"OOF": ".4f", "nested": ".4f", "public": ".5f", "private": ".5f"}
    return table(frame, "Newest first", "Dates in UTC; forecasts at 90 %.", formats, most=500)


def _honest(row: Row) -> float:
    return float("nan") if row.honest is None else row.honest


def _public(row: Row) -> float:
    return float("nan") if row.public is None else row.public


def _drop(row: Row) -> float:
    return _public(row) - _honest(row)


def _same_order(one: Row, two: Row) -> bool:
    return (_honest(one) - _honest(two)) * (_public(one) - _public(two)) >= 0
