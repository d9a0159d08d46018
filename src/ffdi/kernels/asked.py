"""Which images a submission must hold: those of the table that is mounted now, never those of the day of building.

In the hidden rerun of a code competition the table and the images are other ones. A table that nobody exchanged shows
by this: not one of its images is there, and others are. Then the images themselves are the list.
"""

import os
from pathlib import Path, PurePosixPath

import pandas as pd

from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data import tables
from ffdi.config.competition import Competition

PROBED = 1_000  # rows of the table, spread over it, whose images are looked for
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def asked(folder: Path, competition: Competition) -> pd.DataFrame:
    """id and relpath (below `folder`) of the test images, in the order in which the submission lists them.

    An image that is missing is asked for all the same. Raises UserError for a bad table or a folder without images.
    """
    labels = tables.read_labels(folder, competition, "test")
    for note in labels.notes:
        console.warn(note)
    images = inside(folder, competition.test.images)
    ids = labels.frame["id"]
    if not any((images / name).is_file() for name in ids.iloc[:: max(1, len(ids) // PROBED)]):
        ids = pd.Series(_names(images))
        console.warn(
            f"Not one image of {competition.test.labels} is mounted; the {len(ids):,} files there are the list."
        )
    prefix = str(PurePosixPath(competition.test.images, "_"))[:-1]
    return pd.DataFrame({"id": ids, "relpath": prefix + ids})


def _names(images: Path) -> list[str]:
    with os.scandir(images) as entries:
        names = sorted(entry.name for entry in entries if entry.name.lower().endswith(SUFFIXES))
    if not names:
        raise UserError(f"There is no image in {images}; is the competition attached?")
    return names
