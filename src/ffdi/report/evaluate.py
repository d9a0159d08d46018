"""The page of slices: where the blend is weak, and whose originals it mistakes for fakes."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ffdi.data.degraded import MOST
from ffdi.metrics.degraded import Degraded
from ffdi.metrics.delong import Interval
from ffdi.metrics.slices import FALSE_ALARMS, Slice, worst
from ffdi.report import style
from ffdi.report.figures import embed
from ffdi.report.page import Fact, Page, Picture, Section, Text
from ffdi.report.table import Table, counted, interval, table

CAPTIONS = {
    "fakes": "Fakes of each slice against all originals.",
    "originals": "Originals of each slice against all fakes.",
    "both": "Originals and fakes of each slice against each other.",
}
OFFSET = 0.05  # of the mean rank, from which it is worth a warning
ALIKE = (
    f"At most {MOST:,} held-out images a fold, originals and fakes damaged alike. On an original alone a patch or a "
    "heavy filter would be a forgery by the contest's rules; on all of them the question is whether their order holds."
)


def page(
    slices: Sequence[Slice], whole: Interval, provenance: Mapping[str, str], degraded: Sequence[Degraded] = ()
) -> Page:
    """`whole`: the pooled AUC of the same rows. `degraded`: copies of some of them."""
    found = worst([*slices, *(one.worse for one in degraded)])
    kinds = list(dict.fromkeys(one.kind for one in slices))
    sections = [Section(kind[0].upper() + kind[1:], _of(kind, slices, whole)) for kind in kinds]
    if degraded:
        sections.append(Section("Degradation", _degradation(degraded)))
    if not sections:
        sections = [Section("Slices", (Text("No property cuts these images into parts with enough of both classes."),))]
    facts = [Fact("pooled AUC", f"{whole.value:.4f}", interval(whole.low, whole.high))]
    if found is not None:
        facts.append(Fact("worst slice", f"{found.auc.value:.4f}", f"{found.kind} {found.name}"))
    return Page(
        title="Where the blend is weak",
        headline=verdict(list(slices), whole, degraded),
        facts=tuple(facts),
        sections=tuple(sections),
        provenance=provenance,
    )


def verdict(slices: list[Slice], whole: Interval, degraded: Sequence[Degraded] = ()) -> str:
    """One sentence: the slice that is served worst, and whether that is beyond noise."""
    found = worst([*slices, *(one.worse for one in degraded)])
    if found is None:
        return "There is nothing to cut the held-out images by."
    where = f"{found.kind} {found.name} ({counted(found.fakes, 'fake')}, {counted(found.reals, 'original')})"
    said = f"The worst slice is {where} with AUC {found.auc.value:.4f}"
    for one in degraded:
        if one.worse == found:
            clean, drop = one.clean.auc.value, f"{one.drop.value:.4f} ({interval(one.drop.low, one.drop.high)})"
            return f"{said}; clean, the same images have {clean:.4f}, which is a drop of {drop}."
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


def _degradation(found: Sequence[Degraded]) -> tuple[Text | Picture | Table, ...]:
    worse = [one.worse for one in found]
    blocks: list[Text | Picture | Table] = [Text(ALIKE)]
    most = max(worse, key=lambda one: abs(one.offset or 0))
    if abs(most.offset or 0) > OFFSET:
        way = "more" if (most.offset or 0) > 0 else "less"
        text = (
            f"Originals after {most.name} look {way} fake than clean ones ({most.offset:+.3f} of the mean rank): "
            "a test that mixes both pays for it in pooled AUC, even where the order among the copies holds."
        )
        blocks.append(Text(text, warning=True))
    alt = "AUC by degradation: " + ", ".join(f"{one.name} {one.auc.value:.3f}" for one in worse)
    clean = found[0].clean.auc.value
    figure = dots(worse, clean, "clean")
    blocks.append(embed(figure, "AUC by degradation", alt, f"Clean, the same images have {clean:.4f}."))
    blocks.append(_drops(found))
    return tuple(blocks)


def _drops(found: Sequence[Degraded]) -> Table:
    frame = pd.DataFrame(
        {
            "degradation": [one.worse.name for one in found],
            "originals": [one.worse.reals for one in found],
            "fakes": [one.worse.fakes for one in found],
            "auc": [one.worse.auc.value for one in found],
            "interval": [interval(one.worse.auc.low, one.worse.auc.high) for one in found],
            "clean": [one.clean.auc.value for one in found],
            "drop": [one.drop.value for one in found],
            "drop_interval": [interval(one.drop.low, one.drop.high) for one in found],
            "tpr": [one.worse.tpr for one in found],
            "clean_tpr": [one.clean.tpr for one in found],
            "offset": [one.worse.offset for one in found],
        }
    )
    headings = {
        "auc": "AUC",
        "interval": "95% interval",
        "clean": "clean AUC",
        "drop_interval": "95% interval",
        "tpr": f"TPR at {FALSE_ALARMS:g}",
        "clean_tpr": "clean TPR",
        "offset": "offset of originals",
    }
    caption = (
        "By the weights that the test gets. Drop: AUC of the clean images less that of their copies, "
        "paired. Offset: the mean rank among clean originals, off the middle."
    )
    formats = {"auc": ".4f", "clean": ".4f", "drop": ".4f", "tpr": ".3f", "clean_tpr": ".3f", "offset": "+.3f"}
    return table(frame, "", caption, formats, headings)


def dots(slices: Sequence[Slice], line: float, meaning: str = "pooled") -> Figure:
    """AUC of each slice with its interval; the line is the pooled AUC, or what `meaning` says."""
    figure, axes = style.rows_panel([one.name for one in slices])
    place = range(len(slices))
    axes.axvline(line, color=style.GREY, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.hlines(place, [one.auc.low for one in slices], [one.auc.high for one in slices], color=style.BLUE,
                linewidth=2.2, alpha=0.55)  # fmt: skip
    axes.plot([one.auc.value for one in slices], place, "o", color=style.BLUE, markersize=5.5)
    axes.margins(x=0.06)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    style.name_axes(axes, f"AUC (lines: 95% interval; dashed: {meaning})", "")
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
