"""The compiled inner loops of `AucScorer`. Rows hold whole numbers, the fakes first.

A loop that does one thing is vectorised by the compiler, so bins are found block by block and counted after that.

Shapes: N rows, B bins.
"""

import numpy as np

from ffdi.core.compiled import compiled

BLOCK = 4096  # rows whose bins wait to be counted: they stay in the first cache
DIGIT = 10  # bits that one pass of the sort looks at: with 1,024 places to write to the cache keeps up


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
    """Return the pairs (fake, real) with the fake in a higher bin, and the pairs in one bin.

    Args:
        base_N, grid_N: The blend so far and a member, int32.
        here, there: Their factors.
        shift: A bin is 2**shift wide.
        bins: How many there are.
        fakes: Rows that are fakes, the first ones.
    """
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


@compiled
def twice_won(base_N, grid_N, here, there, fakes, key_N, moved_N):  # type: ignore[no-untyped-def]
    """Return twice the pairs that the fake wins, a tie counted once, by a radix sort of three digits.

    The lowest bit of a key says if the row is a fake, so the reals come first among equals.

    Args:
        base_N, grid_N, here, there, fakes: As of `count`.
        key_N, moved_N: Buffers, uint32.
    """
    _write_keys(base_N[:fakes], grid_N[:fakes], here, there, 1, key_N[:fakes])
    _write_keys(base_N[fakes:], grid_N[fakes:], here, there, 0, key_N[fakes:])
    _sort_by_digit(key_N, 0, moved_N)
    _sort_by_digit(moved_N, DIGIT, key_N)
    return _count_sorted(key_N)


@compiled
def _write_keys(base_N, grid_N, here, there, is_fake, key_N):  # type: ignore[no-untyped-def]
    left, right, low = np.int32(here), np.int32(there), np.uint32(is_fake)
    for row in range(len(key_N)):
        blend = np.int32(np.int32(left * base_N[row]) + np.int32(right * grid_N[row]))
        key_N[row] = np.uint32(np.uint32(blend) << np.uint32(1)) | low


@compiled
def _sort_by_digit(key_N, shift, moved_N):  # type: ignore[no-untyped-def]
    down, mask = np.uint32(shift), np.uint32((1 << DIGIT) - 1)
    next_D = np.zeros((1 << DIGIT) + 1, np.int32)
    for key in key_N:
        next_D[((key >> down) & mask) + np.uint32(1)] += np.int32(1)
    for digit in range(1 << DIGIT):
        next_D[digit + 1] += next_D[digit]
    for key in key_N:
        digit = (key >> down) & mask
        place = next_D[digit]
        moved_N[np.uint32(place)] = key
        next_D[digit] = place + np.int32(1)


@compiled
def _count_sorted(key_N):  # type: ignore[no-untyped-def]
    """Count the reals below each fake. The keys ascend in all but their highest digit, so each digit has its count."""
    down, one = np.uint32(2 * DIGIT), np.uint32(1)
    digits = 1 << (32 - 2 * DIGIT)
    below_D = np.zeros(digits + 1, np.int32)  # reals seen below the next row of this digit
    for key in key_N:
        below_D[(key >> down) + one] += np.int32((key & one) ^ one)
    for digit in range(digits):
        below_D[digit + 1] += below_D[digit]
    before_D, last_D = below_D.copy(), np.full(digits, 0xFFFFFFFF, np.uint32)  # reals below the value seen last
    twice = np.int64(0)
    for key in key_N:
        digit, value = key >> down, key >> one
        below = below_D[digit]
        before = before_D[digit] if last_D[digit] == value else below
        before_D[digit], last_D[digit] = before, value
        twice += np.int64(key & one) * (before + below)
        below_D[digit] = below + np.int32((key & one) ^ one)
    return twice
