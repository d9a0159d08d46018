"""Optuna's samplers without a state of their own: what the n-th draw proposes depends on the seed, n and the trials
that are done. So a search that was killed goes on with the parameters it would have tried anyway."""

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial

from ffdi.core import keys

DRAW = "draw"  # user attribute of every trial: which draw of the sampler it is; an interrupted trial's heir keeps it


class Seeded(BaseSampler):
    """A fresh sampler of the named kind for every trial, seeded by (seed, its draw)."""

    def __init__(self, kind: str, seed: int) -> None:
        self.kind, self.seed = kind, seed
        self._number = -1
        self._sampler: BaseSampler = RandomSampler(seed=0)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._of(trial).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, object]:
        return self._of(trial).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> object:
        return self._of(trial).sample_independent(study, trial, param_name, param_distribution)

    def _of(self, trial: FrozenTrial) -> BaseSampler:
        if trial.number != self._number:
            seed = keys.key(self.seed, "sampler", self.kind, int(trial.user_attrs[DRAW])) % 2**32
            self._number = trial.number
            self._sampler = TPESampler(seed=seed) if self.kind == "tpe" else RandomSampler(seed=seed)
        return self._sampler
