"""How a score does on degraded copies of images, beside the same images as they were."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import Interval, auc_interval, gain_interval, placements
from ffdi.metrics.slices import FALSE_ALARMS, FEW, Slice

KIND = "degradation"


@dataclass(frozen=True)
class Degraded:
    """`worse` and `clean` are slices of the same images; `drop`: AUC of the clean ones less that of their copies.

    The offset of `worse`: chance that the copy of an original scores above a clean original of its fold, less one
    half; that of `clean` is 0. Above 0 copies look more fake, which a test of both pays for.
    """

    worse: Slice
    clean: Slice
    drop: Interval


def compare(rows: pd.DataFrame, name: str, level: float = 0.95) -> Degraded | None:
    """`rows`: target (0, 1), fold, clean and worse (scores), clean_among and worse_among (both ranked together), and
    group if its rows are one for the intervals. None with too few images of a class."""
    target = rows["target"]
    reals, fakes = int((target == 0).sum()), int((target == 1).sum())
    if min(reals, fakes) < FEW:
        return None
    group_N = np.unique(rows["group"], return_inverse=True)[1] if "group" in rows else None
    placed = {column: placements(target, rows[column], group_N) for column in ("clean", "worse")}
    offset = {"clean": 0.0, "worse": _offset(rows[target == 0])}

    def part(column: str) -> Slice:
        tpr = tpr_at_fpr(target, rows[column], FALSE_ALARMS)
        return Slice(KIND, name, "both", reals, fakes, auc_interval(placed[column], level), tpr, offset[column])

    return Degraded(part("worse"), part("clean"), gain_interval(placed["clean"] - placed["worse"], level))


def _offset(originals: pd.DataFrame) -> float:
    """The mean over folds, by their originals: scores of two folds are not on one scale."""
    total = 0.0
    for _, rows in originals.groupby("fold"):
        both = np.concatenate([rows["clean_among"], rows["worse_among"]])
        total += len(rows) * (auc(np.repeat([0, 1], len(rows)), both) - 0.5)
    return total / len(originals)
