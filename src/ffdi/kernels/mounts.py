"""Find the inputs that Kaggle mounted for a kernel. Two layouts are in use; then every folder is searched.

source          newer form                              older form
competition     input/competitions/SLUG                 input/SLUG
kernel output   input/notebooks/OWNER/SLUG              input/SLUG
"""

import os
from pathlib import Path

from ffdi.config.competition import Competition, Split
from ffdi.core.errors import UserError
from ffdi.core.inputs import children, folders_with, input_root
from ffdi.core.layout import MANIFEST

RUNS = "work"  # the folder of a train kernel's output that holds its runs
SHOWN = 40  # lines of a listing


def working_root() -> Path:
    """Return the folder whose files Kaggle keeps; FFDI_WORKING replaces it."""
    return Path(os.environ.get("FFDI_WORKING", "/kaggle/working"))


def outputs(names: list[str]) -> list[Path]:
    """Return the attached outputs of train kernels: those named ("owner/slug"), or all. Raises UserError."""
    if not names:
        return sorted(folders_with(_holds_runs))
    return [
        _one([path for path in _forms(name, "notebooks") if _holds_runs(path)][:1], f"runs of {name}") for name in names
    ]


def competition_folder(competition: Competition, splits: list[str], name: str = "") -> tuple[Path, Competition]:
    """Return the folder with the tables of `splits`, and the competition with its paths as they are from there.

    Phases of one contest may be mounted apart: then it is their common root, and the paths lead to each.

    Args:
        competition: as the recipe names it.
        splits: "train", "val", "test".
        name: slug under which it is mounted; "" for the competition's own.

    Raises:
        UserError: a table is not mounted; the message lists what is.
    """
    wanted = {split: competition.splits[split] for split in splits}
    near = [path for form in _forms(name or competition.slug, "competitions") for path in (form, *children(form))]
    for folder in [*near, *folders_with(lambda path: _has(path, *wanted.values()))]:
        if _has(folder, *wanted.values()):
            return folder, competition
    moved = {split: _moved(paths, near) for split, paths in wanted.items()}
    return input_root(), competition.model_copy(update=moved)


def _moved(split: Split, near: list[Path]) -> Split:
    """Return the split with its paths below the root of all mounts."""
    found = [path for path in near if _has(path, split)] or list(folders_with(lambda path: _has(path, split)))
    at = _one(found[:1], f"the table {split.labels}").relative_to(input_root()).as_posix()
    return split.model_copy(update={"labels": f"{at}/{split.labels}", "images": f"{at}/{split.images}"})


def listing() -> str:
    """Return what is mounted, in one sentence without its full stop."""
    root = input_root()
    if not root.is_dir():
        return f"{root} does not exist"
    found = [path for child in children(root) for path in (child, *children(child))]
    names = [path.relative_to(root).as_posix() for path in found[:SHOWN]]
    return f"{root} holds {', '.join(names) or 'nothing'}"


def _forms(name: str, kind: str) -> list[Path]:
    root, slug = input_root(), name.split("/")[-1]
    newer = [root / kind / name] if kind == "competitions" or "/" in name else [p / slug for p in children(root / kind)]
    return [path for path in (*newer, root / slug) if path.is_dir()]


def _holds_runs(folder: Path) -> bool:
    """Also true for what a run left that stopped before its first fold."""
    return any(any((folder / RUNS).glob(f"*/*/{name}")) for name in ("runs", MANIFEST, "scan"))


def _has(folder: Path, *splits: Split) -> bool:
    return all((folder / split.labels).is_file() and (folder / split.images).is_dir() for split in splits)


def _one(found: list[Path], what: str) -> Path:
    if not found:
        raise UserError(f"Not mounted: {what}; attach it to the notebook. {listing()}.")
    return found[0]
