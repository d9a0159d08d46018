"""Stop bad trials early: what a trial reports after every epoch of every fold, and the rule that reads it."""

import copy
from collections.abc import Sequence
from statistics import fmean

import optuna
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.trial import FrozenTrial

STARTUP_TRIALS = 5  # finished trials before the median is used


class LatestReport(BasePruner):
    """Show the rule inside only what the trial reported last.

    Optuna compares the best value so far with the median at this step; a first fold that happens to be easy would
    then protect a trial through all folds that follow.
    """

    def __init__(self, inside: BasePruner) -> None:
        self.inside = inside

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        if trial.last_step is None:
            return False
        shown = copy.copy(trial)
        shown.intermediate_values = {trial.last_step: trial.intermediate_values[trial.last_step]}
        return self.inside.prune(study, shown)


def pruner(name: str, epochs: int) -> BasePruner:
    """Return the rule "median" or "none" for folds of `epochs` epochs.

    The median stops no trial in the first half of the first fold, where the warm-up still flatters some.
    """
    if name == "none":
        return NopPruner()
    return LatestReport(MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=(epochs + 1) // 2))


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
