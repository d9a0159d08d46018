"""Folds as tasks on a Ray cluster: `launch.train` without a list of devices."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ffdi.cluster import session
from ffdi.cluster.check import check
from ffdi.cluster.run import Runner, Task, run_all, share
from ffdi.cluster.session import Needs
from ffdi.config.recipe import Cluster
from ffdi.core import console
from ffdi.core.stop import Stop
from ffdi.model.weights import load_net
from ffdi.training import degraded, launch, predictions, world
from ffdi.training.degraded import Table
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.world import World

GB = 1_000_000_000


def train(jobs: Sequence[FoldJob], cluster: Cluster, deadline: float | None) -> None:
    """Finish every job on the nodes of a cluster.

    Tables of several parts are predicted part by part, on all nodes, when all folds are trained.

    Args:
        jobs: Not finished yet.
        cluster: Of the recipe.
        deadline: Seconds since the epoch; None: no deadline.

    Raises:
        UserError: A node does not see the folders, or has other code; or what a fold raises.
        Paused: A deadline or a signal came first; all is saved.
    """
    if not jobs:
        return
    with session.connected(cluster.address), Stop(deadline) as stop:
        check(jobs[0].folder.parents[1], [jobs[0].images])
        needs = needs_of(cluster, jobs)
        jobs = [on_nodes(job, needs) for job in launch.longest_first(jobs)]
        parts = _parts(jobs, needs)
        long = {number for number, _, _ in parts}
        shared, total = share(jobs), sum(map(_images, jobs))
        folds_at_a_time = session.slots(needs) // needs.processes
        label = f"train on {len(session.nodes())} nodes, {folds_at_a_time} folds at a time"
        with console.progress(label, total) as meter:
            runner = Runner(needs, stop, meter=meter)
            run_all(runner, (_fold(jobs, number, shared, needs, number not in long) for number in range(len(jobs))))
            tasks = (
                Task(f"{jobs[at].label} {name} from {rows.start:,}", _predict_part, (shared, at, name, rows))
                for at, name, rows in parts
            )
            run_all(runner, tasks)
            run_all(runner, (_fold(jobs, number, shared, needs, True) for number in sorted(long)))


def predict_degraded(tables: Sequence[Table], folder: Path, cluster: Cluster, stop: Stop) -> None:
    """Write tables of degraded images on the nodes of a cluster. Raise what `train` raises.

    Args:
        tables: Not written yet.
        folder: They lie below it.
        cluster: Of the recipe.
        stop: Passed on to all tasks.
    """
    jobs = [one.job for one in tables]
    with session.connected(cluster.address):
        check(folder, [jobs[0].images])
        needs = needs_of(cluster.model_copy(update={"gpus_per_fold": 1}), jobs)
        there = [replace(one, job=on_nodes(one.job, needs)) for one in tables]
        shared, images = share(there), sum(len(degraded.sample(job.oof)) for job in jobs)
        with console.progress(f"degraded images on {len(session.nodes())} nodes", images) as meter:
            tasks = (Task(f"{one.job.label} {one.kind}", _degrade, (shared, at)) for at, one in enumerate(tables))
            run_all(Runner(needs, stop, meter=meter), tasks)


def needs_of(cluster: Cluster, jobs: Sequence[FoldJob]) -> Needs:
    """Return what one process of a fold needs on this cluster: CPUs for its loaders, and one to train on a CPU."""
    processes, data, there = cluster.gpus_per_fold, jobs[0].data, session.cpus_per_gpu()
    if not there:
        return Needs(1 + (data.workers or 0), 0, cluster.memory * GB, processes)
    side_by_side = data.folds_per_device if processes == 1 and data.folds_per_device != "auto" else 1
    cpus = max(1, min(there, launch.MAX_WORKERS) // side_by_side) if data.workers is None else max(1, data.workers)
    return Needs(cpus, 1 / side_by_side, cluster.memory * GB, processes)


def on_nodes(job: FoldJob, needs: Needs) -> FoldJob:
    """Return the job with the loader processes that its CPUs allow, where the recipe leaves their number open."""
    return job.with_loaders(int(needs.cpus) if needs.gpus else 0)


def ready_device(job: FoldJob) -> torch.device:
    """Return the GPU that Ray gave this process, or the CPU, ready to compute with the loaders of the job."""
    device = torch.device("cuda:0" if torch.cuda.device_count() else "cpu")
    launch.prepare(device, job.data.workers or 0)
    return device


def _fold(jobs: Sequence[FoldJob], number: int, shared: Any, needs: Needs, predicts: bool) -> Task:
    label = jobs[number].label
    if needs.processes > 1:
        return Task(label, _fit_together, (shared, number, needs.processes))
    return Task(label, _fit, (shared, number, predicts))


def _parts(jobs: Sequence[FoldJob], needs: Needs) -> list[tuple[int, str, range]]:
    """Return (job, table, rows) of each part of the tables that have several."""
    device = torch.device("cuda" if needs.gpus else "cpu")
    return [
        (number, name, rows)
        for number, job in enumerate(jobs if needs.processes == 1 else [])
        for name in job.asked
        if len(found := predictions.parts(job, name, device)) > 1
        for rows in found
    ]


def _images(job: FoldJob) -> int:
    """Return the images that a fold counts in its progress."""
    trained = 0 if job.folder.weights.exists() else job.member.epochs * len(job.train)
    return trained + sum(len(getattr(job, name)) for name in job.asked)


def _fit(jobs: Sequence[FoldJob], number: int, predicts: bool, stop: Stop) -> None:
    job = jobs[number]
    fit(job, World(ready_device(job)), stop, predicts=predicts)


def _fit_together(jobs: Sequence[FoldJob], number: int, size: int, rank: int, name: str, stop: Stop) -> None:
    """Train one fold as one of `size` processes, which meet in a file of that name."""
    job = jobs[number]
    ready_device(job)
    job.folder.parent.mkdir(parents=True, exist_ok=True)
    meeting = job.folder.parent / f".meeting-{name}"
    with world.joined(meeting, rank, size) as together:
        fit(job, together, stop)
    meeting.unlink(missing_ok=True)


def _degrade(tables: Sequence[Table], number: int, stop: Stop) -> None:
    degraded.write(tables[number], ready_device(tables[number].job), stop)


def _predict_part(jobs: Sequence[FoldJob], number: int, name: str, rows: range, stop: Stop) -> None:
    job = jobs[number]
    here = World(ready_device(job))
    model = load_net(job.folder.weights, job.member, here.device)
    predictions.part(job, name, rows, model, here, stop)
