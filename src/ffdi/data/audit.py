"""Audit a manifest: find what separates classes and should not, and what the data holds twice.

A detector takes the easiest way. If the number of bytes alone tells fake from real in the training split, it learns
that, and fails where it does not hold. So each such number is tried alone: its AUC is what a model would get for free.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ffdi.data import groups
from ffdi.metrics.auc import auc

NUMBERS = ("bytes", "bits_per_pixel", "width", "height", "aspect", "jpeg_q", "sharpness", "mean_grey", "colourfulness")
KIND = ["split_a", "target_a", "split_b", "target_b"]


@dataclass(frozen=True)
class Audit:
    """Tables for a page to draw, of usable images. Targets: 0 real, 1 fake, -1 unknown."""

    shortcuts: pd.DataFrame  # split, real, fake (images), feature, auc (of fake above real)
    pairs: pd.DataFrame  # KIND, pairs: near-duplicates as linked by `near_pairs`, and how many of equal bytes
    conflicts: pd.DataFrame  # sha256, split, id, relpath, target: equal bytes, contradicting targets


def audit(manifest: pd.DataFrame) -> Audit:
    """Return the audit of a manifest."""
    rows = usable(manifest)
    return Audit(shortcuts(manifest), _pairs(rows), _conflicts(rows))


def contrasts(low: pd.DataFrame, high: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """Yield (feature, AUC of `high` above `low`) for each of NUMBERS and for the mode.

    The mode's AUC ranks the modes by their share of `high` in these very rows; with a handful of modes that flatters
    little. A model of all features together is left out on purpose: an original and its fakes share most of them, so
    without groups it learns persons (on paired data it came out at 0.42).
    """
    rows = pd.concat([low, high], ignore_index=True)
    is_high = np.repeat(np.array([0, 1], np.int8), [len(low), len(high)])
    for name in NUMBERS:
        yield name, auc(is_high, rows[name].to_numpy(np.float64))
    shares = pd.Series(is_high).groupby(rows["mode"].to_numpy()).transform("mean")
    yield "mode", auc(is_high, shares.to_numpy(np.float64))


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
    return pd.DataFrame(found, columns=["split", "real", "fake", "feature", "auc"])


def _pairs(usable: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of each kind; the two sides of a kind are in the order of the alphabet."""
    rows = usable.assign(kind=usable["split"] + usable["target"].astype("str"))
    rows = rows[["kind", "split", "target", "sha256", "phash", "phash256"]].reset_index(drop=True)
    pairs = groups.near(rows)
    kind = rows.pop("kind").to_numpy()
    turned = kind[pairs[:, 0]] > kind[pairs[:, 1]]
    pairs = np.where(turned[:, None], pairs[:, ::-1], pairs)
    sides = [rows.iloc[pairs[:, side]].reset_index(drop=True).add_suffix(f"_{'ab'[side]}") for side in (0, 1)]
    found = pd.concat(sides, axis=1)
    equal = (found["sha256_a"] == found["sha256_b"]).groupby([found[name] for name in KIND])
    return equal.agg(pairs="size", equal="sum").reset_index()


def _conflicts(usable: pd.DataFrame) -> pd.DataFrame:
    known = usable[usable["target"] >= 0]
    both = known.groupby("sha256")["target"].transform("nunique") > 1
    columns = ["sha256", "split", "id", "relpath", "target"]
    return known.loc[both, columns].sort_values(columns, ignore_index=True)
