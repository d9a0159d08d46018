"""Confidence intervals of an AUC and of the difference of two AUCs, by DeLong's variance.

DeLong, DeLong and Clarke-Pearson (1988); computed from midranks (Sun and Xu, 2014); for rows that come in groups, such
as an original and its forgeries, Obuchowski (1997): groups are independent, the rows of one group are not.

Shapes: N rows, P fakes, R reals.
"""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc, classes
from ffdi.metrics.ranks import finite, midrank

LEVEL = 0.95  # of the intervals of what was measured
MARGIN = 1e-6  # from 0 and 1, where an AUC has no logit


@dataclass(frozen=True)
class Interval:
    """An estimate, its two-sided confidence limits and its standard error."""

    value: float
    low: float
    high: float
    se: float


@dataclass(frozen=True)
class Placements:
    """An AUC and DeLong's placement values: for a fake the share of reals below it, for a real that of fakes above it.

    `scale_N`: what a row adds to the error of the AUC, for each unit that it is placed above the mean of its class.
    `group_N`: numbers; rows of one group are not independent. None: all are.
    The difference of two Placements is that of two AUCs on the same rows; it holds their covariance.
    """

    value: float
    placed_N: NDArray[np.float64]
    scale_N: NDArray[np.float64]
    is_fake_N: NDArray[np.bool_]
    group_N: NDArray[np.int64] | None = None

    def __sub__(self, other: "Placements") -> "Placements":
        return replace(self, value=self.value - other.value, placed_N=self.placed_N - other.placed_N)

    def influence(self) -> NDArray[np.float64]:
        """Return what each row adds to the error of the AUC."""
        return self.scale_N * (self.placed_N - self.value)

    def variance(self, influence_N: NDArray[np.float64]) -> float:
        """Return the sum of the squares of what the groups add, of which each is the sum of its rows."""
        by_group = influence_N if self.group_N is None else np.bincount(self.group_N, influence_N)
        return float(by_group @ by_group)

    def se(self) -> float:
        """Return the standard error on these rows."""
        return math.sqrt(self.variance(self.influence()))


def delong(targets: ArrayLike, scores: ArrayLike, group_N: NDArray[np.int64] | None = None) -> Interval:
    """Return the AUC with a 95 % interval that is symmetric on the logit scale, so it stays inside [0, 1] (Pepe, 2003).

    If all pairs are ordered alike (AUC 0 or 1) the variance is 0 and says nothing. Then the inner limit is that of as
    many independent pairs as there are groups of the rarer class, all of one outcome: 0.025 to the power 1 / groups.

    Args:
        targets: N values 0 or 1.
        scores: N finite numbers.
        group_N: as `group_numbers` gives them; None if rows are independent.

    Raises:
        UserError: a class has fewer than two rows, or a score is not finite.

    Example:
        >>> found = delong([0, 0, 1, 1, 1], [0.1, 0.5, 0.3, 0.8, 0.9])
        >>> f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
        '0.833 (0.152 to 0.993)'
    """
    return auc_interval(placements(targets, scores, group_N))


def auc_interval(placed: Placements) -> Interval:
    """Return the interval of `delong` from placements."""
    value, se = placed.value, placed.se()
    if value in (0.0, 1.0):
        return perfect(placed, se, LEVEL)
    middle, half = math.log(value / (1 - value)), quantile(LEVEL) * se / (value * (1 - value))
    return Interval(value, sigmoid(middle - half), sigmoid(middle + half), se)


def gain_interval(difference: Placements) -> Interval:
    """Return the difference of two AUCs of the same rows, with a normal 95 % interval cut to [-1, 1].

    The covariance of the two scores is used, so two nearly equal scores have a narrow interval.
    """
    value, se = difference.value, difference.se()
    half = quantile(LEVEL) * se
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0), se)


def perfect(placed: Placements, se: float, level: float) -> Interval:
    """Return the interval of an AUC of 0 or 1.

    Args:
        placed: Of that AUC.
        se: Its standard error.
        level: Of the interval.
    """
    reach = ((1 - level) / 2) ** (1 / min(groups_by_class(placed.is_fake_N, placed.group_N)))
    return Interval(placed.value, reach if placed.value else 0.0, 1.0 if placed.value else 1 - reach, se)


def quantile(level: float) -> float:
    """Return the standard normal quantile of a two-sided interval, such as 1.96 for level 0.95."""
    return NormalDist().inv_cdf(1 - (1 - level) / 2)


def placements(targets: ArrayLike, scores: ArrayLike, group_N: NDArray[np.int64] | None = None) -> Placements:
    """Return the placement values of each row; ties count one half.

    Args:
        targets: N values 0 or 1.
        scores: N finite numbers.
        group_N: as `group_numbers` gives them; None if rows are independent.

    Raises:
        UserError: a class has fewer than two rows, or a score is not finite.
    """
    is_fake_N = classes(targets, scores)
    score_N = finite(scores)
    fakes_P, reals_R = np.flatnonzero(is_fake_N), np.flatnonzero(~is_fake_N)
    if min(len(fakes_P), len(reals_R)) < 2:
        counts = f"{len(reals_R)} real and {len(fakes_P)} fake"
        raise UserError(f"An interval needs two images of each class, but there are {counts}.")
    placed_N, rank_N = np.empty(len(score_N)), midrank(score_N)
    placed_N[fakes_P] = (rank_N[fakes_P] - midrank(score_N[fakes_P])) / len(reals_R)
    placed_N[reals_R] = 1 - (rank_N[reals_R] - midrank(score_N[reals_R])) / len(fakes_P)
    real, fake = small_sample(is_fake_N, group_N) / (len(reals_R), len(fakes_P))
    return Placements(auc(targets, scores), placed_N, np.where(is_fake_N, fake, real), is_fake_N, group_N)


def small_sample(is_fake_N: NDArray[np.bool_], group_N: NDArray[np.int64] | None) -> NDArray[np.float64]:
    """Return sqrt(n / (n - 1)) for the n groups with (a real, a fake): the mean was taken from the same groups."""
    known_2 = np.maximum(groups_by_class(is_fake_N, group_N), 2)
    return np.sqrt(known_2 / (known_2 - 1))


def groups_by_class(is_fake_N: NDArray[np.bool_], group_N: NDArray[np.int64] | None) -> tuple[int, int]:
    """Return how many groups hold (a real, a fake)."""
    kinds = (~is_fake_N, is_fake_N)
    reals, fakes = (np.count_nonzero(kind if group_N is None else np.bincount(group_N[kind])) for kind in kinds)
    return int(reals), int(fakes)


def group_numbers(labels: ArrayLike | None, count: int) -> NDArray[np.int64]:
    """Return the group of each of `count` rows, numbered from 0 on; without labels each row is a group."""
    return np.arange(count) if labels is None else np.unique(np.asarray(labels), return_inverse=True)[1]


def logit(auc: float) -> float:
    """Return log(auc / (1 - auc)), with the AUC kept off 0 and 1."""
    inside = min(max(auc, MARGIN), 1 - MARGIN)
    return math.log(inside / (1 - inside))


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
