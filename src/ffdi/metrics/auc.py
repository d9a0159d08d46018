"""Area under the ROC curve and points of that curve, exact for ties.

Shapes: N rows, G runs of equal scores, P points of the curve.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.errors import UserError
from ffdi.metrics.sorting import LEVELS, Sorted, ascend, levels


@dataclass(frozen=True)
class Runs:
    """How many rows of either class share each distinct score, scores ascending."""

    positives_G: NDArray[np.int64]
    negatives_G: NDArray[np.int64]


def auc(target: ArrayLike, score: ArrayLike) -> float:
    """Chance that a random fake (target 1) scores above a random real (0), a tie counted as one half.

    Counts pairs in whole numbers (Mann and Whitney, 1947) and divides once, so the result is correctly rounded and
    the order of the rows does not matter.
    Raises UserError unless both classes are there and every score is finite.
    """
    is_positive_N = classes(target, score)
    positives = int(np.count_nonzero(is_positive_N))
    pairs = positives * (len(is_positive_N) - positives)
    level_N = levels(score)
    if level_N is not None:
        return _twice_won_by_level(is_positive_N, level_N) / (2 * pairs)
    in_order = ascend(score, reuse=True)
    return _twice_won_pairs(is_positive_N[in_order.order_N], in_order) / (2 * pairs)


def roc(target: ArrayLike, score: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """False and true positive rates (fpr_P, tpr_P) from (0, 0) to (1, 1), one point a distinct threshold.

    Points on the straight line between their neighbours are left out: the curve is the same, the plot lighter.
    """
    counts = runs(target, score)
    false_P, true_P = _from_the_top(counts.negatives_G), _from_the_top(counts.positives_G)
    turns_P = np.ones(len(false_P), bool)
    cross_P = np.diff(false_P)[:-1] * np.diff(true_P)[1:] != np.diff(false_P)[1:] * np.diff(true_P)[:-1]
    turns_P[1:-1] = cross_P
    return false_P[turns_P] / false_P[-1], true_P[turns_P] / true_P[-1]


def tpr_at_fpr(target: ArrayLike, score: ArrayLike, fpr: float) -> float:
    """Largest true positive rate of any threshold whose false positive rate is at most `fpr`, without interpolation.

    With fewer than 1 / fpr real images no false alarm at all is allowed.
    """
    if not 0 <= fpr <= 1:
        raise UserError(f"A false positive rate lies between 0 and 1, but {fpr} was asked for.")
    counts = runs(target, score)
    false_P, true_P = _from_the_top(counts.negatives_G), _from_the_top(counts.positives_G)
    last = int(np.searchsorted(false_P / false_P[-1], fpr, side="right")) - 1
    return float(true_P[last] / true_P[-1])


def runs(target: ArrayLike, score: ArrayLike) -> Runs:
    """Class counts of every distinct score; UserError as for `auc`."""
    is_positive_N = classes(target, score)
    in_order = ascend(score, reuse=True)
    return _counted(is_positive_N[in_order.order_N], in_order)


def _counted(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> Runs:
    """Rows in ascending order."""
    starts_G = in_order.starts_G
    positives_G = np.add.reduceat(is_positive_N, starts_G, dtype=np.int64)
    return Runs(positives_G, np.diff(starts_G, append=len(is_positive_N)) - positives_G)


def classes(target: ArrayLike, score: ArrayLike) -> NDArray[np.bool_]:
    """The targets as booleans; UserError if they are not 0 and 1, both present and as many as the scores."""
    given = np.asarray(target)
    if given.shape != np.shape(score) or given.ndim != 1:
        raise UserError(f"Targets {given.shape} and scores {np.shape(score)} must be vectors of one length.")
    is_positive_N = given == 1
    positives = int(np.count_nonzero(is_positive_N))
    negatives = int(np.count_nonzero(given == 0))
    if positives + negatives != len(given):
        odd = given[~is_positive_N & (given != 0)][0]
        raise UserError(f"Targets must be 0 (real) or 1 (fake), but one is {odd}.")
    if not positives or not negatives:
        raise UserError(f"A ROC curve needs both classes, but there are {negatives} real and {positives} fake images.")
    return is_positive_N


def _twice_won_by_level(is_positive_N: NDArray[np.bool_], level_N: NDArray[np.intp]) -> int:
    level_N += LEVELS * is_positive_N
    negatives_L, positives_L = np.bincount(level_N, minlength=2 * LEVELS).reshape(2, LEVELS)
    return int(positives_L @ (2 * np.cumsum(negatives_L) - negatives_L))


def _twice_won_pairs(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> int:
    """Twice the pairs in which the fake scores above the real, plus the tied ones; rows in ascending order."""
    if in_order.many_ties:
        counts = _counted(is_positive_N, in_order)
        return int(counts.positives_G @ (2 * np.cumsum(counts.negatives_G) - counts.negatives_G))
    places = np.flatnonzero(is_positive_N)
    won = int(places.sum()) - len(places) * (len(places) - 1) // 2
    return 2 * won + _tie_correction(is_positive_N, in_order)


def _tie_correction(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> int:
    """Over all runs: the tied pairs, less twice those of them that counting by place took for won."""
    places_T = in_order.tied_T
    if not len(places_T):
        return 0
    hits_T = is_positive_N[places_T].astype(np.int64)
    starts_G = np.flatnonzero(in_order.first_N[places_T])
    sizes_G = np.diff(starts_G, append=len(places_T))
    positives_G = np.add.reduceat(hits_T, starts_G)
    places_G = np.add.reduceat(hits_T * np.arange(len(hits_T)), starts_G) - positives_G * starts_G
    counted_G = places_G - positives_G * (positives_G - 1) // 2
    return int((positives_G * (sizes_G - positives_G) - 2 * counted_G).sum())


def _from_the_top(counts_G: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows at or above each threshold, from none to all."""
    return np.concatenate([[0], np.cumsum(counts_G[::-1])])
