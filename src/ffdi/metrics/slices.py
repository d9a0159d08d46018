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
from ffdi.metrics.delong import Interval, auc_interval, delong, gain_interval, group_numbers, placements

Of = Literal["fakes", "originals", "both"]
MIN_IMAGES = 8  # of each class; smaller slices are left out
FPR = 1e-2  # at which the TPR of a slice is measured
COLUMNS = ["kind", "name", "originals", "fakes", "auc", "low", "high", "tpr"]


def cut(rows: pd.DataFrame, kinds: Mapping[str, Of], least: int = MIN_IMAGES) -> pd.DataFrame:
    """Return every slice with enough images of both classes.

    Args:
        rows: target (0, 1), score, and for each kind a column of names. A row without a name is in no slice of that
            kind, and a kind with one name is left out. Rows of one `group`, if that column is there, count as one for
            the intervals.
        kinds: Which class a kind divides.
        least: Images of each class that a slice needs.

    Returns:
        kind, name, originals, fakes, auc, low, high, tpr (at a false positive rate of 1e-2).
    """
    several = {kind: of for kind, of in kinds.items() if rows[kind].nunique() > 1}
    found = [one for kind, of in several.items() for one in _of_kind(rows, kind, of, least)]
    return pd.DataFrame(found, columns=COLUMNS)


def pooled(rows: pd.DataFrame) -> Interval:
    """Return the AUC of all `rows`, measured as `cut` measures that of a slice."""
    group_N = group_numbers(rows.get("group"), len(rows))
    if min(rows["target"].value_counts()) > 1:
        return delong(rows["target"], rows["score"], group_N)
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
        [nan, '50 to 90', '90 and more']
    """
    names = [f"{low:g} to {high:g}{unit}" for low, high in pairwise(edges)] + [f"{edges[-1]:g}{unit} and more"]
    return pd.cut(values.astype(float), [*edges, np.inf], right=False, labels=names)


def compare(rows: pd.DataFrame, name: str) -> dict[str, Any] | None:
    """Compare degraded copies with the same images: target (0, 1), clean and worse (scores), and maybe group.

    Return the columns of `cut` for the copies, with clean, the AUC of the same images, and drop, drop_low, drop_high:
    that less the AUC of their copies. None with too few images of a class.
    """
    target, group_N = rows["target"], group_numbers(rows.get("group"), len(rows))
    if min((target == 0).sum(), (target == 1).sum()) < MIN_IMAGES:
        return None
    clean, worse = (placements(target, rows[column], group_N) for column in ("clean", "worse"))
    drop = gain_interval(clean - worse)
    more = {"clean": clean.value, "drop": drop.value, "drop_low": drop.low, "drop_high": drop.high}
    return _line("degradation", name, target, rows["worse"], auc_interval(worse)) | more


def _of_kind(rows: pd.DataFrame, kind: str, of: Of, least: int) -> Iterator[dict[str, Any]]:
    fake_N = rows["target"] == 1
    for name in rows.groupby(kind, observed=True).groups:
        inside_N = rows[kind].eq(name).fillna(False).astype(bool)  # type: ignore[arg-type]
        originals_N = ~fake_N if of == "fakes" else ~fake_N & inside_N
        fakes_N = fake_N if of == "originals" else fake_N & inside_N
        if min(originals_N.sum(), fakes_N.sum()) >= least:
            some = rows[originals_N | fakes_N]
            yield _line(kind, str(name), some["target"], some["score"], pooled(some))


def _line(kind: str, name: str, target: pd.Series, score: pd.Series, found: Interval) -> dict[str, Any]:
    counts = {"originals": int((target == 0).sum()), "fakes": int((target == 1).sum())}
    aucs = {"auc": found.value, "low": found.low, "high": found.high, "tpr": tpr_at_fpr(target, score, FPR)}
    return {"kind": kind, "name": name, **counts, **aucs}
