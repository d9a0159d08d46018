"""All folds of a recipe: one after another, or in parallel with one process a GPU.

Every process walks the same list and takes the next fold that nobody holds (a kernel lock) and that is not done. So
there is no queue to lose, a process that dies gives its fold back at once, and several machines can share one disk.
"""

import os
import signal

import joblib
import psutil
import torch

from ffdi.base import console
from ffdi.base.errors import FfdiError, LockedError, Paused
from ffdi.base.stop import ORPHANED, Stop
from ffdi.data.job import Job
from ffdi.train import outcome, world
from ffdi.train.fit import fit
from ffdi.train.world import World


def devices() -> list[str]:
    """One name a GPU, or one a CPU core: folds side by side with one thread each.

    Threads that wait for each other at every layer fall to a tenth of their speed when something else runs on the
    machine (measured on two shared cores: 7.5 images/s with one thread, 1.6 with two); processes do not wait.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return gpus or ["cpu"] * len(os.sched_getaffinity(0))


def train(jobs: list[Job], on: list[str], deadline: float | None) -> None:
    """Finish every job. Raises Paused when a deadline or signal came first (all is saved)."""
    if world.launched_by_torchrun():
        with world.joined() as together, Stop(deadline) as stop:
            for job in jobs:
                fit(job, together, stop)
        return
    left = [job for job in jobs if not outcome.is_done(job)]
    if min(len(on), len(left)) > 1:
        _train_in_parallel(left, on[: len(left)], deadline)
    else:
        with Stop(deadline) as stop:
            _walk(left, on[0], stop)


def _train_in_parallel(jobs: list[Job], on: list[str], deadline: float | None) -> None:
    threads = max(len(os.sched_getaffinity(0)) // len(on), 1)
    with Stop(deadline, on_signal=_pass_on):
        parallel = joblib.Parallel(n_jobs=len(on), backend="loky")
        results = parallel(joblib.delayed(_worker)(jobs, device, deadline, threads) for device in on)
    for error in results:
        if error is not None:
            raise error


def _worker(jobs: list[Job], device: str, deadline: float | None, threads: int) -> FfdiError | None:
    """In its own process. Returns the error, so that the other devices' folds are not torn down by it."""
    console.one_of_several()
    torch.set_num_threads(threads)
    try:
        with Stop(deadline, with_parent=True) as stop:
            _walk(jobs, device, stop)
    except FfdiError as error:
        if stop.reason == ORPHANED:
            os._exit(error.exit_code)  # loky would keep this process, and its GPU memory, for ever
        return error
    return None


def _walk(jobs: list[Job], device: str, stop: Stop) -> None:
    here = World(torch.device(device))
    if here.device.type == "cuda":
        torch.cuda.set_device(here.device)
        torch.backends.cudnn.deterministic = True  # a resumed run must repeat the uninterrupted one
    held_elsewhere = []
    for job in jobs:
        if stop.requested:
            raise Paused(f"Stopped ({stop.reason}) before {job.label}; all is saved, run the same command to go on.")
        try:
            fit(job, here, stop)
        except LockedError as error:
            held_elsewhere.append(error)
    if held_elsewhere and len(held_elsewhere) == len(jobs):
        raise held_elsewhere[0]


def _pass_on(number: int) -> None:
    """Loky's children do not get the signals of their parent."""
    if number == signal.SIGTERM:
        for child in psutil.Process().children(recursive=True):
            child.send_signal(signal.SIGTERM)
