"""Ranks with ties averaged, and the sort behind them and every AUC.

Shapes: N values, T of them tied, G runs of equal values.
"""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.errors import UserError

Floats = NDArray[np.float32] | NDArray[np.float64]
MANY_TIES = 0.9  # runs a value, below which work goes by runs
BLOCK = 8192  # values a step: temporaries stay in the cache; fresh pages cost more than the arithmetic


@dataclass(frozen=True)
class Sorted:
    """`order_N`: positions by ascending value, equal ones in any order. `first_N`: True where a run begins."""

    order_N: NDArray[np.int64]
    first_N: NDArray[np.bool_]

    @property
    def many_ties(self) -> bool:
        """Return True if going by runs is cheaper than going by the places of the ties."""
        return bool(np.count_nonzero(self.first_N) < MANY_TIES * len(self.first_N))

    @property
    def starts_G(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.first_N)

    @property
    def tied_T(self) -> NDArray[np.int64]:
        """Return the places in the order whose value occurs more than once."""
        tied_N = ~self.first_N
        tied_N[:-1] |= ~self.first_N[1:]
        return np.flatnonzero(tied_N)


class _Buffer(threading.local):
    """One buffer a thread, for its next sort: at N = 524,000 the page faults of a fresh one cost a third of a sort."""

    floats = np.empty(0)

    def take(self, length: int) -> NDArray[np.float64]:
        if len(self.floats) < length:
            self.floats = np.empty(length)
        return self.floats[:length]


BUFFER = _Buffer()


def ascend(values: ArrayLike) -> Sorted:
    """Return the order of N finite numbers, valid until the next call in this thread. Raises UserError otherwise.

    The position is stored in the low bits of the float64 itself. A float32 leaves 29 bits free. A float64 loses as
    many bits as a position needs, and runs that become equal by that are sorted again. So one plain sort, which NumPy
    vectorises, does the work of an argsort, about three times as fast at N = 524,000.
    """
    numbers_N = finite(values)
    length = len(numbers_N)
    exact = numbers_N.dtype == np.float32 and length <= 1 << 29
    shift = 29 if exact else max(length - 1, 1).bit_length()
    packed_N = BUFFER.take(length)
    np.add(numbers_N, 0.0, out=packed_N, dtype=np.float64)  # -0.0 + 0.0 = 0.0: the two zeros are one value
    bits_N = packed_N.view(np.int64)
    bits_N &= np.int64(-1) << shift
    for start in range(0, length, BLOCK):
        bits_N[start : start + BLOCK] |= np.arange(start, min(start + BLOCK, length))
    packed_N.sort()
    first_N = _begins(bits_N, shift)
    bits_N &= (1 << shift) - 1
    if not exact and _has_mixed_run(numbers_N, bits_N, first_N):
        _sort_again(numbers_N, bits_N, first_N)
    return Sorted(bits_N, first_N)


def finite(values: ArrayLike) -> Floats:
    """Return the values as float32 (if that holds them) or float64. Raises UserError if one is NaN or infinite."""
    given = np.asarray(values)
    if given.ndim != 1 or given.dtype.kind not in "biuf":
        raise UserError(f"A vector of numbers is needed, but this is {given.dtype} of shape {given.shape}.")
    narrow = given.dtype == np.float32 or given.dtype.itemsize <= 2
    numbers_N: Floats = np.asarray(given, np.float32) if narrow else np.asarray(given, np.float64)
    bad_N = ~np.isfinite(numbers_N)
    if bad_N.any():
        row = int(np.argmax(bad_N))
        raise UserError(f"{int(bad_N.sum())} of {len(bad_N)} scores are NaN or infinite, the first in row {row}.")
    return numbers_N


def _begins(bits_N: NDArray[np.int64], shift: int) -> NDArray[np.bool_]:
    first_N = np.ones(len(bits_N), bool)
    for start in range(1, len(bits_N), BLOCK):
        here = bits_N[start : start + BLOCK]
        before = bits_N[start - 1 : start - 1 + len(here)]
        first_N[start : start + BLOCK] = (here ^ before) >> shift != 0
    return first_N


def _has_mixed_run(numbers_N: Floats, order_N: NDArray[np.int64], first_N: NDArray[np.bool_]) -> bool:
    """Return True if a run holds values that differ."""
    for start in range(1, len(order_N), BLOCK):
        stop = start + BLOCK
        if not first_N[start:stop].all():
            here = numbers_N[order_N[start - 1 : stop]]
            if np.any((here[1:] != here[:-1]) & ~first_N[start:stop]):
                return True
    return False


def _sort_again(numbers_N: Floats, order_N: NDArray[np.int64], first_N: NDArray[np.bool_]) -> None:
    """Sort runs by the whole value, in place, where the shortened value could not tell them apart."""
    places_T = Sorted(order_N, first_N).tied_T
    rows_T = order_N[places_T]
    again_T = np.argsort(numbers_N[rows_T], kind="stable")
    order_N[places_T] = rows_T[again_T]
    values_T = numbers_N[order_N[places_T]]
    first_N[places_T[1:]] = values_T[1:] != values_T[:-1]


def midrank(values: ArrayLike) -> NDArray[np.float64]:
    """Return the rank of each of N values from 1 on; equal values share the mean of their ranks, a multiple of 1/2."""
    in_order = ascend(values)
    length = len(in_order.order_N)
    rank_N = np.empty(length)
    if in_order.many_ties:
        starts_G = in_order.starts_G
        sizes_G = np.diff(starts_G, append=length)
        rank_N[in_order.order_N] = np.repeat(starts_G + (sizes_G + 1) / 2, sizes_G)
        return rank_N
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        rank_N[in_order.order_N[start:stop]] = np.arange(start + 1.0, stop + 1)
    places_T = in_order.tied_T
    if len(places_T):
        starts_G = np.flatnonzero(in_order.first_N[places_T])
        sizes_G = np.diff(starts_G, append=len(places_T))
        rank_N[in_order.order_N[places_T]] = np.repeat(places_T[starts_G] + (sizes_G + 1) / 2, sizes_G)
    return rank_N


def rank(values: ArrayLike) -> NDArray[np.float64]:
    """Return (midrank - 1/2) / N: strictly inside (0, 1), with mean 1/2; it mirrors when the values change sign."""
    rank_N = midrank(values)
    rank_N -= 0.5
    rank_N /= len(rank_N)
    return rank_N


def rank_within(values: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Return ranks in (0, 1) inside each group (such as a fold), so that groups on different scales can be pooled."""
    values_N, groups_N = np.asarray(values), np.asarray(groups)
    if values_N.shape != groups_N.shape:
        raise UserError(f"Scores {values_N.shape} and groups {groups_N.shape} must be of one length.")
    _, codes_N, sizes = np.unique(groups_N, return_inverse=True, return_counts=True)
    by_group_N = np.argsort(codes_N, kind="stable")
    rank_N = np.empty(len(values_N))
    for rows in np.split(by_group_N, np.cumsum(sizes)[:-1]):
        rank_N[rows] = rank(values_N[rows])
    return rank_N
