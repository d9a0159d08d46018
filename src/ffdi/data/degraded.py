"""Held-out images as others would have passed them on: copies on disk, the same for whoever asks again.

Each image of a kind gets its own draw from a range, under a key of its id, at the size of its file. Fakes and originals
get the same damage: the question is whether their order holds, not what damage makes of a label.
"""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import simplejpeg
from PIL import Image

from ffdi.config import augment as spec
from ffdi.core import atomic, console, keys
from ffdi.core.errors import Paused
from ffdi.core.keys import Draws
from ffdi.core.stop import Stop
from ffdi.data import operations
from ffdi.data.decode import Defect, decode

RULES = 1  # of what is drawn and done; raised when they change, so that old copies and tables are made anew
MOST = 2_000  # images a fold: the standard error of their AUC is below 0.01, and whoever compares sees the same


@dataclass(frozen=True)
class Damage:
    """What is done, in which range. `apply` is None for JPEG: the copy is the file itself, others lose nothing more."""

    name: str
    wish: spec.Operation
    apply: Callable[[np.ndarray, Any, Draws], np.ndarray] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the pixels besides the image and its id."""
        return {"operation": type(self.wish).__name__, **self.wish.model_dump(mode="json", exclude={"p", "on"})}


def _noise(image: np.ndarray, wish: spec.Noise, draw: Draws) -> np.ndarray:
    """As operations.noise, without its bank, which is for one size: files have any."""
    level = draw.integer(0, operations.NOISE_LEVELS - 1)
    start = draw.integer(0, operations.NOISE_OFFSETS - 1)
    sigma = np.linspace(*wish.sigma, operations.NOISE_LEVELS, dtype=np.float32)[level]
    normal = keys.rng("noise bank").standard_normal(image.size + operations.NOISE_OFFSETS, dtype=np.float32)
    added = np.rint(normal[start : start + image.size] * sigma).reshape(image.shape)
    return np.clip(image + added, 0, 255).astype(np.uint8)


def _patch(image: np.ndarray, wish: spec.Cutout, draw: Draws) -> np.ndarray:
    """A block painted over with noise, or by another block of the same image."""
    if draw.pick(("noise", "block")) == "noise":
        return operations.cutout(image, wish, draw)
    height, width = image.shape[:2]
    tall, wide = (max(1, round(side * draw.uniform(*wish.size))) for side in (height, width))
    (top, left), (y, x) = ((draw.integer(0, height - tall), draw.integer(0, width - wide)) for _ in range(2))
    painted = image.copy()
    painted[top : top + tall, left : left + wide] = image[y : y + tall, x : x + wide]
    return painted


# By kind. Of "jpeg", "blur", "noise" and "resize" the ranges and keys are those of studies that have begun.
DAMAGES = {
    "jpeg_low": Damage("JPEG 10 to 30", spec.Jpeg(quality=(10, 30))),
    "jpeg": Damage("JPEG 30 to 60", spec.Jpeg(quality=(30, 60))),
    "jpeg_high": Damage("JPEG 60 to 100", spec.Jpeg(quality=(60, 100))),
    "resize": Damage("resize 0.3 to 0.6", spec.Resize(factor=(0.3, 0.6)), operations.resize),
    "blur": Damage("blur 1 to 2 px", spec.Blur(sigma=(1.0, 2.0)), operations.blur),
    "sharpen": Damage("sharpen 0.5 to 1.5", spec.Sharpen(amount=(0.5, 1.5), sigma=1.5), operations.sharpen),
    "noise": Damage("noise 6 to 12", spec.Noise(sigma=(6.0, 12.0)), _noise),
    "rotate": Damage("rotate 5 to 15°", spec.Rotate(degrees=(5.0, 15.0), border="black"), operations.rotate),
    "patch": Damage("patch", spec.Cutout(holes=(1, 1), size=(0.15, 0.3), fill="noise"), _patch),
}


def sample(rows: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST` of the held-out rows of a fold (id, target), drawn by id, as many of each class as the share."""
    if len(rows) <= MOST:
        return rows
    key_N = np.array([keys.key("degraded", name) for name in rows["id"]])
    place_N = pd.Series(key_N, index=rows.index).groupby(rows["target"]).rank(pct=True)
    return rows.loc[place_N.sort_values(kind="stable").index[:MOST]].sort_index().reset_index(drop=True)


def prepare(rows: pd.DataFrame, images: Path, folder: Path, kinds: Iterable[str], stop: Stop | None = None) -> None:
    """See that `folder`/kind holds a copy of every row (id, relpath) for each kind. Unreadable images have none.

    Interrupted, it goes on where it was. Raises SpaceError on a full disk, Paused when `stop` asks.
    """
    for kind in kinds:
        place = folder / kind
        missing = rows[[not (place / relpath).exists() for relpath in rows["relpath"]]]
        if not len(missing):
            continue
        with console.progress(f"validation copies, {kind}", len(rows)) as meter:
            meter.skip(len(rows) - len(missing))
            for name, relpath in zip(missing["id"], missing["relpath"], strict=True):
                if stop is not None and stop.requested:
                    raise Paused(f"Copies, {kind}: stopped ({stop.reason}); run the same command again to go on.")
                _copy(images / relpath, place / relpath, kind, name)
                meter.advance()


def degrade(image: np.ndarray, kind: str, name: str) -> bytes:
    """The file of a degraded copy of an image, uint8 RGB HWC; `name` is its key."""
    draw, damage = Draws(keys.key("degraded", kind, name), kind), DAMAGES[kind]
    if isinstance(damage.wish, spec.Jpeg):
        quality = draw.integer(*damage.wish.quality)
        return simplejpeg.encode_jpeg(image, quality, colorspace="RGB", colorsubsampling="420")
    assert damage.apply is not None
    buffer = io.BytesIO()
    Image.fromarray(damage.apply(image, damage.wish, draw)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _copy(source: Path, target: Path, kind: str, name: str) -> None:
    cv2.setNumThreads(0)
    try:
        image = np.ascontiguousarray(decode(source.read_bytes()).image_HWC)
    except (Defect, OSError):
        return  # predicted like any unreadable image
    atomic.write_bytes(target, degrade(image, kind, name))
