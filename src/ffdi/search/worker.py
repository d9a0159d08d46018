"""One worker of a study: it takes trial after trial until the budget is used up.

Trials are asked for and told one by one, not by `Study.optimize`, which hides a full disk behind an AssertionError.
"""

import math
import time
from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages._heartbeat import BaseHeartbeat, get_heartbeat_thread
from optuna.trial import TrialState

from ffdi.core import console
from ffdi.core.errors import FfdiError, Paused, SpaceError, UserError
from ffdi.core.stop import Stop
from ffdi.search import storage
from ffdi.search import study as studies
from ffdi.search.study import ERROR, WORKER, StudyOptions

Objective = Callable[[optuna.Trial, Stop], float]
POLL_SECONDS = 0.2  # between two looks at what other workers do
MAX_FAILURES = 5  # in a row: then the values are not the reason
MAX_REASON = 500  # characters


class Worker:
    """`name` tells the trials of this worker from those of others."""

    def __init__(self, study: optuna.Study, options: StudyOptions, name: str, stop: Stop) -> None:
        self.study, self.options, self.name, self.stop = study, options, name, stop
        self._lost: dict[int, float] = {}  # when a trial that seems lost was first seen

    def run(self, objective: Objective) -> None:
        """Take trials until there are enough and none is left, also those that killed workers leave.

        Raises:
            Paused: The stop was requested; the trial in training is queued again.
            UserError: Several trials in a row failed, or the storage does not answer.
            SpaceError: The disk is full.
        """
        while not self.stop.requested:
            trial = self.ask()
            if trial is not None:
                self._run(trial, objective)
            elif not self._lost and not studies.trials(self.study, TrialState.RUNNING, TrialState.WAITING):
                return
            else:
                time.sleep(POLL_SECONDS)
        raise Paused(f"The search stopped ({self.stop.reason}); the trial in training goes on when you run it again.")

    def ask(self) -> optuna.Trial | None:
        """Return the next trial, an interrupted one first; None while the budget is used up or a stop is requested."""
        with studies.asking(self.options):
            optuna.storages.fail_stale_trials(self.study)  # whose heartbeats have ended; a database queues them again
            self._drop_lost()
            found = studies.trials(self.study)
            waiting = any(trial.state == TrialState.WAITING for trial in found)
            if self.stop.requested or (not waiting and studies.begun(found) >= self.options.trials):
                return None
            trial = self.study.ask()
            if isinstance(self.study._storage, BaseHeartbeat):  # before another worker takes this one for dead
                self.study._storage.record_heartbeat(trial._trial_id)
            trial.set_user_attr(WORKER, self.name)
            return trial

    def _run(self, trial: optuna.Trial, objective: Objective) -> None:
        try:
            with get_heartbeat_thread(trial._trial_id, self.study._storage):  # none for a journal
                state, score = outcome(objective, trial, self.stop)
            self.tell(trial, state, score)
        except UpdateFinishedTrialError:
            console.warn(f"Trial {trial.number} was given to another worker.")
        except (Paused, SpaceError, OSError, KeyboardInterrupt):  # not the fault of the values
            with suppress(UpdateFinishedTrialError, OSError):
                studies.drop(self.study, studies.trials(self.study)[trial.number])
            raise

    def tell(self, trial: optuna.Trial, state: TrialState, score: float | None) -> None:
        """Write how a trial ended, and show it.

        Args:
            trial: The trial, asked for by this worker.
            state: How it ended.
            score: Its score; None if it has none.

        Raises:
            UserError: Several trials in a row have failed.
        """
        told = self.study.tell(trial, score, state, skip_if_finished=True).state
        if told != state:  # no heartbeat for long, so another worker took it
            console.warn(f"Trial {trial.number} was given to another worker.")
        else:
            self._show(trial.number)
        self._refuse_endless_failure(trial.number)

    def _drop_lost(self) -> None:
        """Drop trials that Optuna forgets: their worker was killed before its first heartbeat, or another one when it
        had failed them and not queued them yet."""
        now, found = time.monotonic(), studies.trials(self.study)
        queued = storage.queued(found)
        lost = [
            trial
            for trial in found
            if (trial.state == TrialState.RUNNING and WORKER not in trial.user_attrs)
            or (studies.state(trial) == "interrupted" and trial.number not in queued)
        ]
        self._lost = {trial.number: self._lost.get(trial.number, now) for trial in lost}
        for trial in lost:
            if now - self._lost[trial.number] > storage.GRACE_SECONDS:
                studies.drop(self.study, trial)

    def _show(self, number: int) -> None:
        found = studies.trials(self.study)
        ended, best, begun = found[number], studies.finished(found), studies.begun(found)
        score = f"{ended.value:.4f}" if ended.value is not None else f"({ended.user_attrs.get(ERROR, '')})"
        lead = f"best {best[0].value:.4f} of trial {best[0].number}" if best else "no score yet"
        console.say(f"trial {number}: {studies.state(ended)} {score}; {lead}; {begun} of {self.options.trials} begun")

    def _refuse_endless_failure(self, number: int) -> None:
        """Raise UserError if this trial and those before it have failed; one of them that still runs may succeed."""
        before = studies.trials(self.study)[: number + 1]
        last = [trial for trial in before if studies.state(trial) != "interrupted"][-MAX_FAILURES:]
        if len(last) == MAX_FAILURES and all(trial.state == TrialState.FAIL for trial in last):
            raise UserError(f"The last {MAX_FAILURES} trials failed, the latest because: {last[-1].user_attrs[ERROR]}")


def outcome(objective: Objective, trial: optuna.Trial, stop: Stop) -> tuple[TrialState, float | None]:
    """Return the state and the score of a trial that was not interrupted.

    Args:
        objective: Called for the score.
        trial: The trial; a failed one gets its reason as an attribute.
        stop: Asks to stop.
    """
    try:
        score = objective(trial, stop)
    except optuna.TrialPruned:
        return TrialState.PRUNED, None
    except (Paused, SpaceError, OSError, UpdateFinishedTrialError, *storage.ERRORS):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, FfdiError) else f"{type(error).__name__}: {error}"
    else:
        if math.isfinite(score):
            return TrialState.COMPLETE, score
        reason = f"the score is {score}"
    trial.set_user_attr(ERROR, " ".join(reason.split())[:MAX_REASON])
    return TrialState.FAIL, None
