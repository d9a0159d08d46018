"""`ffdi doctor`: what this machine is, what is missing, and what the recipe will take here."""

import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import psutil
import torch

from ffdi.cli import params
from ffdi.cli.desk import open_desk
from ffdi.config.competition import Competition
from ffdi.config.load import load_competition, load_recipe
from ffdi.config.recipe import Member, Recipe
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.model.sources import resolve
from ffdi.training import launch
from ffdi.training.probe import Probe, probe

PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "albumentations",
    "opencv-python-headless",
    "scikit-learn",
    "optuna",
    "kaggle",
)
FLOAT = 4  # bytes
BYTES_PER_LOGIT = 40  # of a prediction row: id, view, logit, flag, compressed (measured on the sample: 30-45)


def run(path: Path, data: Path | None, work: Path, submissions: Path) -> None:
    recipe = load_recipe(path)
    competition = load_competition(recipe.competition)
    _machine(work)
    missing = _weights(recipe)
    counts = params.count(recipe)
    rows = _rows(recipe, competition, path, data, work, submissions)
    device = torch.device(launch.devices()[0])
    if device.type == "cpu":
        torch.set_num_threads(1)  # as a fold will have
    probes = {}
    for member in recipe.member:
        console.say(f"measuring one step of {member.name} …")
        probes[member.name] = probe(member, device)
    _cost(recipe, counts, rows, probes, work)
    params.refuse_over_limit(recipe)
    if missing:
        raise UserError(" ".join(missing))


def _machine(work: Path) -> None:
    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(_existing(work))
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    rows: list[list[object]] = [
        ["Python", platform.python_version()],
        ["CPU cores", os.cpu_count()],
        ["memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"],
        ["disk for work", f"{disk.free / 2**30:.1f} GiB free"],
        [
            "GPU",
            ", ".join(f"{gpu.name} {gpu.total_memory / 2**30:.0f} GiB" for gpu in gpus)
            or "none: everything runs on the CPU",
        ],
    ]
    rows += [[name, version(name)] for name in PACKAGES]
    console.table("this machine", ["what", "is"], rows)


def _weights(recipe: Recipe) -> list[str]:
    """Shows where each member's weights come from; returns a sentence for each that has none."""
    rows, missing = [], []
    for member in recipe.member:
        try:
            rows.append([member.name, member.model, str(resolve(member, Path("weights")))])
        except UserError as error:
            rows.append([member.name, member.model, "MISSING"])
            missing.append(str(error))
    console.table("pretrained weights", ["member", "model", "from"], rows)
    return missing


def _rows(
    recipe: Recipe, competition: Competition, path: Path, data: Path | None, work: Path, submissions: Path
) -> dict[str, int]:
    """Images by split, from the label tables; the contest's own counts where the data are not here yet."""
    from ffdi.data import tables

    try:
        desk = open_desk(path, data, work, submissions)
        return {name: len(tables.read_labels(desk.images, competition, name).frame) for name in competition.splits}
    except UserError as error:
        console.warn(f"{error} The estimate takes the contest's own counts.")
        known = {"train": 524_429, "val": 147_363, "test": 174_387}
        return {name: known[name] for name in competition.splits}


def _cost(recipe: Recipe, counts: dict[str, int], rows: dict[str, int], probes: dict[str, Probe], work: Path) -> None:
    devices = len(launch.devices())
    lines, seconds, space = [], 0.0, 0
    for member in recipe.member:
        time, size = _member_cost(recipe, member, counts[member.name], rows, probes[member.name])
        lines.append([member.name, f"{1 / probes[member.name].train_seconds:.1f}", _duration(time), _size(size)])
        seconds, space = seconds + time, space + size
    lines.append(["all", "", _duration(seconds / devices), _size(space)])
    folds = len(recipe.folds.held_out)
    title = f"cost of {recipe.name} here ({devices} at a time, {folds} folds; one step was timed, no reading)"
    console.table(title, ["member", "train images/s", "time", "disk"], lines)
    free = shutil.disk_usage(_existing(work)).free
    if space > free:
        raise UserError(
            f"The recipe needs {_size(space)} in {work}, {_size(free)} are free; name a larger disk with --work."
        )


def _member_cost(recipe: Recipe, member: Member, params: int, rows: dict[str, int], found: Probe) -> tuple[float, int]:
    """(seconds, bytes at the peak): training on k-1 of k parts, all views' predictions, weights and two states."""
    fit = sum(rows.get(name, 0) for name in recipe.data.train_splits)
    held = sum(count for name, count in rows.items() if name not in recipe.data.train_splits)
    folds = 1 if member.refit_full else len(recipe.folds.held_out)
    seen = fit * max(folds - 1, 1) * member.epochs
    predicted = fit + held * folds  # OOF once; val and test by every fold
    views = len(member.tta)
    seconds = seen * found.train_seconds + predicted * views * found.predict_seconds
    curves = fit * (member.epochs - 1) * found.predict_seconds
    states = 2 * 4 * params * FLOAT
    return seconds + curves, folds * params * FLOAT + states + predicted * views * BYTES_PER_LOGIT


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
