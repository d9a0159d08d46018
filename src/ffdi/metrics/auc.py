"""Area under the ROC curve and true positive rates of that curve, exact for ties.

Shapes: N rows, G runs of equal scores, P points of the curve.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.errors import UserError
from ffdi.metrics.ranks import Sorted, ascend


def auc(targets: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that a random positive scores above a random negative; a tie counts one half.

    Pairs are counted in whole numbers and divided once, so the result is correctly rounded and does not depend on the
    order of the rows. It equals `sklearn.metrics.roc_auc_score` and is 5 to 20 times as fast on 500,000 rows.

    Args:
        targets: N values 0 (real) or 1 (fake); both must occur.
        scores: N finite numbers; higher means more likely 1.

    Returns:
        A number between 0 and 1.

    Raises:
        UserError: a class is missing, the lengths differ, or a score is NaN or infinite.

    Example:
        >>> auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
    """
    is_positive_N = classes(targets, scores)
    positives = int(np.count_nonzero(is_positive_N))
    pairs = positives * (len(is_positive_N) - positives)
    in_order = ascend(scores)
    return _twice_won(is_positive_N[in_order.order_N], in_order) / (2 * pairs)


def tpr_at_fpr(targets: ArrayLike, scores: ArrayLike, fpr: float) -> float:
    """Return the highest true positive rate of a threshold whose false positive rate is at most `fpr`.

    There is no interpolation: with fewer than 1 / fpr negatives, no false positive is allowed.

    Args:
        targets: 0 real, 1 fake, [N].
        scores: Higher means fake, [N].
        fpr: From 0 to 1.
    """
    is_positive_N, in_order = classes(targets, scores), ascend(scores)
    counts = _counted(is_positive_N[in_order.order_N], in_order)
    true_P, false_P = (np.append(0, np.cumsum(count_G[::-1])) for count_G in counts)  # at or above each threshold
    last = int(np.searchsorted(false_P / false_P[-1], fpr, side="right")) - 1
    return float(true_P[last] / true_P[-1])


def classes(targets: ArrayLike, scores: ArrayLike) -> NDArray[np.bool_]:
    """Return the targets as booleans. Raises UserError unless they are 0 and 1, both there, one for each score."""
    given = np.asarray(targets)
    if given.shape != np.shape(scores) or given.ndim != 1:
        raise UserError(f"Targets {given.shape} and scores {np.shape(scores)} must be vectors of one length.")
    is_positive_N = given == 1
    positives, negatives = int(np.count_nonzero(is_positive_N)), int(np.count_nonzero(given == 0))
    if positives + negatives != len(given):
        odd = given[~is_positive_N & (given != 0)][0]
        raise UserError(f"Targets must be 0 (real) or 1 (fake), but one is {odd}.")
    if not positives or not negatives:
        raise UserError(f"A ROC curve needs both classes, but there are {negatives} real and {positives} fake images.")
    return is_positive_N


def _counted(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how many (positives, negatives) share a score, for every distinct score in ascending order."""
    starts_G = in_order.starts_G
    positives_G = np.add.reduceat(is_positive_N, starts_G, dtype=np.int64)
    return positives_G, np.diff(starts_G, append=len(is_positive_N)) - positives_G


def _twice_won(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> int:
    """Return twice the pairs that the positive wins plus the tied pairs. Rows are in ascending order."""
    if in_order.many_ties:
        positives_G, negatives_G = _counted(is_positive_N, in_order)
        return int(positives_G @ (2 * np.cumsum(negatives_G) - negatives_G))
    places = np.flatnonzero(is_positive_N)
    won = int(places.sum()) - len(places) * (len(places) - 1) // 2
    return 2 * won + _tie_correction(is_positive_N, in_order)


def _tie_correction(is_positive_N: NDArray[np.bool_], in_order: Sorted) -> int:
    """Return the tied pairs less twice those among them that counting by place took for won."""
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
