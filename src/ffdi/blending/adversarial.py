"""Adversarial validation: can train and test be told apart, and how much of the held-out rows is like the test.

A probe learns to tell the two by their embeddings. An AUC near 0.5: one source. Its odds are the density ratio by which
held-out rows count as often as rows like them stand in the test.

Shapes: N held-out rows, T test rows, D features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffdi.blending.averaging import NO_SHIFT, Shift
from ffdi.blending.methods import Array
from ffdi.blending.probe import PARTS, crossfit
from ffdi.core.keys import rng
from ffdi.metrics.delong import Placements, logit, placements, small_sample

CLIP = 10.0  # the largest density ratio, relative to their mean
# The test is of another source from this AUC on, or if the weights leave at most this share of the rows. On portraits
# (tests/bench/forecast.py) others had an AUC from 0.93 on and left at most 0.13. Unseen fakes alone reached 0.83, 0.27.
OTHER_AUC, OTHER_SHARE = 0.92, 0.18
NEAR = (0.8, 0.9, 0.97)  # cosines from which rows are near-duplicates; the first that leaves no group too large


@dataclass(frozen=True)
class Adversarial:
    """`auc`: of train against test. `effective`: effective share of the held-out rows once they are weighted, of the
    class that keeps less.

    `weight_N`: density ratios, mean 1. `train_N`, `test_T`: the probe's logits, high where a row is like the test.
    """

    auc: float
    effective: float
    weight_N: Array
    train_N: Array
    test_T: Array

    @property
    def other_source(self) -> bool:
        return self.auc >= OTHER_AUC or self.effective <= OTHER_SHARE


def compare(train_ND: Array, is_fake_N: NDArray[np.bool_], test_TD: Array, fake_share: float) -> Adversarial:
    """Return how train and test can be told apart by embeddings.

    Near-duplicates are scored by a probe that saw none of them: else it learns which persons stand in the test (pairs
    of one source were told apart with AUC 0.68, and ten images of each person with 0.94).

    Args:
        train_ND: embeddings of held-out rows.
        is_fake_N: they are weighted to the share of fakes of the test, which is no difference of source.
        test_TD: embeddings of test rows.
        fake_share: of the test.
    """
    both = np.concatenate([train_ND, test_TD])
    is_test = np.repeat([0, 1], [len(train_ND), len(test_TD)])
    own = is_fake_N.mean()
    class_N = np.where(is_fake_N, fake_share / own, (1 - fake_share) / (1 - own))
    class_R = np.concatenate([class_N, np.ones(len(test_TD))])
    found = crossfit(both, is_test, _parts(both, is_test), weight_N=class_R)
    told_apart = weighted(found, is_test == 1, class_R).value
    train_N, test_T = found[is_test == 0], found[is_test == 1]
    weight_N = _density_ratio(found, is_test, class_R)
    by_class = [weight_N[is_fake_N], weight_N[~is_fake_N]]
    effective = min(float(one.mean() ** 2 / (one**2).mean()) for one in by_class)
    return Adversarial(told_apart, effective, weight_N, train_N, test_T)


def _density_ratio(found_R: Array, is_test_R: Array, class_R: Array) -> Array:
    """Return the odds of the test, mean 1. They are calibrated: a probe that learned nothing gives weights of 1."""
    from sklearn.linear_model import LogisticRegression  # late: it would delay the start of every verb

    slope = LogisticRegression(C=1.0).fit(found_R[:, None], is_test_R, class_R).coef_.item()
    train_N = max(slope, 0.0) * found_R[is_test_R == 0]
    weight_N = np.exp(train_N - train_N.max())
    weight_N = np.minimum(weight_N / weight_N.mean(), CLIP)
    return weight_N / weight_N.mean()


def _parts(features_RD: Array, is_test_R: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the part of each row; near-duplicates have one, and train and test have as many in each."""
    from ffdi.data.groups import components, neighbours  # late: it would delay the start of every verb

    for cosine in NEAR:
        group_R = components(neighbours(features_RD, cosine), len(features_RD))
        if np.bincount(group_R).max() <= len(features_RD) / (2 * PARTS):
            break
    of_test_G = is_test_R[np.unique(group_R, return_index=True)[1]]
    part_G, draw = np.empty(len(of_test_G), np.int64), rng("adversarial validation")
    for side in (0, 1):
        part_G[of_test_G == side] = draw.permutation(np.count_nonzero(of_test_G == side)) % PARTS
    return part_G[group_R]


def shift(score_N: Array, is_fake_N: NDArray[np.bool_], group_N: NDArray[np.int64], found: Adversarial) -> Shift:
    """Return what weighting the held-out rows like the test does to their AUC; nothing for another source.

    Args:
        score_N: held-out scores of the blend.
        is_fake_N: their class.
        group_N: numbers from 0 on; near-duplicates share one.
        found: the comparison of train and test.
    """
    if found.other_source:
        return NO_SHIFT
    plain = placements(is_fake_N, score_N, group_N)
    like_test = weighted(score_N, is_fake_N, found.weight_N, group_N)
    if not 0 < plain.value < 1 or not 0 < like_test.value < 1:
        return NO_SHIFT
    like_test_N, plain_N = (one.influence() / (one.value * (1 - one.value)) for one in (like_test, plain))
    by_group = np.bincount(group_N, like_test_N - plain_N)
    return Shift(logit(like_test.value) - logit(plain.value), float(np.linalg.norm(by_group)))


def weighted(
    score_N: Array, is_fake_N: NDArray[np.bool_], weight_N: Array, group_N: NDArray[np.int64] | None = None
) -> Placements:
    """Return the placements of rows that stand on a board more or less often.

    Args:
        score_N: finite numbers.
        is_fake_N: their class.
        weight_N: how often each row stands there, relative to the others of its class.
        group_N: as of `shift`; None if rows are independent.
    """
    class_N, placed_N = is_fake_N.astype(int), np.empty(len(score_N))
    share_N = weight_N / np.bincount(is_fake_N, weight_N, 2)[class_N]
    placed_N[is_fake_N] = _below(score_N[is_fake_N], score_N[~is_fake_N], share_N[~is_fake_N])
    placed_N[~is_fake_N] = 1 - _below(score_N[~is_fake_N], score_N[is_fake_N], share_N[is_fake_N])
    scale_N = share_N * small_sample(is_fake_N, group_N)[class_N]
    return Placements(float(share_N[is_fake_N] @ placed_N[is_fake_N]), placed_N, scale_N, is_fake_N, group_N)


def _below(score_N: Array, others_M: Array, share_M: Array) -> Array:
    """Return the share of the others below each score; ties count one half."""
    order = others_M.argsort()
    sums = np.concatenate([[0.0], share_M[order].cumsum()])
    left, right = (np.searchsorted(others_M[order], score_N, side) for side in ("left", "right"))
    return (sums[left] + sums[right]) / 2
