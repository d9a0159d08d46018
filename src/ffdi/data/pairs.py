"""Find all pairs of near hashes, exactly, without comparing all pairs: multi-index hashing.

A hash is cut into four bands of 16 bits. If two hashes differ in at most `distance` bits and the radii r of the bands
satisfy sum(r + 1) > distance, then some band differs in at most its r bits (pigeonhole). So only rows whose band lies
within r bits of one another are compared: at distance 4 that is 20 buckets a row instead of 524,429 rows.
(Norouzi, Punjani, Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012.)

The compiled loops release the GIL, so plain threads share the work. Import this late: the compiler takes half a second.

Shapes: N rows, P pairs, W words of the long hash.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numba import types
from numba.extending import intrinsic

from ffdi.core.compiled import compiled

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
    words = pd.DataFrame(np.column_stack([hashes, looks]))
    first = np.flatnonzero(~words.duplicated())
    place = words.groupby(list(words), sort=False).ngroup().to_numpy()  # among the distinct rows
    copies = np.flatnonzero(first[place] != np.arange(len(hashes)))
    chain = np.stack([first[place[copies]], copies], axis=1)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        parts = list(pool.map(lambda task: task(), _tasks(hashes[first], looks[first], distance, confirm)))
    pairs = np.concatenate([chain, *(np.sort(first[part], axis=1) for part in parts)])
    codes = np.unique(pairs[:, 0] * len(hashes) + pairs[:, 1])  # several bands may find a pair
    return np.stack(np.divmod(codes, max(len(hashes), 1)), axis=1)


def _tasks(hashes: np.ndarray, looks: np.ndarray, distance: int, confirm: int) -> Iterator[Callable[[], np.ndarray]]:
    """Yield pieces of the search among distinct rows, about as much work each."""
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
            yield partial(_bands, *shared, start, min(stop, VALUES), distance, confirm, LIMIT)


def _count(context: Any, word: Any) -> tuple[Any, Any]:
    """Count the set bits of a uint64: the processor's own instruction, which numba offers under no name."""

    def _emit(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), _emit


_bits: Any = intrinsic(_count)


@compiled
def _note(hashes: np.ndarray, own: np.uint64, start: int, stop: int, distance: int, noted: np.ndarray) -> int:
    """Put the positions in start..stop that are near `own` into `noted`; return how many.

    Writing pairs here, into a buffer that may have to grow, made it 3.4 times as slow.
    """
    count = 0
    for position in range(start, stop):
        noted[count] = position
        count += _bits(own ^ hashes[position]) <= distance
    return count


@compiled
def _agree(looks_NW: np.ndarray, i: int, j: int, confirm: int) -> bool:
    total = 0
    for word in range(looks_NW.shape[1]):
        total += _bits(looks_NW[i, word] ^ looks_NW[j, word])
    return total <= confirm


@compiled
def _root(parent: np.ndarray, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@compiled
def _bands(
    hashes: np.ndarray,
    looks_NW: np.ndarray,
    order: np.ndarray,
    starts: np.ndarray,
    masks: np.ndarray,
    start: int,
    stop: int,
    distance: int,
    confirm: int,
    limit: int,
) -> np.ndarray:
    """Return the pairs [P, 2] found by one band: each bucket start..stop with the buckets within its radius.

    `hashes` and `looks_NW` are sorted by bucket, and `order` holds their row numbers. Bucket `value` is
    starts[value]..starts[value + 1]; it is compared with each bucket `value ^ mask` that is not below it. Beyond
    `limit` pairs only those are kept that join rows which nothing has joined; so the pairs connect what all pairs would
    connect.
    """
    found, count = np.empty((1024, 2), np.int64), 0
    noted, parent = np.empty(len(hashes), np.int64), np.arange(len(hashes))
    for value in range(start, stop):
        if starts[value] == starts[value + 1]:
            continue
        for mask in masks:
            other = value ^ mask
            if other < value or starts[other] == starts[other + 1]:
                continue
            for i in range(starts[value], starts[value + 1]):
                first = i + 1 if mask == 0 else starts[other]
                for j in noted[: _note(hashes, hashes[i], first, starts[other + 1], distance, noted)]:
                    if not _agree(looks_NW, i, j, confirm):
                        continue
                    one, two = _root(parent, i), _root(parent, j)
                    parent[two] = one
                    if one != two or count < limit:
                        if count == len(found):
                            found = np.concatenate((found, np.empty_like(found)))
                        found[count, 0], found[count, 1] = order[i], order[j]
                        count += 1
    return found[:count]
