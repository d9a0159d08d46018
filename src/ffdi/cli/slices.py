"""`ffdi slices`: the blend on parts of the held-out images, by cluster, source, quality and size, and on copies."""

import numpy as np
import pandas as pd

from ffdi.blending.apply import BLEND
from ffdi.blending.result import BlendResult, blend
from ffdi.cli.degraded import compared
from ffdi.cli.desk import Desk
from ffdi.core import checksum, console
from ffdi.core.errors import UserError
from ffdi.data import manifest as manifests
from ffdi.metrics.degraded import Degraded
from ffdi.metrics.delong import Interval
from ffdi.metrics.slices import Of, Slice, binned, cut, pooled, worst
from ffdi.report.page import Page, write_safely

KINDS: dict[str, Of] = {
    "forgery cluster": "fakes",
    "source": "originals",
    "JPEG quality": "both",
    "image size": "both",
    "sharpness": "both",
}
QUALITIES = [1.0, 50, 70, 80, 90, 95]
SIDES = [1.0, 128, 256, 512, 1024]  # pixels of the shorter side
PARTS = 4  # of the sharpness, equally many images in each


def run(desk: Desk, degraded: bool) -> None:
    result = blend(desk.recipe, desk.competition, desk.places)
    rows = _rows(desk, result)
    whole = pooled(rows)
    slices = cut(rows, KINDS)
    _show(slices)
    copies = compared(desk, result) if degraded else []
    found = worst([*slices, *(one.worse for one in copies)])
    if found is not None:
        console.say(f"worst slice: {found.kind} {found.name}, AUC {found.auc.value:.4f}; pooled {whole.value:.4f}")
    write_safely(desk.places.report("slices"), lambda: _page(desk, slices, whole, copies))


def _page(desk: Desk, slices: list[Slice], whole: Interval, copies: list[Degraded]) -> Page:
    from ffdi.report import evaluate as report
    from ffdi.report.provenance import provenance

    inputs = {"manifest": checksum.digest(desk.places.manifest)}
    command = "ffdi slices --degraded" if copies else "ffdi slices"
    drops = [
        _record(one.worse) | {"clean": one.clean.auc.value, "drop": one.drop.value} | _limits(one.drop, "drop_")
        for one in copies
    ]
    tables = pd.DataFrame(map(_record, slices)), pd.DataFrame(drops)
    return report.page(tables[0], {"value": whole.value} | _limits(whole), tables[1], provenance(command, inputs))


def _record(one: Slice) -> dict[str, object]:
    counts = {"kind": one.kind, "name": one.name, "originals": one.reals, "fakes": one.fakes}
    return counts | {"auc": one.auc.value, "tpr": one.tpr, "offset": one.offset} | _limits(one.auc)


def _limits(found: Interval, prefix: str = "") -> dict[str, float]:
    return {f"{prefix}low": found.low, f"{prefix}high": found.high}


def _rows(desk: Desk, result: BlendResult) -> pd.DataFrame:
    """target, score and a column a kind, of every image that some fold held out."""
    oof = result.blended.oof
    if BLEND not in oof:
        raise UserError("No member of this recipe held images out, so there is nothing to cut into slices.")
    facts = manifests.read(desk.places)[["id", "split", "jpeg_q", "width", "height", "sharpness"]]
    rows = (
        oof[["id", "split", "target", "group"]]
        .assign(score=oof[BLEND])
        .merge(facts, on=["id", "split"], validate="one_to_one")
    )
    rows["source"] = rows["split"]
    rows["JPEG quality"] = binned(rows["jpeg_q"], QUALITIES)
    rows["image size"] = binned(rows[["width", "height"]].min(axis=1), SIDES, " px")
    rows["sharpness"] = _parts(rows["sharpness"])
    rows["forgery cluster"] = _clusters(desk, rows)
    return rows


def _parts(values: pd.Series) -> pd.Series:
    edges = np.unique(np.quantile(values, np.arange(PARTS) / PARTS))
    return (
        binned(values, [float(f"{edge:.3g}") for edge in edges]) if len(edges) > 1 else pd.Series("all", values.index)
    )


def _clusters(desk: Desk, rows: pd.DataFrame) -> pd.Series:
    """Of the fold table with the scheme "cluster", whichever scheme the recipe trains with; none without that table."""
    path = desk.places.folds("cluster")
    if not path.exists():
        console.say('no forgery clusters: run `ffdi folds` with folds.scheme = "cluster" to see them apart')
        return pd.Series(None, rows.index, dtype=object)
    table = checksum.read_table(path)[["id", "split", "cluster"]]
    cluster = rows[["id", "split"]].merge(table, on=["id", "split"], how="left")["cluster"]
    return cluster.where(cluster >= 0).map(lambda number: None if pd.isna(number) else f"{number:.0f}")


def _show(slices: list[Slice]) -> None:
    lines = [
        [
            one.kind,
            one.name,
            one.reals,
            one.fakes,
            f"{one.auc.value:.4f} ({one.auc.low:.4f}-{one.auc.high:.4f})",
            f"{one.tpr:.3f}",
            "-" if one.offset is None else f"{one.offset:+.3f}",
        ]
        for one in slices
    ]
    columns = ["kind", "slice", "originals", "fakes", "AUC (95 %)", "TPR at 1e-2", "offset"]
    console.table("the blend by slices; offset: mean rank of the originals off the middle", columns, lines)
