"""The workers of one call: one in this process, one a device in processes of their own, or tasks on a cluster.

Joblib's loky kills all workers when one is killed, and their trials would lose what they trained since their last save;
plain processes go on.
"""

import signal
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, cast

import optuna
from optuna.trial import TrialState

from ffdi.cluster import session
from ffdi.cluster.channel import ask
from ffdi.cluster.run import Runner, Task, share
from ffdi.cluster.session import Needs
from ffdi.core import console
from ffdi.core.errors import FfdiError, Paused
from ffdi.core.stop import ORPHANED, Stop
from ffdi.search import journal, storage
from ffdi.search import study as studies
from ffdi.search.study import WORKER, StudyOptions
from ffdi.search.worker import POLL_SECONDS, Objective, Worker, outcome

MakeObjective = Callable[[str], Objective]  # called with a device in the worker's own process, so it is pickled


def launch_on_cluster(
    options: StudyOptions, make: Callable[[], Objective], needs: Needs, count: int | None, deadline: float | None
) -> None:
    """Run trials as tasks on the connected cluster until there are enough. Raises as `launch`.

    The sampler, the pruner and the study stay in the driver, which answers trials. A trial whose node is lost goes on
    elsewhere, as the same trial.

    Args:
        options: The study.
        make: Makes the objective, in a task.
        needs: What a task needs of a node.
        count: Trials at a time; None: as many as the cluster runs.
        deadline: Seconds since the epoch, or None.
    """
    trials: dict[str, optuna.Trial] = {}

    def tasks() -> Iterator[Task]:
        while (trial := worker.ask()) is not None:
            task = Task(f"trial {trial.number}", _run_trial, (shared, trial.number))
            trials[task.key] = trial
            yield task

    with _alone(options), studies.opened(options) as study, Stop(deadline) as stop:
        worker, shared = Worker(study, options, _name(), stop), share(make)
        answer = lambda task, question: _answer(study, trials[task], *question)  # noqa: E731
        runner = Runner(needs, stop, limit=lambda: count or session.slots(needs), answer=answer)
        try:
            for task, value in runner.results(tasks()):
                if isinstance(value, FfdiError):  # not the fault of the values
                    raise value
                worker.tell(trials[task.key], *value)
        finally:
            _drop(options, study, worker.name)


@contextmanager
def _alone(options: StudyOptions) -> Iterator[None]:
    """Be the only call that has the journal, and queue again what killed ones left; a database has many callers."""
    owner = nullcontext() if options.storage else journal.owned(options.folder / "owner")
    with storage.answering(options.name, options.storage), owner:
        if not options.storage:
            with studies.opened(options) as study:
                _drop(options, study, None)
        yield


def launch(options: StudyOptions, make: MakeObjective, devices: Sequence[str], deadline: float | None) -> None:
    """Run one worker a device until there are enough trials. Trials that killed workers left are run again first.

    Args:
        options: The study.
        make: Makes the objective of a worker for its device.
        devices: One name a worker; names may repeat.
        deadline: Seconds since the epoch, or None.

    Raises:
        Paused: The deadline or a signal came first.
        LockedError: Another call has the journal.
        FfdiError: All workers were killed; else as `Worker.run`.
    """
    with _alone(options):
        alone = make(devices[0]) if len(devices) == 1 else None  # first: it forks loaders, which need no connection
        with studies.opened(options) as study:
            if alone is None:
                _launch(options, study, make, devices, deadline)
            else:
                with Stop(deadline) as stop:
                    Worker(study, options, _name(), stop).run(alone)


def _launch(
    options: StudyOptions, study: optuna.Study, make: MakeObjective, devices: Sequence[str], deadline: float | None
) -> None:
    context = get_context("spawn")  # a fork would copy the locks of threads in whatever state
    workers: list[tuple[str, BaseProcess, Connection]] = []  # name, process, where its error comes from
    errors, told = [], set()
    with Stop(deadline) as stop:
        for device in devices:
            if stop.requested:
                break
            name, (receiver, sender) = _name(), context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(options, name, make, device, deadline, sender))
            process.start()
            workers.append((name, process, receiver))
        while workers:
            wait([process.sentinel for _, process, _ in workers], POLL_SECONDS)
            for worker in list(workers):
                name, running, receiver = worker
                if not running.is_alive():
                    workers.remove(worker)
                    errors += _errors(running, receiver)
                    _drop(options, study, name)
                elif stop.reason == "SIGTERM" and name not in told:  # Ctrl-C reaches the workers, too
                    told.add(name)  # once: on its way out a worker has no handler any more
                    running.terminate()
    for error in sorted(errors, key=lambda error: isinstance(error, Paused)):  # a mistake is told before a pause
        raise error
    if stop.requested:  # before the workers could hear of it
        raise Paused(f"The search stopped ({stop.reason}); run the same command to go on.")
    if studies.trials(study, TrialState.WAITING) or studies.begun(studies.trials(study)) < options.trials:
        raise FfdiError(
            "All workers died; run the same command again to go on, with fewer --workers if memory is short."
        )


def _work(
    options: StudyOptions, name: str, make: MakeObjective, device: str, deadline: float | None, end: Connection
) -> None:
    console.one_of_several()
    stop = Stop(deadline, with_parent=True)
    try:
        with stop:
            objective = make(device)
            with studies.opened(options) as study:
                Worker(study, options, name, stop).run(objective)
    except (FfdiError, KeyboardInterrupt) as error:
        if stop.reason != ORPHANED:
            end.send(error)


def _errors(process: BaseProcess, end: Connection) -> list[FfdiError]:
    """Return what an ended worker raised; one that was killed sent nothing, which is a warning."""
    if end.poll():
        with suppress(EOFError):  # closed without a message
            return [end.recv()]
    code = process.exitcode or 0
    if code:
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        console.warn(f"A worker died ({cause}); its trial is queued again.")
    return []


def _drop(options: StudyOptions, study: optuna.Study, worker: str | None) -> None:
    """Drop the running trials of a worker that has ended; None: of all, which an earlier call left.

    Under the lock nobody else on this machine is between taking a trial and putting its name to it.
    """
    with studies.asking(options):
        for trial in studies.trials(study, TrialState.RUNNING):
            owner_of = trial.user_attrs.get(WORKER, "" if options.storage else worker)
            if worker in (None, owner_of):
                studies.drop(study, trial)


def _name() -> str:
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


class RemoteTrial:
    """A trial on a node: every method is called in the driver, on the trial of the study."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __getattr__(self, method: str) -> Callable[..., Any]:
        return lambda *arguments, **named: ask((method, arguments, named))


def _run_trial(make: Callable[[], Objective], number: int, stop: Stop) -> tuple[TrialState, float | None]:
    return outcome(make(), cast(optuna.Trial, RemoteTrial(number)), stop)


def _answer(study: optuna.Study, trial: optuna.Trial, method: str, arguments: Any, named: Any) -> Any:
    """Call a method of a trial. What a lost attempt has reported already is not reported again."""
    if method == "report" and arguments[1] in studies.trials(study)[trial.number].intermediate_values:
        return None
    return getattr(trial, method)(*arguments, **named)
