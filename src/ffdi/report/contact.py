"""Contact sheets: small pictures of the images that a person should look at."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ffdi.base.errors import UserError
from ffdi.base.paths import inside
from ffdi.report.figures import data_uri
from ffdi.report.page import Card, Gallery, Thumb
from ffdi.report.style import LABELS
from ffdi.report.table import counted

SIDE = 180  # pixels of a thumbnail; shown at 122, so sharp on dense screens
QUALITY = 72  # about 6 kB each: a sheet of 24 is 0.2 MB inside the page
MAX_PIXELS = 50_000_000  # larger images are not opened for a thumbnail


def thumbnail(data: bytes) -> str:
    """`data` as a small JPEG data URI that keeps the aspect ratio; empty if no picture can be made of it."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_PIXELS:
                return ""
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            small = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError):
        return ""
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return data_uri(buffer.getvalue(), "image/jpeg")


def thumb(folder: Path | None, relpath: str, target: int, note: str) -> Thumb:
    """The image `relpath` of the competition folder; a placeholder where the file is missing or broken."""
    label, name = LABELS[int(target)], Path(relpath).name
    return Thumb(thumbnail(_read(folder, relpath)), f"{label} image {name}", f"{label}, {note}", name, label)


def pair_sheet(pairs: pd.DataFrame, folder: Path | None, title: str, caption: str, most: int = 12) -> Gallery:
    """The first `most` pairs side by side.

    `pairs`: relpath_a, target_a, split_a and the same with _b, distance (bits of 256 in which the hashes differ).
    """
    cards = []
    for row in pairs.head(most).itertuples():
        sides = ((row.relpath_a, row.target_a, row.split_a), (row.relpath_b, row.target_b, row.split_b))
        thumbs = tuple(thumb(folder, path, target, split) for path, target, split in sides)
        cards.append(Card(thumbs, f"{counted(int(row.distance), 'bit')} of 256 differ"))
    return Gallery(title, tuple(cards), caption)


def error_sheet(rows: pd.DataFrame, folder: Path | None, title: str, caption: str, most: int = 12) -> Gallery:
    """The first `most` images of `rows` (relpath, target, fold, logit), each with its logit and id."""
    cards = []
    for row in rows.head(most).itertuples():
        note = f"fold {row.fold}, logit {row.logit:+.2f}"
        cards.append(Card((thumb(folder, row.relpath, int(row.target), note),)))
    return Gallery(title, tuple(cards), caption)


def nearest_mates(rows: pd.DataFrame, most_groups: int = 2000, most_members: int = 200) -> pd.DataFrame:
    """Each grouped image with the image of its group whose hash is nearest, every pair once, the farthest first.

    `rows`: relpath, split, target, group, phash256 (64 hex digits). Groups beyond `most_groups` and members beyond
    `most_members` are not looked at, so that 500,000 images take a second. Columns as `pair_sheet` wants them.
    """
    sizes = rows["group"].value_counts()
    wanted = sizes.index[sizes > 1].sort_values()[:most_groups]
    grouped = rows[rows["group"].isin(wanted)].sort_values(["group", "split", "relpath"])
    pairs = [_mates(members.head(most_members)) for _, members in grouped.groupby("group")]
    columns = [f"{name}_{side}" for side in "ab" for name in ("relpath", "target", "split")]
    if not pairs:
        return pd.DataFrame(columns=[*columns, "distance"])
    return pd.concat(pairs).sort_values(["distance", "relpath_a"], ascending=[False, True], ignore_index=True)


def _mates(members: pd.DataFrame) -> pd.DataFrame:
    bits = np.array([list(bytes.fromhex(value)) for value in members["phash256"]], dtype=np.uint8)
    apart = np.bitwise_count(bits[:, None] ^ bits[None]).sum(-1, dtype=np.int64)
    np.fill_diagonal(apart, 257)
    nearest = apart.argmin(1)
    ends = np.unique(np.sort(np.stack([np.arange(len(members)), nearest], 1), 1), axis=0)
    sides = [
        members.iloc[ends[:, side]][["relpath", "target", "split"]].reset_index(drop=True).add_suffix(f"_{'ab'[side]}")
        for side in (0, 1)
    ]
    return pd.concat([*sides, pd.Series(apart[ends[:, 0], ends[:, 1]], name="distance")], axis=1)


def _read(folder: Path | None, relpath: str) -> bytes:
    if folder is None:
        return b""
    try:
        return inside(folder, relpath).read_bytes()
    except (OSError, UserError):
        return b""
