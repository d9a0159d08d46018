"""One Optuna study that many workers share and any of them may leave at any instant.

Every trial carries its draw and its worker. Whoever wants a trial holds the study's "ask" lease and first looks after
the dead: a RUNNING trial whose worker's lease is free is failed, and an heir with the same draw and parameters is
queued before that, so a death in between loses nothing. Optuna's heartbeats need `optimize` and clocks; leases do not.

What becomes of a trial:
  a finite score                    COMPLETE
  the pruner gives it up            PRUNED
  NaN or infinity, any exception    FAIL, with the reason in `error`
  out of memory                     FAIL, as any exception
  killed, stopped, over a deadline  FAIL, and an heir goes on in the same run folder
"""

import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState

from ffdi.core.errors import UserError
from ffdi.search import pruning
from ffdi.search import storage as storages
from ffdi.search.advisory import ServerLeases
from ffdi.search.lease import FileLeases, Leases
from ffdi.search.sampler import DRAW, Seeded

WORKER, HEIR_OF, SECONDS, ERROR = "worker", "heir_of", "seconds", "error"  # further user attributes
ASK = "ask"
MOST_ERROR = 500  # characters of a reason that are kept


@dataclass(frozen=True)
class Wishes:
    """What a study is. `storage`: a URL; empty: the journal file in `folder`."""

    name: str
    folder: Path
    space: dict[str, BaseDistribution]
    storage: str = field(default="", repr=False)  # may hold a password
    trials: int | None = None
    minutes: float | None = None
    sampler: str = "tpe"
    pruner: str = "none"
    seed: int = 0
    folds: int = 1
    epochs: int = 1

    @property
    def journal(self) -> Path:
        return self.folder / "journal.log"


class Trial:
    """A trial at work: its parameters, and what it reports."""

    def __init__(self, study: "Study", asked: optuna.Trial) -> None:
        self._study, self._asked = study, asked
        self.number, self.params = asked.number, dict(asked.params)
        self.draw = int(asked.user_attrs[DRAW])
        self._begun = time.monotonic()
        self._reported: set[int] = set()

    def report(self, fold: int, epoch: int, before: list[float], auc: float, last: bool = False) -> None:
        """The AUC of an epoch (from 1) of a fold (from 0), `before`: those of the folds done. Said twice, it counts
        once. Raises optuna.TrialPruned when the trial is given up, but not at its `last` epoch."""
        wishes = self._study.wishes
        step = pruning.step(fold, epoch, wishes.epochs)
        if step in self._reported:
            return
        self._reported.add(step)
        self._asked.report(pruning.value(wishes.pruner, before, auc), step)
        self.note(SECONDS, self.seconds)
        if not last and self._asked.should_prune():
            raise optuna.TrialPruned

    def note(self, name: str, value: Any) -> None:
        """Keep a JSON value with the trial."""
        self._asked.set_user_attr(name, value)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begun


class Study:
    def __init__(self, wishes: Wishes, study: optuna.Study, leases: Leases, worker: str) -> None:
        self.wishes, self.study, self.leases, self.worker = wishes, study, leases, worker

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(deepcopy=False, states=states or None)

    def ask(self) -> Trial | None:
        """The next trial, an interrupted one first; None when there are enough."""
        with self.leases.hold(ASK):
            self.leases.check_own(self.worker)
            self._look_after_the_dead()
            if not self.trials(TrialState.WAITING):
                if self._is_enough():
                    return None
                self.study.enqueue_trial({}, user_attrs={DRAW: len(draws(self.trials()))})
            asked = self.study.ask(self.wishes.space)
            asked.set_user_attr(WORKER, self.worker)
            return Trial(self, asked)

    def complete(self, trial: Trial, score: float) -> None:
        if not math.isfinite(score):
            self.fail(trial, f"the score is {score}")
            return
        self._end(trial, TrialState.COMPLETE, score)

    def prune(self, trial: Trial) -> None:
        self._end(trial, TrialState.PRUNED)

    def fail(self, trial: Trial, reason: str) -> None:
        trial.note(ERROR, " ".join(reason.split())[:MOST_ERROR])
        self._end(trial, TrialState.FAIL)

    def interrupt(self, trial: Trial) -> None:
        """Give it back: whoever asks next goes on with it."""
        with self.leases.hold(ASK):
            trial.note(SECONDS, trial.seconds)
            self._bequeath(trial.number)

    def is_alive(self, trial: FrozenTrial) -> bool:
        """Whether a RUNNING trial's worker lives."""
        worker = trial.user_attrs.get(WORKER)
        return worker is not None and (worker == self.worker or not self.leases.is_free(worker))

    def _end(self, trial: Trial, state: TrialState, value: float | None = None) -> None:
        trial.note(SECONDS, trial.seconds)
        self.study.tell(trial.number, value, state, skip_if_finished=True)

    def _look_after_the_dead(self) -> None:
        dead = [trial for trial in self.trials(TrialState.RUNNING) if not self.is_alive(trial)]
        self.leases.check_dead([trial.user_attrs[WORKER] for trial in dead if WORKER in trial.user_attrs])
        for trial in dead:
            self._bequeath(trial.number)

    def _bequeath(self, number: int) -> None:
        """Queue an heir, then fail the trial; whichever of the two a death leaves undone is done by the next."""
        trials = self.trials()
        trial = next(trial for trial in trials if trial.number == number)
        if trial.state != TrialState.RUNNING:  # its worker has finished it since we looked
            return
        if not any(heir.user_attrs.get(HEIR_OF) == number for heir in trials):
            whole = set(trial.params) == set(self.wishes.space)
            attributes = {DRAW: trial.user_attrs[DRAW], HEIR_OF: number}
            self.study.enqueue_trial(trial.params if whole else {}, user_attrs=attributes)
        self.study.tell(number, state=TrialState.FAIL, skip_if_finished=True)

    def _is_enough(self) -> bool:
        wishes, trials = self.wishes, self.trials()
        if wishes.trials is not None and len(draws(trials)) >= wishes.trials:
            return True
        return wishes.minutes is not None and seconds(trials) >= 60 * wishes.minutes


def draws(trials: list[FrozenTrial]) -> set[int]:
    return {int(trial.user_attrs[DRAW]) for trial in trials}


def seconds(trials: list[FrozenTrial]) -> float:
    """Of work in all trials, all workers together, each by its own clock up to its last report."""
    return sum(float(trial.user_attrs.get(SECONDS, 0)) for trial in trials)


def best(trials: list[FrozenTrial]) -> FrozenTrial | None:
    """The highest score among COMPLETE trials, the earliest of equals; pruned and partial ones have no say."""
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return max(done, key=lambda trial: (trial.value, -trial.number)) if done else None


@contextmanager
def opened(wishes: Wishes) -> Iterator[Study]:
    """The study, made if there is none, and this process as one of its workers for as long as the context lasts.

    Raises UserError if the storage does not answer.
    """
    worker = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
    with ExitStack() as stack:
        with storages.answering(wishes.name, wishes.storage):
            leases = stack.enter_context(closing(_leases(wishes)))
            with leases.hold(ASK):  # so that no two make the tables, or the study, at once
                leases.sweep(keep=ASK)
                stack.enter_context(leases.live(worker))
                study = optuna.create_study(
                    storage=stack.enter_context(storages.opened(wishes.storage, wishes.journal)),
                    sampler=Seeded(wishes.sampler, wishes.seed),
                    pruner=pruning.pruner(wishes.pruner, wishes.folds, wishes.epochs),
                    study_name=wishes.name,
                    direction="maximize",
                    load_if_exists=True,
                )
        yield Study(wishes, study, leases, worker)


@contextmanager
def watched(wishes: Wishes) -> Iterator[Study]:
    """The study to look at: nothing is made, healed or locked. Raises UserError if it has not begun."""
    with storages.answering(wishes.name, wishes.storage), ExitStack() as stack:
        leases = stack.enter_context(closing(_leases(wishes)))
        storage = stack.enter_context(storages.looked_at(wishes.storage, wishes.journal))
        if storage is None or wishes.name not in {study.study_name for study in storage.get_all_studies()}:
            raise UserError(f"The search {wishes.name} has not begun; run `ffdi search` first.")
        yield Study(wishes, optuna.load_study(study_name=wishes.name, storage=storage), leases, "")


def _leases(wishes: Wishes) -> Leases:
    return ServerLeases(wishes.storage, wishes.name) if wishes.storage else FileLeases(wishes.folder / "leases")
