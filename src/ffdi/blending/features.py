"""What of a member enters a blend: its logits, probabilities, or ranks inside folds.

Shapes: M members, N rows. `folds_N` says which rows one model scored; rows of one test set have one fold.
"""

import numpy as np
from numpy.typing import NDArray

from ffdi.metrics.ranks import rank_within

Array = NDArray[np.float64]
Folds = NDArray[np.int64]
POWER = 3.0  # of the power mean: what a member is surest is fake counts more than what it is surest is real


def logits(logits_MN: Array, folds_N: Folds) -> Array:
    """As they are, scales of members and folds with them."""
    return logits_MN


def probabilities(logits_MN: Array, folds_N: Folds) -> Array:
    return sigmoid(logits_MN)


def ranks(logits_MN: Array, folds_N: Folds) -> Array:
    """Ranks in (0, 1) of every member inside every fold.

    Fold models differ in scale: pooled as they are, five equally good ones of AUC .857 showed .781 (own simulation).
    """
    return np.stack([rank_within(logits_N, folds_N) for logits_N in logits_MN])


def rank_powers(logits_MN: Array, folds_N: Folds) -> Array:
    return ranks(logits_MN, folds_N) ** POWER


def rank_logits(logits_MN: Array, folds_N: Folds) -> Array:
    """Ranks on the logit scale, where evidence of members adds up."""
    rank_MN = ranks(logits_MN, folds_N)
    return np.log(rank_MN) - np.log1p(-rank_MN)


def same(score_N: Array) -> Array:
    return score_N


def root(score_N: Array) -> Array:
    return score_N ** (1 / POWER)


def sigmoid(score: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow."""
    small = np.exp(-np.abs(score))
    return np.where(score >= 0, 1, small) / (1 + small)
