"""Workers of one study: processes that take trial after trial until there are enough."""

import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from ffdi.core import console
from ffdi.core.errors import FfdiError, Paused, SpaceError, UserError
from ffdi.core.stop import ORPHANED, Stop
from ffdi.search import storage
from ffdi.search.study import (
    ERROR,
    HEIR_OF,
    Study,
    Trial,
    Wishes,
    best,
    draws,
    opened,
    watched,
)

Objective = Callable[[Trial, Stop], float]
Maker = Callable[[str], Objective]  # called with a device in the worker's own process, so it must travel there
FAILURES = 5  # in a row: then it is not the parameters


def work(wishes: Wishes, objective: Objective, stop: Stop) -> None:
    """Trial after trial until there are enough.

    Raises Paused on a stop (the trial at work is given back), UserError when several trials in a row fail or the
    storage does not answer, SpaceError on a full disk.
    """
    with storage.answering(wishes.name, wishes.storage), opened(wishes) as study:
        while not stop.requested:
            trial = study.ask()
            if trial is None:
                return
            _run(study, trial, objective, stop)
            _refuse_to_fail_for_ever(study)
    raise Paused(f"The search stopped ({stop.reason}); the trial at work goes on when you run it again.")


def _run(study: Study, trial: Trial, objective: Objective, stop: Stop) -> None:
    try:
        _try(study, trial, objective, stop)
    except UpdateFinishedTrialError:  # its lease was lost, and another worker took us for dead
        console.warn(f"trial {trial.number} was given to another worker.")
    else:
        _tell(study, trial)


def _try(study: Study, trial: Trial, objective: Objective, stop: Stop) -> None:
    try:
        score = objective(trial, stop)
    except (Paused, SpaceError, OSError):  # the system's fault, not that of the parameters
        with suppress(UpdateFinishedTrialError, OSError):
            study.interrupt(trial)
        raise
    except (*storage.ERRORS, UpdateFinishedTrialError):  # says nothing about the trial, which is inherited
        raise
    except optuna.TrialPruned:
        study.prune(trial)
    except Exception as error:
        study.fail(trial, str(error) if isinstance(error, FfdiError) else f"{type(error).__name__}: {error}")
    else:
        study.complete(trial, score)


def _tell(study: Study, trial: Trial) -> None:
    trials = study.trials()
    ended = trials[trial.number]
    score = f" {ended.value:.4f}" if ended.value is not None else f" ({ended.user_attrs.get(ERROR, '')})"
    top = best(trials)
    done = f"best {top.value:.4f} of trial {top.number}" if top else "no score yet"
    budget = f" of {study.wishes.trials}" if study.wishes.trials else ""
    console.say(f"trial {trial.number}: {ended.state.name.lower()}{score}; {done}; {len(draws(trials))}{budget} begun")


def _refuse_to_fail_for_ever(study: Study) -> None:
    trials = study.trials()
    heirs = {trial.user_attrs.get(HEIR_OF) for trial in trials}
    ended = [trial for trial in trials if trial.state.is_finished() and trial.number not in heirs][-FAILURES:]
    if len(ended) == FAILURES and all(trial.state == TrialState.FAIL for trial in ended):
        raise UserError(
            f"The last {FAILURES} trials failed, the latest because: {ended[-1].user_attrs.get(ERROR, 'unknown')}"
        )


def launch(wishes: Wishes, make: Maker, devices: Sequence[str], deadline: float | None) -> None:
    """One worker a device, each in a process of its own; a lone one in this process. Returns when there are enough
    trials. A worker that is killed takes nobody along: the others go on with its trial.

    Raises Paused after a deadline or signal, FfdiError when a dead worker's trial was left to nobody; else as `work`.
    """
    if len(devices) == 1:
        with Stop(deadline) as stop:
            work(wishes, make(devices[0]), stop)
        return
    context = get_context("spawn")  # a fork would copy the locks of threads in whatever state
    ends, workers = [], []
    for device in devices:
        receiver, sender = context.Pipe(duplex=False)
        workers.append(context.Process(target=_worker, args=(wishes, make, device, deadline, sender)))
        ends.append(receiver)
    with Stop(deadline, on_signal=lambda number: _pass_on(number, workers)):
        for process in workers:
            process.start()
        errors = [error for process, end in zip(workers, ends, strict=True) if (error := _result(process, end))]
    for error in sorted(errors, key=lambda error: isinstance(error, Paused)):  # a mistake is told before a pause
        raise error
    with watched(wishes) as study:
        if any(not trial.state.is_finished() for trial in study.trials()):
            raise FfdiError("The trial of a worker that died is left; run the same command again, it goes on.")


def _worker(wishes: Wishes, make: Maker, device: str, deadline: float | None, end: Connection) -> None:
    console.one_of_several()
    stop = Stop(deadline, with_parent=True)
    try:
        with stop:
            work(wishes, make(device), stop)
    except FfdiError as error:
        if stop.reason != ORPHANED:
            end.send(error)


def _result(process: BaseProcess, end: Connection) -> FfdiError | None:
    """What a worker raised, once it has ended. One that was killed could say nothing: that is warned of."""
    while process.is_alive():
        time.sleep(0.05)
    process.join()
    if end.poll():
        with suppress(EOFError):  # closed without a word
            return end.recv()
    code = process.exitcode or 0
    if code:
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        console.warn(f"a worker died ({cause}); whoever asks next goes on with its trial.")
    return None


def _pass_on(number: int, workers: Sequence[BaseProcess]) -> None:
    """A SIGTERM reaches this process alone; Ctrl-C the workers, too."""
    if number == signal.SIGTERM:
        for process in workers:
            if process.is_alive():
                process.terminate()
