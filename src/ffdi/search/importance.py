"""Which parameters the scores of a study hang on."""

import optuna
from optuna.importance import FanovaImportanceEvaluator
from optuna.trial import TrialState

from ffdi.search.study import Study

LEAST = 8  # finished trials below which a share of variance says nothing


def importance(study: Study) -> dict[str, float]:
    """Shares of the score's variance by parameter, largest first, of sum 1 (fANOVA: Hutter, Hoos and Leyton-Brown,
    2014); empty with too few finished trials, or where all scores are equal. Pruned trials have no say."""
    done = study.trials(TrialState.COMPLETE)
    if len(done) < LEAST or len({trial.value for trial in done}) < 2:
        return {}
    evaluator = FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study.study, evaluator=evaluator)
