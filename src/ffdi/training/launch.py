"""All folds of a recipe: one after another, or in parallel with one process a GPU.

Every process walks the same list and takes the next fold that nobody holds (a kernel lock) and that is not done. So
there is no queue to lose, a process that dies gives its fold back at once, and several machines can share one disk.
"""

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import joblib
import psutil
import torch

from ffdi.core import console
from ffdi.core.errors import FfdiError, LockedError, Paused
from ffdi.core.stop import ORPHANED, Stop
from ffdi.training import outcome, world
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.world import World

MOST_WORKERS = 8  # more feed no GPU faster with 200-500 us of CPU an image


def devices() -> list[str]:
    """One name a GPU, or one a CPU core: folds side by side with one thread each.

    Threads that wait for each other at every layer fall to a tenth of their speed when something else runs on the
    machine (measured on two shared cores: 7.5 images/s with one thread, 1.6 with two); processes do not wait.
    """
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return gpus or ["cpu"] * len(os.sched_getaffinity(0))


def train(jobs: list[FoldJob], on: list[str], deadline: float | None) -> None:
    """Finish every job. Raises Paused when a deadline or signal came first (all is saved), LockedError if another
    process still works on one of them."""
    if world.launched_by_torchrun():
        with world.joined() as together, Stop(deadline) as stop:
            prepare(together.device)
            for job in jobs:
                fit(job, together, stop)
        return
    left = [job for job in with_loaders(jobs, on) if not outcome.is_done(job)]
    if min(len(on), len(left)) > 1:
        _train_in_parallel(longest_first(left), on[: len(left)], deadline)
    else:
        with Stop(deadline) as stop:
            _walk(left, on[0], stop)
    held = [job.label for job in left if not outcome.is_done(job)]
    if held:
        raise LockedError(f"Another process is at work on {', '.join(held)}; wait for it and run this again.")


def longest_first(jobs: Sequence[FoldJob]) -> list[FoldJob]:
    """So that no device waits long for the last fold: by pixels seen in training, equal ones in their order."""
    return sorted(jobs, key=lambda job: len(job.train) * job.member.epochs * job.member.image_size**2, reverse=True)


def with_loaders(jobs: list[FoldJob], on: Sequence[str]) -> list[FoldJob]:
    """Loader processes where the recipe leaves their number open: what the cores allow. They change no result."""
    cores = len(os.sched_getaffinity(0)) // len(on)
    fair = min(cores, MOST_WORKERS) if on[0] != "cpu" else max(min(cores - 1, MOST_WORKERS), 0)
    wish = [job.data if job.data.workers is not None else job.data.model_copy(update={"workers": fair}) for job in jobs]
    return [replace(job, data=data) for job, data in zip(jobs, wish, strict=True)]


def _train_in_parallel(jobs: list[FoldJob], on: list[str], deadline: float | None) -> None:
    with Stop(deadline, on_signal=_pass_on):
        parallel = joblib.Parallel(n_jobs=len(on), backend="loky")
        results = parallel(joblib.delayed(_worker)(jobs, device, deadline) for device in on)
    for error in results:
        if error is not None:
            raise error


def _worker(jobs: list[FoldJob], device: str, deadline: float | None) -> FfdiError | None:
    """In its own process. Returns the error, so that the other devices' folds are not torn down by it."""
    console.one_of_several()
    stop = Stop(deadline, with_parent=True)
    try:
        with stop:
            _walk(jobs, device, stop)
    except FfdiError as error:
        if stop.reason == ORPHANED:
            os._exit(error.exit_code)  # loky would keep this process, and its GPU memory, for ever
        return error
    return None


def _walk(jobs: list[FoldJob], device: str, stop: Stop) -> None:
    """Every job that nobody else holds."""
    here = World(torch.device(device))
    prepare(here.device)
    for job in jobs:
        if stop.requested:
            raise Paused(f"Stopped ({stop.reason}) before {job.label}; all is saved, run the same command to go on.")
        with suppress(LockedError):
            fit(job, here, stop)


def prepare(device: torch.device) -> None:
    """A resumed run must repeat the uninterrupted one: so nothing here depends on how many folds are left."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cudnn.deterministic = True
    else:
        torch.set_num_threads(1)  # sums of two threads are not those of one


def _pass_on(number: int) -> None:
    """Loky's children do not get the signals of their parent; their own children, the loaders, must not get them."""
    if number == signal.SIGTERM:
        for child in psutil.Process().children():
            child.send_signal(signal.SIGTERM)
