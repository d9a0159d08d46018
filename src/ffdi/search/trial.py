"""A trial is a run like any other: its folds are trained by `train.fit`, one after another, in its own run folder.

A trial that was killed goes on where it was, and its curve is told to the study again from the log.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from optuna import TrialPruned

from ffdi.core import checksum
from ffdi.core.errors import FfdiError, LockedError, Paused
from ffdi.core.stop import Stop
from ffdi.data import degraded
from ffdi.search import objective, space
from ffdi.search.ground import Ground
from ffdi.search.results import FOLDS, SCORES, SPEC
from ffdi.search.study import Trial
from ffdi.training import journal, launch, outcome, state
from ffdi.training.degraded import aucs
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.world import World

WAIT = 0.2  # seconds between two looks at a fold that another process has


@dataclass(frozen=True)
class Examiner:
    """Call it with a trial for its score. Raises optuna.TrialPruned, Paused, or what training raises."""

    ground: Ground
    world: World
    loaders: int  # processes that feed a fold

    def __call__(self, trial: Trial, stop: Stop) -> float:
        ground = self.ground
        jobs = self._jobs(trial.params)
        trial.note(SPEC, jobs[0].spec[:8])
        found: dict[str, dict[str, float]] = {}
        for place, job in enumerate(jobs):
            found[str(job.fold)] = self._fold(trial, job, place, [scores["auc"] for scores in found.values()], stop)
            trial.note(FOLDS, found)
        return objective.worth(ground.search, list(found.values()))

    def _jobs(self, params: dict[str, Any]) -> list[FoldJob]:
        jobs = self.ground.jobs(space.applied(self.ground.base, params))
        return [replace(job, data=job.data.model_copy(update={"workers": self.loaders})) for job in jobs]

    def _fold(self, trial: Trial, job: FoldJob, place: int, before: list[float], stop: Stop) -> dict[str, float]:
        """Scores of one fold, trained as far as it is not, and its epochs reported."""

        def watch() -> None:
            for epoch, value in curve(job):
                trial.report(place, epoch, before, value)

        try:
            watch()
            scores = self.scores(job, stop, watch)
            last = place + 1 == len(self.ground.held_out)
            trial.report(place, job.member.epochs, before, scores["auc"], last)
        except TrialPruned:
            state.drop(job.folder / "state")  # nobody goes on with it
            raise
        return scores

    def scores(self, job: FoldJob, stop: Stop, watch: Callable[[], None] | None = None) -> dict[str, float]:
        """AUCs of a fold by name, trained as far as it is not."""
        path = job.folder / SCORES
        if not path.exists():
            _fit(job, self.world, stop, watch)
            checksum.write_json(path, {"spec": job.spec, "scores": self._score(job, stop)})
        (job.folder / outcome.WEIGHTS).unlink(missing_ok=True)  # the scores stand; a hundred trials fill a disk
        return checksum.read_json(path)["scores"]

    def _score(self, job: FoldJob, stop: Stop) -> dict[str, float]:
        scores = checksum.read_json(job.folder / "done.json")["scores"]
        if "auc" not in scores:
            raise FfdiError(f"{job.label} has no held-out image of one of the classes; raise search.proxy.share.")
        ids, target_N, logit_N = _held_out(job)
        sliced = objective.by_slice(self._cut, ids, target_N, logit_N)
        return {"auc": float(scores["auc"]), **sliced, **self._degraded(job, stop)}

    @cached_property
    def _cut(self) -> pd.DataFrame:
        return objective.slices(self.ground.search, self.ground.manifest)

    def _degraded(self, job: FoldJob, stop: Stop) -> dict[str, float]:
        """AUC on the degraded copies of the fold's held-out images, by kind."""
        return aucs(job, damages(self.ground), copies(self.ground), self.world, stop)


@dataclass(frozen=True)
class Maker:
    """Makes the examiner of a worker, in its process."""

    ground: Ground
    workers: int  # on this machine

    def __call__(self, device: str) -> Examiner:
        here = World(torch.device(device))
        launch.prepare(here.device)
        job = launch.with_loaders(self.ground.jobs(self.ground.base)[:1], [device] * self.workers)[0]
        return Examiner(self.ground, here, job.data.workers or 0)


def damages(ground: Ground) -> tuple[str, ...]:
    """Kinds of degraded copies that the objective asks for."""
    search = ground.search
    if search.objective != "degraded":
        return ()
    return tuple(name for name, weight in search.weights.items() if weight > 0 and name != "clean")


def copies(ground: Ground) -> Path:
    return ground.folder / "degraded"


def prepare(ground: Ground) -> None:
    """Make what all trials read, before the first begins. Raises UserError for what would fail every one of them."""
    kinds = damages(ground)
    if kinds:
        rows = pd.concat([degraded.sample(job.oof) for job in ground.jobs(ground.base)], ignore_index=True)
        degraded.prepare(rows, ground.images, copies(ground), kinds)


def curve(job: FoldJob) -> list[tuple[int, float]]:
    """(epoch, held-out AUC) of the epochs in a fold's log; the last epoch stands in its scores instead."""
    path = job.folder / "log.jsonl"
    logged = journal.lines(path) if path.exists() else []
    return [(round(line["epoch"]), float(line["auc"])) for line in logged if line["split"] == "oof" and "auc" in line]


def _fit(job: FoldJob, world: World, stop: Stop, watch: Callable[[], None] | None) -> None:
    """As `fit`; waits while another process, or a killed one's loader, has the fold."""
    while True:
        try:
            fit(job, world, stop, watch=watch)
            return
        except LockedError:
            if stop.requested:
                raise Paused(f"Stopped ({stop.reason}) while another process is at work on {job.label}.") from None
            time.sleep(WAIT)


def _held_out(job: FoldJob) -> tuple[pd.Series, np.ndarray, np.ndarray]:
    """ids, targets, mean logits over the views, of the readable held-out images."""
    oof = checksum.read_table(job.folder / "oof.parquet")
    logits = oof[~oof.imputed].groupby("id", as_index=False).logit.mean()
    target_N = job.oof.set_index("id").target.reindex(logits["id"]).to_numpy(np.int64)
    return logits["id"], target_N, logits["logit"].to_numpy()
