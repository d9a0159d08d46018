"""Ways to make one score of many. All have one shape: features of each member, weights for them, a weighted sum.

    features_MN = method.features(logits_MN, folds_N)     what of a member enters: its ranks, for example
    weights_M   = method.weigh(features_MN, target_N)     not negative, sum 1; learned on held-out rows only
    score_N     = method.squash(combine(features_MN, weights_M))     in (0, 1)

Callers hand members over sorted by name and rows sorted by id, so that no order of files can change a bit.

Shapes: M members, N rows, K fold models.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ffdi.blending import features as inputs
from ffdi.blending import weights
from ffdi.blending.features import Array, Folds
from ffdi.blending.search import climb, greedy
from ffdi.blending.trials import optuna
from ffdi.blending.weights import Target


@dataclass(frozen=True)
class Method:
    """`learns`: whether the weights look at the targets, and so flatter themselves on the rows they were learned on.

    `races`: whether "auto" may take it, or only a recipe that names it.
    """

    name: str
    features: Callable[[Array, Folds], Array]
    weigh: Callable[[Array, Target], Array]
    squash: Callable[[Array], Array] = inputs.same
    learns: bool = False
    races: bool = True


# From the simplest on: where the scores cannot tell two apart, the earlier one is taken.
METHODS = {
    method.name: method
    for method in (
        Method("rank_mean", inputs.ranks, weights.equal),
        Method("logit_mean", inputs.logits, weights.equal, inputs.sigmoid),
        Method("probability_mean", inputs.probabilities, weights.equal),
        Method("power_mean", inputs.rank_powers, weights.equal, inputs.root),
        Method("best_single", inputs.ranks, weights.best, learns=True),
        Method("weighted_rank_mean", inputs.ranks, weights.by_auc, learns=True),
        Method("stack", inputs.rank_logits, weights.stack, inputs.sigmoid, learns=True),
        Method("hill_climb", inputs.ranks, climb, learns=True),
        Method("greedy", inputs.ranks, greedy, learns=True),
        Method("optuna", inputs.ranks, optuna, learns=True, races=False),
    )
}
RACERS = {name: method for name, method in METHODS.items() if method.races}


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
