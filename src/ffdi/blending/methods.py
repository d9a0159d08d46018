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

from ffdi.blending import features as inputs
from ffdi.blending import weights
from ffdi.blending.features import Array, Folds, Target


@dataclass(frozen=True)
class Method:
    """`fits`: what is fitted to the targets."""

    name: str
    features: Callable[[Array, Folds], Array]
    weigh: Callable[[Array, Target], Array]
    squash: Callable[[Array], Array] = inputs.same
    fits: Literal["nothing", "members", "weights"] = "nothing"


# From the simplest on: "auto" takes the first candidate within one standard error of the best. best_single,
# which is no candidate, did worse on simulated sets than one of the same kind (tests/bench/blend_rule.py).
METHODS = {
    method.name: method
    for method in (
        Method("rank_mean", inputs.ranks, weights.equal),
        Method("logit_mean", inputs.logits, weights.equal, inputs.sigmoid),
        Method("pruned_rank_mean", inputs.ranks, weights.drop, fits="members"),
        Method("pruned_logit_mean", inputs.logits, weights.drop, inputs.sigmoid, fits="members"),
        Method("best_single", inputs.ranks, weights.best_single, fits="members"),
        Method("hill_climb", inputs.ranks, weights.climb, fits="weights"),
        Method("stack", inputs.rank_logits, weights.stack, inputs.sigmoid, fits="weights"),
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
