"""The two compiled loops over pairs of hashes. They release the GIL, so plain threads share the work.

Both take a first distance (64 bits) and a second one (`looks`, W words; none: W = 0). Once they hold `limit` pairs they
keep only those that join rows nothing joined before, so the pairs connect what all pairs would connect. The inner loop
only notes positions, without a branch; writing pairs there made it 3.4 times as slow.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ffdi.core.compiled import compiled


def _count(context: Any, word: Any) -> tuple[Any, Any]:
    """Count the set bits of a uint64: the processor's own instruction, which numba offers under no name."""

    def emit(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), emit


_bits: Any = intrinsic(_count)


@compiled
def _note(hashes: np.ndarray, own: np.uint64, start: int, stop: int, distance: int, noted: np.ndarray) -> int:
    """Put the positions in start..stop that are near `own` into `noted`; return how many."""
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
def _seen(difference: np.uint64, radii: np.ndarray, band: int) -> bool:
    """Return whether an earlier band has found this pair already."""
    for earlier in range(band):
        if _bits((difference >> np.uint64(16 * earlier)) & np.uint64(0xFFFF)) <= radii[earlier]:
            return True
    return False


@compiled
def _root(parent: np.ndarray, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@compiled
def _keep(found: np.ndarray, count: int, i: int, j: int, parent: np.ndarray, limit: int) -> tuple[np.ndarray, int]:
    """Add the pair, unless there are `limit` pairs and it joins what is joined already."""
    one, other = _root(parent, i), _root(parent, j)
    parent[max(one, other)] = min(one, other)
    if one == other and count >= limit:
        return found, count
    found = _grown(found) if count == len(found) else found
    found[count, 0], found[count, 1] = i, j
    return found, count + 1


@compiled
def _grown(found: np.ndarray) -> np.ndarray:
    larger = np.empty((2 * len(found), 2), np.int64)
    larger[: len(found)] = found
    return larger


@compiled
def brute(
    hashes: np.ndarray, looks_NW: np.ndarray, start: int, stop: int, distance: int, confirm: int, limit: int
) -> np.ndarray:
    """Return the pairs of a row in start..stop with any later row."""
    found, count = np.empty((1024, 2), np.int64), 0
    noted, parent = np.empty(len(hashes), np.int64), np.arange(len(hashes))
    for i in range(start, stop):
        for j in noted[: _note(hashes, hashes[i], i + 1, len(hashes), distance, noted)]:
            if _agree(looks_NW, i, j, confirm):
                found, count = _keep(found, count, i, j, parent, limit)
    return found[:count]


@compiled
def bands(
    hashes: np.ndarray,
    looks_NW: np.ndarray,
    order: np.ndarray,
    starts: np.ndarray,
    masks: np.ndarray,
    radii: np.ndarray,
    band: int,
    start: int,
    stop: int,
    distance: int,
    confirm: int,
    limit: int,
) -> np.ndarray:
    """Return the pairs found by one band: bucket `value` (start..stop) with each bucket `value ^ mask` not below it.

    Rows stand sorted by bucket: bucket `value` is starts[value]..starts[value + 1], and `order` has their row numbers.
    """
    found, count = np.empty((1024, 2), np.int64), 0
    noted, parent = np.empty(len(hashes), np.int64), np.arange(len(hashes))
    for value in range(start, stop):
        for mask in masks:
            other = value ^ mask
            if other < value:
                continue
            for i in range(starts[value], starts[value + 1]):
                first = i + 1 if mask == 0 else starts[other]
                for j in noted[: _note(hashes, hashes[i], first, starts[other + 1], distance, noted)]:
                    if not _seen(hashes[i] ^ hashes[j], radii, band) and _agree(looks_NW, i, j, confirm):
                        found, count = _keep(found, count, order[i], order[j], parent, limit)
    return found[:count]
