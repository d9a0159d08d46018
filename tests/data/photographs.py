"""A small folder of JPEGs, as a competition has, for the tests of what reads them."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pandas as pd


def folder_of(place: Path, count: int = 12, sides: tuple[int, ...] = (72,)) -> pd.DataFrame:
    """Writes `count` images and returns their rows: id, relpath, target, width, height, sha256."""
    rng = np.random.default_rng(4)
    rows = []
    (place / "images").mkdir(parents=True, exist_ok=True)
    for index in range(count):
        width, height = sides[index % len(sides)], sides[(index + 1) % len(sides)]
        soft = _soft(height, width, rng)
        data = cv2.imencode(".jpg", soft, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        name = f"{index:032x}.jpg"
        (place / "images" / name).write_bytes(data)
        sha = hashlib.sha256(data).hexdigest()
        rows.append((name, f"images/{name}", index % 2, width, height, sha))
    return pd.DataFrame(rows, columns=["id", "relpath", "target", "width", "height", "sha256"])


def photograph(height: int, width: int, seed: int) -> np.ndarray:
    """Soft shapes and a little grain, uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, 3, (height, width, 3))
    return np.clip(_soft(height, width, rng) + grain, 0, 255).astype(np.uint8)


def _soft(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    return cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
