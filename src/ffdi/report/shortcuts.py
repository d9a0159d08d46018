"""Shortcuts: properties of the files that separate the classes although they say nothing about a face."""

import math

import pandas as pd

from ffdi.report import plots
from ffdi.report.figures import embed
from ffdi.report.page import Picture
from ffdi.report.table import capital

NAMES = {"bytes": "file size", "aspect": "aspect ratio", "jpeg_q": "JPEG quality", "mode": "colour mode"}
STRONG = 0.65  # AUC from which a shortcut alone makes a detector
HARMLESS = 0.05  # distance from 0.5 that hardly helps a model


def strongest(rows: pd.DataFrame) -> pd.Series:
    """Return the row that separates most beyond chance, in either direction. `rows`: feature, auc, real, fake."""
    margin = (rows["auc"] - 0.5).abs()
    if {"real", "fake"} <= set(rows.columns):
        margin -= [chance(real, fake) for real, fake in zip(rows["real"], rows["fake"], strict=True)]
    return rows.loc[margin.sort_values(ascending=False, kind="stable").index[0]]


def verdict(rows: pd.DataFrame) -> str:
    """Return one sentence about the strongest of `rows` (split, feature, auc, real, fake)."""
    found = strongest(rows)
    name, reach = name_of(str(found["feature"])), max(found["auc"], 1 - found["auc"])
    if reach - 0.5 <= max(HARMLESS, chance(int(found["real"]), int(found["fake"]))):
        return f"No measured file property separates fakes from originals (most: {name}, AUC {found['auc']:.2f})."
    who = "All file properties together separate" if name == "all together" else f"{capital(name)} alone separates"
    weak, strong = "part of any score may come from it", "a model can score with it and learn nothing about forgery"
    meaning = weak if reach < STRONG else strong
    return f"{who} fakes from originals in {found['split']} with AUC {reach:.2f}: {meaning}."


def picture(rows: pd.DataFrame, title: str, more: str, low: int, high: int) -> Picture:
    """Draw the AUC of each property.

    Args:
        rows: Columns feature and auc.
        title: Shown above the plot.
        more: The class or split that has more of a property right of 0.5.
        low: Images of the other class or split.
        high: Images of `more`.
    """
    band, known = chance(low, high), rows[rows["auc"].notna()]
    figure = plots.dots([name_of(str(name)) for name in known["feature"]], [plots.Dots(known, "auc")], "AUC",
                        line=0.5, band=band, numbers=True)  # fmt: skip
    caption = f"Right of 0.5: higher in {more}. Grey band: 95% of chance results (±{band:.3f})."
    return embed(figure, title, caption)


def chance(low: int, high: int) -> float:
    """Return half the width of the interval that holds 95% of the AUCs of a meaningless number (Mann-Whitney)."""
    return 1.96 * math.sqrt((low + high + 1) / (12 * low * high)) if low and high else math.inf


def name_of(feature: str) -> str:
    """Return the words for a column of the audit."""
    return NAMES.get(feature, feature.replace("_", " "))
