"""The objective of a trial: its folds are trained by `training.fit`, one after another, in its own run folder.

A trial that was killed goes on where it was, and its curve is reported again from the log.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import fmean

import optuna
import torch

from ffdi.cluster.session import Needs
from ffdi.core import lock
from ffdi.core.errors import LockedError, Paused
from ffdi.core.stop import Stop
from ffdi.search import space
from ffdi.search.context import SearchContext, score_of
from ffdi.search.study import SPEC, report
from ffdi.training import cluster as nodes
from ffdi.training import launch, log, state
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.world import World

POLL_SECONDS = 0.2  # between two looks at a fold that another process has


@dataclass(frozen=True)
class TrainAndScore:
    """The objective: call it with a trial for its score. `loaders`: processes that feed a fold."""

    context: SearchContext
    world: World
    loaders: int

    def __call__(self, trial: optuna.Trial, stop: Stop) -> float:
        """Return the mean score of the folds. Raises optuna.TrialPruned, Paused, or what training raises."""
        context = self.context
        values = space.suggest(trial, context.search, context.base)
        jobs = context.jobs(space.applied(context.base, values))
        trial.set_user_attr(SPEC, jobs[0].spec[:8])
        found: list[float] = []
        for job in jobs:
            data = job.data.model_copy(update={"workers": self.loaders})
            found.append(self._fold(trial, replace(job, data=data), found, stop))
        return fmean(found)

    def score(self, job: FoldJob, stop: Stop, watch: Callable[[], None] | None = None) -> float:
        """Return the held-out AUC of a fold; train it as far as needed.

        Wait while another process, or the loader of a killed one, has the fold.

        Args:
            job: The fold.
            stop: Asks to stop.
            watch: Called after each epoch of the training.
        """
        while not job.folder.done.exists():
            try:
                fit(job, self.world, stop, watch=watch)
            except LockedError:
                if stop.requested:
                    raise Paused(f"Stopped ({stop.reason}) while another process trains {job.label}.") from None
                time.sleep(POLL_SECONDS)
        job.folder.weights.unlink(missing_ok=True)  # a hundred trials would fill a disk
        return score_of(job)

    def _fold(self, trial: optuna.Trial, job: FoldJob, before: list[float], stop: Stop) -> float:
        """Return the score of one fold, with its epochs reported."""
        epochs, reported = self.context.options().epochs, set()

        def watch() -> None:
            for epoch, auc in curve(job):
                if epoch not in reported:
                    reported.add(epoch)
                    report(trial, epoch, epochs, before, auc)

        try:
            watch()
            score = self.score(job, stop, watch)
            last = len(before) + 1 == len(self.context.held_out)
            report(trial, job.member.epochs, epochs, before, score, last)
        except optuna.TrialPruned:
            with suppress(LockedError), lock.exclusive(job.folder):  # an equal trial may be in training
                state.drop(job.folder.state)  # nothing goes on with it
            raise
        return score


def make_objective(context: SearchContext, workers: int, device: str) -> TrainAndScore:
    """Return the objective of one worker. Call it in the worker's process.

    Args:
        context: Shared by all trials.
        workers: On this machine.
        device: Of this worker.
    """
    job = launch.with_loaders(context.jobs(context.base)[:1], workers)[0]
    world, loaders = World(torch.device(device)), job.data.workers or 0
    launch.prepare(world.device, loaders)
    return TrainAndScore(context, world, loaders)


def make_on_node(context: SearchContext, needs: Needs) -> TrainAndScore:
    """Return the objective in a task of a cluster, whose processes have what they need to themselves."""
    job = nodes.on_nodes(context.jobs(context.base)[0], needs)
    return TrainAndScore(context, World(nodes.ready_device(job)), job.data.workers or 0)


def curve(job: FoldJob) -> list[tuple[int, float]]:
    """Return (epoch, held-out AUC) of the epochs in a fold's log; the last epoch is in its scores instead."""
    logged = log.lines(job.folder.log) if job.folder.log.exists() else []
    return [(round(line["epoch"]), float(line["auc"])) for line in logged if line["split"] == "oof" and "auc" in line]
