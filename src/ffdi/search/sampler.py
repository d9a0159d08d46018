"""Optuna's TPE sampler, seeded anew for every draw, so that it has no state.

The n-th draw depends on the seed, on n and on the trials that are finished. So a search that was killed goes on with
the values that it would have tried anyway, and it does not matter which worker asks.
"""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial

from ffdi.core import keys

RETRY_OF = "failed_trial"  # system attribute that Optuna's retry callback writes: the number of the first attempt


def is_retry(trial: FrozenTrial) -> bool:
    """Return whether the trial repeats one that was interrupted."""
    return RETRY_OF in trial.system_attrs


def draw(trials: list[FrozenTrial], trial: FrozenTrial) -> int:
    """Return the number of the trial as if no trial had been interrupted; a retry has that of its first attempt."""
    first = trial.system_attrs.get(RETRY_OF, trial.number)
    return sum(not is_retry(other) for other in trials if other.number < first)


class SeededSampler(BaseSampler):
    """A fresh TPE sampler for every value, seeded by (seed, draw, name of the value)."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._tpe(study, trial, "").infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._tpe(study, trial, "").sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._tpe(study, trial, param_name).sample_independent(study, trial, param_name, param_distribution)

    def _tpe(self, study: optuna.Study, trial: FrozenTrial, name: str) -> TPESampler:
        number = draw(study.get_trials(deepcopy=False), trial)
        return TPESampler(seed=keys.key(self.seed, "sampler", number, name) % 2**32)
