"""How a score does on parts of the rows: the mean over all hides the forgery that it misses.

A slice of fakes (one forgery cluster) is judged against all originals, a slice of originals (one source) against all
fakes, and a slice of both (one JPEG quality) within itself.

Shapes: N rows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import pandas as pd

from ffdi.metrics.auc import tpr_at_fpr
from ffdi.metrics.delong import Interval, auc_interval, placements
from ffdi.metrics.ranks import rank

Of = Literal["fakes", "originals", "both"]
FEW = 8  # images of a class, below which nothing is said
FALSE_ALARMS = 1e-2


@dataclass(frozen=True)
class Slice:
    """`tpr`: at a false positive rate of 1e-2. `offset`: mean rank (0..1) of the slice's originals among all originals,
    less one half; above 0 they look more fake than others, which pooled AUC pays for. None for a slice of fakes."""

    kind: str
    name: str
    of: Of
    reals: int
    fakes: int
    auc: Interval
    tpr: float
    offset: float | None


def cut(rows: pd.DataFrame, kinds: Mapping[str, Of], level: float = 0.95) -> list[Slice]:
    """Every slice with enough images of both classes. `rows`: target (0, 1), score, and a column of names a kind.

    Rows with a missing name belong to no slice of that kind. Kinds with one name only cut nothing and are left out.
    Where `rows` have a `group`, intervals take its rows as one.
    """
    rank_N = pd.Series(np.nan, rows.index)
    originals = rows["target"] == 0
    rank_N[originals] = rank(rows.loc[originals, "score"])
    found: list[Slice] = []
    for kind, of in kinds.items():
        if rows[kind].nunique() > 1:
            found += _of_kind(rows, rank_N, kind, of, level)
    return found


def pooled(rows: pd.DataFrame, level: float = 0.95) -> Interval:
    """AUC of all `rows`, as `cut` measures that of its slices."""
    group = np.unique(rows["group"], return_inverse=True)[1] if "group" in rows else None
    return auc_interval(placements(rows["target"], rows["score"], group), level)


def worst(slices: list[Slice]) -> Slice | None:
    """The one whose interval ends lowest at its upper limit: badly served beyond noise, not a small unlucky slice."""
    return min(slices, key=lambda one: one.auc.high, default=None)


def binned(values: pd.Series, edges: list[float], unit: str = "") -> pd.Series:
    """Names of the bins [edge, next edge) that values fall into; values below the first edge have none."""
    names = [f"{low:g} to {high:g}{unit}" for low, high in pairwise(edges)] + [f"{edges[-1]:g}{unit} and more"]
    place = np.searchsorted(edges, values.to_numpy(float), side="right") - 1
    return pd.Series([names[at] if at >= 0 else None for at in place], values.index, dtype=object)


def _of_kind(rows: pd.DataFrame, rank_N: pd.Series, kind: str, of: Of, level: float) -> Iterator[Slice]:
    fake_N = rows["target"] == 1
    for name in sorted(rows[kind].dropna().unique(), key=_natural):
        inside_N = rows[kind] == name
        reals_N = ~fake_N if of == "fakes" else ~fake_N & inside_N
        fakes_N = fake_N if of == "originals" else fake_N & inside_N
        reals, fakes = int(reals_N.sum()), int(fakes_N.sum())
        if min(reals, fakes) < FEW:
            continue
        judged = rows[reals_N | fakes_N]
        offset = None if of == "fakes" else float(rank_N[reals_N].mean()) - 0.5
        tpr = tpr_at_fpr(judged["target"], judged["score"], FALSE_ALARMS)
        yield Slice(kind, str(name), of, reals, fakes, pooled(judged, level), tpr, offset)


def _natural(name: object) -> tuple[int, float, str]:
    """Bins and numbered clusters by their number, words by letter."""
    head = str(name).replace(",", "").split(" ")[0]
    try:
        return 0, float(head), str(name)
    except ValueError:
        return 1, 0.0, str(name)
