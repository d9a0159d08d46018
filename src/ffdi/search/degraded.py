"""Held-out images as others would have passed them on: copies on disk, made once for all trials of a study.

Each image of a kind gets its own draw from a range, under a key of its id, at the size of its file.
"""

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import simplejpeg
from PIL import Image

from ffdi.base import atomic, console, keys, seal
from ffdi.base.keys import Draws
from ffdi.data import operations
from ffdi.data.decode import Defect, decode
from ffdi.spec import augment as spec

MOST = 2_000  # images a fold: the standard error of their AUC is below 0.01, and all trials see the same
QUALITY = (30, 60)
# What is done before the file is written again without loss; JPEG is the file itself.
DAMAGES: dict[str, tuple[Callable[[np.ndarray, Any, Draws], np.ndarray], spec.Operation]] = {
    "blur": (operations.blur, spec.Blur(sigma=(1.0, 2.0))),
    "noise": (operations.noise, spec.Noise(sigma=(6.0, 12.0))),
    "resize": (operations.resize, spec.Resize(factor=(0.3, 0.6))),
}
INDEX = "index.json"


def sample(rows: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST` of the held-out rows of a fold (id, target), drawn by id, as many of each class as the share."""
    if len(rows) <= MOST:
        return rows
    key_N = np.array([keys.key("degraded", name) for name in rows["id"]])
    place_N = pd.Series(key_N, index=rows.index).groupby(rows["target"]).rank(pct=True)
    return rows.loc[place_N.sort_values(kind="stable").index[:MOST]].sort_index().reset_index(drop=True)


def prepare(rows: pd.DataFrame, images: Path, folder: Path, kinds: Iterable[str]) -> None:
    """See that `folder`/kind holds a copy of every row (id, relpath) for each kind. Unreadable images have none.

    Interrupted, it goes on where it was. Raises SpaceError on a full disk.
    """
    for kind in kinds:
        place = folder / kind
        if (place / INDEX).exists() and seal.read_json(place / INDEX) == {"images": len(rows)}:
            continue
        with console.progress(f"validation copies, {kind}", len(rows)) as meter:
            for name, relpath in zip(rows["id"], rows["relpath"], strict=True):
                if not (place / relpath).exists():
                    _copy(images / relpath, place / relpath, kind, name)
                meter.advance()
        seal.write_json(place / INDEX, {"images": len(rows)})


def degrade(image: np.ndarray, kind: str, name: str) -> bytes:
    """The file of a degraded copy of an image, uint8 RGB HWC; `name` is its key."""
    draw = Draws(keys.key("degraded", kind, name), kind)
    if kind == "jpeg":
        return simplejpeg.encode_jpeg(image, draw.integer(*QUALITY), colorspace="RGB", colorsubsampling="420")
    apply, wish = DAMAGES[kind]
    buffer = io.BytesIO()
    Image.fromarray(apply(image, wish, draw)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _copy(source: Path, target: Path, kind: str, name: str) -> None:
    cv2.setNumThreads(0)
    try:
        image = np.ascontiguousarray(decode(source.read_bytes()).image_HWC)
    except (Defect, OSError):
        return  # predicted like any unreadable image
    atomic.write_bytes(target, degrade(image, kind, name))
