"""Confidence intervals of an AUC and of the difference of two AUCs, by DeLong's variance.

DeLong, DeLong and Clarke-Pearson (1988); computed from midranks (Sun and Xu, 2014); for rows that come in groups, such
as an original and its forgeries, Obuchowski (1997): groups are independent, the rows of one group are not.

Shapes: N rows.
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

    `share_N`: of a row in its class, sum 1 in each class. `group_N`: numbers; rows of one group are not independent.
    The difference of two Placements is that of two AUCs on the same rows; it holds their covariance.
    """

    value: float
    placed_N: NDArray[np.float64]
    share_N: NDArray[np.float64]
    is_fake_N: NDArray[np.bool_]
    group_N: NDArray[np.int64]

    def __sub__(self, other: "Placements") -> "Placements":
        return replace(self, value=self.value - other.value, placed_N=self.placed_N - other.placed_N)

    @property
    def groups_by_class(self) -> tuple[int, int]:
        """Return how many groups hold (a real, a fake)."""
        reals, fakes = (np.count_nonzero(np.bincount(self.group_N[kind])) for kind in (~self.is_fake_N, self.is_fake_N))
        return int(reals), int(fakes)

    def influence(self) -> NDArray[np.float64]:
        """Return what each row adds to the error of the AUC; the squares of the groups' sums add up to its variance."""
        known = np.maximum(self.groups_by_class, 2)  # n / (n - 1): the mean was taken from the same groups
        return self.share_N * np.sqrt(known / (known - 1))[self.is_fake_N.astype(int)] * (self.placed_N - self.value)

    def se(self) -> float:
        """Return the standard error on these rows."""
        return float(np.linalg.norm(np.bincount(self.group_N, self.influence())))


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


def delong_paired(targets: ArrayLike, a: ArrayLike, b: ArrayLike, group_N: NDArray[np.int64] | None = None) -> Interval:
    """Return AUC(a) - AUC(b) on the same rows, with a normal 95 % interval cut to [-1, 1].

    The covariance of the two scores is used, so two nearly equal scores have a narrow interval.

    Args:
        targets: 0 real, 1 fake, [N].
        a: Scores [N].
        b: Scores [N] of the same rows.
        group_N: As for `delong`.
    """
    return gain_interval(placements(targets, a, group_N) - placements(targets, b, group_N))


def auc_interval(placed: Placements) -> Interval:
    """Return the interval of `delong` from placements."""
    value, se = placed.value, placed.se()
    if value in (0.0, 1.0):
        return perfect(value, min(placed.groups_by_class), se, LEVEL)
    return logit_interval(value, se, LEVEL)


def gain_interval(difference: Placements) -> Interval:
    """Return the interval of `delong_paired` from a difference of placements."""
    value, se = difference.value, difference.se()
    half = quantile(LEVEL) * se
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0), se)


def logit_interval(value: float, se: float, level: float) -> Interval:
    """Return an interval around `value`, inside (0, 1), that is symmetric on the logit scale.

    Args:
        value: An AUC inside (0, 1).
        se: Its standard error.
        level: Of the interval.
    """
    middle, half = math.log(value / (1 - value)), quantile(level) * se / (value * (1 - value))
    return Interval(value, sigmoid(middle - half), sigmoid(middle + half), se)


def perfect(value: float, pairs: int, se: float, level: float) -> Interval:
    """Return the interval of an AUC of 0 or 1.

    Args:
        value: 0 or 1.
        pairs: Independent pairs of a fake and a real image.
        se: Its standard error.
        level: Of the interval.
    """
    reach = ((1 - level) / 2) ** (1 / pairs)
    return Interval(value, reach if value else 0.0, 1.0 if value else 1 - reach, se)


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
    count_2 = np.bincount(is_fake_N, minlength=2)
    if min(count_2) < 2:
        counts = f"{count_2[0]} real and {count_2[1]} fake"
        raise UserError(f"An interval needs two images of each class, but there are {counts}.")
    placed_N, rank_N = np.empty(len(score_N)), midrank(score_N)
    placed_N[is_fake_N] = (rank_N[is_fake_N] - midrank(score_N[is_fake_N])) / count_2[0]
    placed_N[~is_fake_N] = 1 - (rank_N[~is_fake_N] - midrank(score_N[~is_fake_N])) / count_2[1]
    share_N = (1 / count_2)[is_fake_N.astype(int)]
    groups_N = np.arange(len(score_N)) if group_N is None else group_N
    return Placements(auc(targets, scores), placed_N, share_N, is_fake_N, groups_N)


def group_numbers(labels: ArrayLike | None, count: int) -> NDArray[np.int64]:
    """Return the group of each row, numbered from 0 on.

    Args:
        labels: Equal in the rows of one group; None: each row is a group.
        count: Rows.
    """
    return np.arange(count) if labels is None else np.unique(np.asarray(labels), return_inverse=True)[1]


def logit(auc: float) -> float:
    """Return log(auc / (1 - auc)), with the AUC kept off 0 and 1."""
    inside = min(max(auc, MARGIN), 1 - MARGIN)
    return math.log(inside / (1 - inside))


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
