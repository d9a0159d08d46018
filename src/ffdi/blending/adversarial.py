"""Adversarial validation: can train and test be told apart, and how much of the held-out rows is like the test.

A probe learns to tell the two by their embeddings. An AUC near 0.5: one source. Its odds are the density ratio by which
held-out rows count as often as rows like them stand in the test.

Shapes: N held-out rows, T test rows, D features.
"""

from dataclasses import dataclass

import numpy as np

from ffdi.blending.features import Array
from ffdi.blending.influence import HeldOut, influence
from ffdi.blending.probe import PARTS, crossfit
from ffdi.blending.shift import NO_SHIFT, Shift, logit
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc

CLIP = 10.0  # the largest density ratio, and its inverse the smallest
OTHER_AUC, OTHER_SHARE = 0.90, 0.30  # from this AUC on, and with fewer effective rows than this share: another source


@dataclass(frozen=True)
class Adversarial:
    """`auc`: of train against test. `effective`: effective share of the held-out rows once they are weighted.

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


def compare(train_ND: Array, test_TD: Array) -> Adversarial:
    """Return how train and test can be told apart by embeddings."""
    is_test = np.repeat([0, 1], [len(train_ND), len(test_TD)])
    draw = rng("adversarial validation")
    part = np.concatenate([draw.permutation(count) % PARTS for count in (len(train_ND), len(test_TD))])
    found = crossfit(np.concatenate([train_ND, test_TD]), is_test, part)
    train_N, test_T = found[is_test == 0], found[is_test == 1]
    limit = np.log(CLIP)
    weight_N = np.exp(np.clip(train_N + np.log(len(train_N) / len(test_T)), -limit, limit))
    weight_N /= weight_N.mean()
    return Adversarial(float(auc(is_test, found)), float(1 / (weight_N**2).mean()), weight_N, train_N, test_T)


def shift(score_N: Array, rows: HeldOut, found: Adversarial) -> Shift:
    """Return what weighting the held-out rows like the test does to their AUC; nothing for another source."""
    if found.other_source:
        return NO_SHIFT
    (plain, plain_N), (weighted, weighted_N) = influence(score_N, rows), influence(score_N, rows, found.weight_N)
    if not 0 < plain < 1 or not 0 < weighted < 1:
        return NO_SHIFT
    pull_N = weighted_N / (weighted * (1 - weighted)) - plain_N / (plain * (1 - plain))
    by_group = np.bincount(rows.group_N, pull_N)
    return Shift(logit(weighted) - logit(plain), float(np.linalg.norm(by_group)))
