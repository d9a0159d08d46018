"""Weights found by Optuna: shares of whole hundredths, tried and judged by their exact AUC.

Shapes: M members, N rows.
"""

import warnings

import numpy as np

from ffdi.blending.features import Array
from ffdi.blending.judge import Counts, Judge
from ffdi.blending.weights import Target, shares
from ffdi.core.keys import key

TRIALS = 150
PARTS = 100  # that the shares are counted in: the judge adds up whole numbers


def optuna(features_MN: Array, target_N: Target) -> Array:
    """The best trial of a seeded tree of Parzen estimators, equal weights first; of equals the first."""
    import optuna as library

    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=TRIALS)
    tried: dict[bytes, float] = {}
    quiet, level = library.logging, library.logging.get_verbosity()
    quiet.set_verbosity(quiet.ERROR)
    with warnings.catch_warnings(action="ignore", category=library.exceptions.ExperimentalWarning):
        sampler = library.samplers.TPESampler(seed=key("optuna", members) % 2**32, multivariate=True)
    study = library.create_study(direction="maximize", sampler=sampler)
    study.enqueue_trial({str(member): 0.5 for member in range(members)})

    def worth(trial: library.Trial) -> float:
        draw_M = np.array([trial.suggest_float(str(member), 0, 1) for member in range(members)])
        counts_M = hundredths(-np.log1p(-draw_M * (1 - 1e-9)))  # exponential variables have uniform shares
        if counts_M.tobytes() not in tried:
            tried[counts_M.tobytes()] = judge.worth(counts_M)
        return tried[counts_M.tobytes()]

    study.optimize(worth, n_trials=TRIALS)
    quiet.set_verbosity(level)
    return shares(np.frombuffer(max(tried, key=lambda counts: tried[counts]), np.int32).astype(float))


def hundredths(values_M: Array) -> Counts:
    """Whole hundredths of the sum, in proportion to the values: the largest remainders are rounded up."""
    exact_M = shares(values_M) * PARTS
    counts_M = np.floor(exact_M).astype(np.int32)
    missing = PARTS - int(counts_M.sum())
    counts_M[np.argsort(counts_M - exact_M, kind="stable")[:missing]] += 1
    return counts_M
