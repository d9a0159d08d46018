"""Originals and the fakes made of them: who is whose twin, and the two blended.

A fold table's groups hold an original with its forgeries, found by hashes and embeddings, since file names tell
nothing. Detectors that see both side by side learn what was done rather than who it is (GenD found pairs essential;
NTechLab, third of DFDC, blended aligned pairs with Beta(0.5, 0.5) and overfitted later).

N rows; H x W pixels.
"""

import cv2
import numpy as np
import pandas as pd

from ffdi.core import keys

NONE = -1  # no row of the other class stands in the group
CELLS = 1 << 24  # hashes compared at once


def twins(rows: pd.DataFrame) -> np.ndarray:
    """Place of each row's twin, int64 [N]: the row of the other class in its group whose hash is nearest, or NONE.

    `rows`: target 0 or 1, group, phash uint64. Of equals the first. Several fakes may have one original as their twin.
    """
    target, group = rows["target"].to_numpy(), rows["group"].to_numpy()
    hashes = rows["phash"].to_numpy(np.uint64)
    twin_N = np.full(len(rows), NONE, np.int64)
    order = np.lexsort((np.arange(len(rows)), group))
    edges = np.flatnonzero(np.diff(group[order])) + 1
    for places in np.split(order, edges) if len(order) else ():
        reals, fakes = places[target[places] == 0], places[target[places] == 1]
        if len(reals) and len(fakes):
            twin_N[reals] = fakes[_nearest(hashes[reals], hashes[fakes])]
            twin_N[fakes] = reals[_nearest(hashes[fakes], hashes[reals])]
    return twin_N


def share(alpha: float, key: int) -> float:
    """Of the image itself in its blend: Beta(alpha, alpha)."""
    return float(keys.rng("twin", key).beta(alpha, alpha))


def blend(image_HWC: np.ndarray, twin_HWC: np.ndarray, share: float) -> np.ndarray:
    """`share` of the image and the rest of its twin, brought to the image's size."""
    if twin_HWC.shape != image_HWC.shape:
        twin_HWC = cv2.resize(twin_HWC, image_HWC.shape[1::-1], interpolation=cv2.INTER_AREA)
    return cv2.addWeighted(image_HWC, share, twin_HWC, 1 - share, 0)


def _nearest(hashes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Place among `others` of the one nearest to each of `hashes`."""
    step = max(1, CELLS // len(others))
    blocks = [
        np.bitwise_count(hashes[start : start + step, None] ^ others).argmin(axis=1)
        for start in range(0, len(hashes), step)
    ]
    return np.concatenate(blocks)
