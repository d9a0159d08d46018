"""Audit a manifest: find what separates classes or splits and should not, and what the data holds twice.

A detector takes the easiest way. If the number of bytes alone tells fake from real in the training split, it learns
that, and fails where it does not hold. So each such number is tried alone: its AUC is what a model would get for free.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from ffdi.data import hashes
from ffdi.data.groups import CONFIRM, DISTANCE
from ffdi.data.pairs import near_pairs
from ffdi.metrics.auc import auc

NUMBERS = ("bytes", "bits_per_pixel", "width", "height", "aspect", "jpeg_q", "sharpness", "mean_grey", "colourfulness")
KIND = ["split_a", "target_a", "split_b", "target_b"]
EXAMPLES = 12  # pairs shown of each kind


@dataclass(frozen=True)
class Audit:
    """Tables for a page to draw. Targets: 0 real, 1 fake, -1 unknown; shortcuts and shifts count usable images only."""

    tally: pd.DataFrame  # what (status, defect, mode, size or jpeg_q), value, split, target, images
    shortcuts: pd.DataFrame  # split, real, fake (images), feature, auc (of fake above real), median_real, median_fake
    shifts: pd.DataFrame  # split_a, split_b, feature, auc (of b above a), median_a, median_b
    exact: pd.DataFrame  # KIND, pairs: files of equal bytes, every pair counted
    near: pd.DataFrame  # KIND, pairs: near-duplicates of different bytes, as linked by `near_pairs`
    examples: pd.DataFrame  # KIND, id_a, relpath_a, id_b, relpath_b, bits: the nearest pairs of each kind
    conflicts: pd.DataFrame  # sha256, split, id, relpath, target: equal bytes, contradicting targets


def audit(manifest: pd.DataFrame, distance: int = DISTANCE, confirm: int = CONFIRM) -> Audit:
    """Return the audit of a manifest.

    Args:
        manifest: As stored.
        distance: Bits of 64 in which near-duplicates differ at most.
        confirm: Bits of 256 in which they differ at most.
    """
    rows = usable(manifest)
    near = _near(rows, distance, confirm)
    return Audit(
        tally=_tally(manifest),
        shortcuts=shortcuts(manifest),
        shifts=_shifts(rows),
        exact=_exact(manifest),
        near=near.groupby(KIND, sort=True).size().rename("pairs").reset_index(),
        examples=near.sort_values([*KIND, "bits", "id_a", "id_b"]).groupby(KIND).head(EXAMPLES).reset_index(drop=True),
        conflicts=_conflicts(manifest),
    )


def contrasts(low: pd.DataFrame, high: pd.DataFrame) -> Iterator[tuple[str, float, float, float]]:
    """Yield (feature, AUC of `high` above `low`, median of `low`, of `high`) for each of NUMBERS and for the mode.

    The mode's AUC ranks the modes by their share of `high` in these very rows; with a handful of modes that flatters
    little, and its medians are NaN. A model of all features together is left out on purpose: an original and its fakes
    share most of them, so without groups it learns persons (on paired data it came out at 0.42).
    """
    rows = pd.concat([low, high], ignore_index=True)
    is_high = np.repeat(np.array([0, 1], np.int8), [len(low), len(high)])
    for name in NUMBERS:
        values = rows[name].to_numpy(np.float64)
        yield name, auc(is_high, values), float(low[name].median()), float(high[name].median())
    shares = pd.Series(is_high).groupby(rows["mode"].to_numpy()).transform("mean")
    yield "mode", auc(is_high, shares.to_numpy(np.float64)), np.nan, np.nan


def usable(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with an image, and two numbers more."""
    rows = manifest[manifest["status"] != "quarantined"]
    pixels = rows["width"].astype(np.int64) * rows["height"]
    return rows.assign(aspect=rows["width"] / rows["height"], bits_per_pixel=8 * rows["bytes"] / pixels)


def shortcuts(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the contrasts of fake above real in every split that has both, as in `Audit.shortcuts`."""
    found = []
    for split, rows in usable(manifest).groupby("split", sort=False):
        real, fake = rows[rows["target"] == 0], rows[rows["target"] == 1]
        if len(real) and len(fake):
            found += [(split, len(real), len(fake), *contrast) for contrast in contrasts(real, fake)]
    return pd.DataFrame(found, columns=["split", "real", "fake", "feature", "auc", "median_real", "median_fake"])


def _shifts(usable: pd.DataFrame) -> pd.DataFrame:
    splits = dict(iter(usable.groupby("split", sort=False)))
    found = [(a, b, *contrast) for a, b in combinations(splits, 2) for contrast in contrasts(splits[a], splits[b])]
    return pd.DataFrame(found, columns=["split_a", "split_b", "feature", "auc", "median_a", "median_b"])


def _tally(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the counts in long form, so that one function draws them all."""
    images = manifest[manifest["status"] != "quarantined"]
    size = images["width"].astype("str") + "x" + images["height"].astype("str")
    parts = {
        "status": (manifest, manifest["status"]),
        "defect": (manifest[manifest["defect"] != ""], manifest["defect"]),
        "mode": (images, images["mode"]),
        "size": (images, size),
        "jpeg_q": (images, images["jpeg_q"].astype("str")),
    }
    frames = [
        rows.assign(what=what, value=value).groupby(["what", "value", "split", "target"], sort=True).size()
        for what, (rows, value) in parts.items()
    ]
    return pd.concat([frame.rename("images").reset_index() for frame in frames if len(frame)], ignore_index=True)


def _exact(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of equal files, counted from the sizes of their groups."""
    known = manifest[manifest["sha256"] != ""]
    cells = known.groupby(["sha256", "split", "target"], sort=False).size().rename("images").reset_index()
    pairs = cells.merge(cells, on="sha256", suffixes=("_a", "_b"))
    first, second = _sides(pairs)
    same = first == second
    pairs = pairs.assign(
        pairs=np.where(same, pairs["images_a"] * (pairs["images_a"] - 1) // 2, pairs["images_a"] * pairs["images_b"])
    )[first <= second]
    table = pairs.groupby(KIND, sort=True)["pairs"].sum().reset_index()
    return table[table["pairs"] > 0].reset_index(drop=True)


def _sides(pairs: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return one sortable text a side of a pair, to count each unordered kind once."""
    first = pairs["split_a"] + pairs["target_a"].astype("str")
    return first, pairs["split_b"] + pairs["target_b"].astype("str")


def _near(usable: pd.DataFrame, distance: int, confirm: int) -> pd.DataFrame:
    """Return KIND, id and relpath of both sides and the bits (of 256) that differ; each distinct file counts once."""
    rows = usable.drop_duplicates("sha256", ignore_index=True)
    looks = hashes.from_hex(rows["phash256"].tolist()) if len(rows) else np.empty((0, 4), np.uint64)
    pairs = near_pairs(rows["phash"].to_numpy(np.uint64), distance, looks, confirm)
    bits = hashes.bits_apart(looks[pairs[:, 0]], looks[pairs[:, 1]])
    columns = ["split", "target", "id", "relpath"]
    kind = (rows["split"] + rows["target"].astype("str")).to_numpy()
    turned = kind[pairs[:, 0]] > kind[pairs[:, 1]]
    pairs = np.where(turned[:, None], pairs[:, ::-1], pairs)
    sides = [rows[columns].iloc[pairs[:, side]].reset_index(drop=True).add_suffix(f"_{'ab'[side]}") for side in (0, 1)]
    return pd.concat(sides, axis=1).assign(bits=bits)


def _conflicts(manifest: pd.DataFrame) -> pd.DataFrame:
    known = manifest[(manifest["sha256"] != "") & (manifest["target"] >= 0)]
    both = known.groupby("sha256")["target"].transform("nunique") > 1
    columns = ["sha256", "split", "id", "relpath", "target"]
    return known.loc[both, columns].sort_values(columns, ignore_index=True)
