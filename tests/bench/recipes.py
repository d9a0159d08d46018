"""What each part of a recipe is worth on a real set: clean, unseen family, other source and degraded AUC.

    python -m tests.bench recipes SET [--out FILE] [--until SECONDS] [--seeds N] [--processes N] [--only NAME ...]
    python -m tests.bench recipes SET --half
    python -m tests.bench recipes --table FILE ...

SET is a folder of portraits with labels.csv (tests/bench/recipe_set.py). Every run is one line of JSON, printed and
added to FILE at once; seed 0 of all recipes comes first. What stands in FILE is not run again, so a bench that was
stopped goes on. Processes share a GPU, and each trains one model after another; on a CPU each core has one. With
`--half` every recipe has half the pixels, epochs and batch size, which takes a CPU a quarter of the time.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import torch

from ffdi.config.recipe import Data, Member
from ffdi.core import checksum, console
from ffdi.core.errors import FfdiError, Paused
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.data.workers import shared_pool
from ffdi.metrics.auc import auc
from ffdi.training import launch
from ffdi.training.fit import fit
from ffdi.training.job import FoldJob
from ffdi.training.world import World
from tests.bench.recipe_set import DAMAGES, Case, case, read
from tests.bench.recipe_table import BLEND, LIGHT, PLAIN, RECIPES, SWAPS, Change, table

Form = Callable[[Change], Change]
MODELS = 3  # of a recipe that averages several of its kind


def halved(change: Change) -> Change:
    """Return a recipe with half the pixels, epochs and batch size."""
    side = round(change["image_size"] * 0.5**0.5 / 16) * 16
    return change | {"image_size": side, "epochs": change["epochs"] // 2, "batch_size": change["batch_size"] // 2}


@dataclass(frozen=True)
class Place:
    """Where a process trains: the folder of images, and what it has of the machine."""

    images: Path
    device: str
    loaders: int
    deadline: float | None


def main(*arguments: str) -> None:
    options = _parser().parse_args(arguments)
    if options.table:
        print(table(options.table))
        return
    if options.set is None:
        sys.exit("name the folder of the set, or --table FILE")
    deadline = time.time() + options.until if options.until else None
    names = options.only or list(RECIPES)
    images = options.set.resolve()
    with tempfile.TemporaryDirectory() as copies:
        rows = read(images)
        cases = {seed: case(rows, images, Path(copies), seed) for seed in range(options.seeds)}
        runs = [(name, seed) for seed in cases for name in names if (name, seed) not in _done(options.out)]
        processes = options.processes or _processes()
        cores = max(1, len(os.sched_getaffinity(0)) // processes)
        on_gpu = torch.cuda.is_available()
        place = Place(images, "cuda:0" if on_gpu else "cpu", cores if on_gpu else 0, deadline)
        form = halved if options.half else dict
        for line in results(runs, cases, place, form, processes):
            print(json.dumps(line), flush=True)
            if options.out and "error" not in line:
                with options.out.open("a") as file:
                    file.write(json.dumps(line) + "\n")


def results(
    runs: list[tuple[str, int]], cases: dict[int, Case], place: Place, form: Form, processes: int
) -> Iterator[dict[str, Any]]:
    """Train every (recipe, seed), and yield its AUCs as soon as it is done; what the deadline cut off is left out.

    Args:
        runs: In the order in which they begin.
        cases: By seed.
        place: The images, and what each process has of the machine.
        form: What is done to every recipe, to make it cheaper.
        processes: How many train at the same time.
    """
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (place,))
    with pool:
        futures = [pool.submit(result, name, seed, cases[seed], place, form) for name, seed in runs]
        for future in as_completed(futures):
            if (line := future.result()) is not None:
                yield line


def _begin(place: Place) -> None:
    console.one_of_several()
    if place.loaders:
        shared_pool(place.loaders)  # forked before CUDA is touched
    launch.prepare(torch.device(place.device), place.loaders)


def result(name: str, seed: int, one: Case, place: Place, form: Form) -> dict[str, Any] | None:
    """Train one recipe on one case and return its line; None when the time is over."""
    stop, begun = Stop(place.deadline), time.monotonic()
    if stop.requested:
        return None
    line: dict[str, Any] = {"recipe": name, "seed": seed, "family": one.family, "train": len(one.train)}
    with tempfile.TemporaryDirectory() as work:
        try:
            logits = [_logits(job, stop) for job in _jobs(name, seed, one, place, form, Path(work))]
        except Paused:
            return None
        except (FfdiError, RuntimeError, ValueError) as error:
            return line | {"error": str(error)}
    views = pd.concat(logits).groupby(["id", "view"]).logit.mean().unstack()
    line |= {"auc": _aucs(one.test, views["identity"]), "tta": _aucs(one.test, views.mean(axis=1))}
    return line | {"seconds": round(time.monotonic() - begun, 1), "device": _device(place)}


def _jobs(name: str, seed: int, one: Case, place: Place, form: Form, work: Path) -> Iterator[FoldJob]:
    """Yield the models of a recipe, mostly one."""
    persons = one.train.group.rank(method="dense").astype(int) % MODELS
    for number, change in enumerate(_models(form(PLAIN | {"seed": seed} | RECIPES[name]))):
        left_out = change.pop("left_out", None)
        rows = one.train[persons != left_out] if left_out is not None else one.train
        yield FoldJob(
            member=Member.model_validate(change), fold="full", spec="0" * 64, manifest="0" * 64, folds="0" * 64,
            data=Data(workers=place.loaders), images=place.images,
            folder=Workspace(work, work).fold(f"model{number}", "0", 0), fit=rows.assign(fold=0),
            val=rows.iloc[:0], test=one.test, rows={"test": "0" * 64},
        )  # fmt: skip


def _models(change: Change) -> list[Change]:
    """Return what each model of a recipe is: one, or several whose logits are averaged."""
    kind, one = change.get("models"), {key: value for key, value in change.items() if key != "models"}
    seeds = [one | {"seed": one["seed"] + 100 * number} for number in range(MODELS)]
    several = {
        "seeds": seeds,
        "folds": [change | {"left_out": number} for number, change in enumerate(seeds)],
        "team": [one, one | LIGHT | BLEND, one | LIGHT | SWAPS],
    }
    return several[kind] if kind else [one]


def _logits(job: FoldJob, stop: Stop) -> pd.DataFrame:
    device = "cuda:0" if torch.cuda.is_available() else "cpu"
    fit(job, World(torch.device(device)), stop, save_steps=10**9)
    return checksum.read_table(job.folder.table("test"))


def _aucs(test: pd.DataFrame, logits: pd.Series) -> dict[str, float]:
    rows = test.assign(logit=logits.reindex(test.id).to_numpy())
    found = {str(part): auc(some.target.to_numpy(), some.logit.to_numpy()) for part, some in rows.groupby("part")}
    found["degraded"] = fmean(found[kind] for kind in DAMAGES)
    return {part: round(value, 5) for part, value in found.items()}


def _device(place: Place) -> str:
    return torch.cuda.get_device_name(0) if place.device != "cpu" else "CPU"


def _processes() -> int:
    cores = len(os.sched_getaffinity(0))
    return max(1, min(8, cores // 2)) if torch.cuda.is_available() else cores


def _done(path: Path | None) -> set[tuple[str, int]]:
    if path is None or not path.exists():
        return set()
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return {(row["recipe"], row["seed"]) for row in rows}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench recipes")
    parser.add_argument("set", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, help="file of JSON lines; what stands in it is not run again")
    parser.add_argument("--until", type=float, metavar="SECONDS", help="stop cleanly after this many")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--processes", type=int, help="default: 8 on a GPU, one a core on a CPU")
    parser.add_argument("--only", nargs="+", choices=RECIPES, metavar="NAME", help="these recipes")
    parser.add_argument("--half", action="store_true", help="half the pixels, epochs and batch size, for a CPU")
    parser.add_argument("--table", nargs="+", type=Path, metavar="FILE", help="print the summary of these files")
    return parser
