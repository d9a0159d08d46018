"""One sort that every score shares: the ascending order of a vector and its runs of equal values.

Scores that were rounded have few values, and those need no sort: they are counted.

Shapes: N values, T of them tied, G runs of equal values, L levels.
"""

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.errors import UserError

Floats = NDArray[np.float32] | NDArray[np.float64]
LEVELS = 1 << 16  # bins that few values are told apart by
SAMPLE = 4096  # values of which some are alike if all of them are few: one in twenty of 40,000
DISTINCT = 0.95
MANY = 0.9  # runs a value
BLOCK = 8192  # values a step: temporaries stay in the cache, fresh pages cost more than the arithmetic


@dataclass(frozen=True)
class Sorted:
    """`order_N` lists positions by ascending value (equal ones anyhow), `first_N` marks where runs begin."""

    order_N: NDArray[np.int64]
    first_N: NDArray[np.bool_]

    @property
    def many_ties(self) -> bool:
        """Whether it costs less to go by runs than by the places of the ties."""
        return bool(np.count_nonzero(self.first_N) < MANY * len(self.first_N))

    @property
    def starts_G(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.first_N)

    @property
    def tied_T(self) -> NDArray[np.int64]:
        """Positions in the order whose value is there more than once."""
        tied_N = ~self.first_N
        tied_N[:-1] |= ~self.first_N[1:]
        return np.flatnonzero(tied_N)


class _Space(threading.local):
    """One buffer a thread, kept: at N = 524,000 the page faults of a fresh one cost a third of a sort."""

    floats = np.empty(0)

    def take(self, length: int) -> NDArray[np.float64]:
        if len(self.floats) < length:
            self.floats = np.empty(length)
        return self.floats[:length]


_SPACE = _Space()


def ascend(values: ArrayLike, reuse: bool = False) -> Sorted:
    """Sort N finite numbers; UserError for anything else. With `reuse` the order lasts to the thread's next call.

    The position rides in the low bits of the float64 itself: a float32 leaves 29 bits free, a float64 gives up as
    many as a position needs and the few runs which that blurs are sorted again. So one plain sort, which NumPy
    vectorises, does the work of an argsort: about three times as fast at N = 524,000.
    """
    numbers_N = finite(values)
    length = len(numbers_N)
    exact = numbers_N.dtype == np.float32 and length <= 1 << 29
    shift = 29 if exact else max(length - 1, 1).bit_length()
    packed_N = _SPACE.take(length) if reuse else np.empty(length)
    np.add(numbers_N, 0.0, out=packed_N, dtype=np.float64)  # -0.0 + 0.0 = 0.0: the two zeros are one value
    bits_N = packed_N.view(np.int64)
    bits_N &= np.int64(-1) << shift
    for start in range(0, length, BLOCK):
        bits_N[start : start + BLOCK] |= np.arange(start, min(start + BLOCK, length))
    packed_N.sort()
    first_N = _begins(bits_N, shift)
    bits_N &= (1 << shift) - 1
    if not exact and _blurred(numbers_N, bits_N, first_N):
        _settle(numbers_N, bits_N, first_N)
    return Sorted(bits_N, first_N)


def levels(values: ArrayLike) -> NDArray[np.intp] | None:
    """Level of each of N values, equal for equal ones and higher for higher ones, below LEVELS; UserError as `ascend`.

    None where they are not few, or some too near each other: equal bins between the lowest and the highest must hold
    one value each, as those of scores that were rounded to some decimals do.
    """
    numbers_N = finite(values)
    sample = numbers_N[:: max(len(numbers_N) // SAMPLE, 1)]
    if len(numbers_N) < BLOCK or len(np.unique(sample)) > DISTINCT * len(sample):
        return None
    low, high = float(numbers_N.min()), float(numbers_N.max())
    with np.errstate(over="ignore", divide="ignore"):
        step = np.float64(LEVELS - 1) / (np.float64(high) - low)
    if not 0 < step < np.inf:
        return None
    level_N = np.empty(len(numbers_N), np.intp)
    value_L = np.empty(LEVELS, numbers_N.dtype)
    for start in range(0, len(numbers_N), BLOCK):
        part = slice(start, start + BLOCK)
        level_N[part] = (numbers_N[part] - np.float64(low)) * step
        value_L[level_N[part]] = numbers_N[part]
    for start in range(0, len(numbers_N), BLOCK):
        part = slice(start, start + BLOCK)
        if not np.array_equal(value_L[level_N[part]], numbers_N[part]):
            return None
    return level_N


def finite(values: ArrayLike) -> Floats:
    """The values as a vector of float32 (if so few bits hold them) or float64; UserError if one is NaN or infinite."""
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


def _blurred(numbers_N: Floats, order_N: NDArray[np.int64], first_N: NDArray[np.bool_]) -> bool:
    """Whether a run holds values that differ."""
    for start in range(1, len(order_N), BLOCK):
        stop = start + BLOCK
        if not first_N[start:stop].all():
            here = numbers_N[order_N[start - 1 : stop]]
            if np.any((here[1:] != here[:-1]) & ~first_N[start:stop]):
                return True
    return False


def _settle(numbers_N: Floats, order_N: NDArray[np.int64], first_N: NDArray[np.bool_]) -> None:
    """Sort again by the whole value, in place, the runs that the shortened one could not tell apart."""
    places_T = Sorted(order_N, first_N).tied_T
    rows_T = order_N[places_T]
    again_T = np.argsort(numbers_N[rows_T], kind="stable")
    order_N[places_T] = rows_T[again_T]
    values_T = numbers_N[order_N[places_T]]
    first_N[places_T[1:]] = values_T[1:] != values_T[:-1]
