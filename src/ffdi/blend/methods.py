"""Ways to make one score of many. All have one shape: features of each member, weights for them, a weighted sum.

    features_MN = method.features(logits_MN, folds_N)     what of a member enters: its ranks, for example
    weights_M   = method.weigh(features_MN, target_N)     not negative, sum 1; learned on held-out rows only
    blend_N     = combine(features_MN, weights_M)

Callers hand members over sorted by name and rows sorted by id, so that no order of files can change a bit.

Shapes: M members, N rows, K fold models.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffdi.score.ranks import rank_within

Array = NDArray[np.float64]
Features = Callable[[Array, NDArray[np.int64]], Array]
Weigh = Callable[[Array, NDArray[np.int8]], Array]


@dataclass(frozen=True)
class Method:
    """`learns`: whether the weights look at the targets, and so flatter themselves on the rows they were learned on."""

    name: str
    features: Features
    weigh: Weigh
    learns: bool = False


def ranks(logits_MN: Array, folds_N: NDArray[np.int64]) -> Array:
    """Ranks in (0, 1) of every member inside every fold.

    Fold models differ in scale: pooled as they are, five equally good ones of AUC .857 showed .781 (own simulation).
    """
    return np.stack([rank_within(logits_N, folds_N) for logits_N in logits_MN])


def equal(features_MN: Array, target_N: NDArray[np.int8]) -> Array:
    """The weights that no data can mislead."""
    return np.full(len(features_MN), 1 / len(features_MN))


METHODS = {method.name: method for method in (Method("rank_mean", ranks, equal),)}


def combine(features_MN: Array, weights_M: Array) -> Array:
    """The weighted mean over members, summed in their order, which BLAS would not promise."""
    total_N = np.zeros(features_MN.shape[1])
    for features_N, weight in zip(features_MN, weights_M, strict=True):
        total_N += weight * features_N
    return total_N


def over_models(method: Method, logits_KN: Array) -> Array:
    """Features of one member on rows that no fold held out: those of each fold model, then their mean."""
    nowhere_N = np.zeros(logits_KN.shape[1], np.int64)
    return combine(method.features(logits_KN, nowhere_N), np.full(len(logits_KN), 1 / len(logits_KN)))
