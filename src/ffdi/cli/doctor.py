"""`ffdi doctor`: show this machine, what is missing, and what the recipe costs here and elsewhere."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path

import psutil
import torch

from ffdi.cli.project import Options
from ffdi.config.presets import LARGE
from ffdi.config.recipe import Member, Recipe
from ffdi.core import atomic, console
from ffdi.core.errors import UserError
from ffdi.data import files
from ffdi.model import sources
from ffdi.model.build import count_params, refuse_over_limit
from ffdi.model.sources import resolve
from ffdi.training import budget, estimate, launch
from ffdi.training.probe import Probe, probe

KAGGLE = ("timm/tf-efficientnet", "ar90ngas/timm-pretrained-efficientnet", "ar90ngas/timm-pretrained-resnet")


def run(options: Options) -> None:
    """Print the tables. Raise UserError for images, weights or disk space that are missing, and too many parameters."""
    project, work = options.open(), options.work
    recipe, competition, images = project.recipe, project.competition, project.images
    _machine(work)
    missing = _members(recipe, competition.max_params)
    refuse_over_limit(recipe, competition.max_params)
    _better()
    listed, _ = files.listing(competition, images)
    rows = {name: int((listed["split"] == name).sum()) for name in competition.splits}
    some = listed[(listed["split"] == "train") & (listed["defect"] == "")].head(budget.READ)
    device = torch.device(launch.devices()[0])
    launch.prepare(device)
    probes, reading = {}, {}
    for member in recipe.member:
        console.say(f"one step of {member.name} ({member.model}, {member.image_size} px) on {device} …")
        amount = estimate.work(recipe, member, rows)
        probes[member.name] = probe(member, device, amount.trained // amount.folds // member.batch_size)
        reading[member.name] = budget.read_seconds(member, some, images)  # of one core; 0 where none can be read
    needed = _cost(recipe, rows, probes, reading)
    _elsewhere(recipe, reading)
    free = atomic.disk_usage(work).free
    if needed > free:
        raise UserError(
            f"The recipe needs {_size(needed)} in {work}, {_size(free)} are free; name another with --work."
        )
    if missing:
        raise UserError(" ".join(missing))


def _machine(work: Path) -> None:
    memory, disk = psutil.virtual_memory(), atomic.disk_usage(work)
    gpus = [torch.cuda.get_device_properties(index) for index in range(torch.cuda.device_count())]
    names = ", ".join(f"{gpu.name} {gpu.total_memory / 2**30:.0f} GiB" for gpu in gpus)
    rows: list[list[object]] = [
        ["Python", platform.python_version()],
        ["CPU cores", os.cpu_count()],
        ["memory", f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"],
        ["disk for work", f"{disk.free / 2**30:.1f} GiB free"],
        ["GPU", names or "none: everything runs on the CPU"],
    ]
    console.table("this machine", ["what", "is"], rows)


def _members(recipe: Recipe, limit: int | None) -> list[str]:
    """Show parameters and first weights of each member; return a sentence for each that has no weights."""
    rows, missing, total = [], [], 0
    for member in recipe.member:
        params = count_params(member)
        total += params
        try:
            source = str(resolve(member))
        except UserError as error:
            source = "MISSING"
            missing.append(str(error))
        rows.append([member.name, member.model, f"{params:,}", source])
    rows += [["all", "", f"{total:,}", ""], ["limit", "", f"{limit:,}" if limit else "none", ""]]
    console.table(f"members of {recipe.name}", ["member", "model", "parameters", "weights from"], rows)
    return missing


def _better() -> None:
    """Show the networks of the presets that lack weights: with a file for one, `--minutes` plans with it."""
    rows = []
    for name in LARGE:
        try:
            resolve(Member(name="net", model=name))
        except UserError:
            rows.append([name, f"weights/{name}.safetensors", sources.file_name(name)])
    if rows:
        columns = ["network of the presets", "put a file at", "or attach on Kaggle"]
        console.table(
            "networks that a plan of minutes could use, best first, if their weights were here", columns, rows
        )
        console.say(f"On Kaggle, search Models and Datasets for those names; public notebooks use {', '.join(KAGGLE)}.")


def _cost(recipe: Recipe, rows: Mapping[str, int], probes: Mapping[str, Probe], reading: Mapping[str, float]) -> float:
    """Show the cost of each member here; return the bytes of all."""
    devices, cores = len(launch.devices()), len(os.sched_getaffinity(0))
    lines, space, known = [], 0, {}
    for member in recipe.member:
        found, read = probes[member.name], reading[member.name]
        known[member.name] = budget.Speed(found.train_seconds, found.predict_seconds, read)
        time = budget.seconds(recipe.model_copy(update={"member": (member,)}), rows, known)
        size = estimate.disk(member, estimate.work(recipe, member, rows), found.params)
        speeds = [f"{1 / found.train_seconds:.1f}", f"{1 / found.predict_seconds:.1f}"]
        loader = f"{cores / read:,.0f}" if read else "-"
        limit = "reading" if read / cores > found.train_seconds / devices else "computing"
        memory = f"{found.memory / 2**30:.1f}"
        lines.append([member.name, *speeds, loader, limit, memory, _duration(time), _size(size)])
        space += size
    lines.append(["all", "", "", "", "", "", _duration(budget.seconds(recipe, rows, known)), _size(space)])
    speeds = ["train images/s", "predict views/s", f"read images/s, {cores} cores"]
    columns = ["member", *speeds, "limit", "GiB at the peak", "time", "disk"]
    images = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    console.table(f"cost of {recipe.name} here, {devices} folds at a time ({images})", columns, lines)
    return space


def _elsewhere(recipe: Recipe, reading: Mapping[str, float]) -> None:
    """Show hours for the whole contest on usual machines, by operations and by this machine's cores."""
    lines = []
    for machine in estimate.MACHINES:
        computing = waiting = total = 0.0
        for member in recipe.member:
            amount = estimate.work(recipe, member, estimate.CONTEST)
            cards = estimate.seconds_on(machine, member, amount)
            cores = amount.reads * reading[member.name] / machine.cores
            computing, waiting, total = computing + cards, waiting + cores, total + max(cards, cores)
        lines.append([machine.name, _duration(computing), f"{machine.cores}: {_duration(waiting)}", _duration(total)])
    count = f"{estimate.CONTEST['train']:,}"
    title = (
        f"a forecast for the contest's {count} training images, by counted operations: a factor of 2 either way, more "
        "for depthwise convolutions"
    )
    console.table(title, ["machine", "computing", "reading by its cores", "time"], lines)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(count: float) -> str:
    return f"{count / 2**20:,.0f} MiB" if count < 2**30 else f"{count / 2**30:,.1f} GiB"
