"""The main of `kernels/train.py`: scan, folds, every member on all GPUs until the deadline, then the blend.

The output of an earlier run is attached, and training goes on from it.
"""

import os
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core import console, digest
from ffdi.core.errors import CorruptError, FfdiError, Paused, UserError
from ffdi.core.layout import TEAM, Workspace
from ffdi.core.stop import Stop, parse_until
from ffdi.data import folds
from ffdi.data.scan import scan
from ffdi.infer.embed import for_folds
from ffdi.kernels import blend, mounts
from ffdi.kernels.mounts import copy, gather, workspace_of
from ffdi.kernels.team import TeamPack
from ffdi.model.sources import SUFFIXES, WORDS, resolve
from ffdi.training import finish, launch
from ffdi.training.job import FoldJob, plan


def main(settings: Mapping[str, Any], pack: TeamPack) -> dict[str, Any]:
    """Leave `work/` (the runs) and the kit; when all members are trained also `submission.csv` and `card.json`.

    A deadline is no error: Kaggle keeps the output of a kernel that ends well. Nor is a fault once a fold is trained,
    which is a warning then, and "doubt" in `run.json`. Raises UserError for a mistake in recipe, images or mounts.
    """
    deadline = parse_until(settings["until"], time.time(), "SETTINGS: until")
    recipe = pack.recipe
    _check_names(settings["members"], recipe)
    workspace = workspace_of(pack, mounts.working_root())
    for name in [TEAM, *(name for name in pack.files if name.endswith(".whl"))]:  # a blend kernel finds the kit there
        copy(pack.path(name), mounts.working_root() / name)
    before = gather(workspace, copy)
    console.say(f"{before} folds taken over from attached outputs" if before else "no earlier output is attached")
    images, competition = mounts.competition_folder(pack.competition, list(pack.competition.splits))
    _offer_weights(pack)
    jobs: list[FoldJob] = []
    facts: dict[str, Any] = {"recipe": recipe.name}
    try:
        jobs += _planned(recipe, competition, images, workspace, deadline)
        _train([job for job in jobs if job.member.name in (settings["members"] or job.member.name)], deadline)
        if not _left(jobs):
            facts |= blend.submit(pack, workspace)
    except Paused as pause:
        console.say(f"{pause} To go on, attach this output to a new run of the kernel.")
    except Exception as error:  # of one fold or of the blend: Kaggle drops the output of a kernel that fails
        if not any(map(finish.is_done, jobs)):
            raise
        if not isinstance(error, FfdiError):
            traceback.print_exc()
        facts["doubt"] = " ".join(str(error).split()) or type(error).__name__
        console.warn(f"{facts['doubt']} What is trained is kept: attach this output to go on.")
    left = _left(jobs) if jobs else ["everything"]
    console.say(f"left: {', '.join(left) or 'nothing'}")
    return {**facts, "left": left}


def _planned(
    recipe: Recipe, competition: Competition, images: Path, workspace: Workspace, deadline: float | None
) -> list[FoldJob]:
    """Scan and make folds, or read what an earlier run left of them. Raises Paused at the deadline."""
    cores = os.cpu_count() or 1
    with Stop(deadline) as stop:
        rows = scan(competition, images, workspace, cores, stop)
    splits = recipe.data.train_splits
    made = folds.make(workspace, recipe.folds, rows, splits, lambda: for_folds(recipe, rows, images, cores - 1))
    return plan(recipe, competition, rows, made, images, workspace)


def _train(jobs: list[FoldJob], deadline: float | None) -> None:
    for member in {job.member.name: job.member for job in jobs if not finish.is_trained(job)}.values():
        resolve(member)  # raises now, not after hours, if the first weights of a member are missing
    launch.train(jobs, launch.devices(), deadline)


def _left(jobs: Sequence[FoldJob]) -> list[str]:
    return [job.label for job in jobs if not finish.is_done(job)]


def _check_names(members: Sequence[str], recipe: Recipe) -> None:
    known = [member.name for member in recipe.member]
    if unknown := sorted(set(members) - set(known)):
        raise UserError(
            f"SETTINGS: members names {unknown[0]!r}, which is no member of the recipe; it has {', '.join(known)}."
        )


def _offer_weights(pack: TeamPack) -> None:
    """Link the pretrained weights that the pack names into a new current folder, where the kit looks for them.

    That is `weights/<model>`, or the relative path that the recipe names. The recipe itself stays as it is, since where
    weights come from is part of a run's identity.
    """
    here = Path(tempfile.mkdtemp(prefix="ffdi-"))
    given = [Path(member.weights) for member in pack.recipe.member if member.weights not in WORDS]
    for name, path in _pretrained(pack).items():
        for place in [Path("weights", name), *(path for path in given if path.name == name)]:
            if not (here / place).exists() and not place.is_absolute():
                (here / place).parent.mkdir(parents=True, exist_ok=True)
                (here / place).symlink_to(path)
        console.say(f"pretrained: {path}")
    os.chdir(here)


def _pretrained(pack: TeamPack) -> dict[str, Path]:
    """Return the pretrained files by name, in the pack or, for a script with the kit inside, in another dataset."""
    names = [name for name in pack.files if name.endswith(SUFFIXES)]
    others = list(mounts.folders_with(lambda path: any((path / name).is_file() for name in names)))
    places = {name: [pack.path(name), *(folder / name for folder in others)] for name in names}
    found = {name: path for name, paths in places.items() for path in reversed(paths) if path.is_file()}
    for name, path in found.items():
        if digest.of_file(path) != pack.files[name]:
            raise CorruptError(f"{path} is not the file that was packed: its sha256 is not that in {TEAM}.")
    return found
