"""What a trial is worth, from the scores of its folds."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from ffdi.config.search import Search
from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc

Scores = Mapping[str, float]  # of one fold: AUC by name; "auc" is that of all its held-out images as they are
SLICE = "slice "  # begins the names of slices
PARTS = ("low", "middle", "high")
LEAST = 5  # images of either class that a slice of a fold needs


def worth(search: Search, folds: Sequence[Scores]) -> float:
    """The number that is maximised: the mean over folds of AUC, of a weighted mean of AUCs, or the worst slice's mean.

    Raises UserError if no slice has enough images of both classes in any fold.
    """
    if search.objective == "auc":
        return fmean(scores["auc"] for scores in folds)
    if search.objective == "degraded":
        return fmean(_weighted(search.weights, scores) for scores in folds)
    names = {name for scores in folds for name in scores if name.startswith(SLICE)}
    if not names:
        raise UserError(
            f"No slice of {', '.join(search.slices)} has {LEAST} images of either class; choose other search.slices."
        )
    return min(fmean(scores[name] for scores in folds if name in scores) for name in names)


def has_score(search: Search, scores: Scores) -> bool:
    """Whether a fold alone says what it is worth: by its slices it may not."""
    return search.objective != "worst_slice" or any(name.startswith(SLICE) for name in scores)


def slices(search: Search, manifest: pd.DataFrame) -> pd.DataFrame:
    """A column a slice ("slice sharpness low"), bool, by id: thirds of the manifest's columns, none if not wanted."""
    found = pd.DataFrame(index=pd.Index(manifest["id"], name="id"))
    for column in search.slices if search.objective == "worst_slice" else ():
        values_N = manifest[column].to_numpy(np.float64)
        third_N = np.searchsorted(np.quantile(values_N, [1 / 3, 2 / 3]), values_N, side="left")
        for place, part in enumerate(PARTS):
            found[f"{SLICE}{column} {part}"] = third_N == place
    return found


def by_slice(cut: pd.DataFrame, ids: pd.Series, target: np.ndarray, logit: np.ndarray) -> dict[str, float]:
    """AUC in each slice of `cut` that has enough of the rows `ids`, of either class."""
    inside = cut.reindex(ids)
    scores = {}
    for name in cut.columns:
        rows_N = inside[name].to_numpy(bool)
        if min(np.bincount(target[rows_N], minlength=2)) >= LEAST:
            scores[str(name)] = auc(target[rows_N], logit[rows_N])
    return scores


def _weighted(weights: Mapping[Any, float], scores: Scores) -> float:
    named = {("auc" if name == "clean" else name): weight for name, weight in weights.items() if weight > 0}
    return sum(weight * scores[name] for name, weight in named.items()) / sum(named.values())
