"""All folds of a recipe: one after another, or in parallel, with one process a device or several on a GPU.

Every process walks the same list and takes the next fold that nobody holds (a kernel lock) and that is not done. So
there is no queue to lose, and a process that dies gives its fold back at once.
"""

import gc
import multiprocessing
import os
import signal
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import clear_frames
from typing import Any

import joblib
import psutil
import torch

from ffdi.config.recipe import Cluster, Member
from ffdi.core import console
from ffdi.core.errors import FfdiError, LockedError, Paused
from ffdi.core.stop import ORPHANED, Stop
from ffdi.data.workers import quiet_fork, shared_pool
from ffdi.model import precision
from ffdi.training import finish, world
from ffdi.training.fit import check, fit
from ffdi.training.gate import Gate
from ffdi.training.job import FoldJob
from ffdi.training.world import World

MAX_WORKERS = 16  # loader processes of one fold
MAX_FOLDS = 8  # on one GPU


def devices() -> list[str]:
    """Return one name a GPU, or one a CPU core: folds side by side with one thread each.

    Threads that wait for each other at every layer fall to a tenth of their speed when something else runs on the
    machine (measured on two shared cores: 7.5 images/s with one thread, 1.6 with two); processes do not wait.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return gpus or ["cpu"] * len(os.sched_getaffinity(0))


def train(jobs: list[FoldJob], on: list[str], deadline: float | None, cluster: Cluster | None = None) -> None:
    """Finish every job: on the nodes of a cluster, where it has an address, or on the devices `on` of this machine.

    Args:
        jobs: Of all members.
        on: Devices.
        deadline: Seconds since the epoch; None: no deadline.
        cluster: Of the recipe; None: this machine.

    Raises:
        Paused: A deadline or a signal came first; all is saved.
        LockedError: Another process still works on one of the jobs.
    """
    if world.launched_by_torchrun():
        _train_together(with_loaders(jobs, world.processes_here()), deadline)
        return
    left = [job for job in jobs if not finish.is_done(job)]
    if cluster is not None and cluster.address:
        from ffdi.training import cluster as nodes

        nodes.train(left, cluster, deadline)
        return
    places = places_for(left, on)
    left = with_loaders(left, len(places))
    if len(places) > 1:
        _train_in_parallel(longest_first(left), places, deadline)
    else:
        with Stop(deadline) as stop:
            _walk(left, places[0], stop)
    held = [job.label for job in left if not finish.is_done(job)]
    if held:
        raise LockedError(f"Another process is at work on {', '.join(held)}; wait for it and run this again.")


def longest_first(jobs: Sequence[FoldJob]) -> list[FoldJob]:
    """Return the jobs by pixels seen in training, so that no device waits long for the last; equal ones stay.

    Refits come last: without the folds' OOF nothing can be blended, and a deadline may cut off what is last.
    """
    return sorted(
        jobs, key=lambda job: (job.member.refit_full, -len(job.train) * job.member.epochs * job.member.image_size**2)
    )


def places_for(jobs: Sequence[FoldJob], on: Sequence[str]) -> list[str]:
    """Return the device of each fold that runs at one time: every device has one before any has a second.

    The recipe says how many folds share a GPU, or the size of their steps does. Memory decides later: a fold begins
    only when the free memory suffices by what the one before it has taken.
    """
    asked = jobs[0].data.folds_per_device if jobs else 1
    several = folds_per_gpu([job.member for job in jobs]) if asked == "auto" else asked
    places = [device for turn in range(several) for device in on if turn == 0 or device != "cpu"]
    return places[: max(len(jobs), 1)]


def folds_per_gpu(members: Iterable[Member]) -> int:
    """Return how many folds run side by side on a GPU: several where the steps of all members are small."""
    small = all(one.batch_size * one.image_size**2 <= precision.SMALL_STEP for one in members)
    return max(1, min(MAX_FOLDS, len(os.sched_getaffinity(0)) // 2)) if small else 1


def with_loaders(jobs: list[FoldJob], places: int) -> list[FoldJob]:
    """Return the jobs with the loader processes that the cores allow, where the recipe leaves their number open.

    They change no result. On a CPU the process that trains needs a core itself.
    """
    cores, gpus = len(os.sched_getaffinity(0)) // max(places, 1), torch.cuda.device_count()
    fair = min(cores, MAX_WORKERS) if gpus else max(min(cores - 1, MAX_WORKERS), 0)
    return [job.with_loaders(fair) for job in jobs]


def prepare(device: torch.device, workers: int = 0) -> None:
    """Make this process ready to compute.

    Loaders are forked before CUDA is touched. A resumed run must repeat the uninterrupted one, so nothing here depends
    on how many folds are left.
    """
    if workers:
        shared_pool(workers)
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.deterministic = True
    else:
        torch.set_num_threads(1)  # sums of two threads are not those of one


def _train_together(jobs: list[FoldJob], deadline: float | None) -> None:
    """Train each fold on all processes that torchrun started."""
    if jobs and jobs[0].data.workers:
        shared_pool(jobs[0].data.workers)  # forked before CUDA is touched
    with world.joined() as together, Stop(deadline) as stop:
        prepare(together.device)
        _check(jobs, together)
        for job in jobs:
            fit(job, together, stop)


def _train_in_parallel(jobs: list[FoldJob], places: list[str], deadline: float | None) -> None:
    shared = len(set(places)) < len(places)
    with TemporaryDirectory(prefix="ffdi-") as gates, Stop(deadline, on_signal=_pass_on) as stop:
        calls = [joblib.delayed(_worker)(jobs, place, deadline, gates if shared else "") for place in places]
        try:
            results = _forked(calls) if can_fork(places) else joblib.Parallel(n_jobs=len(calls), backend="loky")(calls)
        except BrokenProcessPool as error:
            if stop.requested:
                raise Paused(f"Stopped ({stop.reason}); all is saved, run the same command to go on.") from error
            raise FfdiError(
                "A training process was killed, often for want of memory; what it saved is kept: run the same command "
                "again, with a lower data.folds_per_device or batch_size if it happens again."
            ) from error
    for failure in results:
        if failure is not None:
            raise failure


def can_fork(places: Sequence[str]) -> bool:
    """Return whether processes for GPUs can be forked: they start at once, where new ones import for ten seconds.

    CUDA must not have been touched here. Counting the GPUs touches it where the driver offers no other way; a forked
    process knows.
    """
    if "cpu" in places:  # threads of this process, and their locks, would be missing there
        return False
    with quiet_fork():
        child = os.fork()
    if child == 0:
        os._exit(int(torch.cuda._is_in_bad_fork()))
    return os.waitpid(child, 0)[1] == 0


def _forked(calls: Sequence[Any]) -> list[FfdiError | None]:
    """Return what each call returns, made in a process of its own. Raise BrokenProcessPool when one is killed."""
    with quiet_fork(), ProcessPoolExecutor(len(calls), multiprocessing.get_context("fork")) as pool:
        return [future.result() for future in [pool.submit(call, *args) for call, args, _ in calls]]


def _worker(jobs: list[FoldJob], device: str, deadline: float | None, gates: str) -> FfdiError | None:
    """Train in a process of its own. Return the error, so that the other devices' folds are not torn down by it."""
    console.one_of_several()
    gc.freeze()  # what the imports made stays: Python need not look through it when this process ends
    torch.set_num_threads(1)  # a fork has lost the threads of OpenMP, and would wait for them for ever
    stop = Stop(deadline, with_parent=True)
    try:
        with stop:
            _walk(jobs, device, stop, Gate(device, Path(gates)) if gates and device != "cpu" else None)
    except FfdiError as error:
        if stop.reason == ORPHANED:
            os._exit(error.exit_code)  # loky would keep this process, and its GPU memory, for ever
        clear_frames(error.__traceback__)  # they hold tensors, and this process stays until the others end
        torch.cuda.empty_cache()
        return error
    return None


def _walk(jobs: list[FoldJob], device: str, stop: Stop, gate: Gate | None = None) -> None:
    """Train every job that nobody else holds."""
    here = World(torch.device(device))
    if jobs:
        prepare(here.device, jobs[0].data.workers or 0)
    _check(jobs, here)
    for job in jobs:
        if stop.requested:
            raise Paused(f"Stopped ({stop.reason}) before {job.label}; all is saved, run the same command to go on.")
        with suppress(LockedError):
            if gate is None:
                fit(job, here, stop)
            elif not finish.is_done(job):
                with gate.turn(stop):
                    fit(job, here, stop, started=gate.began)


def _check(jobs: list[FoldJob], here: World) -> None:
    """Before hours of training: raise UserError for a member whose first step would fail."""
    for job in {job.member.name: job for job in jobs if not finish.is_trained(job)}.values():
        check(job, here, job.member.micro_batches)


def _pass_on(number: int) -> None:
    """Send SIGTERM on: it may have been sent to this process alone; loaders ignore it."""
    if number == signal.SIGTERM:
        for child in psutil.Process().children():
            child.send_signal(signal.SIGTERM)
