"""Facts of an image file that the scan finds: all columns of the manifest that the bytes decide."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from ffdi.core import digest
from ffdi.data import features, hashes, jpeg, manifest
from ffdi.data.decode import SUFFIXES, Decoded, Defect, decode

RULES = 2  # of decoding and measuring; raised when they change, so that old measurements are made anew
KEY = ["relpath", "bytes", "mtime_ns"]  # as long as these are the same, so is the file
MEASURED = [name for name in manifest.COLUMNS if name not in ("id", "split", "target", *KEY)]
MAX_BYTES = 256_000_000  # a file; beyond it nothing is read
PLAIN = 1.0  # grey levels of contrast, below which an image shows nothing
UNREADABLE = "unreadable"  # the file is there, and the system refuses to read it


def measure(folder: Path, files: pd.DataFrame) -> pd.DataFrame:
    """Return `files` (KEY) with the columns of MEASURED."""
    found = [examine(folder, relpath) for relpath in files["relpath"]]
    short, long = hashes.hash_thumbs(item["thumb"] for item in found if item["thumb"] is not None)
    pairs = iter(zip(short.tolist(), hashes.to_hex(long), strict=True))
    records = [_record(item, *(next(pairs) if item["thumb"] is not None else (0, ""))) for item in found]
    return files.join(_frame(records, files.index))


def refused(defects: pd.Series) -> pd.DataFrame:
    """Return MEASURED of files that are not there, by the name of the defect."""
    return _frame([_record(_refused(name), 0, "") for name in defects], defects.index)


def examine(folder: Path, relpath: str) -> dict[str, Any]:
    """Return what MEASURED holds of one file, and under "thumb" its thumbnail (or None) instead of the hashes."""
    try:
        path = folder / relpath
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError:
        return _refused(UNREADABLE)
    if data is None:
        return _refused("too_large")
    try:
        image = decode(data)
    except Defect as defect:
        found = _refused(defect.name, width=defect.width, height=defect.height)
    else:
        found = _accepted(image, Path(relpath).suffix.lower())
    return {**found, "sha256": digest.of_bytes(data), "jpeg_q": jpeg.quality(data)}


def _accepted(image: Decoded, suffix: str) -> dict[str, Any]:
    grey = cv2.cvtColor(image.image_HWC, cv2.COLOR_RGB2GRAY)
    status, defects = image.status, [image.defect] if image.defect else []
    if cv2.meanStdDev(grey)[1][0, 0] < PLAIN:  # all images of one colour have the same hashes
        status, defects = "quarantined", [*defects, "plain"]
    if SUFFIXES.get(suffix, image.format) != image.format:
        status, defects = "repaired" if status == "ok" else status, [*defects, "extension"]
    return {
        **{"width": image.width, "height": image.height, "mode": image.mode},
        **{"status": status, "defect": "+".join(defects)},
        **features.measure(image.image_HWC, grey)._asdict(),
        "thumb": hashes.thumb(grey),
    }


def _refused(name: str, width: int = 0, height: int = 0) -> dict[str, Any]:
    return {
        **{"width": width, "height": height, "mode": "", "status": "quarantined", "defect": name},
        **features.NONE._asdict(),
        **{"thumb": None, "sha256": "", "jpeg_q": -1},
    }


def _record(found: Mapping[str, Any], phash: int, phash256: str) -> dict[str, Any]:
    kept = {name: found[name] for name in found if name != "thumb"}
    return {**kept, "phash": np.uint64(phash), "phash256": phash256}


def _frame(records: list[dict[str, Any]], index: pd.Index) -> pd.DataFrame:
    frame = pd.DataFrame(records, index, columns=MEASURED)
    return frame.astype({name: manifest.COLUMNS[name] for name in MEASURED})
