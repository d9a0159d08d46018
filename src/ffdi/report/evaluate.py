"""The page of `ffdi evaluate`: on which parts of the images the blend is weak, and what degraded copies cost."""

from collections.abc import Mapping

import pandas as pd

from ffdi.metrics.delong import LEVEL, Interval, logit, quantile, sigmoid
from ffdi.report import plots
from ffdi.report.page import Block, Page, Section, Text, provenance
from ffdi.report.plots import embed
from ffdi.report.table import Table, capital, counted, interval, intervals, table

FORMATS = {"auc": ".4f", "clean": ".4f", "drop": ".4f", "tpr": ".3f"}
NAMES = {"auc": "AUC", "tpr": "TPR at 0.01", "clean": "clean AUC"}
MEANING = (
    "A slice of fakes is compared with all originals, a slice of originals with all fakes, any other slice with itself."
)
COPIES = (
    "Copies of held-out images, originals and fakes degraded alike. Drop: clean AUC less AUC of the copies, paired."
)


def page(slices: pd.DataFrame, pooled: Interval, copies: pd.DataFrame, inputs: Mapping[str, str]) -> Page:
    """Return the page.

    Args:
        slices: Columns kind, name, originals, fakes, auc, low, high, tpr.
        pooled: AUC of all rows.
        copies: The same columns for each degradation, and clean, drop, drop_low, drop_high; may be empty.
        inputs: Digests by name, for the foot.
    """
    every = pd.concat([slices, copies], ignore_index=True)
    parts = [
        Section(capital(str(kind)), _part(rows, pooled.value, "pooled", MEANING))
        for kind, rows in (slices.groupby("kind", sort=False) if len(slices) else ())
    ]
    if not parts:
        parts = [Section("Slices", (Text("No property divides these images into parts with both classes."),))]
    if len(copies):
        parts.append(Section("Degradation", _part(copies, copies["clean"].iloc[0], "clean", COPIES)))
    return Page(
        title="Where the blend is weak",
        headline=verdict(every, pooled),
        sections=tuple(parts),
        provenance=provenance("ffdi evaluate", inputs),
    )


def verdict(every: pd.DataFrame, pooled: Interval) -> str:
    """Return one sentence: the worst slice, and whether it is worse beyond noise."""
    if every.empty:
        return "There is no slice with enough images of both classes."
    one = every.iloc[int(every["high"].argmin())]  # the lowest upper limit: weak beyond noise, not small and unlucky
    counts = f"{counted(one['fakes'], 'fake')}, {counted(one['originals'], 'original')}"
    said = f"The worst slice is {one['kind']} {one['name']} ({counts}) with AUC {one['auc']:.4f}"
    if pd.notna(one.get("drop")):
        drop = f"{one['drop']:.4f} ({interval(one['drop_low'], one['drop_high'])})"
        return f"{said}. The same images have {one['clean']:.4f} when clean: a drop of {drop}."
    if _high_of_the_worst(one, len(every)) >= pooled.value:
        lowest = f"the lowest of {counted(len(every), 'slice')} can be so low by chance"
        return f"{said}. The pooled AUC is {pooled.value:.4f}; {lowest}, so it may be noise."
    return f"{said}, below the pooled AUC {pooled.value:.4f} beyond noise. Add more such images to training first."


def _high_of_the_worst(one: pd.Series, count: int) -> float:
    """Return the upper limit of the worst of `count` slices: so wide that all limits hold together (Bonferroni)."""
    own, wider = logit(one["auc"]), quantile(1 - (1 - LEVEL) / count) / quantile(LEVEL)
    return sigmoid(own + wider * (logit(one["high"]) - own))


def _part(rows: pd.DataFrame, line: float, meaning: str, caption: str) -> tuple[Block, ...]:
    """Show the slices of one kind beside a line at the AUC of `meaning`."""
    figure = plots.dots(rows, f"AUC (bars: 95% interval; dashed: {meaning})", line=line)
    return Text(caption), embed(figure, f"AUC by {rows['kind'].iloc[0]}"), _table(rows)


def _table(rows: pd.DataFrame) -> Table:
    frame = rows[["name", "originals", "fakes", "auc"]].copy()
    frame["95% interval"] = intervals(rows)
    if "drop" in rows and rows["drop"].notna().any():
        frame["clean"], frame["drop"] = rows["clean"], rows["drop"]
        frame["interval of the drop"] = intervals(rows, "drop_low", "drop_high")
    frame["tpr"] = rows["tpr"]
    return table(frame.dropna(axis=1, how="all"), f"By {rows['kind'].iloc[0]}", "", FORMATS, NAMES)
