"""The main of a train kernel: scan, folds, every member on all GPUs until the deadline; then, when all is trained,
the blend. What an earlier run of it left is attached as its output and gone on from.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffdi.core import console
from ffdi.core.deadline import parse_until
from ffdi.core.errors import Paused, UserError
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.kernels import contest, mounted, record
from ffdi.kernels.entry import blend
from ffdi.kernels.outputs import copy, gather, places
from ffdi.data import folds
from ffdi.training.job import FoldJob, plan
from ffdi.data.scan import scan
from ffdi.infer.embed import for_folds
from ffdi.model.sources import SUFFIXES, WORDS, resolve
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.training import launch, outcome


def main(settings: Mapping[str, Any]) -> None:
    """Leaves `work/` (the runs) and `run.json`; when all members are trained also `submission.csv` and `card.json`.

    A deadline is no failure: Kaggle keeps the output of a kernel that ends well. Raises UserError for everything that
    is wrong with recipe, images or mounts.
    """
    begun = time.time()
    deadline = parse_until(settings["until"], begun)
    recipe, competition = contest.read(settings["recipe"])
    _check_names(settings["members"], recipe)
    here = places(recipe, competition, mounted.working_root())
    before = gather(mounted.outputs(list(settings["resume"])), competition, here, copy)
    console.say(f"{before} folds taken over from attached outputs" if before else "no earlier output is attached")
    images, competition = mounted.competition_folder(competition, list(competition.splits), settings["competition"])
    _offer_weights(recipe)
    jobs: list[FoldJob] = []
    facts: dict[str, Any] = {"recipe": recipe.name}
    try:
        jobs += _planned(recipe, competition, images, here, deadline)
        _train([job for job in jobs if job.member.name in (settings["members"] or job.member.name)], deadline)
        if not _left(jobs):
            facts |= blend.submit(recipe, competition, here)
    except Paused as pause:
        console.say(f"{pause} To go on, attach this output to a new run of the kernel.")
    facts["left"] = _left(jobs) if jobs else ["everything"]
    console.say(f"left: {', '.join(facts['left']) or 'nothing'}")
    record.write(
        mounted.working_root(), "train", settings, {**facts, "seconds": {"all": round(time.time() - begun, 1)}}
    )


def _planned(recipe: Recipe, competition: Competition, images: Path, here: Workspace, deadline: float | None) -> list[FoldJob]:
    """Scan and folds, or what an earlier run left of them. Raises Paused at the deadline."""
    cores = os.cpu_count() or 1
    with Stop(deadline) as stop:
        rows = scan(competition, images, here, cores, stop)
    made = folds.make(here, recipe.folds, rows, recipe.data.train_splits, for_folds(recipe, rows, images, here, cores - 1))
    return plan(recipe, competition, rows, made, images, here)


def _train(jobs: list[FoldJob], deadline: float | None) -> None:
    """Before hours of it: every member's first weights are there."""
    for member in {job.member.name: job.member for job in jobs if not outcome.is_trained(job)}.values():
        resolve(member)
    launch.train(jobs, launch.devices(), deadline)


def _left(jobs: Sequence[FoldJob]) -> list[str]:
    return [job.label for job in jobs if not outcome.is_done(job)]


def _check_names(members: Sequence[str], recipe: Recipe) -> None:
    unknown = sorted(set(members) - {member.name for member in recipe.member})
    if unknown:
        known = ", ".join(member.name for member in recipe.member)
        raise UserError(f"SETTINGS: members names {unknown[0]!r}, which is no member of the recipe; it has {known}.")


def _offer_weights(recipe: Recipe) -> None:
    """Make `weights/` in a new current folder: pretrained files of attached datasets, by the names the kit looks for.

    The recipe stays as it is, since where weights come from is part of a run's identity.
    """
    given = [Path(member.weights) for member in recipe.member if member.weights not in WORDS]
    models = {member.model for member in recipe.member} | {recipe.folds.embedding} - {""}
    names = {name for model in models for name in (model, model.split(".")[0])}
    wanted = {Path("weights", name + suffix) for name in names for suffix in SUFFIXES}
    wanted |= {path for path in given if not path.is_absolute() and ".." not in path.parts}
    here = Path(tempfile.mkdtemp(prefix="ffdi-"))
    for folder in mounted.folders_with(lambda path: any((path / file.name).is_file() for file in wanted)):
        for file in sorted(wanted):
            if (folder / file.name).is_file() and not (here / file).exists():
                (here / file).parent.mkdir(parents=True, exist_ok=True)
                (here / file).symlink_to(folder / file.name)
                console.say(f"pretrained: {folder / file.name}")
    os.chdir(here)
