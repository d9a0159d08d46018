"""What small folds take on the card: from process start to the first step, evaluation, several side by side."""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from ffdi.core.stop import Stop
from ffdi.training import finish
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
    gpu.torch.cuda.synchronize()
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


def main() -> None:
    """Print the start of a fold, several side by side, and an evaluation."""
    from tests.bench import gpu

    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "images").mkdir()
        rows = gpu.photographs(folder / "images", 600, side=128)
        rows.to_parquet(folder / "rows.parquet")
        given = [str(folder / "rows.parquet"), str(folder / "images")]
        for number in range(STARTS):
            told = _run(START, [*given, str(folder / f"start{number}")]).communicate()[0].split()
            print(f"start: imports {told[0]} s, then {told[1]} s to the end of the first step", flush=True)
        cores = len(os.sched_getaffinity(0))
        alone = _rate(_run(SIDE_BY_SIDE, [*given, str(folder / "alone"), str(cores)]))
        several = [_run(SIDE_BY_SIDE, [*given, str(folder / f"fold{n}"), str(cores // FOLDS)]) for n in range(FOLDS)]
        together = sum(map(_rate, several))
        print(f"lite0, 112 px, batch 8: one fold {alone:,.0f} images/s, {FOLDS} side by side {together:,.0f}: "
              f"{together / alone:.2f} times", flush=True)  # fmt: skip
        _evaluation(folder, rows.iloc[:136])


def _evaluation(folder: Path, rows: "object") -> None:
    """136 held-out images after an epoch."""
    from tests.bench import gpu

    one = gpu.member("tf_efficientnet_lite0", **SMALL)
    job = gpu.fold(rows, folder / "images", folder / "evaluation", one, 8, held=136)  # type: ignore[arg-type]
    state = states.begin(gpu.timm.create_model(one.model, num_classes=1), one, World(gpu.CARD))
    seconds = []
    for _ in range(6):
        begun = time.perf_counter()
        finish.held_out(job, state.predictor, World(gpu.CARD), Stop())
        torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    print(f"evaluation of 136 images: {min(seconds[1:]):.3f}-{max(seconds[1:]):.3f} s (n = 5)", flush=True)


def _run(code: str, arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def _rate(process: "subprocess.Popen[str]") -> float:
    return float(process.communicate()[0].split()[-1])  # lines of progress come before it
