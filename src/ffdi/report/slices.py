"""The page of slices: where the blend is weak, and whose originals it mistakes for fakes."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.report import style
from ffdi.report.figures import Picture, embed
from ffdi.report.page import Fact, Page, Section, Text
from ffdi.report.table import Table, counted, interval, table
from ffdi.score.interval import Interval
from ffdi.score.slices import FALSE_ALARMS, Slice, worst

CAPTIONS = {
    "fakes": "Fakes of each slice against all originals.",
    "originals": "Originals of each slice against all fakes.",
    "both": "Originals and fakes of each slice against each other.",
}
OFFSET = 0.05  # of the mean rank, from which it is worth a warning


def page(slices: Sequence[Slice], whole: Interval, provenance: Mapping[str, str]) -> Page:
    """`whole`: the pooled AUC of the same rows."""
    found = worst(list(slices))
    kinds = list(dict.fromkeys(one.kind for one in slices))
    sections = [Section(kind[0].upper() + kind[1:], _of(kind, slices, whole)) for kind in kinds]
    if not sections:
        sections = [Section("Slices", (Text("No property cuts these images into parts with enough of both classes."),))]
    facts = [Fact("pooled AUC", f"{whole.value:.4f}", interval(whole.low, whole.high))]
    if found is not None:
        facts.append(Fact("worst slice", f"{found.auc.value:.4f}", f"{found.kind} {found.name}"))
    return Page(
        title="Where the blend is weak",
        headline=verdict(list(slices), whole),
        facts=tuple(facts),
        sections=tuple(sections),
        provenance=provenance,
    )


def verdict(slices: list[Slice], whole: Interval) -> str:
    """One sentence: the slice that is served worst, and whether that is beyond noise."""
    found = worst(slices)
    if found is None:
        return "There is nothing to cut the held-out images by."
    where = f"{found.kind} {found.name} ({counted(found.fakes, 'fake')}, {counted(found.reals, 'original')})"
    said = f"The worst slice is {where} with AUC {found.auc.value:.4f}"
    if found.auc.high >= whole.value:
        return f"{said}; its interval reaches the pooled {whole.value:.4f}, so it may be chance."
    return (
        f"{said}, beyond noise below the pooled {whole.value:.4f}: more such images in training are the first remedy."
    )


def _of(kind: str, slices: Sequence[Slice], whole: Interval) -> tuple[Text | Picture | Table, ...]:
    mine = [one for one in slices if one.kind == kind]
    blocks: list[Text | Picture | Table] = []
    skewed = [one for one in mine if one.offset is not None and abs(one.offset) > OFFSET]
    if skewed:
        most = max(skewed, key=lambda one: abs(one.offset or 0))
        way = "more" if (most.offset or 0) > 0 else "less"
        text = (
            f"Originals of {kind} {most.name} look {way} fake than others (mean rank {most.offset:+.3f} off the "
            "middle): pooled AUC pays for such an offset even if every slice alone is well ordered."
        )
        blocks.append(Text(text, warning=True))
    alt = f"AUC by {kind}: " + ", ".join(f"{one.name} {one.auc.value:.3f}" for one in mine)
    blocks.append(embed(dots(mine, whole.value), f"AUC by {kind}", alt, CAPTIONS[mine[0].of]))
    blocks.append(_table(mine))
    return tuple(blocks)


def dots(slices: Sequence[Slice], pooled: float) -> Figure:
    """AUC of each slice with its interval; the line is the pooled AUC."""
    figure, axes = style.rows_panel([one.name for one in slices])
    place = range(len(slices))
    axes.axvline(pooled, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.hlines(place, [one.auc.low for one in slices], [one.auc.high for one in slices], color=style.BLUE,
                linewidth=2.2, alpha=0.55)  # fmt: skip
    axes.plot([one.auc.value for one in slices], place, "o", color=style.BLUE, markersize=5.5)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, "AUC (lines: 95% interval; dashed: pooled)", "")
    return figure


def _table(slices: Sequence[Slice]) -> Table:
    frame = pd.DataFrame(
        {
            "slice": [one.name for one in slices],
            "originals": [one.reals for one in slices],
            "fakes": [one.fakes for one in slices],
            "auc": [one.auc.value for one in slices],
            "interval": [interval(one.auc.low, one.auc.high) for one in slices],
            "tpr": [one.tpr for one in slices],
        }
    )
    if any(one.offset is not None for one in slices):
        frame["offset"] = [one.offset for one in slices]
    headings = {
        "auc": "AUC",
        "interval": "95% interval",
        "tpr": f"TPR at {FALSE_ALARMS:g}",
        "offset": "offset of originals",
    }
    return table(frame, "", "", {"auc": ".4f", "tpr": ".3f", "offset": "+.3f"}, headings)
