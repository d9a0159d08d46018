"""Shortcuts: properties of the files that tell the classes apart without a look at any face."""

import math

import numpy as np
import pandas as pd

from ffdi.report import plots
from ffdi.report.figures import embed
from ffdi.report.page import Picture

NAMES = {
    "bytes": "file size", "bits_per_pixel": "bits per pixel", "width": "width", "height": "height",
    "aspect": "aspect ratio", "jpeg_q": "JPEG quality", "sharpness": "sharpness", "mean_grey": "mean grey",
    "colourfulness": "colourfulness", "mode": "colour mode",
}  # fmt: skip
STRONG = 0.65  # AUC from which a shortcut alone makes a detector
HARMLESS = 0.05  # AUC away from one half that a model hardly gains from


def strongest(rows: pd.DataFrame) -> pd.Series:
    """The row of `rows` (feature, auc, and real, fake if sizes differ) that separates most, whichever way round.

    What chance can do with that many images is taken off, so that noise of a small split hides no fact of a large one.
    AUCs that are NaN are passed over.
    """
    margin = (rows["auc"] - 0.5).abs()
    if {"real", "fake"} <= set(rows.columns):
        margin -= [chance(real, fake) for real, fake in zip(rows["real"], rows["fake"], strict=True)]
    return rows.loc[margin.sort_values(ascending=False, kind="stable").index[0]]


def verdict(rows: pd.DataFrame) -> str:
    """One sentence on the strongest of `rows` (split, feature, auc, real, fake)."""
    found = strongest(rows)
    name, reach = name_of(str(found["feature"])), max(found["auc"], 1 - found["auc"])
    if reach - 0.5 <= max(HARMLESS, chance(int(found["real"]), int(found["fake"]))):
        return f"Nothing measured on the files tells fakes from originals (most: {name}, AUC {found['auc']:.2f})."
    who = "All properties together tell" if name == "all together" else f"{name[0].upper()}{name[1:]} alone tells"
    weak, strong = "some of any score may come from that", "a model can score with that and see no forgery"
    meaning = weak if reach < STRONG else strong
    return f"{who} fakes from originals in {found['split']} with AUC {reach:.2f}: {meaning}."


def picture(rows: pd.DataFrame, title: str, more: str, low: int, high: int) -> Picture:
    """AUC of each feature of `rows` (feature, auc). `more`: who has more of it right of 0.5; `low`, `high`: images."""
    found, band = strongest(rows), chance(low, high)
    shown = rows[["auc"]].assign(name=[name_of(str(feature)) for feature in rows["feature"]])
    alt = f"{title}: AUC of each property alone; the most is {name_of(str(found['feature']))} with {found['auc']:.3f}"
    caption = f"Right of 0.5: more of it in {more}. Grey: where chance puts 95% of values (±{band:.3f})."
    return embed(plots.auc_dots(shown.dropna(), "AUC", 0.5, band), title, alt, caption)


def chance(low: int, high: int) -> float:
    """Half the width of the interval that holds the AUC of a meaningless number 95 times of 100 (Mann-Whitney)."""
    return 1.96 * math.sqrt((low + high + 1) / (12 * low * high)) if low and high else float(np.inf)


def name_of(feature: str) -> str:
    return NAMES.get(feature, feature.replace("_", " "))
