"""The page of a forged set: some fakes of every family beside their originals, and whether their files betray them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.config.semantics import FAMILIES
from ffdi.report import contact, shortcuts
from ffdi.report.page import Card, Fact, Gallery, Page, Section, Text
from ffdi.report.table import counted, table

EXAMPLES = 4  # of a family
FORMAT = ("width", "height", "aspect", "jpeg_q", "mode")  # the rest follows the pixels, where a forgery may show


def page(
    made: pd.DataFrame,
    sources: pd.DataFrame,
    found: pd.DataFrame,
    images: Path,
    folder: Path,
    provenance: Mapping[str, str],
) -> Page:
    """`made`: the set's manifest, its images below `folder`; `sources`: the originals, below `images`.

    `found`: data.audit's shortcuts of both.
    """
    files = found[found["feature"].isin(FORMAT)]
    picture = shortcuts.picture(found, "What tells the fakes from the originals", "fakes", len(sources), len(made))
    text = (
        "Size, format and quality were drawn from originals, so they should not tell the classes apart. Sharpness, "
        "colour and the number of bytes may, as far as families change the pixels: a smooth face takes fewer bytes."
    )
    return Page(
        title="Fakes made of originals",
        headline=shortcuts.verdict(files),
        facts=(Fact("fakes", f"{len(made):,}"), Fact("originals", f"{made['source'].nunique():,}", "used as sources")),
        sections=(
            Section("Families", tuple(_gallery(made, family, sources, images, folder) for family in _families(made))),
            Section("Files", (Text(text), picture, table(_counts(made), "Fakes by family"))),
        ),
        provenance=provenance,
    )


def _families(made: pd.DataFrame) -> list[str]:
    return [family for family in FAMILIES if (made["family"] == family).any()]


def _gallery(made: pd.DataFrame, family: str, sources: pd.DataFrame, images: Path, folder: Path) -> Gallery:
    mine = made[made["family"] == family]
    places = sources.set_index(["split", "id"])["relpath"]
    cards = tuple(_card(row, places, images, folder) for row in mine.head(EXAMPLES).to_dict("records"))
    return Gallery(family.replace("_", " "), cards, f"{counted(len(mine), 'fake')}: {FAMILIES[family].forgery}.")


def _card(row: dict[Any, Any], places: pd.Series, images: Path, folder: Path) -> Card:
    thumbs = [
        contact.thumb(images, places[row["source_split"], row["source"]], 0, "the source"),
        contact.thumb(folder, row["relpath"], 1, "made of it"),
    ]
    if row["partner"]:
        thumbs.append(contact.thumb(images, places[row["partner_split"], row["partner"]], 0, "the partner"))
    quality = f"JPEG quality {row['jpeg_q']}" if row["jpeg_q"] > 0 else "without loss"
    return Card(tuple(thumbs), quality)


def _counts(made: pd.DataFrame) -> pd.DataFrame:
    grouped = made.groupby("family", sort=True)
    return grouped.agg(images=("id", "size"), originals=("source", "nunique")).reset_index()
