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
ROW = ["split", "id"]


def read(folder: Path) -> pd.DataFrame:
    """The manifest of a finished set. Raises UserError if it is not finished or lacks images."""
    if not (folder / MANIFEST).exists():
        raise UserError(f"{folder} holds no finished set of fakes; run `ffdi forge --out {folder}` first.")
    made = checksum.read_table(folder / MANIFEST)
    for relpath, size in zip(made["relpath"], made["bytes"], strict=True):
        path = inside(folder, relpath)
        if not path.is_file() or path.stat().st_size != size:
            raise UserError(f"{path} is missing or not as it was written; delete {folder} and run `ffdi forge` again.")
    return made


def extra(folders: Sequence[str], fit: pd.DataFrame) -> pd.DataFrame:
    """Rows for a fold's job beside `fit` (id, split, group, fold): its columns, and `beside`, the fold of the partner.

    `relpath` is absolute. Fakes of images that are not in `fit` are left out. Raises UserError for a folder that holds
    no finished set, or none of these images, and for one that is named twice.
    """
    frames = [_of(Path(folder).expanduser(), fit) for folder in folders]
    found = pd.concat(frames, ignore_index=True)
    twice = found["id"][found["id"].duplicated()]
    if len(twice):
        raise UserError(f"{twice.iloc[0]} stands in several folders of data.extra; name each set of fakes once.")
    return found


def _of(folder: Path, fit: pd.DataFrame) -> pd.DataFrame:
    made = read(folder)
    places = fit.set_index(ROW)[["group", "fold"]]
    source = places.reindex(pd.MultiIndex.from_frame(made[["source_split", "source"]]))
    partner = places.reindex(pd.MultiIndex.from_frame(made[["partner_split", "partner"]]))
    alone = (made["partner"] == "").to_numpy()
    beside = partner["fold"].where(~alone, source["fold"].to_numpy())
    known = source["fold"].notna().to_numpy() & beside.notna().to_numpy()
    if not known.any():
        raise UserError(
            f"The fakes in {folder} were made of other images than those of data.train_splits; forge them again."
        )
    rows = made[["id", "split", "target", "status", "sha256", "phash"]].assign(
        relpath=f"{folder.resolve()}/" + made["relpath"],
        group=source["group"].to_numpy(),
        fold=source["fold"].to_numpy(),
        beside=beside.to_numpy(),
    )
    return rows[known].astype({"group": "int64", "fold": "int16", "beside": "int16"})
