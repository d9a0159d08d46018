"""What a study has found, trial by trial: for tables, the page, re-runs and promotion."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ffdi.config.recipe import Member
from ffdi.search import space
from ffdi.search.ground import Ground
from ffdi.search.sampler import DRAW
from ffdi.search.study import ERROR, HEIR_OF, SECONDS, WORKER, Study

SCORES = "scores.json"  # of a finished fold, in its folder
SPEC, FOLDS = "spec", "folds"  # user attributes: the first digits of the run's identity; scores by fold


@dataclass(frozen=True)
class Result:
    """One trial. `state`: complete, pruned, failed, interrupted (an heir goes on or has gone on), running, waiting."""

    number: int
    draw: int
    state: str
    score: float | None  # of a pruned trial: its last report
    params: Mapping[str, Any]
    folds: Mapping[str, Mapping[str, float]]  # AUC by fold and name; "auc" is the plain one
    curve: Mapping[int, float]  # reports by step
    spec: str  # the run folder is <base>-<spec>
    seconds: float
    worker: str
    error: str
    began: datetime | None
    ended: datetime | None

    def member(self, ground: Ground, proxy: bool = True) -> Member:
        """The member that was tried, or, without the proxy, what would be promoted."""
        base = ground.base if proxy else space.base_of(ground.recipe)
        return space.applied(base, self.params)


def results(study: Study) -> list[Result]:
    """Every trial, by number."""
    trials = study.trials()
    left = {trial.user_attrs[HEIR_OF] for trial in trials if HEIR_OF in trial.user_attrs}
    return [_result(study, trial, trial.number in left) for trial in trials]


def finished(found: list[Result]) -> list[Result]:
    """Complete trials from the best on, the earliest of equals first; of equal specs only one."""
    done = [one for one in found if one.state == "complete"]
    by_spec: dict[object, Result] = {}
    for one in sorted(done, key=lambda one: (-(one.score or 0.0), one.number)):
        by_spec.setdefault(one.spec or one.number, one)
    return list(by_spec.values())


def _result(study: Study, trial: FrozenTrial, has_heir: bool) -> Result:
    state = {TrialState.FAIL: "failed"}.get(trial.state, trial.state.name.lower())
    if has_heir or (trial.state == TrialState.RUNNING and not study.is_alive(trial)):
        state = "interrupted"
    attributes = trial.user_attrs
    return Result(
        number=trial.number,
        draw=int(attributes[DRAW]),
        state=state,
        score=trial.value if trial.state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        params=trial.params,
        folds=attributes.get(FOLDS, {}),
        curve=trial.intermediate_values,
        spec=str(attributes.get(SPEC, "")),
        seconds=float(attributes.get(SECONDS, 0.0)),
        worker=str(attributes.get(WORKER, "")),
        error=str(attributes.get(ERROR, "")),
        began=trial.datetime_start,
        ended=trial.datetime_complete,
    )
