"""Contact sheets: small pictures of the images that a person should look at."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data.decode import Defect, decode
from ffdi.report.figures import data_uri
from ffdi.report.page import Card, Gallery, Thumb
from ffdi.report.style import LABELS
from ffdi.report.table import counted

SIDE = 180  # pixels of a thumbnail; shown at 110 to 150
QUALITY = 72  # about 6 kB each: a sheet of 24 is 0.2 MB inside the page


def thumbnail(data: bytes) -> str:
    """`data` as a small JPEG data URI, upright and of the same aspect ratio. Raises Defect if it holds no image."""
    small = Image.fromarray(decode(data).image_HWC)
    small.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=QUALITY)
    return data_uri(buffer.getvalue(), "image/jpeg")


def thumb(folder: Path, relpath: str, target: int, note: str) -> Thumb:
    """The image `relpath` of the competition folder; where it is missing or broken, a placeholder that says which."""
    label, name = LABELS[int(target)], Path(relpath).stem
    alt, caption = f"{label} image {name}", f"{label}, {note}"
    try:
        return Thumb(thumbnail(inside(folder, relpath).read_bytes()), alt, caption, name, label)
    except Defect as defect:
        return Thumb("", f"{alt}, {defect.name}", caption, name, label, defect.name)
    except (OSError, UserError):
        return Thumb("", f"{alt}, missing", caption, name, label, "missing")


def pair_sheet(pairs: pd.DataFrame, folder: Path, title: str, caption: str, most: int = 12) -> Gallery:
    """The first `most` pairs side by side.

    `pairs`: relpath_a, target_a, split_a and the same with _b, distance (bits of 256 in which the hashes differ).
    """
    cards = [
        Card(
            tuple(
                thumb(folder, str(row[f"relpath_{side}"]), row[f"target_{side}"], str(row[f"split_{side}"]))
                for side in "ab"
            ),
            f"{counted(row['distance'], 'bit')} of 256 differ",
        )
        for row in pairs.head(most).to_dict("records")
    ]
    return Gallery(title, tuple(cards), caption)


def error_sheet(rows: pd.DataFrame, folder: Path, title: str, caption: str, most: int = 12) -> Gallery:
    """The first `most` images of `rows` (relpath, target, note), each with its note and name."""
    cards = [
        Card((thumb(folder, str(row["relpath"]), row["target"], str(row["note"])),))
        for row in rows.head(most).to_dict("records")
    ]
    return Gallery(title, tuple(cards), caption)


def nearest_mates(rows: pd.DataFrame, most_groups: int = 2000, most_members: int = 200) -> pd.DataFrame:
    """Each grouped image with the image of its group whose hash is nearest, every pair once, the farthest first.

    `rows`: relpath, split, target, group, phash256 (64 hex digits). Groups beyond `most_groups` and members beyond
    `most_members` are not looked at, so that 500,000 images take a second. Columns as `pair_sheet` wants them.
    """
    sizes = rows["group"].value_counts()
    wanted = sizes.index[sizes > 1].sort_values()[:most_groups]
    grouped = rows[rows["group"].isin(wanted)].sort_values(["group", "split", "relpath"], ignore_index=True)
    grouped = grouped[grouped.groupby("group").cumcount() < most_members].reset_index(drop=True)
    bits_N32 = np.frombuffer(bytes.fromhex("".join(grouped["phash256"])), dtype=np.uint8).reshape(-1, 32)
    begins = np.flatnonzero(grouped["group"].diff() != 0).tolist()
    found = [_mates(bits_N32, begin, end) for begin, end in pairwise([*begins, len(grouped)])]
    pairs = np.concatenate([np.empty((0, 3), dtype=np.int64), *found])
    sides = [
        grouped.loc[pairs[:, side], ["relpath", "target", "split"]].reset_index(drop=True).add_suffix(f"_{'ab'[side]}")
        for side in (0, 1)
    ]
    frame = pd.concat([*sides, pd.Series(pairs[:, 2], name="distance")], axis=1)
    return frame.sort_values(["distance", "relpath_a"], ascending=[False, True], ignore_index=True)


def _mates(bits_N32: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Rows (a, b, distance) with a < b, for the rows begin to end that make one group."""
    bits = bits_N32[begin:end]
    apart = np.bitwise_count(bits[:, None] ^ bits[None]).sum(-1, dtype=np.int64)
    np.fill_diagonal(apart, 257)
    pairs = np.unique(np.sort(np.stack([np.arange(len(bits)), apart.argmin(1)], 1), 1), axis=0)
    return np.column_stack([pairs + begin, apart[pairs[:, 0], pairs[:, 1]]])
