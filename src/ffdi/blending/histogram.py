"""The compiled inner loop of `AucScorer`. Rows hold whole numbers, the fakes first.

A loop that does one thing is vectorised by the compiler, so bins are found block by block and counted after that.

Shapes: N rows, B bins.
"""

import numpy as np

from ffdi.core.compiled import compiled

BLOCK = 4096  # rows whose bins wait to be counted: they stay in the first cache


@compiled
def _find_bins(base_N, grid_N, here, there, shift, bins_N):  # type: ignore[no-untyped-def]
    left, right, down = np.int32(here), np.int32(there), np.int32(shift)
    for row in range(len(base_N)):
        bins_N[row] = np.uint16(np.int32(np.int32(left * base_N[row]) + np.int32(right * grid_N[row])) >> down)


@compiled
def _add_counts(bins_N, count_B):  # type: ignore[no-untyped-def]
    for place in bins_N:
        count_B[place] += np.int32(1)


@compiled
def count(base_N, grid_N, here, there, shift, bins, fakes):  # type: ignore[no-untyped-def]
    """Return the pairs (fake, real) with the fake in a higher bin, and the pairs in one bin. A bin is 2**shift wide."""
    fakes_B, reals_B = np.zeros(bins, np.int32), np.zeros(bins, np.int32)
    block = np.empty(BLOCK, np.uint16)
    for begin, end, count_B in ((0, fakes, fakes_B), (fakes, len(base_N), reals_B)):
        for start in range(begin, end, BLOCK):
            stop = min(start + BLOCK, end)
            bins_N = block[: stop - start]
            _find_bins(base_N[start:stop], grid_N[start:stop], here, there, shift, bins_N)
            _add_counts(bins_N, count_B)
    won, tied, below = np.int64(0), np.int64(0), np.int64(0)
    for place in range(bins):
        won += fakes_B[place] * below
        tied += np.int64(fakes_B[place]) * reals_B[place]
        below += reals_B[place]
    return won, tied
