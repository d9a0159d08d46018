"""The test images that a submission must list: those of the table that is mounted now.

In the hidden rerun of a code competition table and images are others. A table that was not exchanged is known by this:
none of its images is there, and others are. Then the images are the list.
"""

from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition
from ffdi.core import console
from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data import files, tables


def submission_rows(folder: Path, competition: Competition) -> pd.DataFrame:
    """Return id and relpath (below `folder`) of the test images, in the order of the submission.

    An image that is missing has its row all the same. Raises UserError for a bad table or a folder without images.
    """
    test = competition.test
    images = inside(folder, test.images)
    names = files.names_below(images, folder)
    ids = tables.read_labels(folder, competition, "test")["id"] if test.labels else pd.Series([], dtype="str")
    place = files.locate(ids, names, test.suffix)
    if (place < 0).all():
        names = names[files.are_images(names) & names.str.endswith(test.suffix)].reset_index(drop=True)
        if names.empty:
            raise UserError(f"There is no image in {images}; is the competition attached?")
        if test.labels:
            console.warn(
                f"No image of {test.labels} is mounted; the {len(names):,} images in the folder are predicted."
            )
        ids, place = _ids_of(names, ids, test.suffix), np.arange(len(names))
    prefix = str(PurePosixPath(test.images, "_"))[:-1]
    found = names.reindex(place).to_numpy()
    return pd.DataFrame({"id": ids, "relpath": prefix + np.where(place >= 0, found, ids + test.suffix)})


def _ids_of(names: pd.Series, listed: pd.Series, suffix: str) -> pd.Series:
    """Return the ids of files, without their endings where the table's ids have none."""
    if suffix or listed.empty or files.are_images(listed).any():
        return names.str.removesuffix(suffix)
    return names.str.replace(r"\.[^./]*$", "", regex=True)


def image_names(folder: Path) -> list[str]:
    """Return the names of the image files below `folder`, sorted; hidden files (`._x.jpg` of a Mac) are no images."""
    names = files.names_below(folder, folder)
    return names[files.are_images(names)].tolist()
