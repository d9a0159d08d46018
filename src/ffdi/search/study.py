"""One Optuna study that several workers share, each of which may be killed at any instant: its sampler, its pruner.

What becomes of a trial:
  a finite score                     COMPLETE
  the pruner stops it                PRUNED
  NaN, infinity, any exception       FAIL, with the reason in the user attribute `error`
  killed, stopped, over a deadline   FAIL without a reason, and a retry goes on in the same run folder

The sampler is seeded anew for every draw, so it has no state: the n-th draw depends on the seed, on n and on the trials
that are finished. A search that was killed goes on with the values that it would have tried anyway.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.core.layout import JOURNAL
from ffdi.core.lock import exclusive
from ffdi.search import storage as storages

WORKER, ERROR, SPEC = "worker", "error", "spec"  # user attributes of a trial
RETRY_OF = "failed_trial"  # system attribute that Optuna's retry callback writes: the number of the first attempt
STARTUP_TRIALS = 5  # finished trials before the median is used


@dataclass(frozen=True)
class StudyOptions:
    """Name and place of a study. `storage`: a URL; empty: the journal file in `folder`."""

    name: str
    folder: Path
    storage: str = field(default="", repr=False)  # may hold a password
    trials: int = 0
    pruner: str = "none"
    seed: int = 0
    epochs: int = 1  # of the longest fold

    @property
    def journal(self) -> Path:
        return self.folder / JOURNAL


@contextmanager
def opened(options: StudyOptions) -> Iterator[optuna.Study]:
    """Open the study for a worker; make it when there is none. Raises UserError when the storage does not answer."""
    with (
        storages.answering(options.name, options.storage),
        storages.opened(options.storage, options.journal) as storage,
    ):
        with asking(options):
            study = optuna.create_study(
                storage=storage,
                sampler=SeededSampler(options.seed),
                pruner=pruner(options.pruner, options.epochs),
                study_name=options.name,
                direction="maximize",
                load_if_exists=True,
            )
        yield study


@contextmanager
def read(options: StudyOptions) -> Iterator[optuna.Study]:
    """Open the study to look at: nothing is made, repaired or locked. Raises UserError when it has not begun."""
    with (
        storages.answering(options.name, options.storage),
        storages.read(options.storage, options.journal) as storage,
    ):
        if storage is None or options.name not in {study.study_name for study in storage.get_all_studies()}:
            raise UserError(f"The search {options.name} has not begun; run `ffdi search` first.")
        yield optuna.load_study(study_name=options.name, storage=storage)


def asking(options: StudyOptions) -> AbstractContextManager[None]:
    """Return a lock: the workers of a machine ask for a trial one at a time, so none goes beyond the budget."""
    return exclusive(options.folder, "ask.lock", wait=True)


def trials(study: optuna.Study, *states: TrialState) -> list[FrozenTrial]:
    """Return the trials in these states (default: all) by number. Do not change them."""
    return study.get_trials(deepcopy=False, states=states or None)


def drop(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue an interrupted trial again, then fail it; a kill between the two leaves the second to the next caller."""
    storages.retry(study, trial)
    study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def begun(found: list[FrozenTrial]) -> int:
    """Return the number of trials, retries not counted."""
    return sum(RETRY_OF not in trial.system_attrs for trial in found)


def finished(found: list[FrozenTrial]) -> list[FrozenTrial]:
    """Return the complete trials from the best on, the earliest of equal scores first; of equal members only one."""
    done = [trial for trial in found if trial.state == TrialState.COMPLETE]
    by_spec: dict[object, FrozenTrial] = {}
    for trial in sorted(done, key=lambda trial: (-(trial.value or 0.0), trial.number)):
        by_spec.setdefault(trial.user_attrs.get(SPEC, trial.number), trial)
    return list(by_spec.values())


def state(trial: FrozenTrial) -> str:
    """Return the state as a person reads it: a failed trial without a reason was interrupted and is queued again."""
    if trial.state == TrialState.FAIL:
        return "failed" if ERROR in trial.user_attrs else "interrupted"
    return trial.state.name.lower()


def draw(trials: list[FrozenTrial], trial: FrozenTrial) -> int:
    """Return the number of the trial as if no trial had been interrupted; a retry has that of its first attempt."""
    first = trial.system_attrs.get(RETRY_OF, trial.number)
    return sum(RETRY_OF not in other.system_attrs for other in trials if other.number < first)


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


def pruner(name: str, epochs: int) -> BasePruner:
    """Return the rule "median" or "none" for folds of `epochs` epochs.

    The median stops no trial in the first half of the first fold, where the warm-up still flatters some.
    """
    if name == "none":
        return NopPruner()
    return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=(epochs + 1) // 2)


def report(
    trial: optuna.Trial, epoch: int, epochs: int, before: Sequence[float], auc: float, last: bool = False
) -> None:
    """Report the mean AUC of the folds done and the fold in training; no two folds share a step.

    Args:
        trial: The running trial.
        epoch: Of the fold in training, from 1.
        epochs: Of the longest fold.
        before: AUCs of the folds that are done.
        auc: Held-out AUC of the fold in training.
        last: Whether this is the last report, after which nothing can be saved by pruning.

    Raises:
        optuna.TrialPruned: The rule stops the trial.
    """
    trial.report(fmean([*before, auc]), len(before) * epochs + epoch)
    if not last and trial.should_prune():
        raise optuna.TrialPruned
