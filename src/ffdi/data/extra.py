"""Fakes made beforehand (`ffdi forge`) as further rows to train on: never judged, and never where their source is.

They enter neither manifest nor fold table, so folds, held-out scores and test stay what they are without them. A fake
takes the group and fold of its source; a model that holds out the fold of its source or of its partner does not see it.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import inside

MANIFEST, SPLIT = "forged.parquet", "forged"


def read(folder: Path) -> pd.DataFrame:
    """Return the manifest of a finished set. Raises UserError if it is not finished or lacks images."""
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder} holds no finished set of fakes; run `ffdi forge --out {folder}` first.")
    made = checksum.read_table(folder / MANIFEST)
    for relpath, size in zip(made["relpath"], made["bytes"], strict=True):
        path = inside(folder, relpath)
        if not path.is_file() or path.stat().st_size != size:
            raise UserError(f"{path} is missing or not as it was written; delete {folder} and run `ffdi forge` again.")
    return made


def extra(folders: Sequence[str], fit: pd.DataFrame) -> pd.DataFrame:
    """Return the fakes of some folders as rows beside `fit` (id, split, group, fold).

    Returns:
        The columns of `fit`, with an absolute relpath, and `beside`, the fold of the partner. Fakes of images that are
        not in `fit` are left out.

    Raises:
        UserError: a folder holds no finished set, or none of these images, or is named twice.
    """
    found = pd.concat([_of(Path(folder).expanduser(), fit) for folder in folders], ignore_index=True)
    repeated = found["id"][found["id"].duplicated()]
    if len(repeated):
        raise UserError(f"{repeated.iloc[0]} stands in several folders of data.extra; name each set of fakes once.")
    return found


def _of(folder: Path, fit: pd.DataFrame) -> pd.DataFrame:
    made, places = read(folder), fit.set_index(["split", "id"])[["group", "fold"]]
    source = places.reindex(pd.MultiIndex.from_frame(made[["source_split", "source"]])).reset_index(drop=True)
    partner = places.reindex(pd.MultiIndex.from_frame(made[["partner_split", "partner"]])).reset_index(drop=True)
    beside = partner["fold"].where(made["partner"] != "", source["fold"])
    known = source["fold"].notna() & beside.notna()
    if not known.any():
        raise UserError(
            f"The fakes in {folder} were made of other images than those of data.train_splits; forge them again."
        )
    rows = made[["id", "split", "target", "status", "sha256", "phash"]].join(source)
    rows = rows.assign(relpath=f"{folder.resolve()}/" + made["relpath"], beside=beside)
    return rows[known].astype({"group": "int64", "fold": "int16", "beside": "int16"})
