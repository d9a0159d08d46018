"""Find what Kaggle mounted for a kernel, list its images, and bring outputs of train kernels into one workspace.

Inputs are found by what is in them, since more than one layout of mounts is in use: input/competitions/SLUG and
input/SLUG, input/notebooks/OWNER/SLUG and input/SLUG.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition, Split
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.inputs import children, folders_with, input_root
from ffdi.core.layout import DONE, MANIFEST, WEIGHTS, Workspace, inside
from ffdi.data import files, tables
from ffdi.kernels.team import TeamPack

RUNS = "work"  # the folder of a train kernel's output that holds its runs
SHOWN = 40  # lines of a listing
SAMPLE = "sample"  # the folder of a recipe that names none
SHARED = (MANIFEST, "scan/part-*.parquet", "folds/*", "runs/*/*.json")  # by all folds
Bring = Callable[[Path, Path], None]  # (a file or folder that is mounted, where it shall be)


def working_root() -> Path:
    """Return the folder whose files Kaggle keeps; FFDI_WORKING replaces it."""
    return Path(os.environ.get("FFDI_WORKING", "/kaggle/working"))


def outputs() -> list[Path]:
    """Return the attached outputs of train kernels, also of those that stopped before their first fold."""
    names = ("runs", MANIFEST, "scan")
    return sorted(folders_with(lambda folder: any(any((folder / RUNS).glob(f"*/*/{name}")) for name in names)))


def competition_folder(competition: Competition, splits: list[str]) -> tuple[Path, Competition]:
    """Return the folder with the tables of `splits`, and the competition with its paths as they are from there.

    Phases of one contest may be mounted apart: then it is their common root, and the paths lead to each. Raise
    UserError for a table or folder that is not mounted; the message lists what is.
    """
    wanted = {split: competition.splits[split] for split in splits}
    slugs = competition.slugs
    together = _with_tables([*wanted.values()], slugs)
    if together:
        return together[0], competition
    moved = {}
    for split, paths in wanted.items():
        what = f"the table {paths.labels}" if paths.labels else f"the folder {paths.images} of {slugs[0]}"
        found = _with_tables([paths], slugs)
        if not found:
            raise UserError(f"Not mounted: {what}; attach it to the notebook. {listing()}.")
        at = found[0].relative_to(input_root()).as_posix()
        update = {"labels": paths.labels and f"{at}/{paths.labels}", "images": f"{at}/{paths.images}"}
        moved[split] = paths.model_copy(update=update)
    return input_root(), competition.model_copy(update=moved)


def submission_rows(folder: Path, competition: Competition) -> pd.DataFrame:
    """Return id and relpath (below `folder`) of the test images that a submission must list, in its order.

    They are those of the table that is mounted now: in the hidden rerun of a code competition it is another one. If
    none of its images is there, and others are, it was not exchanged; then the images are the list. One image that is
    missing has its row all the same. Raises UserError for a bad table or a folder without images.
    """
    test = competition.test
    images = inside(folder, test.images)
    names = files.names_below(images, folder)
    ids = tables.read_labels(folder, competition, "test")["id"] if test.labels else pd.Series([], dtype="str")
    place = files.locate(ids, names, test.suffix)
    if (place < 0).all():
        names = names[files.are_images(names) & names.str.endswith(test.suffix)].reset_index(drop=True)
        if names.empty:
            raise UserError(f"There is no image in {images}; is the competition attached?")
        if test.labels:
            console.warn(
                f"No image of {test.labels} is mounted; the {len(names):,} images in the folder are predicted."
            )
        ids, place = _ids_of(names, ids, test.suffix), np.arange(len(names))
    prefix = str(PurePosixPath(test.images, "_"))[:-1]
    found = names.reindex(place).to_numpy()
    return pd.DataFrame({"id": ids, "relpath": prefix + np.where(place >= 0, found, ids + test.suffix)})


def image_names(folder: Path) -> list[str]:
    """Return the names of the image files below `folder`, sorted; hidden files (`._x.jpg` of a Mac) are no images."""
    names = files.names_below(folder, folder)
    return names[files.are_images(names)].tolist()


def listing() -> str:
    """Return what is mounted, in one sentence without its full stop."""
    root = input_root()
    if not root.is_dir():
        return f"{root} does not exist"
    found = [path for child in children(root) for path in (child, *children(child))]
    names = [path.relative_to(root).as_posix() for path in found[:SHOWN]]
    return f"{root} holds {', '.join(names) or 'nothing'}"


def _with_tables(splits: list[Split], slugs: list[str]) -> list[Path]:
    """Return the folders that have all tables and images of the splits, those first whose path has the first slug.

    A split without a table is looked for below the slugs alone: any folder may have one that is called as its images.
    """

    def has(folder: Path) -> bool:
        named = not set(slugs).isdisjoint(folder.parts)
        listed = all((folder / split.labels).is_file() if split.labels else named for split in splits)
        return listed and all((folder / split.images).is_dir() for split in splits)

    return sorted(folders_with(has), key=lambda path: slugs[0] not in path.parts)


def _ids_of(names: pd.Series, listed: pd.Series, suffix: str) -> pd.Series:
    """Return the ids of files, without their endings where the table's ids have none."""
    if suffix or listed.empty or files.are_images(listed).any():
        return names.str.removesuffix(suffix)
    return names.str.replace(r"\.[^./]*$", "", regex=True)


def workspace_of(pack: TeamPack, root: Path) -> Workspace:
    """Return the workspace below `root`, laid out as at home: a kernel's output can be copied over the work folder."""
    name = Path(pack.recipe.data.folder).name or SAMPLE
    return Workspace(root / RUNS / pack.competition.name / name, root / "submissions")


def gather(to: Workspace, bring: Bring) -> int:
    """Bring manifest, folds and runs of the attached outputs together by `copy` or `link`; return how many folds came.

    Raises UserError if two outputs have different fold tables: their runs are not of one team.
    """
    works = [path for output in outputs() for path in sorted((output / RUNS).glob(f"{to.work.parent.name}/*/"))]
    best: dict[str, Path] = {}
    for work in works:
        for fold in sorted(work.glob("runs/*/fold*")):
            name = fold.relative_to(work).as_posix()
            if name not in best or _progress(fold) > _progress(best[name]):
                best[name] = fold
    for work in works:
        for path in sorted(path for pattern in SHARED for path in work.glob(pattern)):
            _bring_once(path, to.work / path.relative_to(work), bring)
    for name, fold in best.items():
        _bring_once(fold, to.work / name, bring)
    return len(best)


def copy(source: Path, target: Path) -> None:
    """Copy a file or folder so that it can be written to, without the locks of who made it."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file() and path.name != ".lock":
                copy(path, target / path.relative_to(source))
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source, target_is_directory=source.is_dir())


def _bring_once(source: Path, target: Path, bring: Bring) -> None:
    if not os.path.lexists(target):
        bring(source, target)
    elif source.suffix == ".parquet" and source.parent.name == "folds" and source.read_bytes() != target.read_bytes():
        raise UserError(f"{source} differs from the folds of another output; attach outputs of one recipe and contest.")


def _progress(fold: Path) -> tuple[bool, bool, str]:
    """Return finished, trained, and the name of the last saved step."""
    steps = sorted(path.name for path in fold.glob("state/step-*"))
    return (fold / DONE).is_file(), (fold / WEIGHTS).is_file(), steps[-1] if steps else ""
