"""Weights of members: not negative, sum 1, fitted to features of held-out rows and their targets.

Shapes: M members, N rows.
"""

import numpy as np
from numpy.typing import NDArray

from ffdi.blending.scorer import MAX_SUM, AucScorer
from ffdi.metrics.auc import auc
from ffdi.metrics.ranks import finite

Array = NDArray[np.float64]
Target = NDArray[np.int8]
RIDGE = 1e-3  # of the stack, per row: decides between members that the data cannot tell apart
CLIMB_STEPS = 20  # hill climbing moves weight in twentieths
MAX_CLIMBS = 50


def equal(features_MN: Array, target_N: Target) -> Array:
    """Return equal weights."""
    return np.full(len(features_MN), 1 / len(features_MN))


def best_single(features_MN: Array, target_N: Target) -> Array:
    """Give all weight to the member of the highest AUC, the first of them by name."""
    aucs = [auc(target_N, features_N) for features_N in features_MN]
    return np.eye(len(aucs))[int(np.argmax(aucs))]


def stack(features_MN: Array, target_N: Target) -> Array:
    """Return the coefficients of a logistic regression with non-negative coefficients, scaled to sum 1."""
    from scipy.optimize import minimize

    sign_N = 2.0 * target_N - 1

    def loss(values: Array) -> tuple[float, Array]:
        margin_N = sign_N * (values[:-1] @ features_MN + values[-1])
        slope_N = -sign_N * np.exp(-np.logaddexp(0, margin_N)) / len(sign_N)
        slope = np.append(features_MN @ slope_N + RIDGE * values[:-1], slope_N.sum())
        return np.logaddexp(0, -margin_N).mean() + RIDGE / 2 * values[:-1] @ values[:-1], slope

    members = len(features_MN)
    start = np.append(np.full(members, 1 / members), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * members + [(None, None)])
    return normalised(found.x[:-1])


def climb(features_MN: Array, target_N: Target) -> Array:
    """Start at the best member; move weight to the member that raises AUC most, until none does."""
    members = len(features_MN)
    scorer = AucScorer(features_MN, target_N)
    weights_M = best_single(features_MN, target_N)
    base_N = scorer.grid_MN[int(np.argmax(weights_M))]
    stay = (0, CLIMB_STEPS, 0)
    moves = [(member, CLIMB_STEPS - step, step) for member in range(members) for step in range(1, CLIMB_STEPS // 2 + 1)]
    for _ in range(MAX_CLIMBS):
        move = scorer.best(base_N, [stay, *moves], full=CLIMB_STEPS)
        member, here, there = move
        if move == stay:
            break
        base_N = np.rint(scorer.blend(base_N, move) / CLIMB_STEPS).astype(np.int32)
        weights_M = (weights_M * here + np.eye(members)[member] * there) / CLIMB_STEPS
    return normalised(weights_M)


def drop(features_MN: Array, target_N: Target) -> Array:
    """Return equal weights of the members that are left after dropping those whose absence raises AUC, worst first."""
    numbers_MN = np.stack([finite(features_N) for features_N in features_MN])
    lowest, width = numbers_MN.min(), max(np.ptp(numbers_MN), 1e-300)
    scorer = AucScorer((numbers_MN - lowest) / width, target_N)  # one scale for all members: sums keep their order
    kept = list(range(len(features_MN)))
    base_N = scorer.grid_MN.sum(axis=0, dtype=np.int32)
    while 1 < len(kept) <= MAX_SUM:
        move = scorer.best(base_N, [(0, 1, 0), *((member, 1, -1) for member in kept)], full=len(kept))
        if move == (0, 1, 0):
            break
        base_N = scorer.blend(base_N, move)
        kept.remove(move[0])
    return normalised(np.isin(np.arange(len(features_MN)), kept).astype(float))


def normalised(weights_M: Array) -> Array:
    """Return the weights scaled to sum 1; equal if all are zero."""
    total = weights_M.sum()
    return weights_M / total if total > 0 else np.full(len(weights_M), 1 / len(weights_M))
