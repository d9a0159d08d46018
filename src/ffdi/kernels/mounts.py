"""Find the inputs that Kaggle mounted for a kernel, and bring outputs of train kernels into one workspace.

Inputs are found by what is in them, since more than one layout of mounts is in use: input/competitions/SLUG and
input/SLUG, input/notebooks/OWNER/SLUG and input/SLUG.
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ffdi.config.competition import Competition, Split
from ffdi.config.recipe import Recipe
from ffdi.core.errors import UserError
from ffdi.core.inputs import children, folders_with, input_root
from ffdi.core.layout import DONE, MANIFEST, WEIGHTS, Workspace

RUNS = "work"  # the folder of a train kernel's output that holds its runs
SHOWN = 40  # lines of a listing
SAMPLE = "sample"  # the folder of a recipe that names none
SHARED = (MANIFEST, "scan/part-*.parquet", "folds/*", "runs/*/*.json")  # by all folds
Bring = Callable[[Path, Path], None]  # (a file or folder that is mounted, where it shall be)


def working_root() -> Path:
    """Return the folder whose files Kaggle keeps; FFDI_WORKING replaces it."""
    return Path(os.environ.get("FFDI_WORKING", "/kaggle/working"))


def outputs() -> list[Path]:
    """Return the attached outputs of train kernels."""
    return sorted(folders_with(_holds_runs))


def competition_folder(competition: Competition, splits: list[str], name: str = "") -> tuple[Path, Competition]:
    """Return the folder with the tables of `splits`, and the competition with its paths as they are from there.

    Phases of one contest may be mounted apart: then it is their common root, and the paths lead to each.

    Args:
        competition: as the recipe names it.
        splits: "train", "val", "test".
        name: slug under which it is mounted; "" for the competition's own.

    Raises:
        UserError: a table or folder is not mounted; the message lists what is.
    """
    wanted = {split: competition.splits[split] for split in splits}
    slugs = [name or competition.slug, *competition.slugs]
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


def listing() -> str:
    """Return what is mounted, in one sentence without its full stop."""
    root = input_root()
    if not root.is_dir():
        return f"{root} does not exist"
    found = [path for child in children(root) for path in (child, *children(child))]
    names = [path.relative_to(root).as_posix() for path in found[:SHOWN]]
    return f"{root} holds {', '.join(names) or 'nothing'}"


def _holds_runs(folder: Path) -> bool:
    """Also true for what a run left that stopped before its first fold."""
    return any(any((folder / RUNS).glob(f"*/*/{name}")) for name in ("runs", MANIFEST, "scan"))


def _with_tables(splits: list[Split], slugs: list[str]) -> list[Path]:
    """Return the folders that have all tables and images of the splits, those first whose path has the first slug.

    A split without a table is looked for below the slugs alone: any folder may have one that is called as its images.
    """

    def has(folder: Path) -> bool:
        named = not set(slugs).isdisjoint(folder.parts)
        tables = all((folder / split.labels).is_file() if split.labels else named for split in splits)
        return tables and all((folder / split.images).is_dir() for split in splits)

    return sorted(folders_with(has), key=lambda path: slugs[0] not in path.parts)


def workspace_of(recipe: Recipe, competition: Competition, root: Path) -> Workspace:
    """Return the workspace below `root`, laid out as at home: a kernel's output can be copied over the work folder.

    Args:
        recipe: Names the folder of images.
        competition: Names the folder below `root`.
        root: Where a kernel writes.
    """
    name = Path(recipe.data.folder).name or SAMPLE
    return Workspace(root / RUNS / competition.name / name, root / "submissions")


def gather(outputs: Iterable[Path], competition: Competition, to: Workspace, bring: Bring) -> int:
    """Bring manifest, folds and runs of attached outputs together; return how many folds came.

    Raises UserError if two outputs have different fold tables: their runs are not of one team.

    Args:
        outputs: Attached folders.
        competition: Of the runs.
        to: Where they come together.
        bring: Copies or links a file.
    """
    works = [path for output in outputs for path in sorted((output / RUNS).glob(f"{competition.name}/*/"))]
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
