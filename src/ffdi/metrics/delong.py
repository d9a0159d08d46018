"""Confidence intervals of an AUC and of the difference of two AUCs, by DeLong's variance.

DeLong, DeLong and Clarke-Pearson (1988); computed from midranks (Sun and Xu, 2014); for rows that come in groups, such
as an original and its forgeries, Obuchowski (1997): groups are independent, the rows of one group are not.

Shapes: N rows, P fakes, R reals.
"""

import math
from dataclasses import dataclass
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
    """An AUC and DeLong's placement values: the share of reals below each fake, and of fakes above each real.

    `groups`: group number of the fakes, then of the reals, from 0 on; None if every row is independent.
    The difference of two Placements is that of two AUCs on the same rows; it holds their covariance.
    """

    value: float
    fakes_P: NDArray[np.float64]
    reals_R: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None

    def __sub__(self, other: "Placements") -> "Placements":
        fakes_P, reals_R = self.fakes_P - other.fakes_P, self.reals_R - other.reals_R
        return Placements(self.value - other.value, fakes_P, reals_R, self.groups)

    def se(self) -> float:
        """Return the standard error on these rows."""
        if self.groups is not None:
            influence_N = np.concatenate([_influence(self.fakes_P), _influence(self.reals_R)])
            return float(np.linalg.norm(np.bincount(self.groups, influence_N)))
        return math.sqrt(
            np.var(self.fakes_P, ddof=1) / len(self.fakes_P) + np.var(self.reals_R, ddof=1) / len(self.reals_R)
        )


def delong(targets: ArrayLike, scores: ArrayLike) -> Interval:
    """Return the AUC with a 95 % interval that is symmetric on the logit scale, so it stays inside [0, 1] (Pepe, 2003).

    If all pairs are ordered alike (AUC 0 or 1) the variance is 0 and says nothing. Then the inner limit is that of
    min(P, R) independent pairs that all came out one way: 0.025 to the power 1 / min(P, R).

    Args:
        targets: N values 0 or 1.
        scores: N finite numbers.

    Raises:
        UserError: a class has fewer than two rows, or a score is not finite.

    Example:
        >>> found = delong([0, 0, 1, 1, 1], [0.1, 0.5, 0.3, 0.8, 0.9])
        >>> f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
        '0.833 (0.152 to 0.993)'
    """
    return auc_interval(placements(targets, scores))


def delong_paired(targets: ArrayLike, a: ArrayLike, b: ArrayLike) -> Interval:
    """Return AUC(a) - AUC(b) on the same rows, with a normal 95 % interval cut to [-1, 1].

    The covariance of the two scores is used, so two nearly equal scores have a narrow interval.

    Args:
        targets: 0 real, 1 fake, [N].
        a: Scores [N].
        b: Scores [N] of the same rows.
    """
    return gain_interval(placements(targets, a) - placements(targets, b))


def auc_interval(placed: Placements) -> Interval:
    """Return the interval of `delong` from placements."""
    value, se = placed.value, placed.se()
    if value in (0.0, 1.0):
        return perfect(value, min(len(placed.fakes_P), len(placed.reals_R)), se, LEVEL)
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


def placements(targets: ArrayLike, scores: ArrayLike, group: NDArray[np.int64] | None = None) -> Placements:
    """Return the placement values of each row; ties count one half.

    Args:
        targets: N values 0 or 1.
        scores: N finite numbers.
        group: N group numbers from 0 on; None if rows are independent.

    Raises:
        UserError: a class has fewer than two rows, or a score is not finite.
    """
    is_fake_N = classes(targets, scores)
    score_N = finite(scores)
    fakes_P, reals_R = score_N[is_fake_N], score_N[~is_fake_N]
    if min(len(fakes_P), len(reals_R)) < 2:
        counts = f"{len(reals_R)} real and {len(fakes_P)} fake"
        raise UserError(f"An interval needs two images of each class, but there are {counts}.")
    rank_N = midrank(score_N)
    below_P = (rank_N[is_fake_N] - midrank(fakes_P)) / len(reals_R)
    above_R = 1 - (rank_N[~is_fake_N] - midrank(reals_R)) / len(fakes_P)
    groups = None if group is None else np.concatenate([group[is_fake_N], group[~is_fake_N]])
    return Placements(auc(targets, scores), below_P, above_R, groups)


def _influence(placed: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the influence of each row of one class on the AUC; the squares add up to its part of the variance."""
    return (placed - placed.mean()) / math.sqrt(len(placed) * (len(placed) - 1))


def logit(auc: float) -> float:
    """Return log(auc / (1 - auc)), with the AUC kept off 0 and 1."""
    inside = min(max(auc, MARGIN), 1 - MARGIN)
    return math.log(inside / (1 - inside))


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
