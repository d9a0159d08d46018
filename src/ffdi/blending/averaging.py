"""Estimate how much the mean of the fold models gains on the test over the one model that scored each held-out row.

Fold models agree on what they learned and differ in noise. How much they differ is seen on the test without labels;
the AUC of the held-out rows says how large the noise of one model is beside the distance of the classes. The mean has
1 / K of the part that the models do not share (binormal model).

Shapes: K fold models, T test rows.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ffdi.blending.methods import Array, Method, combine
from ffdi.blending.oof import Team
from ffdi.metrics.delong import logit
from ffdi.metrics.ranks import rank

NORMAL = NormalDist()
MOST_REMOVED = 0.5  # of a model's noise: where models differ more, the rows are of a kind that none of them knows
MIN_SE = 0.1  # least standard error, on the logit scale: with it 53 of 60 boards of seen kinds were held, without 51


@dataclass(frozen=True)
class Shift:
    """A correction: `value` is added to the logit of an AUC; `se` is its standard error."""

    value: float = 0.0
    se: float = 0.0


NO_SHIFT = Shift()


def fold_scores(team: Team, method: Method, weights: Mapping[str, float]) -> Array:
    """Return the blend's score [K, T] by the fold models of each number; a member with one model is in all of them.

    Args:
        team: members with their test logits.
        method: how they are blended.
        weights: by member.
    """
    count = max(len(member.test_KT) for member in team.members)
    one_fold_T = np.zeros(len(team.test), np.int64)
    weight_M = np.array([weights[member.name] for member in team.members])
    rows = []
    for fold in range(count):
        logits_MT = np.stack([member.test_KT[fold % len(member.test_KT)] for member in team.members])
        rows.append(combine(method.features(logits_MT, one_fold_T), weight_M))
    return np.stack(rows)


def gain(scores_KT: Array, auc: float, fake_share: float) -> Shift:
    """Return the gain of the mean over K models on the test.

    Args:
        scores_KT: the models' scores of the test.
        auc: of held-out rows, each scored by one model.
        fake_share: of the test.
    """
    from scipy.special import ndtri  # late: it would delay the start of every verb

    count = len(scores_KT)
    if count < 2 or not 0.5 < auc < 1 or scores_KT.shape[1] < 2:
        return NO_SHIFT
    distance = math.sqrt(2) * NORMAL.inv_cdf(auc)
    noise = 1 / (1 + fake_share * (1 - fake_share) * distance**2)  # of a total variance of 1
    normal_KT = ndtri(np.stack([rank(score_T) for score_T in scores_KT]))
    unshared = float(normal_KT.var(axis=0, ddof=1).mean())
    removed = min(unshared * (1 - 1 / count) / noise, MOST_REMOVED)
    value = logit(NORMAL.cdf(distance / math.sqrt(2 * (1 - removed)))) - logit(auc)
    return Shift(value, max(value, MIN_SE))
