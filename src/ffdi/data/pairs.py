"""Find all pairs of near hashes, exactly, without comparing all pairs: multi-index hashing.

A hash is cut into four bands of 16 bits. If two hashes differ in at most `distance` bits and the radii r of the bands
satisfy sum(r + 1) > distance, then some band differs in at most its r bits (pigeonhole). So only rows whose band lies
within r bits of one another are compared: at distance 4 that is 20 buckets a row instead of 524,429 rows.
(Norouzi, Punjani, Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012.)

Shapes: N rows, P pairs, W words of the long hash.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np

BANDS, WIDTH = 4, 16
VALUES = 1 << WIDTH
PIECES = 64  # of work a band, so that threads finish together
LIMIT = 300_000  # pairs a piece, 5 MB; beyond it only those that join something new are kept


def near_pairs(hashes: np.ndarray, distance: int, looks: np.ndarray | None = None, confirm: int = 256) -> np.ndarray:
    """Return the pairs of rows that are near each other, int64 [P, 2], i < j, sorted.

    Rows that are equal in both hashes count once: each is paired with the first of its like, and only that one with
    others. So the pairs connect what all pairs would connect, and n equal rows cost n pairs, not n squared.

    Args:
        hashes: uint64 [N].
        distance: Bits of `hashes` that may differ.
        looks: uint64 [N, W], longer hashes for a second look; None: there is none.
        confirm: Bits of `looks` that may differ.
    """
    looks = np.empty((len(hashes), 0), np.uint64) if looks is None else looks
    first, place = _distinct(hashes, looks)
    copies = np.flatnonzero(first[place] != np.arange(len(hashes)))
    chain = np.stack([first[place[copies]], copies], axis=1)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(lambda task: task(), _tasks(hashes[first], looks[first], distance, confirm)))
    pairs = np.concatenate([chain, *(np.sort(first[part], axis=1) for part in parts)])
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    again = (pairs[1:] == pairs[:-1]).all(axis=1)  # found by several bands
    return pairs[np.append(True, ~again)[: len(pairs)]]


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


def _tasks(hashes: np.ndarray, looks: np.ndarray, distance: int, confirm: int) -> Iterator[Callable[[], np.ndarray]]:
    """Yield pieces of the search among distinct rows, about as much work each."""
    from ffdi.data import hamming

    hashes, values = np.ascontiguousarray(hashes, np.uint64), np.arange(VALUES)
    # The smallest radii with sum(r + 1) = distance + 1; -1 for a band that need not be looked at.
    radii = np.array([(distance + 1 - band + BANDS - 1) // BANDS - 1 for band in range(BANDS)])
    for band, radius in enumerate(radii):
        bucket = (hashes >> np.uint64(WIDTH * band)).astype(np.uint16)
        order = np.argsort(bucket, kind="stable")
        starts = np.searchsorted(bucket[order], np.arange(VALUES + 1))
        masks = values[np.bitwise_count(values) <= radius]
        edges = np.searchsorted(starts, np.linspace(0, len(hashes), PIECES + 1))
        shared = (hashes[order], looks[order], order, starts, masks)
        for start, stop in pairwise(edges):
            yield partial(hamming.bands, *shared, start, min(stop, VALUES), distance, confirm, LIMIT)
