"""The compiled inner loop of `judge`: two histograms and the pairs they settle, in one pass."""

import numpy as np
from numba import njit


def _count(base_N, grid_N, here, there, scale, bins, fakes):  # type: ignore[no-untyped-def]
    """Pairs (fake, real) with the fake in a higher bin, and pairs in one bin; rows hold the fakes first."""
    fakes_B = np.zeros(bins + 1, np.int32)
    reals_B = np.zeros(bins + 1, np.int32)
    left, right = np.int32(here), np.int32(there)
    for row in range(fakes):
        fakes_B[np.uint32(np.float32(left * base_N[row] + right * grid_N[row]) * scale)] += 1
    for row in range(fakes, len(base_N)):
        reals_B[np.uint32(np.float32(left * base_N[row] + right * grid_N[row]) * scale)] += 1
    won, tied, below = np.int64(0), np.int64(0), np.int64(0)
    for place in range(bins + 1):
        won += fakes_B[place] * below
        tied += np.int64(fakes_B[place]) * reals_B[place]
        below += reals_B[place]
    return won, tied


try:
    count = njit(nogil=True, cache=True)(_count)
except RuntimeError:  # neither the package nor the home can be written: compile anew in every process
    count = njit(nogil=True)(_count)
