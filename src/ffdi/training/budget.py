"""Seconds that a recipe takes on this machine, from timed steps and timed reading, and the best rung that fits.

Steps are timed on as many processes at once as will train side by side: they share caches, memory and the GPU.
"""

import heapq
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import joblib
import pandas as pd
import torch

from ffdi.config.presets import Rung
from ffdi.config.recipe import Member, Recipe
from ffdi.core import console
from ffdi.data.decode import Defect
from ffdi.data.images import TrainImages
from ffdi.infer.embed import SIDE
from ffdi.infer.nets import flops
from ffdi.training import estimate, launch
from ffdi.training.probe import Probe, probe

READ = 32  # images whose reading is timed
TIMED = 2.0  # seconds of steps, and of predictions, on a CPU: those of all places at the same time
MAX_SLOWDOWN = 1.25  # wall time for processor time that is believed
START = 8.0  # seconds of a process until its first step: imports, and CUDA where there is one
FOLD = 2.5  # seconds of a fold beside its images: weights are read, checked, saved and loaded again
SCAN = 2.0  # times what reading an image costs: sharpness and hashes besides
LENGTHENED = 2  # times its planned epochs, a refit at most
EMBEDDED = 3_000  # train and test images, of each, that a blend embeds
PAGES, PER_ROW = 15.0, 1e-4  # seconds of `ffdi folds` and `ffdi blend` beside images and imports
HOPELESS = 3.0  # times the budget by a rough count: not worth a timed step


@dataclass(frozen=True)
class Speed:
    """Seconds of an image on one of the places that train side by side."""

    train: float
    predict: float  # and view
    read: float  # by one core, augmentation and forgery included

    def scaled(self, ratio: float) -> "Speed":
        return Speed(self.train * ratio, self.predict * ratio, self.read)


def places(member: Member) -> list[str]:
    """Return the device of each training that runs at the same time."""
    on = launch.devices()
    return on if on[0] == "cpu" else on * launch.folds_per_gpu([member])


def measure(member: Member, rows: pd.DataFrame, images: Path) -> Speed:
    """Return the speed of a member here, the mean over all places at once.

    Args:
        member: The recipe's member.
        rows: Some training images: id, relpath and target.
        images: What relpath is relative to.
    """
    devices = places(member)
    console.say(f"timing {member.model} at {member.image_size} px, {len(devices)} side by side …")
    tasks = (joblib.delayed(_speed)(member, device, rows, images) for device in devices)
    found = joblib.Parallel(n_jobs=len(devices))(tasks)
    return Speed(*(fmean(values) for values in zip(*found, strict=True)))


def _speed(member: Member, device: str, rows: pd.DataFrame, images: Path) -> tuple[float, float, float]:
    """Time one place. What other programs take of a core makes everything slower, though a burst must not decide."""
    launch.prepare(torch.device(device))
    clock, processor = time.monotonic(), time.process_time()
    found: Probe = probe(member, torch.device(device), 1, TIMED)
    read = read_seconds(member, rows, images)
    slower = 1.0
    if device == "cpu":
        slower = slowdown(time.monotonic() - clock, time.process_time() - processor)
    return found.train_seconds * slower, found.predict_seconds * slower, read * slower


def slowdown(wall: float, processor: float) -> float:
    """Return how many times as long as its processor time something takes, as far as that is believed."""
    return min(max(wall / processor, 1.0), MAX_SLOWDOWN)


def read_seconds(member: Member, rows: pd.DataFrame, images: Path) -> float:
    """Return the CPU seconds in which an image is read, forged and augmented; 0 where none can be read.

    Args:
        member: Whose augmentation and fakes are made.
        rows: Some training images.
        images: What their relpath is relative to.
    """
    source = TrainImages(rows, images, member)
    begun, read = 0.0, 0
    for row in [0, *range(len(rows))]:  # the first image also fills tables and caches
        try:
            source.image(row, 0)
        except (OSError, Defect):
            continue
        read, begun = (read + 1, begun) if begun else (0, time.process_time())
    return (time.process_time() - begun) / read if read else 0.0


def seconds(recipe: Recipe, rows: Mapping[str, int], speeds: Mapping[str, Speed]) -> float:
    """Return how long training and prediction take.

    Args:
        recipe: What is trained.
        rows: Images by split.
        speeds: By member.
    """
    at_once, in_folds, refits = len(places(recipe.member[0])), list[float](), list[float]()
    for member in recipe.member:
        amount, speed = estimate.work(recipe, member, rows), speeds[member.name]
        forwards = amount.predicted * len(member.tta) + amount.curves
        computing = amount.trained * speed.train + forwards * speed.predict
        loaders = _cores() / at_once
        waiting = amount.reads * speed.read / max(loaders, 1.0)
        on_cpu = launch.devices()[0] == "cpu"
        each = (computing + waiting if on_cpu and loaders < 2 else max(computing, waiting)) / amount.folds
        (refits if member.refit_full else in_folds).extend([each + FOLD] * amount.folds)
    return START + _together([*sorted(in_folds, reverse=True), *sorted(refits, reverse=True)], at_once)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _together(jobs: Iterable[float], at_once: int) -> float:
    """Return the seconds until the last job ends, when each place takes the next one (`launch.longest_first`)."""
    ends = [0.0] * at_once
    for job in jobs:
        heapq.heappush(ends, heapq.heappop(ends) + job)
    return max(ends)


def refit_epochs(
    recipe: Recipe, rows: Mapping[str, int], speeds: Mapping[str, Speed], taken: float, left: float
) -> int:
    """Return the epochs of the refits that end in time, at most LENGTHENED times the planned.

    What the folds took for what they were expected to take corrects the expected time of the refits.

    Args:
        recipe: Its members are folds of one or more networks, and refits of the first.
        rows: Images by split.
        speeds: By member, each with its own reading: augmentation and forgeries differ.
        taken: Seconds that all folds took.
        left: Seconds for the refits.
    """
    in_folds = [member for member in recipe.member if not member.refit_full]
    refits = [member for member in recipe.member if member.refit_full]
    slower = taken / seconds(recipe.model_copy(update={"member": in_folds}), rows, speeds)

    def needed(epochs: int) -> float:
        longer = [member.model_copy(update={"epochs": epochs}) for member in refits]
        return slower * seconds(recipe.model_copy(update={"member": longer}), rows, speeds)

    longest = LENGTHENED * refits[0].epochs
    return max((epochs for epochs in range(1, longest + 1) if needed(epochs) <= left), default=1)


def other_seconds(known: Mapping[tuple[str, int], Speed], rows: Mapping[str, int]) -> float:
    """Return how long `ffdi folds` and `ffdi blend` take: images are read, hashed and embedded, pages are written.

    Args:
        known: Speeds by network and side in pixels; the first counts.
        rows: Images by split.
    """
    ((_, side), speed), *_ = known.items()
    forward, images = speed.predict * (SIDE / side) ** 2 / len(launch.devices()), sum(rows.values())
    embedded = rows["train"] + sum(min(rows.get(split, 0), EMBEDDED) for split in ("train", "test"))
    return 2 * START + PAGES + images * (SCAN * speed.read / _cores() + PER_ROW) + embedded * forward


def machine() -> str:
    """Return GPUs or cores in words."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(gpus) or f"{_cores()} CPU cores"


def choose(
    rungs: Iterable[Rung], made: Callable[[Rung], Recipe], rows: Mapping[str, int], measured: Callable[[Member], Speed],
    known: dict[tuple[str, int], Speed], budget: float,
) -> tuple[Rung, float, dict[str, Speed]]:  # fmt: skip
    """Return the first rung that fits into `budget` seconds, its seconds, and speeds by network.

    It is the last one where none fits.

    Args:
        rungs: From the best to the least.
        made: The recipe of a rung.
        rows: Images by split.
        measured: Times a member; asked once for a network and a size.
        known: Speeds by network and side, at least one; what is not timed yet is counted by operations.
        budget: Seconds of training.
    """

    def speed(member: Member) -> Speed:
        """Return what was timed, or that of the nearest that was, by operations."""
        model, side = min(known, key=lambda one: (one[0] != member.model, abs(one[1] - member.image_size)))
        if (model, side) == (member.model, member.image_size):
            return known[model, side]
        here = member.model_copy(update={"image_size": side})  # operations grow with the area
        ratio = flops(here) / flops(here.model_copy(update={"model": model})) if member.model != model else 1.0
        return known[model, side].scaled(ratio * (member.image_size / side) ** 2)

    def needed(recipe: Recipe) -> float:
        return seconds(recipe, rows, {one.name: speed(one) for one in recipe.member})

    for rung in rungs:
        recipe = made(rung)
        new = {one.model for one in recipe.member} - {model for model, _ in known}
        if needed(recipe) > budget * (HOPELESS if new else 1):
            continue
        for one in recipe.member:
            if (key := (one.model, one.image_size)) not in known:
                known[key] = measured(one)
        if needed(recipe) <= budget:
            break
    return rung, needed(recipe), {one.model: speed(one) for one in recipe.member}
