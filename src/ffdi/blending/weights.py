"""Weights of members, not negative and of sum 1, found in features of held-out rows and their targets.

Shapes: M members, N rows.
"""

import numpy as np
from numpy.typing import NDArray

from ffdi.blending.features import Array
from ffdi.metrics.auc import auc

Target = NDArray[np.int8]
RIDGE = 1e-3  # of the stack, per row: decides between members that the data cannot tell apart


def equal(features_MN: Array, target_N: Target) -> Array:
    """The weights that no data can mislead."""
    return np.full(len(features_MN), 1 / len(features_MN))


def best(features_MN: Array, target_N: Target) -> Array:
    """All for the member of the highest AUC, the first of them by name."""
    aucs = [auc(target_N, features_N) for features_N in features_MN]
    return np.eye(len(aucs))[int(np.argmax(aucs))]


def by_auc(features_MN: Array, target_N: Target) -> Array:
    """In proportion to AUC above one half: what a member is worth alone. Equal if none is above it."""
    return shares(np.array([max(auc(target_N, features_N) - 0.5, 0.0) for features_N in features_MN]))


def stack(features_MN: Array, target_N: Target) -> Array:
    """Coefficients of a logistic regression that may not be negative; its intercept and their scale move no rank."""
    from scipy.optimize import minimize

    sign_N = 2.0 * target_N - 1

    def loss(values: Array) -> tuple[float, Array]:
        margin_N = sign_N * (values[:-1] @ features_MN + values[-1])
        pull_N = -sign_N * np.exp(-np.logaddexp(0, margin_N)) / len(sign_N)
        slope = np.append(features_MN @ pull_N + RIDGE * values[:-1], pull_N.sum())
        return np.logaddexp(0, -margin_N).mean() + RIDGE / 2 * values[:-1] @ values[:-1], slope

    members = len(features_MN)
    start = np.append(np.full(members, 1 / members), 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * members + [(None, None)])
    return shares(found.x[:-1])


def shares(weights_M: Array) -> Array:
    """Scaled to sum 1; equal if all are zero."""
    total = weights_M.sum()
    return weights_M / total if total > 0 else np.full(len(weights_M), 1 / len(weights_M))
