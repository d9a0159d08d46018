"""What small folds take on the card: from process start to the first step, evaluation, several side by side."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from ffdi.core.errors import Paused
from ffdi.core.stop import Stop
from ffdi.training import finish, launch
from ffdi.training import state as states
from ffdi.training.world import World

STARTS = 2
FOLDS = 5
NET, SMALL = "tf_efficientnet_lite0", {"image_size": 112, "batch_size": 8, "epochs": 1000}


class _Started(Exception):
    """The first step is done."""


def main(role: str, folder: str, name: str, workers: str) -> None:
    """Train a small fold in this process of its own, `python -m tests.bench gpu_small ROLE FOLDER NAME WORKERS`.

    ROLE "first" prints when imports and the first step are done, in seconds since the epoch; "rate" prints images/s.
    """
    from tests.bench import gpu

    imported, place = time.time(), Path(folder)
    launch.prepare(gpu.CARD, int(workers))
    one, rows, stop = gpu.member(NET, **SMALL), pd.read_parquet(place / "rows.parquet"), gpu.Windows(100, 5.0, 1)
    job = gpu.fold(rows, place / "images", place / name, one, int(workers))

    def started() -> None:
        if role == "first":
            raise _Started

    try:
        gpu.fits.fit(job, World(gpu.CARD), stop, started=started)
    except _Started:
        gpu.synchronize()
        print(imported, time.time())
    except Paused:
        print(stop.rates[0] * one.batch_size)


def sample() -> None:
    """Print what `ffdi train` takes for the sample: seven jobs on one card."""
    with TemporaryDirectory() as place:
        options = ["--recipe", "ensembles/sample.toml", "--work", f"{place}/work", "--submissions", f"{place}/sent"]
        for verb in ("folds", "train"):
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-m", "ffdi.cli.main", verb, *options], check=True, stdout=subprocess.PIPE)
            print(f"the sample, ffdi {verb}: {time.perf_counter() - begun:.1f} s", flush=True)


def doctor() -> None:
    """Print what `ffdi doctor` says of this machine and of the sample's members."""
    with TemporaryDirectory() as place:
        command = [sys.executable, "-m", "ffdi.cli.main", "doctor", "--recipe", "ensembles/sample.toml"]
        subprocess.run([*command, "--work", place], check=True, env={**os.environ, "COLUMNS": "160"})


def start() -> None:
    """Print how long a fold takes from the start of its process to the end of its first step."""
    with _photographs() as folder:
        for number in range(STARTS):
            begun = time.time()
            imported, done = map(float, _run("first", folder, f"start{number}", 4).communicate()[0].split()[-2:])
            print(f"start: imports {imported - begun:.2f} s, then {done - imported:.2f} s to the end of the first step",
                  flush=True)  # fmt: skip


def side_by_side() -> None:
    """Print the images/s of one small fold, and of several side by side."""
    cores = len(os.sched_getaffinity(0))
    with _photographs() as folder:
        alone = _rate(_run("rate", folder, "alone", cores))
        print(f"lite0, 112 px, batch 8: one fold {alone:,.0f} images/s", flush=True)
        several = [_run("rate", folder, f"fold{number}", cores // FOLDS) for number in range(FOLDS)]
        together = sum(map(_rate, several))
        print(f"{FOLDS} side by side {together:,.0f} images/s: {together / alone:.2f} times", flush=True)


def evaluation() -> None:
    """Print how long the evaluation of 136 held-out images takes after an epoch."""
    from tests.bench import gpu

    with _photographs() as folder:
        one = gpu.member(NET, **SMALL)
        job = gpu.fold(gpu.listed(136), folder / "images", folder / "evaluation", one, 8, held=136)
        launch.prepare(gpu.CARD, 8)
        state = states.begin(gpu.timm.create_model(one.model, num_classes=1), one, World(gpu.CARD))
        seconds = []
        for _ in range(6):
            begun = time.perf_counter()
            finish.held_out(job, state.predictor, World(gpu.CARD), Stop())
            gpu.synchronize()
            seconds.append(time.perf_counter() - begun)
    print(f"evaluation of 136 images: {min(seconds[1:]):.3f}-{max(seconds[1:]):.3f} s (n = 5)", flush=True)


@contextmanager
def _photographs() -> Iterator[Path]:
    """Yield a folder with images and their table."""
    from tests.bench import gpu

    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "images").mkdir()
        gpu.photographs(folder / "images", 600, side=128).to_parquet(folder / "rows.parquet")
        yield folder


def _run(role: str, folder: Path, name: str, workers: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.bench", "gpu_small", role, str(folder), name, str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _rate(process: "subprocess.Popen[str]") -> float:
    return float(process.communicate()[0].split()[-1])  # lines of progress come before it
