"""Kills and stops of a training on the card: does it end with the same bytes?

The parent forks, so it must not have touched CUDA; kills then fall into the work and not into imports.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from ffdi.core.errors import Paused
from ffdi.core.stop import Stop
from ffdi.training import launch
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.world import World
from tests.fixtures.kills import run_killed, run_once

KILLS = 20
FILES = ("weights.safetensors", "oof.parquet", "test.parquet")


def main(wanted: int = 0) -> None:
    """Print how many trainings that were killed, `wanted` times in all, ended bit-equal; 0: those that were stopped."""
    from tests.bench import gpu

    with TemporaryDirectory() as place:
        folder = Path(place)
        images = folder / "images"
        images.mkdir()
        rows = gpu.photographs(images, 160, side=128)
        options = {"image_size": 96, "batch_size": 16, "epochs": 8, "drop_rate": 0.3, "drop_path": 0.1, "mixup": 0.3}
        one = gpu.member("test_efficientnet", **options)  # small, so that kills fall into steps and not into saves

        def job(at: str) -> FoldJob:
            return gpu.fold(rows, images, folder / at, one, 2, held=40)

        whole = job("whole")
        begun = time.monotonic()
        assert run_once(lambda: _train(whole)) == 0
        lasted, expected = time.monotonic() - begun, _bytes(whole)
        kills, equal, runs = 0, 0, 0
        while kills < wanted:
            killed = job(f"killed{runs}")
            kills += run_killed(lambda killed=killed: _train(killed), lasted, 5, "gpu", runs)
            equal, runs = equal + (_bytes(killed) == expected), runs + 1
        if wanted:
            print(f"{kills} kills at random instants in {runs} trainings: {equal} of {runs} bit-equal "
                  f"(one takes {lasted:.1f} s)", flush=True)  # fmt: skip
            return
        for name, stopped in {
            "SIGTERM to the group": signal.SIGTERM,
            "Ctrl-C": signal.SIGINT,
            "deadline": None,
        }.items():
            paused = job(name.replace(" ", "-"))
            code = _stopped(paused, stopped)
            same = run_once(lambda paused=paused: _train(paused)) == 0 and _bytes(paused) == expected
            print(f"{name}: exit {code}, resumed {'bit-equal' if same else 'DIFFERENT'}", flush=True)


def _train(job: FoldJob, stop: Stop | None = None) -> None:
    from tests.bench import gpu

    launch.prepare(gpu.CARD, 2)
    with stop or Stop() as asked:
        fit(job, World(gpu.CARD), asked, save_steps=5)


def _stopped(job: FoldJob, number: int | None) -> int:
    """Return the exit code of a training that is stopped after its first save."""

    def work() -> None:
        os.setpgrp()
        try:
            _train(job, None if number else _Deadline(job))
        except Paused as pause:
            os._exit(pause.exit_code)

    child = _forked(work)
    while number and not list((job.folder / "state").glob("*")):
        time.sleep(0.005)
    if number:
        os.killpg(child, number)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


class _Deadline(Stop):
    """A deadline that comes when the first save is there."""

    def __init__(self, job: FoldJob) -> None:
        super().__init__(1.0, clock=lambda: 2.0 if list((job.folder / "state").glob("*")) else 0.0)


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return child


def _bytes(job: FoldJob) -> list[bytes]:
    return [(job.folder / name).read_bytes() for name in FILES]
