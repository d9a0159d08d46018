"""When a trial is given up: what it reports after every epoch of every fold, and by which rule it is judged."""

import copy
import warnings
from collections.abc import Sequence
from statistics import fmean

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, WilcoxonPruner
from optuna.trial import FrozenTrial

STARTUP = 5  # trials that are finished before the median is believed


class Latest(BasePruner):
    """Shows the rule inside only what the trial reported last.

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


def pruner(name: str, folds: int, epochs: int) -> BasePruner:
    """The rule by its name, for trials of `folds` folds of at most `epochs` epochs.

    The median judges nobody before the middle of the first fold, where the warm-up still flatters some. Hyperband deals
    trials into brackets by Optuna's number, which interrupted trials shift.
    """
    if name == "median":
        return Latest(MedianPruner(n_startup_trials=STARTUP, n_warmup_steps=(epochs + 1) // 2))
    if name == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=folds * epochs)
    if name == "wilcoxon":
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "WilcoxonPruner is experimental")
            return WilcoxonPruner()
    return NopPruner()


def step(fold: int, epoch: int, epochs: int) -> int:
    """Where the `epoch`-th epoch (from 1) of the `fold`-th fold (from 0) is reported: no two folds share a step."""
    return fold * epochs + epoch


def value(name: str, before: Sequence[float], auc: float) -> float:
    """What is reported: the mean over the folds done (`before`: their AUCs) and the one at work.

    Wilcoxon's test wants it unmixed: it compares two trials step by step, fold against the same fold.
    """
    return auc if name == "wilcoxon" else fmean([*before, auc])
