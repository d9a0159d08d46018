"""The compiled loop over pairs of hashes. It releases the GIL, so plain threads share the work.

The inner loop only notes positions, without a branch; writing pairs there, into a buffer that may have to grow, made it
3.4 times as slow. Import it late: the compiler takes half a second.
"""

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from ffdi.core.compiled import compiled


def _count(context: Any, word: Any) -> tuple[Any, Any]:
    """Count the set bits of a uint64: the processor's own instruction, which numba offers under no name."""

    def _emit(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), _emit


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
def _root(parent: np.ndarray, row: int) -> int:
    while parent[row] != row:
        parent[row] = parent[parent[row]]
        row = parent[row]
    return row


@compiled
def bands(
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

    Args:
        hashes: uint64 [N], sorted by bucket.
        looks_NW: uint64 [N, W], the longer hashes, in the same order.
        order: Row number of each, [N].
        starts: Bucket `value` is starts[value]..starts[value + 1].
        masks: Bucket `value ^ mask` is compared with bucket `value`, if it is not below it.
        start: First bucket.
        stop: First bucket that is left out.
        distance: Bits of `hashes` that may differ.
        confirm: Bits of `looks_NW` that may differ.
        limit: Pairs beyond which only those are kept that join rows which nothing has joined; so the pairs connect
            what all pairs would connect.
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
