"""What small folds take on the card: from process start to the first step, evaluation, several side by side."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from ffdi.core.stop import Stop
from ffdi.training import finish, launch
from ffdi.training import state as states
from ffdi.training.world import World

STARTS = 2
FOLDS = 5
SMALL = {"image_size": 112, "batch_size": 8, "epochs": 1000}
START = """
import sys, time
begun = time.time() - float(open("/proc/uptime").read().split()[0]) + float(
    open("/proc/self/stat").read().rsplit(")", 1)[1].split()[19]) / __import__("os").sysconf("SC_CLK_TCK")
from pathlib import Path
import pandas as pd
from tests.bench import gpu, gpu_small
imported = time.time()
class First(Exception): pass
def started(): raise First
from ffdi.training import launch
launch.prepare(gpu.CARD, 4)
one = gpu.member("tf_efficientnet_lite0", **gpu_small.SMALL)
try:
    gpu.fits.fit(gpu.fold(pd.read_parquet(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), one, 4),
                 gpu.World(gpu.CARD), gpu.Stop(), started=started)
except First:
    gpu.synchronize()
    print(f"{imported - begun:.2f} {time.time() - imported:.2f}")
"""
SIDE_BY_SIDE = """
import sys
from pathlib import Path
import pandas as pd
from tests.bench import gpu, gpu_small
from ffdi.training import launch
workers = int(sys.argv[4])
launch.prepare(gpu.CARD, workers)
one = gpu.member("tf_efficientnet_lite0", **gpu_small.SMALL)
stop = gpu.Windows(100, 5.0, 1)
try:
    gpu.fits.fit(gpu.fold(pd.read_parquet(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), one, workers),
                 gpu.World(gpu.CARD), stop)
except gpu.Paused:
    print(stop.rates[0] * one.batch_size)
"""


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
    with _photographs() as (folder, given):
        for number in range(STARTS):
            told = _run(START, [*given, str(folder / f"start{number}")]).communicate()[0].split()
            print(f"start: imports {told[0]} s, then {told[1]} s to the end of the first step", flush=True)


def side_by_side() -> None:
    """Print the images/s of one small fold, and of several side by side."""
    cores = len(os.sched_getaffinity(0))
    with _photographs() as (folder, given):
        alone = _rate(_run(SIDE_BY_SIDE, [*given, str(folder / "alone"), str(cores)]))
        print(f"lite0, 112 px, batch 8: one fold {alone:,.0f} images/s", flush=True)
        several = [_run(SIDE_BY_SIDE, [*given, str(folder / f"fold{n}"), str(cores // FOLDS)]) for n in range(FOLDS)]
        together = sum(map(_rate, several))
        print(f"{FOLDS} side by side {together:,.0f} images/s: {together / alone:.2f} times", flush=True)


def evaluation() -> None:
    """Print how long the evaluation of 136 held-out images takes after an epoch."""
    from tests.bench import gpu

    with _photographs() as (folder, _):
        one = gpu.member("tf_efficientnet_lite0", **SMALL)
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
def _photographs() -> Iterator[tuple[Path, list[str]]]:
    """Yield a folder, and its table and images as arguments of the code above."""
    from tests.bench import gpu

    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "images").mkdir()
        gpu.photographs(folder / "images", 600, side=128).to_parquet(folder / "rows.parquet")
        yield folder, [str(folder / "rows.parquet"), str(folder / "images")]


def _run(code: str, arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def _rate(process: "subprocess.Popen[str]") -> float:
    return float(process.communicate()[0].split()[-1])  # lines of progress come before it
