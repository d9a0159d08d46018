"""Ways to blend. All have one shape: features of each member, weights for them, a weighted sum.

    features_MN = method.features(logits_MN, folds_N)     for example the ranks of each member inside each fold
    weights_M   = method.weigh(features_MN, target_N)     not negative, sum 1; fitted to held-out rows only
    score_N     = method.squash(combine(features_MN, weights_M))     in (0, 1)

Callers pass members sorted by name and rows sorted by id, so that no order of files can change a bit.

Shapes: M members, N rows, K fold models.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ffdi.blending import weights
from ffdi.blending.weights import Array, Target
from ffdi.metrics.ranks import rank_within

Folds = NDArray[np.int64]  # which rows one model scored; rows of a test set have one fold


def logits(logits_MN: Array, folds_N: Folds) -> Array:
    """Return the logits unchanged, with the scales of members and folds."""
    return logits_MN


def ranks(logits_MN: Array, folds_N: Folds) -> Array:
    """Return ranks in (0, 1) of every member inside every fold.

    Fold models differ in scale: pooled as they are, five equally good ones of AUC .857 showed .781 (own simulation).
    """
    return np.stack([rank_within(logits_N, folds_N) for logits_N in logits_MN])


def rank_logits(logits_MN: Array, folds_N: Folds) -> Array:
    """Return the ranks on the logit scale, where independent evidence adds up."""
    rank_MN = ranks(logits_MN, folds_N)
    return np.log(rank_MN) - np.log1p(-rank_MN)


def sigmoid(score: Array) -> Array:
    """Return 1 / (1 + exp(-score)) without overflow."""
    small = np.exp(-np.abs(score))
    return np.where(score >= 0, 1, small) / (1 + small)


@dataclass(frozen=True)
class Method:
    """`fits`: what is fitted to the targets."""

    name: str
    features: Callable[[Array, Folds], Array]
    weigh: Callable[[Array, Target], Array]
    squash: Callable[[Array], Array] = np.positive  # unchanged
    fits: Literal["nothing", "members", "weights"] = "nothing"


# From the simplest on: "auto" takes the first candidate within one standard error of the best. best_single,
# which is no candidate, did worse on simulated sets than one of the same kind (tests/bench/blend_rule.py).
METHODS = {
    method.name: method
    for method in (
        Method("rank_mean", ranks, weights.equal),
        Method("logit_mean", logits, weights.equal, sigmoid),
        Method("pruned_rank_mean", ranks, weights.drop, fits="members"),
        Method("pruned_logit_mean", logits, weights.drop, sigmoid, fits="members"),
        Method("best_single", ranks, weights.best_single, fits="members"),
        Method("hill_climb", ranks, weights.climb, fits="weights"),
        Method("stack", rank_logits, weights.stack, sigmoid, fits="weights"),
    )
}
CANDIDATES = [name for name in METHODS if name != "best_single"]


def combine(features_MN: Array, weights_M: Array) -> Array:
    """Return the weighted sum over members, added in their order, which BLAS would not promise."""
    total_N = np.zeros(features_MN.shape[1])
    for features_N, weight in zip(features_MN, weights_M, strict=True):
        total_N += weight * features_N
    return total_N


def over_models(method: Method, logits_KN: Array) -> Array:
    """Return the features of one member on rows that no fold held out: the mean over its fold models."""
    one_fold_N = np.zeros(logits_KN.shape[1], np.int64)
    return combine(method.features(logits_KN, one_fold_N), np.full(len(logits_KN), 1 / len(logits_KN)))
