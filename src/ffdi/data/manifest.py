"""The manifest: one row a label row of the competition, with everything the scan found out about its image."""

from collections.abc import Iterable

import pandas as pd

from ffdi.core import checksum
from ffdi.core import digest as hashing
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace

COLUMNS = {
    "id": "str",  # as in the table; unique within a split
    "split": "str",
    "relpath": "str",  # below the competition folder, with /
    "target": "int8",  # 0 real, 1 fake, -1 unknown
    "width": "int32",  # pixels, upright; 0 where unknown
    "height": "int32",
    "bytes": "int64",
    "mtime_ns": "int64",
    "sha256": "str",  # of the file; "" if it could not be read
    "phash": "uint64",
    "phash256": "str",  # 64 hex digits; "" without an image
    "jpeg_q": "int16",  # 1-100; -1 without quantisation tables
    "sharpness": "float32",  # these three: see `data.measurement`; 0 without an image
    "mean_grey": "float32",
    "colourfulness": "float32",
    "mode": "str",  # as the file holds it: RGB, L, CMYK, ...; "" without an image
    "status": "str",  # ok, repaired or quarantined
    "defect": "str",  # "" or names joined by "+"
}


def read(places: Workspace) -> pd.DataFrame:
    """Return it. Raises UserError if there is none or it is of another version, CorruptError if it is damaged."""
    manifest = checksum.read_table(places.manifest)
    if list(manifest.columns) != list(COLUMNS):
        raise UserError(f"{places.manifest} was written by another version of the kit; run `ffdi folds` again.")
    return manifest


def select(manifest: pd.DataFrame, splits: Iterable[str], usable: bool = True) -> pd.DataFrame:
    """Return the rows of some splits.

    Args:
        manifest: As `read` gives it.
        splits: Wanted ones.
        usable: False also returns the quarantined images, which get a prediction too.
    """
    wanted = manifest["split"].isin(list(splits))
    if usable:
        wanted &= manifest["status"] != "quarantined"
    return manifest[wanted].reset_index(drop=True)


def digest(manifest: pd.DataFrame) -> str:
    """Return the digest of what training depends on: ids, splits, targets, bytes and statuses, in any order."""
    texts = manifest[["split", "id", "target", "sha256", "status"]].astype("str")
    lines = (
        texts["split"] + "\t" + texts["id"] + "\t" + texts["target"] + "\t" + texts["sha256"] + "\t" + texts["status"]
    )
    return hashing.of_bytes("\n".join(sorted(lines.tolist())).encode())


def typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a manifest, in order and of their types."""
    return rows.reset_index(drop=True)[list(COLUMNS)].astype(COLUMNS)
