"""Sheets of small images for a person to look at."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from ffdi.core.errors import UserError
from ffdi.core.layout import inside
from ffdi.data.decode import Defect, decode
from ffdi.report.page import Gallery, Thumb, data_uri
from ffdi.report.table import LABELS

SIDE = 180  # pixels of a thumbnail; shown at 110 to 150
QUALITY = 72  # about 6 kB each: a sheet of 24 is 0.2 MB inside the page


def jpeg(image_HWC: np.ndarray, side: int = SIDE, quality: int = QUALITY) -> str:
    """Return pixels as a JPEG data URI.

    Args:
        image_HWC: uint8 RGB.
        side: No side gets longer, pixels.
        quality: Of the JPEG.
    """
    small = Image.fromarray(image_HWC)
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality, subsampling=2)
    return data_uri(buffer.getvalue(), "image/jpeg")


def thumb(folder: Path, relpath: str, target: int, note: str) -> Thumb:
    """Return a small image; if it is missing or broken, a placeholder that names the problem.

    Args:
        folder: Where relpath starts.
        relpath: Of the image.
        target: 0, 1 or -1: nothing is said of the label.
        note: Behind the label in the caption.
    """
    label, name = LABELS[int(target)], Path(relpath).stem
    alt, caption = f"{label} image {name}", f"{label}, {note}"
    if target < 0:
        alt, caption = f"image {name}", note
    try:
        return Thumb(jpeg(decode(inside(folder, relpath).read_bytes()).image_HWC), alt, caption, name, label)
    except Defect as defect:
        problem = defect.name
    except (OSError, UserError):
        problem = "missing"
    return Thumb("", f"{alt}, {problem}", caption, name, label, problem)


def sheet(rows: pd.DataFrame, folder: Path, title: str, caption: str) -> Gallery:
    """Return a gallery of single images.

    Args:
        rows: relpath, target, note.
        folder: Where relpath starts.
        title: Shown above the sheet.
        caption: Shown below the title.
    """
    shown = zip(rows["relpath"], rows["target"], rows["note"], strict=True)
    return Gallery(title, tuple(thumb(folder, *one) for one in shown), caption)
