"""AUCs of rows drawn again and again, compiled: each draw is a weight for every group, and many are added up at once.

Shapes: N rows in ascending order, G groups, D draws of one block, S scores.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ffdi.core.compiled import compiled
from ffdi.core.errors import UserError
from ffdi.metrics.sorting import Floats, ascend

BLOCK = 32  # draws whose sums are carried along side by side, in vector registers
TIED, OPENS = 2, 4
MOST = 1 << 24  # rows: the products of weights and counts stay below 32 bits
POISSON = tuple(np.round(65536 * np.cumsum(np.exp(-1) / np.cumprod([1, *range(1, 8)]))).astype(int).tolist())


def aucs(
    is_fake_N: NDArray[np.bool_], scores: Sequence[Floats], group_N: NDArray[np.int64], draws: int, seed: int
) -> NDArray[np.float64]:
    """AUC of each score in each draw, [S, D]; NaN where a draw has no row of a class.

    `group_N`: 0 to G - 1, each of which is drawn 0, 1, 2 ... times with the chances of a Poisson variable of mean 1.
    """
    if len(is_fake_N) > MOST:
        raise UserError(f"At most {MOST:,} rows can be drawn again, but there are {len(is_fake_N):,}.")
    sorted_S = [_in_order(is_fake_N, score_N, group_N) for score_N in scores]
    block = partial(_block, sorted_S, int(group_N.max()) + 1, np.uint64(seed))
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the compiled loops hold no lock
        blocks = list(threads.map(block, range(-(-draws // BLOCK))))
    return np.concatenate(blocks, axis=1)[:, :draws]


def _in_order(
    is_fake_N: NDArray[np.bool_], score_N: Floats, group_N: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """(group, kind) by ascending score, among equals the reals first.

    Kind: 1 a fake, plus TIED among equals of both classes, of which the first real alone has OPENS.
    """
    in_order = ascend(score_N)
    run_N = np.cumsum(in_order.first_N) - 1
    fake_N = is_fake_N[in_order.order_N]
    place_N = np.argsort(2 * run_N + fake_N, kind="stable")
    order_N, fake_N = in_order.order_N[place_N], fake_N[place_N]
    fakes_G = np.bincount(run_N, fake_N)
    tied_N = ((fakes_G > 0) & (fakes_G < np.bincount(run_N)))[run_N]
    kind_N = fake_N + TIED * (tied_N & fake_N) + OPENS * (tied_N & in_order.first_N)
    return group_N[order_N].astype(np.int32), kind_N.astype(np.int8)


def _block(
    sorted_S: list[tuple[NDArray[np.int32], NDArray[np.int8]]], groups: int, seed: np.uint64, number: int
) -> NDArray[np.float64]:
    weight_GD = np.empty((groups, BLOCK), np.uint8)
    _draw(seed, np.uint64(number), np.array(POISSON, np.uint16), weight_GD)
    return np.stack([_weighted_aucs(group_N, kind_N, weight_GD) for group_N, kind_N in sorted_S])


@compiled
def _draw(seed, number, limits, weight_GD):  # type: ignore[no-untyped-def]
    """Weights from 16 bits each of a hash of (seed, group, number): Steele and others' SplitMix64 (2014)."""
    words = np.uint64(weight_GD.shape[1] // 4)
    bits = np.empty(weight_GD.shape[1], np.uint16)
    for group in range(len(weight_GD)):
        base = seed + (np.uint64(group) << np.uint64(24)) + number * words
        for word in range(words):
            mixed = (base + np.uint64(word)) * np.uint64(0x9E3779B97F4A7C15)
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
            for part in range(4):
                bits[4 * word + part] = np.uint16(mixed >> np.uint64(16 * part))
        for draw in range(len(bits)):
            weight = np.uint8(0)
            for limit in limits:
                weight += np.uint8(bits[draw] >= limit)
            weight_GD[group, draw] = weight


@compiled
def _weighted_aucs(group_N, kind_N, weight_GD):  # type: ignore[no-untyped-def]
    """A fake beats the reals below it; of those it ties with, which stand below it here, half are taken back."""
    below_D, before_D = np.zeros(BLOCK, np.int32), np.zeros(BLOCK, np.int32)  # reals so far; those below the ties
    waiting_D, fakes_D = np.zeros(BLOCK, np.int32), np.zeros(BLOCK, np.int64)  # fakes since the last real; all
    won_D, tied_D = np.zeros(BLOCK, np.int64), np.zeros(BLOCK, np.int64)
    for row in range(len(group_N)):
        weight_D = weight_GD[np.uint32(group_N[row])]
        kind = kind_N[row]
        if kind & 1:
            for draw in range(BLOCK):
                waiting_D[draw] += np.int32(weight_D[draw])
            if kind & TIED:
                for draw in range(BLOCK):
                    tied_D[draw] += np.int64(weight_D[draw]) * (below_D[draw] - before_D[draw])
        else:
            if kind & OPENS:
                before_D[:] = below_D
            for draw in range(BLOCK):
                won_D[draw] += np.int64(waiting_D[draw]) * np.int64(below_D[draw])
                fakes_D[draw] += waiting_D[draw]
                waiting_D[draw] = 0
                below_D[draw] += np.int32(weight_D[draw])
    won_D += waiting_D * below_D.astype(np.int64)
    return (won_D - tied_D / 2) / ((fakes_D + waiting_D) * below_D.astype(np.float64))
