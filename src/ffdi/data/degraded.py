"""Held-out images degraded as they are read: recompressed, resized, blurred, and so on.

Each image of a kind gets its own draw from a range, under a key of its id, at the size of its file; a second call makes
the same pixels. Fakes and originals get the same damage: the question is whether their order holds. So none is a damage
that the contest counts as a forgery.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ffdi.core import keys
from ffdi.core.keys import Draws
from ffdi.data import operations
from ffdi.data.images import TestImages

RULES = 1  # of what is drawn and done; raised when they change, so that old tables are made anew
MAX_COPIES = 2_000  # images a fold: the standard error of their AUC is below 0.01


class Damage(NamedTuple):
    """An operation and its range."""

    name: str
    span: operations.Span
    apply: Callable[[np.ndarray, operations.Span, Draws], np.ndarray]


def _noise(image: np.ndarray, span: operations.Span, draw: Draws) -> np.ndarray:
    """Do as operations.noise, without its bank, which is for one size: files have any."""
    level = draw.integer(0, operations.NOISE_LEVELS - 1)
    start = draw.integer(0, operations.NOISE_OFFSETS - 1)
    sigma = np.linspace(*span, operations.NOISE_LEVELS, dtype=np.float32)[level]
    normal = keys.rng("noise bank").standard_normal(image.size + operations.NOISE_OFFSETS, dtype=np.float32)
    added = np.rint(normal[start : start + image.size] * sigma).reshape(image.shape)
    return np.clip(image + added, 0, 255).astype(np.uint8)


# By kind. Of "jpeg", "blur", "noise" and "resize" the ranges and keys are those of studies that have begun.
DAMAGES = {
    "jpeg_low": Damage("JPEG 10 to 30", (10, 30), operations.jpeg),
    "jpeg": Damage("JPEG 30 to 60", (30, 60), operations.jpeg),
    "jpeg_high": Damage("JPEG 60 to 100", (60, 100), operations.jpeg),
    "resize": Damage("resize 0.3 to 0.6", (0.3, 0.6), operations.resize),
    "blur": Damage("blur 1 to 2 px", (1.0, 2.0), operations.blur),
    "sharpen": Damage("sharpen 0.5 to 1.5", (0.5, 1.5), partial(operations.sharpen, sigma=1.5)),
    "noise": Damage("noise 6 to 12", (6.0, 12.0), _noise),
    "rotate": Damage("rotate 5 to 15°", (5.0, 15.0), partial(operations.rotate, border="black")),
}


def sample(rows: pd.DataFrame) -> pd.DataFrame:
    """Return at most MAX_COPIES of the rows (id, target), drawn by id, with the same share of each class."""
    if len(rows) <= MAX_COPIES:
        return rows
    key_N = np.array([keys.key("degraded", name) for name in rows["id"]])
    place_N = pd.Series(key_N, index=rows.index).groupby(rows["target"]).rank(pct=True)
    return rows.loc[place_N.sort_values(kind="stable").index[:MAX_COPIES]].sort_index().reset_index(drop=True)


def degrade(image: np.ndarray, kind: str, name: str) -> np.ndarray:
    """Return a degraded copy of an image.

    Args:
        image: uint8 RGB [H, W, 3].
        kind: Key of DAMAGES.
        name: Id of the image; the strength is drawn from it.
    """
    damage = DAMAGES[kind]
    return damage.apply(image, damage.span, Draws(keys.key("degraded", kind, name), kind))


class DegradedImages(TestImages):
    """Degraded, then resized. `kind`: key of DAMAGES."""

    def __init__(self, rows: pd.DataFrame, folder: Path, size: int, kind: str) -> None:
        super().__init__(rows, folder, size)
        self.kind = kind

    def image(self, row: int, epoch: int = 0) -> np.ndarray:
        return operations.fit(degrade(self.read(row), self.kind, self.id(row)), self.size)
