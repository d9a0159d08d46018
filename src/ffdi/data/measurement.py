"""Facts of an image file that the scan finds: all columns of the manifest that the bytes decide.

Three numbers of the pixels should not separate real from fake; the audit tries them as shortcuts.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ffdi.core import digest
from ffdi.data import hashes, jpeg, manifest
from ffdi.data.decode import Decoded, Defect, decode

RULES = 3  # of decoding and measuring; raised when they change, so that old measurements are made anew
KEY = ["relpath", "bytes", "mtime_ns"]  # as long as these are the same, so is the file
MEASURED = [name for name in manifest.COLUMNS if name not in ("id", "split", "target", *KEY)]
PLAIN = 1.0  # grey levels of contrast, below which an image shows nothing
UNREADABLE = "unreadable"  # the file is there, and the system refuses to read it
SHARPNESS_SIDE = 512  # pixels, the contest's own size; larger images are reduced to it
COLOUR_SIDE = 32  # pixels: a thousand samples are enough for a mean and a spread
_OPPONENTS = np.array([[1, -1, 0], [0.5, 0.5, -1]], np.float32)  # red-green, yellow-blue


def measure(folder: Path, files: pd.DataFrame) -> pd.DataFrame:
    """Return `files` (KEY) with the columns of MEASURED."""
    found = [examine(folder, relpath) for relpath in files["relpath"]]
    short, long = hashes.hash_thumbs(item["thumb"] for item in found if item["thumb"] is not None)
    pairs = iter(zip(short, hashes.to_hex(long), strict=True))
    for item in found:
        if item["thumb"] is not None:
            item["phash"], item["phash256"] = next(pairs)
    return files.join(_frame(found, files.index))


def refused(defects: pd.Series) -> pd.DataFrame:
    """Return MEASURED of files that are not there, by the name of the defect."""
    return _frame([_refused(name) for name in defects], defects.index)


def examine(folder: Path, relpath: str) -> dict[str, Any]:
    """Return what MEASURED holds of one file, and under "thumb" its thumbnail (or None) instead of the hashes."""
    try:
        data = (folder / relpath).read_bytes()
    except OSError:
        return _refused(UNREADABLE)
    try:
        image = decode(data)
    except Defect as defect:
        found = _refused(defect.name, width=defect.width, height=defect.height)
    else:
        found = _accepted(image)
    return {**found, "sha256": digest.of_bytes(data), "jpeg_q": jpeg.quality(data)}


def sharpness(grey_HW: np.ndarray) -> float:
    """Return the mean square of the Laplacian (its mean is 0) over the variance of the grey; 0 for a flat image.

    Normalised twice, so that it does not repeat other shortcuts: by contrast (the quotient) and by scale (an image
    whose shorter side exceeds 512 pixels is first reduced to it; none is enlarged, which would blur it).
    """
    short = min(grey_HW.shape)
    if short > SHARPNESS_SIDE:
        factor = SHARPNESS_SIDE / short
        grey_HW = cv2.resize(grey_HW, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    edges = cv2.norm(cv2.Laplacian(grey_HW, cv2.CV_16S), cv2.NORM_L2SQR) / grey_HW.size
    _, contrast = cv2.meanStdDev(grey_HW)
    return float(edges / (contrast[0, 0] ** 2 + 1.0))  # + 1: a grey level of noise


def colourfulness(image_HWC: np.ndarray) -> float:
    """Return Hasler and Süsstrunk's number (2003, eq. 1): spread plus 0.3 mean of the opponent colours."""
    step = max(1, min(image_HWC.shape[:2]) // COLOUR_SIDE)
    pixels = np.ascontiguousarray(image_HWC[::step, ::step]).astype(np.float32)
    mean, spread = cv2.meanStdDev(cv2.transform(pixels, _OPPONENTS))
    return float(np.hypot(*spread[:, 0]) + 0.3 * np.hypot(*mean[:, 0]))


def _accepted(image: Decoded) -> dict[str, Any]:
    grey = cv2.cvtColor(image.image_HWC, cv2.COLOR_RGB2GRAY)
    status, defect = image.status, image.defect
    if cv2.meanStdDev(grey)[1][0, 0] < PLAIN:  # all images of one colour have the same hashes
        status, defect = "quarantined", f"{defect}+plain".lstrip("+")
    return {
        **{"width": image.width, "height": image.height, "mode": image.mode},
        **{"status": status, "defect": defect},
        **{"sharpness": sharpness(grey), "mean_grey": cv2.mean(grey)[0]},
        "colourfulness": colourfulness(image.image_HWC),
        "thumb": hashes.thumb(grey),
    }


def _refused(name: str, width: int = 0, height: int = 0) -> dict[str, Any]:
    return {
        **{"width": width, "height": height, "mode": "", "status": "quarantined", "defect": name},
        **dict.fromkeys(("sharpness", "mean_grey", "colourfulness"), 0.0),
        **{"thumb": None, "phash": np.uint64(0), "phash256": "", "sha256": "", "jpeg_q": -1},
    }


def _frame(records: list[dict[str, Any]], index: pd.Index) -> pd.DataFrame:
    frame = pd.DataFrame(records, index, columns=MEASURED)
    return frame.astype({name: manifest.COLUMNS[name] for name in MEASURED})
