"""Write the dataset of a kernel: the kit's wheel, weights, wheels that the image lacks, and team.json with checksums.

The same inputs give the same bytes. All files lie at the top level but the wheels of other packages, in `wheels/`.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ffdi.blending import saved
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core import atomic, checksum, digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import DONE, TEAM, WEIGHTS, Workspace
from ffdi.data import manifest as manifests
from ffdi.kernels import wheels
from ffdi.submission.dataset import MAX_FILES
from ffdi.training.job import FoldJob, plan

RESERVED = 3  # of the files of a dataset: team.json, the kit's wheel, and a file that a push adds
WHEELS = "wheels"


def pack_team(
    recipe: Recipe, competition: Competition, workspace: Workspace, folder: Path, wheelhouse: Path | None = None
) -> Path:
    """Write the dataset of an infer kernel: the members with a weight in the blend of `recipe`.

    Args:
        recipe: all its runs must be finished.
        competition: of the recipe.
        workspace: where the runs are.
        folder: the dataset; whatever else lies in it is removed.
        wheelhouse: folder of wheels; only what the image lacks is taken from it.

    Raises:
        UserError: `ffdi blend` was not run on these runs, or there are more files than Kaggle takes.
        CorruptError: weights are not those that their run names.
    """
    blend = saved.load(recipe, competition, workspace)
    weights = {name: weight for name, weight in blend.weights.items() if weight > 0}
    table = checksum.read_table(workspace.folds(recipe.folds.scheme))
    jobs = plan(recipe, competition, manifests.read(workspace), table, Path(), workspace)
    # As the blend reads them: members by name, folds in the order in which it sums them.
    jobs = sorted(jobs, key=lambda job: (job.member.name, str(job.fold)))
    jobs = [job for job in jobs if job.member.name in weights]
    for path in [job.folder / WEIGHTS for job in jobs]:
        if checksum.digest(path) != checksum.read_json(path.with_name(DONE))["files"].get(WEIGHTS):
            raise CorruptError(f"{path} is not the file that its {DONE} names; delete {path.parent} and train again.")
    files = {_file(job): job.folder / WEIGHTS for job in jobs}
    members = [_member(name, weight, jobs) for name, weight in weights.items()]
    body = {name: blend.card[name] for name in ("manifest", "method", "prior")}
    body |= {"folds": blend.card["folds"]["digest"], "members": members}
    return _write(folder, recipe, competition, files, wheelhouse, body)


def pack_recipe(recipe: Recipe, competition: Competition, folder: Path, wheelhouse: Path | None = None) -> Path:
    """Write the dataset of a train kernel, before there is a trained team: recipe, pretrained weights and the kit's
    wheel.

    Raises UserError for a member whose pretrained weights are not found here, or would not be found on Kaggle.

    Args:
        recipe: Packed as it is.
        competition: The recipe's.
        folder: The dataset.
        wheelhouse: Wheels that are packed too.
    """
    from ffdi.model.sources import WORDS, resolve  # imported lazily: it imports torch

    if foreign := next((path for path in recipe.data.extra if not path.startswith("/kaggle/")), ""):
        raise UserError(
            f"data.extra: {foreign} is not on Kaggle; upload it as a dataset, and name it as it is mounted there, such "
            "as /kaggle/input/forged."
        )
    files: dict[str, Path] = {}
    embedding = [recipe.member[0].model_copy(update={"model": recipe.folds.embedding, "weights": "auto"})]
    for member in [*recipe.member, *(embedding if recipe.folds.embedding else [])]:
        source, given = resolve(member), member.weights not in WORDS
        if source.kind == "hub" or (given and member.weights.startswith(("/", "~"))):
            raise UserError(
                f"Member {member.name!r}: a kernel, which is offline, would not find weights = {member.weights!r}; put "
                f"the file below the current folder and name it from there, such as weights/{member.model}.safetensors."
            )
        if source.path is not None:
            name = source.path.name if given else member.model + source.path.suffix
            if not files.setdefault(name, source.path).samefile(source.path):
                raise UserError(f"{files[name]} and {source.path} would have one name in the dataset; rename one.")
    return _write(folder, recipe, competition, files, wheelhouse, {})


def _write(
    folder: Path,
    recipe: Recipe,
    competition: Competition,
    files: Mapping[str, Path],
    wheelhouse: Path | None,
    body: Mapping[str, Any],
) -> Path:
    kit, data = wheels.build_kit()
    lacking = {f"{WHEELS}/{path.name}": path for path in (wheels.lacking(wheelhouse) if wheelhouse else ())}
    if len(files) + len(lacking) + RESERVED > MAX_FILES:
        raise UserError(
            f"{len(files) + len(lacking)} weights and wheels are too many: with the kit's files a Kaggle dataset takes "
            f"{MAX_FILES}; blend fewer members or folds."
        )
    files = {**files, **lacking}
    _bring(files, folder)
    atomic.write_bytes(folder / kit, data)
    sums = {name: digest.of_file(folder / name) for name in sorted({*files, kit})}
    about = {
        "wheel": {"file": kit, "sha256": sums[kit]},
        "files": sums,
        "recipe": _portable(recipe, competition),
        "competition": competition.model_dump(mode="json"),
    }
    checksum.write_json(folder / TEAM, {**about, **body})
    return folder


def _file(job: FoldJob) -> str:
    return f"{job.member.name}-fold{job.fold}.safetensors"


def _bring(files: Mapping[str, Path], folder: Path) -> None:
    """Make the folder anew with these files, as hard links where the disk allows them: weights are large, and nobody
    writes to them in place."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        for name, source in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source.resolve(), folder / name)
            except OSError:
                shutil.copyfile(source, folder / name)
    except OSError as error:
        raise UserError(f"Cannot write {folder} ({error}); make room, or make it writable, and pack again.") from error


def _portable(recipe: Recipe, competition: Competition) -> dict[str, Any]:
    """Return the recipe without the folders of this machine, which mean nothing on Kaggle and change no run."""
    data = recipe.data.model_copy(update={"folder": Path(recipe.data.folder).name})
    return recipe.model_copy(update={"data": data, "competition": competition.name}).model_dump(mode="json")


def _member(name: str, weight: float, jobs: Sequence[FoldJob]) -> dict[str, Any]:
    mine = [job for job in jobs if job.member.name == name]
    folds = [{"fold": job.fold, "file": _file(job)} for job in mine]
    # Where the first weights came from changes nothing here, and may be a path of this machine.
    member = mine[0].member.model_copy(update={"weights": "none"}).model_dump(mode="json")
    return {"member": member, "run": mine[0].spec, "weight": weight, "folds": folds}
