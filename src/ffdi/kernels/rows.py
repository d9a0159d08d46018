"""The test images that a submission must list: those of the table that is mounted now.

In the hidden rerun of a code competition table and images are others. A table that was not exchanged is known by this:
none of its images is there, and others are. Then the images are the list.
"""

import os
from pathlib import Path, PurePosixPath

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data import tables

PROBES = 1_000  # rows of the table, spread over it, whose images are looked for
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")


def submission_rows(folder: Path, competition: Competition) -> pd.DataFrame:
    """Return id and relpath (below `folder`) of the test images, in the order of the submission.

    An image that is missing has its row all the same. Raises UserError for a bad table or a folder without images.
    """
    labels = tables.read_labels(folder, competition, "test")
    for note in labels.notes:
        console.warn(note)
    images = inside(folder, competition.test.images)
    ids = labels.frame["id"]
    if not any((images / name).is_file() for name in ids.iloc[:: max(1, len(ids) // PROBES)]):
        ids = pd.Series(image_names(images))
        if ids.empty:
            raise UserError(f"There is no image in {images}; is the competition attached?")
        console.warn(
            f"No image of {competition.test.labels} is mounted; the {len(ids):,} images in the folder are predicted."
        )
    prefix = str(PurePosixPath(competition.test.images, "_"))[:-1]
    return pd.DataFrame({"id": ids, "relpath": prefix + ids})


def image_names(folder: Path) -> list[str]:
    """Return the names of the image files in `folder`, sorted; hidden files (`._x.jpg` of a Mac) are no images."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_file()]
    return sorted(name for name in names if not name.startswith(".") and name.lower().endswith(SUFFIXES))
