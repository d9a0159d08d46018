"""Where Kaggle mounted what a kernel reads. Two layouts are in use, so both are tried; then markers are looked for.

source          newer form                              older form
competition     input/competitions/SLUG                 input/SLUG
dataset         input/datasets/OWNER/SLUG               input/SLUG
kernel output   input/notebooks/OWNER/SLUG              input/SLUG
"""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from ffdi.core import digest
from ffdi.core.errors import CorruptError, UserError
from ffdi.config.competition import Competition, Split

INPUT, WORKING = "/kaggle/input", "/kaggle/working"
SUMS = "SHA256SUMS"
RUNS = "work"  # the folder of a train kernel's output that holds its runs
DEPTH = 6  # folders below the root that are searched
MOST_ENTRIES = 2_000  # of a folder that are looked at for sub-folders: folders of images are not walked
SHOWN = 40  # lines of a listing


def input_root() -> Path:
    """Where inputs are mounted; FFDI_INPUT stands in for it in rehearsals and tests."""
    return Path(os.environ.get("FFDI_INPUT", INPUT))


def working_root() -> Path:
    """The folder whose files Kaggle keeps; FFDI_WORKING stands in for it."""
    return Path(os.environ.get("FFDI_WORKING", WORKING))


def dataset(name: str, marker: str, what: str) -> Path:
    """The one mounted folder with the file `marker`: the dataset `name` ("owner/slug" or "slug"), or without a name
    whichever has it. Raises UserError, with a listing of what is mounted, for none or several."""
    if name:
        at = [path for path in _forms(name, "datasets") if (path / marker).is_file()]
        return _one(at[:1], f"{what} ({name} with {marker})")
    return _one(list(folders_with(lambda path: (path / marker).is_file())), f"{what} ({marker})")


def outputs(names: list[str]) -> list[Path]:
    """Attached outputs of kernels that hold runs, by name, or without names all that do, sorted."""
    if not names:
        return sorted(folders_with(_holds_runs))
    return [
        _one([path for path in _forms(name, "notebooks") if _holds_runs(path)][:1], f"runs of {name}") for name in names
    ]


def competition_folder(competition: Competition, splits: list[str], name: str = "") -> tuple[Path, Competition]:
    """The folder that holds the tables of `splits`, and the competition as its paths are from there.

    Phases of one contest may be mounted apart: then it is the common root, and the paths lead to each. Raises
    UserError, with a listing, for a table that is not mounted.
    """
    wanted = {split: competition.splits[split] for split in splits}
    near = [path for form in _forms(name or competition.slug, "competitions") for path in (form, *_children(form))]
    for folder in [*near, *folders_with(lambda path: _has(path, *wanted.values()))]:
        if _has(folder, *wanted.values()):
            return folder, competition
    root = input_root()
    at = {split: _one(list(_tables(near, wish))[:1], f"the table {wish.labels}") for split, wish in wanted.items()}
    moved = {split: _below(wanted[split], folder.relative_to(root).as_posix()) for split, folder in at.items()}
    return root, competition.model_copy(update=moved)


def verify(folder: Path) -> int:
    """How many files `SHA256SUMS` names. Raises CorruptError for one that is missing or has other bytes."""
    try:
        lines = (folder / SUMS).read_text().splitlines()
    except OSError as error:
        raise UserError(f"{folder / SUMS} cannot be read: {error.strerror}; pack the weights again.") from error
    for line in lines:
        wanted, _, name = line.partition("  ")
        path = folder / Path(name).name
        if not path.is_file():
            raise CorruptError(f"{path} is missing, though {SUMS} names it; upload the dataset again.")
        if digest.of_file(path) != wanted:
            raise CorruptError(f"{path} is damaged: its sha256 is not that of {SUMS}; upload the dataset again.")
    return len(lines)


def folders_with(wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """Folders below the root that `wanted` says yes to, nearest first; what is below one is not searched."""
    level = [input_root()] if input_root().is_dir() else []
    for _ in range(DEPTH + 1):
        hits = [path for path in level if wanted(path)]
        yield from hits
        level = [child for path in level if path not in hits for child in _children(path)]


def holds(folder: Path, suffix: str) -> bool:
    """Whether a file of that kind is among the first entries of `folder`."""
    with os.scandir(folder) as entries:
        return any(entry.name.endswith(suffix) for entry in islice(entries, MOST_ENTRIES))


def listing() -> str:
    """What is mounted, in a few lines."""
    root = input_root()
    if not root.is_dir():
        return f"{root} does not exist"
    found = [path for child in _children(root) for path in (child, *_children(child))]
    names = [path.relative_to(root).as_posix() for path in found[:SHOWN]]
    return f"{root} holds {', '.join(names) or 'nothing'}"


def _forms(name: str, kind: str) -> list[Path]:
    root, slug = input_root(), name.split("/")[-1]
    named = [root / kind / name] if kind == "competitions" or "/" in name else _children(root / kind, slug)
    return [path for path in (*named, root / slug) if path.is_dir()]


def _children(folder: Path, name: str = "") -> list[Path]:
    """Sub-folders, sorted; with a name, those of that name one level further down."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        found = sorted(Path(entry.path) for entry in islice(entries, MOST_ENTRIES) if entry.is_dir())
    return [path / name for path in found] if name else found


def _tables(near: list[Path], wish: Split) -> Iterator[Path]:
    yield from (path for path in near if _has(path, wish))
    yield from folders_with(lambda path: _has(path, wish))


def _holds_runs(folder: Path) -> bool:
    """Or what a run left that was stopped before its first fold."""
    return any(any((folder / RUNS).glob(f"*/*/{name}")) for name in ("runs", "manifest.parquet", "scan"))


def _has(folder: Path, *wishes: Split) -> bool:
    return all((folder / wish.labels).is_file() and (folder / wish.images).is_dir() for wish in wishes)


def _below(wish: Split, prefix: str) -> Split:
    return wish.model_copy(update={"labels": f"{prefix}/{wish.labels}", "images": f"{prefix}/{wish.images}"})


def _one(found: list[Path], what: str) -> Path:
    if len(found) == 1:
        return found[0]
    if not found:
        raise UserError(f"Not mounted: {what}; attach it to the notebook. {listing()}.")
    names = ", ".join(str(path) for path in found)
    raise UserError(f"Mounted more than once: {what}, at {names}; name one in SETTINGS or detach the others.")
