"""Find all pairs of near hashes, exactly, without comparing all pairs: multi-index hashing.

A hash is cut into four bands of 16 bits. If two hashes differ in at most `distance` bits and the radii r of the bands
satisfy sum(r + 1) > distance, then some band differs in at most its r bits (pigeonhole). So only rows whose band lies
within r bits of one another are compared: at distance 4 that is 20 buckets a row instead of 524,429 rows.
(Norouzi, Punjani, Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012.)

Faces aligned alike fill few buckets; where the bands would compare more than brute force does, brute force runs.

Shapes: N rows, P pairs, W words of the long hash.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np

from ffdi.data import hamming

Task = Callable[[], np.ndarray]
BANDS, WIDTH = 4, 16
VALUES = 1 << WIDTH
PARTS = 64  # pieces of work, so that threads finish together
LIMIT = 300_000  # pairs a piece, 5 MB; beyond it only those that join something new are kept


def near_pairs(
    hashes: np.ndarray, distance: int, looks: np.ndarray | None = None, confirm: int = 256, engine: str = "auto"
) -> np.ndarray:
    """Return the pairs of rows that are near each other, int64 [P, 2], i < j, sorted.

    Rows that are equal in both hashes count once: each is paired with the first of its like, and only that one with
    others. So the pairs connect what all pairs would connect, and n equal rows cost n pairs, not n squared.

    Args:
        hashes: uint64 [N].
        distance: Bits of `hashes` that may differ.
        looks: uint64 [N, W], longer hashes for a second look; None: there is none.
        confirm: Bits of `looks` that may differ.
        engine: "bands", "brute" or "auto", the one that compares less.
    """
    looks = np.empty((len(hashes), 0), np.uint64) if looks is None else looks
    first, place = _distinct(hashes, looks)
    copies = np.flatnonzero(first[place] != np.arange(len(hashes)))
    chain = np.stack([first[place[copies]], copies], axis=1)
    found = first[_search(hashes[first], looks[first], distance, confirm, engine)]
    pairs = np.concatenate([chain, np.sort(found, axis=1)])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _distinct(hashes: np.ndarray, looks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first row of each distinct value in row order [U], and the place among those of every row [N]."""
    words = np.column_stack([hashes, looks])
    order = np.lexsort(words.T)
    new = np.ones(len(words), bool)
    new[1:] = (words[order][1:] != words[order][:-1]).any(axis=1)
    # lexsort is stable, so the first of a run of equals is the one with the lowest row.
    firsts = order[new]
    rank = np.empty(len(firsts), np.int64)
    rank[np.argsort(firsts)] = np.arange(len(firsts))
    place = np.empty(len(words), np.int64)
    place[order] = rank[np.cumsum(new) - 1]
    return np.sort(firsts), place


def _search(hashes: np.ndarray, looks: np.ndarray, distance: int, confirm: int, engine: str) -> np.ndarray:
    """Return exact pairs [P, 2] among distinct rows, in no order."""
    hashes, looks = np.ascontiguousarray(hashes, np.uint64), np.ascontiguousarray(looks, np.uint64)
    engine = _cheapest(hashes, distance) if engine == "auto" else engine
    tasks = _brute_tasks if engine == "brute" else _band_tasks
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(lambda task: task(), tasks(hashes, looks, distance, confirm)))
    return np.concatenate([np.empty((0, 2), np.int64), *parts])


def _cheapest(hashes: np.ndarray, distance: int) -> str:
    """Return the engine that compares less; a comparison inside short buckets costs about twice one in a long row."""
    everything = len(hashes) ** 2 // 2
    masks = [_masks(radius) for radius in _radii(distance)]
    probes = VALUES * sum(len(band) for band in masks)
    if probes >= everything:
        return "brute"
    return "bands" if probes + 2 * _compared(hashes, masks) < everything else "brute"


def _compared(hashes: np.ndarray, masks: list[np.ndarray]) -> int:
    """Return how many comparisons the bands would make."""
    values, total = np.arange(VALUES), 0
    for band, flips in enumerate(masks):
        sizes = np.bincount(_band(hashes, band), minlength=VALUES)
        total += sum(int(sizes @ sizes[values ^ flip]) for flip in flips)
    return total // 2


def _radii(distance: int) -> np.ndarray:
    """Return the smallest radii with sum(r + 1) = distance + 1; -1 for a band that need not be looked at."""
    return np.array([(distance + 1 - band + BANDS - 1) // BANDS - 1 for band in range(BANDS)])


def _masks(radius: int) -> np.ndarray:
    """Return all 16-bit values with at most `radius` bits."""
    values = np.arange(VALUES)
    return values[np.bitwise_count(values) <= radius]


def _band(hashes: np.ndarray, band: int) -> np.ndarray:
    return (hashes >> np.uint64(WIDTH * band)).astype(np.uint16)


def _band_tasks(hashes: np.ndarray, looks: np.ndarray, distance: int, confirm: int) -> Iterator[Task]:
    radii = _radii(distance)
    for band, radius in enumerate(radii):
        values = _band(hashes, band)
        order = np.argsort(values, kind="stable")
        starts = np.searchsorted(values[order], np.arange(VALUES + 1))
        edges = np.searchsorted(starts, np.linspace(0, len(hashes), PARTS + 1))
        shared = (hashes[order], looks[order], order, starts, _masks(radius), radii, band)
        for start, stop in pairwise(edges):
            yield partial(hamming.bands, *shared, start, min(stop, VALUES), distance, confirm, LIMIT)


def _brute_tasks(hashes: np.ndarray, looks: np.ndarray, distance: int, confirm: int) -> Iterator[Task]:
    # Row i meets n - i rows: equal areas of the triangle.
    edges = (len(hashes) * (1 - np.sqrt(1 - np.arange(PARTS + 1) / PARTS))).astype(int)
    for start, stop in pairwise(edges):
        yield partial(hamming.brute, hashes, looks, start, stop, distance, confirm, LIMIT)
