"""The page of a forged set: fakes of each family beside their originals, and whether their files differ."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.config.semantics import FAMILIES
from ffdi.report import images, shortcuts
from ffdi.report.page import Card, Fact, Gallery, Page, Section, Text
from ffdi.report.table import counted, table

EXAMPLES = 4  # of a family
FORMAT = ("width", "height", "aspect", "jpeg_q", "mode")  # properties of the file, not of the pixels
TEXT = (
    "Size, format and quality were drawn from originals, so they should not separate the classes. Sharpness, colour "
    "and file size may, because forgeries change the pixels."
)


def page(
    made: pd.DataFrame, sources: pd.DataFrame, found: pd.DataFrame, originals: Path, fakes: Path,
    made_from: Mapping[str, str],
) -> Page:  # fmt: skip
    """Return the page.

    Args:
        made: The manifest of the set.
        sources: The manifest of the originals.
        found: The audit's shortcuts of both.
        originals: The folder of `sources`.
        fakes: The folder of `made`.
        made_from: The lines at the foot.
    """
    places = sources.set_index(["split", "id"])["relpath"]
    counts = made.groupby("family").agg(images=("id", "size"), originals=("source", "nunique")).reset_index()
    galleries = [
        _gallery(family, made[made["family"] == family], places, originals, fakes)
        for family in FAMILIES if (made["family"] == family).any()
    ]  # fmt: skip
    picture = shortcuts.picture(found, "What separates fakes from originals", "fakes", len(sources), len(made))
    return Page(
        title="Fakes made from originals",
        headline=shortcuts.verdict(found[found["feature"].isin(FORMAT)]),
        facts=(Fact("fakes", f"{len(made):,}"), Fact("originals", f"{made['source'].nunique():,}", "used as sources")),
        sections=(
            Section("Families", tuple(galleries)),
            Section("Files", (Text(TEXT), picture, table(counts, "Fakes by family"))),
        ),
        provenance=made_from,
    )


def _gallery(family: str, made: pd.DataFrame, places: pd.Series, originals: Path, fakes: Path) -> Gallery:
    cards = tuple(_card(row, places, originals, fakes) for row in made.head(EXAMPLES).to_dict("records"))
    return Gallery(family.replace("_", " "), cards, f"{counted(len(made), 'fake')}: {FAMILIES[family]}.")


def _card(row: dict[Any, Any], places: pd.Series, originals: Path, fakes: Path) -> Card:
    thumbs = [
        images.thumb(originals, places[row["source_split"], row["source"]], 0, "the source"),
        images.thumb(fakes, row["relpath"], 1, "made from it"),
    ]
    if row["partner"]:
        thumbs.append(images.thumb(originals, places[row["partner_split"], row["partner"]], 0, "the partner"))
    return Card(tuple(thumbs), f"JPEG quality {row['jpeg_q']}" if row["jpeg_q"] > 0 else "lossless")
