"""Match label rows with files: rows with their file, files without a row, rows that point elsewhere."""

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition, Split
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data import tables

SUFFIXES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm",
)  # fmt: skip
_NO_FILE = pd.DataFrame({"name": [""], "bytes": [0], "mtime_ns": [0]})
NO_FOLDERS = ("__MACOSX", "@eaDir", "$RECYCLE.BIN")  # what systems put beside images: copies and thumbnails of them


def listing(competition: Competition, folder: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows of all splits, and sentences for the user, such as on images without a row.

    Returns:
        Rows, in the tables' order: id, split, relpath, target, bytes, mtime_ns, defect ("", "missing", "outside" or
        "not_a_file").

    Raises:
        UserError: a table is bad, a split's folder is missing or cannot be read, or not one of its images is there.
    """
    frames, notes = [], []
    for name, split in competition.splits.items():
        images = inside(folder, split.images)
        if not images.is_dir():
            remedy = f"put them in {images}, or correct the competition"
            raise UserError(f"The images of split {name!r} are missing: {remedy}.")
        files = files_below(images, folder)
        labels = tables.read_labels(folder, competition, name) if split.labels else _from_folders(split, files["name"])
        rows, used = _match(folder, name, split, labels, files)
        spare = files["name"][~used & are_images(files["name"])]
        if len(spare):
            notes.append(f"{name}: {len(spare):,} images have no row in the table, such as {spare.iloc[0]!r}.")
        frames.append(rows)
    return _told_apart(pd.concat(frames, ignore_index=True), notes)


def files_below(images: Path, root: Path) -> pd.DataFrame:
    """Return name (relative, with /), bytes and mtime_ns of the regular files below a folder, sorted.

    Links are followed to files below `root` alone. Hidden files are left out: `._a.jpg`, which macOS puts beside
    `a.jpg`, is no image; and so are names that are no UTF-8, which no table can hold.

    Raises:
        UserError: A folder cannot be read.
    """
    walked = sorted(_walk(images, root), key=itemgetter(0))  # the system's order is another on each machine
    facts = [(name, one.st_size, one.st_mtime_ns) for name, entry in walked for one in [entry.stat()]]
    files = pd.DataFrame(facts, columns=["name", "bytes", "mtime_ns"])
    return files.astype({"name": "str", "bytes": "int64", "mtime_ns": "int64"})


def names_below(images: Path, root: Path) -> pd.Series:
    """Return the names of the files below a folder, as `files_below` finds them, sorted."""
    return pd.Series(sorted(name for name, _ in _walk(images, root)), dtype="str")


def are_images(names: pd.Series) -> pd.Series:
    """Return which names have the ending of an image."""
    return names.str.lower().str.endswith(SUFFIXES)


def locate(ids: pd.Series, names: pd.Series, suffix: str = "") -> np.ndarray:
    """Return the place in `names` of the file of each id, int64 [N]; -1 where there is none. The name is the id with
    `suffix`, or else the only one that differs from it by letter case, Unicode form or the extension.

    Args:
        ids: Of the table.
        names: Of files below the folder of images.
        suffix: That the files' names have behind the id.

    Example:
        >>> locate(pd.Series(["a.jpg", "B.jpg", "c", "d"]), pd.Series(["a.jpg", "b.JPG", "c.png"])).tolist()
        [0, 1, 2, -1]
    """
    wanted, names = (pd.Series(some.to_numpy(), dtype="str") for some in (ids + suffix, names))
    place = pd.Index(names).get_indexer(pd.Index(wanted))
    for key_of in (_folded, lambda name: _folded(_stem(name))):
        place = _matched_by(key_of, place, wanted, names)
    return place


def _walk(images: Path, root: Path) -> Iterator[tuple[str, "os.DirEntry[str]"]]:
    """Yield (name, entry) of the files below `images`."""
    folders = [""]
    while folders:
        prefix = folders.pop()
        try:
            with os.scandir(images / prefix) as entries:
                inner = [entry for entry in entries if _is_visible(entry.name)]
        except OSError as error:
            raise UserError(
                f"The folder {images / prefix} cannot be read ({error.strerror}); give yourself access."
            ) from error
        for entry in inner:
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{prefix}{entry.name}/")
            elif _is_file_inside(Path(entry.path), root) if entry.is_symlink() else entry.is_file():
                yield prefix + entry.name, entry


def _is_visible(name: str) -> bool:
    return not name.startswith((".", *NO_FOLDERS)) and name.encode(errors="ignore").decode() == name


def _is_file_inside(link: Path, root: Path) -> bool:
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return False
    return target.is_file() and target.is_relative_to(root.resolve())


def _matched_by(key_of: Callable[[str], str], place: np.ndarray, ids: pd.Series, names: pd.Series) -> np.ndarray:
    """Fill in the places of ids whose key belongs to one id and to one name alone, which is no other id's."""
    ids, names = ids[place < 0], names.drop(place[place >= 0])
    if not len(ids) or not len(names):
        return place
    wanted, keys = (pd.Series(map(key_of, some), some.index).drop_duplicates(keep=False) for some in (ids, names))
    found = pd.Index(keys).get_indexer(pd.Index(wanted))
    place[wanted.index[found >= 0]] = keys.index[found[found >= 0]]
    return place


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix("")) if name.lower().endswith(SUFFIXES) else name


def _from_folders(split: Split, names: pd.Series) -> pd.DataFrame:
    """Return a row for each image below the folders of the classes; below the whole folder without classes."""
    images = names[are_images(names) & names.str.endswith(split.suffix)]
    frames = []
    for target, folders in ((0, split.real), (1, split.fake)) if split.has_target else ((-1, ("",)),):
        for folder in folders:
            ids = images[images.str.startswith(f"{folder}/")] if folder else images
            if not len(ids):
                raise UserError(
                    f"There is no image in the folder {folder or split.images!r} of the competition ({_held(names)}); "
                    "correct the folder."
                )
            frames.append(pd.DataFrame({"id": ids.str.removesuffix(split.suffix), "target": np.int8(target)}))
    return pd.concat(frames, ignore_index=True)


def _match(
    folder: Path, name: str, split: Split, labels: pd.DataFrame, files: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the rows with the facts of their files, and which of the files are taken."""
    place = locate(labels["id"], files["name"], split.suffix)
    prefix = str(PurePosixPath(split.images, "_"))[:-1]
    found = pd.concat([files, _NO_FILE], ignore_index=True).iloc[place]  # place -1 is that last row
    relpaths = prefix + np.where(place >= 0, found["name"], labels["id"] + split.suffix)
    sizes, times = found["bytes"].to_numpy().copy(), found["mtime_ns"].to_numpy().copy()
    defects = np.full(len(labels), "", object)
    for row in np.flatnonzero(place < 0):
        defects[row], sizes[row], times[row] = _elsewhere(folder, relpaths[row])
    if (defects == "missing").all():
        raise UserError(
            f"Not one of the {len(labels):,} images of split {name!r} is in {folder / split.images}: the table names "
            f"{labels['id'].iloc[0]!r}, {_held(files['name'])}; in the competition correct `images`, the folder, or "
            "`suffix`, which is put behind each id."
        )
    rows = labels.assign(split=name, relpath=relpaths, bytes=sizes, mtime_ns=times, defect=defects.astype(str))
    return rows, np.isin(np.arange(len(files)), place)


def _elsewhere(folder: Path, relpath: str) -> tuple[str, int, int]:
    """Return (defect, bytes, mtime_ns) of a row whose file is not a plain one: a link, a folder, or nothing."""
    try:
        facts = inside(folder, relpath).stat()
    except UserError:
        return "outside", 0, 0
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        return "missing", 0, 0
    if not stat.S_ISREG(facts.st_mode):
        return "not_a_file", 0, 0
    return "", facts.st_size, facts.st_mtime_ns


def _held(names: pd.Series) -> str:
    return f"the folder holds {names.iloc[0]!r} and others" if len(names) else "the folder holds no file"


def _told_apart(rows: pd.DataFrame, notes: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Put the split before ids that several labelled splits use; those of the test stay as they are submitted."""
    labelled = rows[rows["split"] != "test"]
    shared = labelled[labelled["id"].duplicated(keep=False)]
    if len(shared):
        rows = rows.assign(id=rows["id"].where(~rows.index.isin(shared.index), rows["split"] + "/" + rows["id"]))
        many, first = shared["id"].nunique(), rows.loc[shared.index[0], "id"]
        notes.append(f"{many:,} ids stand in train and in val; they are told apart as {first!r} and so on.")
    return rows, notes
