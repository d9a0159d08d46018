"""Folders that are attached to a Kaggle notebook, searched without walking through folders of images."""

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

MAX_DEPTH = 6  # folders below the root that are searched
MAX_ENTRIES = 2_000  # of a folder that are searched for sub-folders


def input_root() -> Path:
    """Return where inputs are mounted; FFDI_INPUT replaces it in rehearsals and tests."""
    return Path(os.environ.get("FFDI_INPUT", "/kaggle/input"))


def folders_with(wanted: Callable[[Path], bool]) -> Iterator[Path]:
    """Yield the folders that `wanted` accepts, nearest to the root first; below one of them nothing is searched."""
    level = [input_root()] if input_root().is_dir() else []
    for _ in range(MAX_DEPTH + 1):
        hits = [path for path in level if wanted(path)]
        yield from hits
        level = [child for path in level if path not in hits for child in children(path)]


def children(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; none where it does not exist."""
    return [Path(entry.path) for entry in _entries(folder) if entry.is_dir()]


def files(folder: Path) -> list[Path]:
    """Return the files in a folder, sorted."""
    return [Path(entry.path) for entry in _entries(folder) if entry.is_file()]


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(islice(entries, MAX_ENTRIES), key=lambda entry: entry.name)
