"""The objective of a trial: its folds are trained by `training.fit`, one after another, in its own run folder.

A trial that was killed goes on where it was, and its curve is reported again from the log.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

import optuna
import torch

from ffdi.cluster.session import Needs
from ffdi.config.search import Search
from ffdi.core import checksum
from ffdi.core.errors import FfdiError, LockedError, Paused
from ffdi.core.stop import Stop
from ffdi.search import pruning, space
from ffdi.search.context import SearchContext
from ffdi.search.study import FOLDS, SPEC
from ffdi.training import cluster as nodes
from ffdi.training import launch, log, state
from ffdi.training.degraded import aucs
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
        jobs = [self._with_loaders(job) for job in context.jobs(space.applied(context.base, values))]
        trial.set_user_attr(SPEC, jobs[0].spec[:8])
        found: dict[str, dict[str, float]] = {}
        for place, job in enumerate(jobs):
            found[str(job.fold)] = self._fold(trial, job, place, [scores["auc"] for scores in found.values()], stop)
            trial.set_user_attr(FOLDS, found)
        return fmean(score(context.search, scores) for scores in found.values())

    def scores(self, job: FoldJob, stop: Stop, watch: Callable[[], None] | None = None) -> dict[str, float]:
        """Return the AUCs of a fold by name, "auc" on its held-out images as they are; train it as far as needed.

        Args:
            job: The fold.
            stop: Asks to stop.
            watch: Called after each epoch of the training.
        """
        path = job.folder.scores
        if not path.exists():
            _fit(job, self.world, stop, watch)
            checksum.write_json(path, {"spec": job.spec, "scores": self._measure(job, stop)})
        job.folder.weights.unlink(missing_ok=True)  # a hundred trials would fill a disk
        return checksum.read_json(path)["scores"]

    def _fold(self, trial: optuna.Trial, job: FoldJob, place: int, before: list[float], stop: Stop) -> dict[str, float]:
        """Return the scores of one fold, with its epochs reported."""
        epochs, reported = self.context.options().epochs, set()

        def watch() -> None:
            for epoch, auc in curve(job):
                if epoch not in reported:
                    reported.add(epoch)
                    pruning.report(trial, pruning.step(place, epoch, epochs), before, auc)

        try:
            watch()
            scores = self.scores(job, stop, watch)
            last = place + 1 == len(self.context.held_out)
            pruning.report(trial, pruning.step(place, job.member.epochs, epochs), before, scores["auc"], last)
        except optuna.TrialPruned:
            state.drop(job.folder.state)  # nothing goes on with it
            raise
        return scores

    def _measure(self, job: FoldJob, stop: Stop) -> dict[str, float]:
        scores = checksum.read_json(job.folder.done)["scores"]
        if "auc" not in scores:
            raise FfdiError(f"{job.label} has no held-out image of one of the classes; raise search.proxy.share.")
        kinds = damages(self.context.search)
        return {"auc": float(scores["auc"]), **aucs(job, kinds, self.world, stop)}

    def _with_loaders(self, job: FoldJob) -> FoldJob:
        return replace(job, data=job.data.model_copy(update={"workers": self.loaders}))


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
    job, device = nodes.on_nodes(context.jobs(context.base)[0], needs), nodes.device_of_task()
    launch.prepare(device, job.data.workers or 0)
    return TrainAndScore(context, World(device), job.data.workers or 0)


def score(search: Search, scores: Mapping[str, float]) -> float:
    """Return what is maximised of one fold: the mean of its AUCs under the weights of `search.objective`."""
    weights = {("auc" if name == "clean" else name): weight for name, weight in search.objective.items() if weight > 0}
    return sum(weight * scores[name] for name, weight in weights.items()) / sum(weights.values())


def damages(search: Search) -> tuple[str, ...]:
    """Return the kinds of damage that the objective needs."""
    return tuple(name for name, weight in search.objective.items() if weight > 0 and name != "clean")


def curve(job: FoldJob) -> list[tuple[int, float]]:
    """Return (epoch, held-out AUC) of the epochs in a fold's log; the last epoch is in its scores instead."""
    logged = log.lines(job.folder.log) if job.folder.log.exists() else []
    return [(round(line["epoch"]), float(line["auc"])) for line in logged if line["split"] == "oof" and "auc" in line]


def _fit(job: FoldJob, world: World, stop: Stop, watch: Callable[[], None] | None) -> None:
    """Train as `fit` does, but wait while another process, or the loader of a killed one, has the fold."""
    while True:
        try:
            fit(job, world, stop, watch=watch)
            return
        except LockedError:
            if stop.requested:
                raise Paused(f"Stopped ({stop.reason}) while another process trains {job.label}.") from None
            time.sleep(POLL_SECONDS)
