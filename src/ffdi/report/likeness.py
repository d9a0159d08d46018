"""How members differ: who ranks like whom, and the images that divide them."""

from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending import likeness
from ffdi.report import contact, plots
from ffdi.report.figures import embed
from ffdi.report.page import Gallery, Picture
from ffdi.report.style import shorten


def pictures(names: list[str], scores: pd.DataFrame) -> tuple[Picture, Picture]:
    """Correlation and disagreement of at least two members, like ones side by side. `scores`: a column a member."""
    ranks_MN = likeness.shares(scores, names)
    alike_MM, apart_MM = likeness.correlation(ranks_MN), likeness.disagreement(ranks_MN)
    order = likeness.clustered(alike_MM)
    sorted_names = [names[place] for place in order]
    first, second = _farthest(alike_MM + 2 * np.eye(len(names)), names)
    least = float((alike_MM + 2 * np.eye(len(names))).min())
    return (
        embed(
            plots.correlation(_frame(alike_MM, order, sorted_names)),
            "Rank correlation of members",
            f"Rank correlation of {len(names)} members; the least alike have {least:.2f}",
            f"{first} and {second} differ most ({least:.2f}). Members near 1 add little. Like members stand together.",
        ),
        embed(
            plots.disagreement(_frame(100 * apart_MM, order, sorted_names)),
            "Rank disagreement of members",
            f"Mean distance of ranks of {len(names)} members; at most {100 * apart_MM.max():.0f}% of the list",
            "By how many percent of the list two members place an image apart, on average; two that guess: 33.",
        ),
    )


def sheet(names: list[str], scores: pd.DataFrame, folder: Path, most: int = 14) -> Gallery:
    """The images on which at least two members disagree most, each with who puts it lowest and who highest."""
    rows = likeness.disputed(scores, names, most)
    notes = [
        f"{shorten(row['low'], 14)} {row['least']:.0%}, {shorten(row['high'], 14)} {row['greatest']:.0%}"
        for row in rows.to_dict("records")
    ]
    caption = "The member that puts an image lowest and the one that puts it highest; 0% most original, 100% most fake."
    return contact.error_sheet(rows.assign(note=notes), folder, "Where members disagree most", caption, most=most)


def _farthest(values_MM: np.ndarray, names: list[str]) -> tuple[str, str]:
    first, second = divmod(int(values_MM.argmin()), len(names))
    return names[first], names[second]


def _frame(values_MM: np.ndarray, order: list[int], names: list[str]) -> pd.DataFrame:
    return pd.DataFrame(values_MM[np.ix_(order, order)], index=names, columns=names)
