"""Degraded copies of held-out images on disk: recompressed, resized, blurred, and so on.

Each image of a kind gets its own draw from a range, under a key of its id, at the size of its file; a second call makes
the same bytes. Fakes and originals get the same damage: the question is whether their order holds.
"""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import simplejpeg
from PIL import Image

from ffdi.core import atomic, console, keys
from ffdi.core.errors import Paused
from ffdi.core.keys import Draws
from ffdi.core.stop import Stop
from ffdi.data import operations
from ffdi.data.decode import Defect, decode

RULES = 1  # of what is drawn and done; raised when they change, so that old copies and tables are made anew
MAX_COPIES = 2_000  # images a fold: the standard error of their AUC is below 0.01


@dataclass(frozen=True)
class Damage:
    """An operation and its range. `apply` is None for JPEG: there the file is the damage; others are stored as PNG."""

    name: str
    span: operations.Span
    apply: Callable[[np.ndarray, operations.Span, Draws], np.ndarray] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Return what decides the pixels besides the image and its id."""
        return {"operation": self.name, "range": list(self.span)}


def _noise(image: np.ndarray, span: operations.Span, draw: Draws) -> np.ndarray:
    """Do as operations.noise, without its bank, which is for one size: files have any."""
    level = draw.integer(0, operations.NOISE_LEVELS - 1)
    start = draw.integer(0, operations.NOISE_OFFSETS - 1)
    sigma = np.linspace(*span, operations.NOISE_LEVELS, dtype=np.float32)[level]
    normal = keys.rng("noise bank").standard_normal(image.size + operations.NOISE_OFFSETS, dtype=np.float32)
    added = np.rint(normal[start : start + image.size] * sigma).reshape(image.shape)
    return np.clip(image + added, 0, 255).astype(np.uint8)


def _patch(image: np.ndarray, span: operations.Span, draw: Draws) -> np.ndarray:
    """Paint a block over with noise, or with another block of the same image."""
    if draw.pick(("noise", "block")) == "noise":
        return operations.cutout(image, span, draw, (1, 1), "noise")
    height, width = image.shape[:2]
    tall, wide = (max(1, round(side * draw.uniform(*span))) for side in (height, width))
    (top, left), (y, x) = ((draw.integer(0, height - tall), draw.integer(0, width - wide)) for _ in range(2))
    painted = image.copy()
    painted[top : top + tall, left : left + wide] = image[y : y + tall, x : x + wide]
    return painted


# By kind. Of "jpeg", "blur", "noise" and "resize" the ranges and keys are those of studies that have begun.
DAMAGES = {
    "jpeg_low": Damage("JPEG 10 to 30", (10, 30)),
    "jpeg": Damage("JPEG 30 to 60", (30, 60)),
    "jpeg_high": Damage("JPEG 60 to 100", (60, 100)),
    "resize": Damage("resize 0.3 to 0.6", (0.3, 0.6), operations.resize),
    "blur": Damage("blur 1 to 2 px", (1.0, 2.0), operations.blur),
    "sharpen": Damage("sharpen 0.5 to 1.5", (0.5, 1.5), partial(operations.sharpen, sigma=1.5)),
    "noise": Damage("noise 6 to 12", (6.0, 12.0), _noise),
    "rotate": Damage("rotate 5 to 15°", (5.0, 15.0), partial(operations.rotate, border="black")),
    "patch": Damage("patch", (0.15, 0.3), _patch),
}


def sample(rows: pd.DataFrame) -> pd.DataFrame:
    """Return at most MAX_COPIES of the rows (id, target), drawn by id, with the same share of each class."""
    if len(rows) <= MAX_COPIES:
        return rows
    key_N = np.array([keys.key("degraded", name) for name in rows["id"]])
    place_N = pd.Series(key_N, index=rows.index).groupby(rows["target"]).rank(pct=True)
    return rows.loc[place_N.sort_values(kind="stable").index[:MAX_COPIES]].sort_index().reset_index(drop=True)


def prepare(rows: pd.DataFrame, images: Path, folder: Path, kinds: Iterable[str], stop: Stop | None = None) -> None:
    """Make the copies that are missing; interrupted, it goes on where it was.

    Args:
        rows: id and relpath of each image.
        images: What relpath is relative to.
        folder: A copy is `folder`/kind/relpath; an unreadable image has none.
        kinds: Keys of DAMAGES.
        stop: Asked before every copy.

    Raises:
        SpaceError: The disk is full.
        Paused: `stop` asked.
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
    """Return the file of a degraded copy of an image.

    Args:
        image: uint8 RGB [H, W, 3].
        kind: Key of DAMAGES.
        name: Id of the image; the strength is drawn from it.
    """
    draw, damage = Draws(keys.key("degraded", kind, name), kind), DAMAGES[kind]
    if damage.apply is None:
        quality = draw.integer(int(damage.span[0]), int(damage.span[1]))
        return simplejpeg.encode_jpeg(image, quality, colorspace="RGB", colorsubsampling="420")
    buffer = io.BytesIO()
    Image.fromarray(damage.apply(image, damage.span, draw)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _copy(source: Path, target: Path, kind: str, name: str) -> None:
    cv2.setNumThreads(0)
    try:
        image = np.ascontiguousarray(decode(source.read_bytes()).image_HWC)
    except (Defect, OSError):
        return  # predicted like any unreadable image
    atomic.write_bytes(target, degrade(image, kind, name))
