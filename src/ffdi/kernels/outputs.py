"""The outputs of several train kernels as one workspace: every fold from where it got furthest."""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core.errors import UserError
from ffdi.core.layout import DONE, MANIFEST, WEIGHTS, Workspace
from ffdi.kernels.mounts import RUNS

SAMPLE = "sample"  # the folder of a recipe that names none
SHARED = (MANIFEST, "scan/part-*.parquet", "folds/*", "runs/*/*.json")  # by all folds
Bring = Callable[[Path, Path], None]  # (a file or folder that is mounted, where it shall be)


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
