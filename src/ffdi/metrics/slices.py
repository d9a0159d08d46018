"""Score parts of the rows, because the mean over all rows hides a forgery that is missed.

A slice of fakes (one forgery cluster) is compared with all originals, a slice of originals (one source) with all
fakes, and a slice of both (one JPEG quality) within itself.

Shapes: N rows.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd

from ffdi.metrics.auc import auc, tpr_at_fpr
from ffdi.metrics.delong import Interval, auc_interval, gain_interval, placements
from ffdi.metrics.ranks import rank

Of = Literal["fakes", "originals", "both"]
MIN_IMAGES = 8  # of each class; smaller slices are left out
FPR = 1e-2  # at which the TPR of a slice is measured
COLUMNS = ["kind", "name", "originals", "fakes", "auc", "low", "high", "tpr", "offset"]


def cut(rows: pd.DataFrame, kinds: Mapping[str, Of], level: float = 0.95, least: int = MIN_IMAGES) -> pd.DataFrame:
    """Return every slice with enough images of both classes.

    Args:
        rows: target (0, 1), score, and for each kind a column of names. A row without a name is in no slice of that
            kind, and a kind with one name is left out. Rows of one `group`, if that column is there, count as one for
            the intervals.
        kinds: Which class a kind divides.
        level: Of the intervals.
        least: Images of each class that a slice needs.

    Returns:
        kind, name, originals, fakes, auc, low, high, tpr (at a false positive rate of 1e-2), offset: the mean rank
        (0..1) of the slice's originals among all originals, less one half; above 0 they look more fake than others.
        A slice of fakes has no offset (NaN).
    """
    rank_N = pd.Series(np.nan, rows.index)
    originals = rows["target"] == 0
    rank_N[originals] = rank(rows.loc[originals, "score"])
    several = {kind: of for kind, of in kinds.items() if rows[kind].nunique() > 1}
    found = [one for kind, of in several.items() for one in _of_kind(rows, rank_N, kind, of, level, least)]
    return pd.DataFrame(found, columns=COLUMNS)


def pooled(rows: pd.DataFrame, level: float = 0.95) -> Interval:
    """Return the AUC of all `rows`, measured as `cut` measures that of a slice."""
    group_N = np.unique(rows["group"], return_inverse=True)[1] if "group" in rows else None
    if min(rows["target"].value_counts()) > 1:
        return auc_interval(placements(rows["target"], rows["score"], group_N), level)
    value = auc(rows["target"], rows["score"])  # one row of a class has no variance
    return Interval(value, 0.0, 1.0, float("nan"))


def binned(values: pd.Series, edges: list[float], unit: str = "") -> pd.Series:
    """Return the name of the bin [edge, next edge) of each value; values below the first edge have none.

    Args:
        values: One a row.
        edges: Where bins begin, ascending.
        unit: Written behind the edges.

    Example:
        >>> binned(pd.Series([10, 60, 99]), [50, 90]).tolist()
        [None, '50 to 90', '90 and more']
    """
    names = [f"{low:g} to {high:g}{unit}" for low, high in pairwise(edges)] + [f"{edges[-1]:g}{unit} and more"]
    place_N = np.searchsorted(edges, values.to_numpy(float), side="right") - 1
    return pd.Series([names[place] if place >= 0 else None for place in place_N], values.index, dtype=object)


def compare(rows: pd.DataFrame, name: str, level: float = 0.95) -> dict[str, Any] | None:
    """Compare degraded copies with the same images as they were.

    Args:
        rows: target (0, 1), fold, clean and worse (scores), clean_among and worse_among (both ranked together), and
            maybe `group`, as in `cut`.
        name: Of the degradation.
        level: Of the intervals.

    Returns:
        The columns of `cut` for the copies, with clean, clean_tpr (of the same images) and drop, drop_low, drop_high:
        the AUC of the clean images less that of their copies. offset: the chance that the copy of an original scores
        above a clean original of its fold, less one half. None with too few images of a class.
    """
    target = rows["target"]
    originals, fakes = int((target == 0).sum()), int((target == 1).sum())
    if min(originals, fakes) < MIN_IMAGES:
        return None
    group_N = np.unique(rows["group"], return_inverse=True)[1] if "group" in rows else None
    clean, worse = (placements(target, rows[column], group_N) for column in ("clean", "worse"))
    found, drop = auc_interval(worse, level), gain_interval(clean - worse, level)
    tpr, clean_tpr = (tpr_at_fpr(target, rows[column], FPR) for column in ("worse", "clean"))
    values = [
        "degradation",
        name,
        originals,
        fakes,
        found.value,
        found.low,
        found.high,
        tpr,
        _offset(rows[target == 0]),
    ]
    more = {"drop": drop.value, "drop_low": drop.low, "drop_high": drop.high}
    return {**dict(zip(COLUMNS, values, strict=True)), "clean": clean.value, "clean_tpr": clean_tpr, **more}


def _of_kind(
    rows: pd.DataFrame, rank_N: pd.Series, kind: str, of: Of, level: float, least: int
) -> Iterator[list[object]]:
    fake_N = rows["target"] == 1
    for name in sorted(rows[kind].dropna().unique(), key=_natural):
        inside_N = rows[kind] == name
        originals_N = ~fake_N if of == "fakes" else ~fake_N & inside_N
        fakes_N = fake_N if of == "originals" else fake_N & inside_N
        originals, fakes = int(originals_N.sum()), int(fakes_N.sum())
        if min(originals, fakes) < least:
            continue
        some = rows[originals_N | fakes_N]
        found = pooled(some, level)
        offset = np.nan if of == "fakes" else float(rank_N[originals_N].mean()) - 0.5
        tpr = tpr_at_fpr(some["target"], some["score"], FPR)
        yield [kind, str(name), originals, fakes, found.value, found.low, found.high, tpr, offset]


def _natural(name: object) -> tuple[int, float, str]:
    """Sort bins and numbered clusters by their number, words by letter."""
    head = str(name).replace(",", "").split(" ")[0]
    try:
        return 0, float(head), str(name)
    except ValueError:
        return 1, 0.0, str(name)


def _offset(originals: pd.DataFrame) -> float:
    """Return the mean over folds, by their originals: scores of two folds are not on one scale."""
    total = 0.0
    for _, rows in originals.groupby("fold"):
        both = np.concatenate([rows["clean_among"], rows["worse_among"]])
        total += len(rows) * (auc(np.repeat([0, 1], len(rows)), both) - 0.5)
    return total / len(originals)
