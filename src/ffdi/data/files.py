"""Label rows and files side by side: which row has its file, which file has no row, which row points elsewhere."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data import tables

ABSENT = ("missing", "outside", "not_a_file")  # defects found here, without reading a file
_SHOWN = 5  # names of files without a row that are told


@dataclass(frozen=True)
class Listing:
    """`rows`: id, split, relpath, target, bytes, mtime_ns, defect ("" or one of ABSENT), in the tables' order.
    `facts`: the tables' notes, and per split how many files have no row and the first of them."""

    rows: pd.DataFrame
    facts: dict[str, Any]


def listing(competition: Competition, folder: Path) -> Listing:
    """Raises UserError if a table is bad, a split's folder is missing, or not one of its images is there."""
    frames, notes, unlisted = [], list[str](), {}
    for split in competition.splits:
        labels = tables.read_labels(folder, competition, split)
        rows, without_row = _match(competition, folder, split, labels.frame)
        frames.append(rows)
        notes += labels.notes
        unlisted[split] = {"count": len(without_row), "first": without_row[:_SHOWN]}
    return Listing(pd.concat(frames, ignore_index=True), {"notes": notes, "unlisted": unlisted})


def _match(competition: Competition, folder: Path, split: str, labels: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    wish = competition.splits[split]
    images = inside(folder, wish.images)
    if not images.is_dir():
        raise UserError(f"The images of split {split!r} are missing: put them in {images}, or correct the competition.")
    files = _files_below(images)
    place = pd.Index(files["name"]).get_indexer(pd.Index(labels["id"]))
    relpaths = str(PurePosixPath(wish.images, "_"))[:-1] + labels["id"]
    found = files.iloc[place].reset_index(drop=True)  # where place is -1, corrected below
    sizes, times = found["bytes"].to_numpy().copy(), found["mtime_ns"].to_numpy().copy()
    defects = np.full(len(labels), "", object)
    for row in np.flatnonzero(place < 0):
        defects[row], sizes[row], times[row] = _elsewhere(folder, relpaths.iloc[row])
    if (defects != "").all():
        raise UserError(
            f"Not one of the {len(labels):,} images of split {split!r} is in {images}; is it the right folder?"
        )
    rows = labels.assign(split=split, relpath=relpaths, bytes=sizes, mtime_ns=times, defect=defects.astype(str))
    tables_here = {inside(folder, other.labels) for other in competition.splits.values()}
    spare = sorted(files["name"].iloc[np.setdiff1d(np.arange(1, len(files)), place)])
    return rows, [name for name in spare if images / name not in tables_here]


def _files_below(images: Path) -> pd.DataFrame:
    """Regular files with name (relative, with /), bytes and mtime_ns; links are not followed."""
    names, sizes, times = [""], [0], [0]  # a first row, so that an empty folder needs no case of its own
    folders = [""]
    while folders:
        prefix = folders.pop()
        with os.scandir(images / prefix) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{prefix}{entry.name}/")
                elif entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    names.append(prefix + entry.name)
                    sizes.append(facts.st_size)
                    times.append(facts.st_mtime_ns)
    return pd.DataFrame({"name": names, "bytes": np.array(sizes), "mtime_ns": np.array(times)})


def _elsewhere(folder: Path, relpath: str) -> tuple[str, int, int]:
    """(defect, bytes, mtime_ns) of a row whose file is not a plain one: a link, a folder, or nothing."""
    try:
        facts = inside(folder, relpath).stat()
    except UserError:
        return "outside", 0, 0
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return "missing", 0, 0
    if not stat.S_ISREG(facts.st_mode):
        return "not_a_file", 0, 0
    return "", facts.st_size, facts.st_mtime_ns
