"""The weights dataset of an infer kernel: finished runs as one flat folder, which Kaggle keeps as it is.

`<member>-fold<k>.safetensors`, `plan.json`, and `SHA256SUMS`, written last. The same runs give the same bytes.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ffdi.core import atomic, digest, checksum
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import Workspace
from ffdi.blending.card import recipe_digest
from ffdi.blending.result import BlendResult, blend
from ffdi.kernels import plan
from ffdi.kernels.mounted import SUMS
from ffdi.data import manifest as manifests
from ffdi.training.job import FoldJob
from ffdi.training.job import plan as plan_jobs
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe

MOST_FILES = 50  # at the top level of a Kaggle dataset
WEIGHTS = "weights.safetensors"  # of a finished fold


def pack(recipe: Recipe, competition: Competition, places: Workspace, folder: Path) -> Path:
    """Bring `folder` to hold the weights of the blend of `recipe`, and nothing else; returns it.

    Members without weight in the blend stay at home: they would take time and change no bit.
    Raises UserError for an unfinished run or too many files, CorruptError for weights that are not what their run says.
    """
    result = blend(recipe, competition, places)
    weights = {name: weight for name, weight in result.blended.weights.items() if weight > 0}
    jobs = [job for job in _jobs(recipe, competition, places) if job.member.name in weights]
    if len(jobs) + 3 > MOST_FILES:
        raise UserError(
            f"{len(jobs)} weights, 2 tables and a push's mark are more than the {MOST_FILES} files of a dataset; "
            "blend fewer members or folds."
        )
    names = {_file(job): job.folder / WEIGHTS for job in jobs}
    sums = {name: _checked(job) for name, job in zip(names, jobs, strict=True)}
    _clear(folder, {*names, plan.FILE, SUMS})
    for name, source in names.items():
        _copy(source, folder / name, sums[name])
    members = [_member(name, weight, jobs) for name, weight in weights.items()]
    checksum.write_json(folder / plan.FILE, _plan(recipe, competition, result, members))
    sums[plan.FILE] = digest.of_file(folder / plan.FILE)
    atomic.write_text(folder / SUMS, "".join(f"{sha}  {name}\n" for name, sha in sorted(sums.items())))
    return folder


def _jobs(recipe: Recipe, competition: Competition, places: Workspace) -> list[FoldJob]:
    """As the blend reads them, members by name and folds in the order in which it sums them."""
    table = checksum.read_table(places.folds(recipe.folds.scheme))
    jobs = plan_jobs(recipe, competition, manifests.read(places), table, Path(), places)
    return sorted(jobs, key=lambda job: (job.member.name, str(job.fold)))


def _file(job: FoldJob) -> str:
    return f"{job.member.name}-fold{job.fold}.safetensors"


def _checked(job: FoldJob) -> str:
    """sha256 of the weights, which must be those that `done.json` names."""
    path = job.folder / WEIGHTS
    if checksum.digest(path) != checksum.read_json(job.folder / "done.json")["files"].get(WEIGHTS):
        raise CorruptError(f"{path} is not the file that its done.json names; delete {job.folder} and train again.")
    return digest.of_file(path)


def _clear(folder: Path, wanted: set[str]) -> None:
    """The sums go first: a folder without them is not whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SUMS).unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.is_dir():
            raise UserError(f"{path} is a folder, and a Kaggle dataset of ours is flat; move it away.")
        if path.name not in wanted:
            path.unlink()


def _copy(source: Path, target: Path, sha256: str) -> None:
    """A hard link where the disk allows it: weights are gigabytes, and nobody writes to them in place."""
    if target.exists() and digest.of_file(target) == sha256:
        return
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _plan(
    recipe: Recipe, competition: Competition, result: BlendResult, members: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "format": plan.FORMAT,
        "recipe": {"name": recipe.name, "digest": recipe_digest(recipe)},
        "competition": competition.model_dump(mode="json"),
        "manifest": result.card["manifest"],
        "folds": result.card["folds"]["digest"],
        "method": result.choice.method.name,
        "prior": result.blended.prior,
        "members": members,
    }


def _member(name: str, weight: float, jobs: Sequence[FoldJob]) -> dict[str, Any]:
    mine = [job for job in jobs if job.member.name == name]
    folds = [{"fold": job.fold, "file": _file(job)} for job in mine]
    # Where its first weights came from is of no use there, and may be a path of this machine.
    spec = mine[0].member.model_copy(update={"weights": "none"}).model_dump(mode="json")
    return {"spec": spec, "run": mine[0].spec, "weight": weight, "folds": folds}
