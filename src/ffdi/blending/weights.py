"""Weights of members: not negative, sum 1, fitted to features of held-out rows and their targets.

Shapes: M members, N rows.
"""

import numpy as np

from ffdi.blending.features import Array, Target
from ffdi.metrics.auc import auc

RIDGE = 1e-3  # of the stack, per row: decides between members that the data cannot tell apart


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


def normalised(weights_M: Array) -> Array:
    """Return the weights scaled to sum 1; equal if all are zero."""
    total = weights_M.sum()
    return weights_M / total if total > 0 else np.full(len(weights_M), 1 / len(weights_M))
