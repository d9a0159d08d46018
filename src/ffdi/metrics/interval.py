"""Confidence intervals for AUC and for the difference of two AUCs, by DeLong's variance or by drawing again.

DeLong, DeLong and Clarke-Pearson (1988) for the variance; Sun and Xu (2014) for its form in midranks, O(N log N);
Obuchowski (1997) for rows that come in groups, such as an original with its forgeries: groups are independent, the
rows of one are not.
Shapes: N rows, P fakes, R reals, D draws.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.errors import UserError
from ffdi.core.keys import key
from ffdi.metrics.auc import auc, classes
from ffdi.metrics.ranks import midrank
from ffdi.metrics.sorting import finite


@dataclass(frozen=True)
class Interval:
    """An estimate, its two-sided confidence limits and its standard error."""

    value: float
    low: float
    high: float
    se: float


@dataclass(frozen=True)
class Placements:
    """An AUC, and what each row does for it: the share of reals below each fake, of fakes above each real.

    `groups`: of the fakes, then of the reals, numbered from 0; None where every row stands alone.
    """

    value: float
    fakes_P: NDArray[np.float64]
    reals_R: NDArray[np.float64]
    groups: NDArray[np.int64] | None = None

    def __sub__(self, other: "Placements") -> "Placements":
        """Of the difference of two AUCs on the same rows; their covariance is in it."""
        fakes_P, reals_R = self.fakes_P - other.fakes_P, self.reals_R - other.reals_R
        return Placements(self.value - other.value, fakes_P, reals_R, self.groups)

    def se(self, fakes: int | None = None, reals: int | None = None) -> float:
        """Standard error on these rows, or on so many others of the same kind that stand alone."""
        if self.groups is not None and fakes is None and reals is None:
            pulls = np.concatenate([_pulls(self.fakes_P), _pulls(self.reals_R)])
            return float(np.linalg.norm(np.bincount(self.groups, pulls)))
        var_fakes, var_reals = np.var(self.fakes_P, ddof=1), np.var(self.reals_R, ddof=1)
        return math.sqrt(var_fakes / (fakes or len(self.fakes_P)) + var_reals / (reals or len(self.reals_R)))


def delong(target: ArrayLike, score: ArrayLike, level: float = 0.95) -> Interval:
    """AUC with an interval that is symmetric on the logit scale and so stays inside [0, 1] (Pepe, 2003).

    Where every pair is ordered alike (AUC 0 or 1) the variance is 0 and says nothing: then the inner limit is that of
    min(P, R) disjoint pairs that all came out one way, (1 - level) / 2 to the power 1 / min(P, R).
    Raises UserError with fewer than two rows of a class.
    """
    return around(placements(target, score), level)


def around(placed: Placements, level: float = 0.95) -> Interval:
    """The interval of `delong` from placements that are known already."""
    value, se = placed.value, placed.se()
    if value in (0.0, 1.0):
        reach = tail(level) ** (1 / min(len(placed.fakes_P), len(placed.reals_R)))
        return Interval(value, reach if value else 0.0, 1.0 if value else 1 - reach, se)
    return on_logits(value, se, level)


def on_logits(value: float, se: float, level: float) -> Interval:
    """Symmetric around `value`, inside (0, 1), on the logit scale."""
    logit = math.log(value / (1 - value))
    half = quantile(level) * se / (value * (1 - value))
    return Interval(value, _sigmoid(logit - half), _sigmoid(logit + half), se)


def delong_paired(target: ArrayLike, a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """AUC of `a` less AUC of `b` on the same rows, with a normal interval cut to [-1, 1].

    The covariance of the two scores is used, so two nearly equal scores have a narrow interval.
    """
    return apart(placements(target, a) - placements(target, b), level)


def apart(difference: Placements, level: float = 0.95) -> Interval:
    """The interval of `delong_paired` from a difference of placements."""
    value, se = difference.value, difference.se()
    half = quantile(level) * se
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0), se)


def bootstrap(
    target: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    group: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """AUC of `a` less AUC of `b` with the quantiles of so many draws of the rows, the same rows for both.

    Whole groups are drawn, each a number of times that has the Poisson distribution of mean 1 (Hanley and MacGibbon,
    2006), which is what drawing with replacement comes to; every draw's AUCs are exact. The draws depend on `seed`
    and on the groups' order, not on that of the rows if groups are given. Draws without a class are left out.
    Raises UserError with fewer than two rows of a class.
    """
    from ffdi.metrics.redraw import aucs  # compiled

    value = delong_paired(target, a, b, level).value
    is_fake_N = classes(target, a)
    group_N = np.arange(len(is_fake_N)) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    found_2D = aucs(is_fake_N, [finite(a), finite(b)], group_N, draws, key("bootstrap", seed))
    gain_D = found_2D[0] - found_2D[1]
    gain_D = gain_D[np.isfinite(gain_D)]
    low, high = np.quantile(gain_D, [tail(level), 1 - tail(level)])
    return Interval(value, float(low), float(high), float(np.std(gain_D, ddof=1)))


def quantile(level: float) -> float:
    """Standard normal quantile of a two-sided interval of this confidence level, such as 1.96 for 0.95."""
    return NormalDist().inv_cdf(1 - tail(level))


def tail(level: float) -> float:
    """Probability left outside on either side; UserError unless the level is inside (0, 1)."""
    if not 0 < level < 1:
        raise UserError(f"A confidence level lies between 0 and 1, but {level} was asked for.")
    return (1 - level) / 2


def placements(target: ArrayLike, score: ArrayLike, group: NDArray[np.int64] | None = None) -> Placements:
    """For each fake the share of reals below it, for each real the share of fakes above it; ties count one half.

    `group`: of each row, a small whole number from 0 on. Raises UserError with fewer than two rows of a class.
    """
    is_fake_N = classes(target, score)
    score_N = finite(score)
    fakes_P, reals_R = score_N[is_fake_N], score_N[~is_fake_N]
    if min(len(fakes_P), len(reals_R)) < 2:
        counts = f"{len(reals_R)} real and {len(fakes_P)} fake"
        raise UserError(f"An interval needs two images of each class, but there are {counts}.")
    rank_N = midrank(score_N)
    below_P = (rank_N[is_fake_N] - midrank(fakes_P)) / len(reals_R)
    above_R = 1 - (rank_N[~is_fake_N] - midrank(reals_R)) / len(fakes_P)
    groups = None if group is None else np.concatenate([group[is_fake_N], group[~is_fake_N]])
    return Placements(auc(target, score), below_P, above_R, groups)


def _pulls(placed: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each row of one class pulls the AUC; their squares add up to that class's part of the variance."""
    return (placed - placed.mean()) / math.sqrt(len(placed) * (len(placed) - 1))


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
