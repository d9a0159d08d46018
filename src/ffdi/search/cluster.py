"""Trials as tasks on a Ray cluster. The sampler, the pruner and the study stay in the driver, which answers trials."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import optuna
from optuna.trial import TrialState

from ffdi.cluster import session
from ffdi.cluster.channel import ask
from ffdi.cluster.run import Runner, Task, share
from ffdi.cluster.session import Needs
from ffdi.core import console
from ffdi.core.errors import FfdiError
from ffdi.core.stop import Stop
from ffdi.search import study as studies
from ffdi.search.worker import Objective, Worker, outcome

MakeObjective = Callable[[], Objective]  # called in a task


class RemoteTrial:
    """A trial on a node: every method is called in the driver, on the trial of the study."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *arguments, **named: ask((method, arguments, named))


def run(worker: Worker, make: MakeObjective, needs: Needs, count: int | None) -> None:
    """Take trials until there are enough, `count` at a time (None: as many as the nodes run).

    A trial whose node is lost goes on elsewhere, as the same trial.

    Raises:
        Paused: A deadline or a signal came first.
        FfdiError: As `Worker.run`.
    """
    trials: dict[str, optuna.Trial] = {}

    def tasks() -> Iterator[Task]:
        while (trial := worker.ask()) is not None:
            task = Task(f"trial {trial.number}", _run_trial, (shared, trial.number))
            trials[task.key] = trial
            yield task

    shared = share(make)
    runner = Runner(
        needs,
        worker.stop,
        limit=lambda: count or session.slots(needs),
        answer=lambda task, question: _answer(worker.study, trials[task], *question),
    )
    console.say(f"search on {len(session.nodes())} nodes, {count or session.slots(needs)} trials at a time")
    for task, value in runner.results(tasks()):
        if isinstance(value, FfdiError):  # not the fault of the values
            raise value
        worker.tell(trials[task.key], *value)


def _run_trial(make: MakeObjective, number: int, stop: Stop) -> tuple[TrialState, float | None]:
    return outcome(make(), cast(optuna.Trial, RemoteTrial(number)), stop)


def _answer(study: optuna.Study, trial: optuna.Trial, method: str, arguments: Any, named: Any) -> Any:
    """Call a method of a trial. What a lost attempt has reported already is not reported again."""
    if method == "report" and arguments[1] in studies.trials(study)[trial.number].intermediate_values:
        return None
    return getattr(trial, method)(*arguments, **named)
