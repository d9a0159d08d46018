"""The paired bootstrap of two AUCs by whole groups, compiled. Import it late: the compiler takes half a second.

Shapes: N rows, G groups, D draws, S scores.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.compiled import compiled
from ffdi.core.errors import UserError
from ffdi.core.keys import key
from ffdi.metrics.auc import classes
from ffdi.metrics.delong import Interval, delong_paired, tail
from ffdi.metrics.sorting import Floats, ascend, finite

DRAWS_AT_ONCE = 32  # sums that are carried along side by side, in vector registers
FAKE, TIED, FIRST_OF_TIE = 1, 2, 4  # bits of a row's kind
MAX_ROWS = 1 << 24  # the products of weights and counts stay below 32 bits
POISSON = tuple(np.round(65536 * np.cumsum(np.exp(-1) / np.cumprod([1, *range(1, 8)]))).astype(int).tolist())


def bootstrap(
    targets: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    group: ArrayLike | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Interval:
    """Return AUC(a) - AUC(b) with quantiles over bootstrap draws of the rows, the same rows for both scores.

    Whole groups are drawn. The count of each group in a draw has the Poisson distribution of mean 1 (Hanley and
    MacGibbon, 2006), which approximates drawing with replacement. The AUCs of every draw are exact. Draws without a
    class are left out. The draws depend on `seed` and the order of the groups.

    Args:
        targets: N values 0 or 1.
        a: N finite scores.
        b: N finite scores of the same rows.
        group: N labels; rows with one label are drawn together. None: every row by itself.
        level: confidence level, inside (0, 1).
        draws: number of draws.
        seed: of the draws.

    Raises:
        UserError: a class has fewer than two rows, or a score is not finite.
    """
    value = delong_paired(targets, a, b, level).value
    is_fake_N = classes(targets, a)
    group_N = np.arange(len(is_fake_N)) if group is None else np.unique(np.asarray(group), return_inverse=True)[1]
    auc_2D = weighted_aucs(is_fake_N, [finite(a), finite(b)], group_N, draws, key("bootstrap", seed))
    gain_D = auc_2D[0] - auc_2D[1]
    gain_D = gain_D[np.isfinite(gain_D)]
    low, high = np.quantile(gain_D, [tail(level), 1 - tail(level)])
    return Interval(value, float(low), float(high), float(np.std(gain_D, ddof=1)))


def weighted_aucs(
    is_fake_N: NDArray[np.bool_], scores: Sequence[Floats], group_N: NDArray[np.int64], draws: int, seed: int
) -> NDArray[np.float64]:
    """Return the AUC of each score in each draw, [S, D]; NaN if a draw has no row of a class.

    Args:
        is_fake_N: The class of each row.
        scores: One array [N] a score.
        group_N: Groups of rows, numbered from 0; whole groups are drawn.
        draws: D.
        seed: Of the draws.
    """
    if len(is_fake_N) > MAX_ROWS:
        raise UserError(f"The bootstrap takes at most {MAX_ROWS:,} rows, but there are {len(is_fake_N):,}.")
    sorted_S = [_in_order(is_fake_N, score_N, group_N) for score_N in scores]
    work = partial(_draw_and_score, sorted_S, int(group_N.max()) + 1, np.uint64(seed))
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # the compiled loops release the lock of Python
        blocks = list(threads.map(work, range(-(-draws // DRAWS_AT_ONCE))))
    return np.concatenate(blocks, axis=1)[:, :draws]


def _in_order(
    is_fake_N: NDArray[np.bool_], score_N: Floats, group_N: NDArray[np.int64]
) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
    """Return (group, kind) by ascending score, the reals first among equals.

    Kind: FAKE, plus TIED for fakes that tie with reals; the first real of such a tie is FIRST_OF_TIE.
    """
    in_order = ascend(score_N)
    run_N = np.cumsum(in_order.first_N) - 1
    fake_N = is_fake_N[in_order.order_N]
    place_N = np.argsort(2 * run_N + fake_N, kind="stable")
    order_N, fake_N = in_order.order_N[place_N], fake_N[place_N]
    fakes_G = np.bincount(run_N, fake_N)
    tied_N = ((fakes_G > 0) & (fakes_G < np.bincount(run_N)))[run_N]
    kind_N = FAKE * fake_N + TIED * (tied_N & fake_N) + FIRST_OF_TIE * (tied_N & in_order.first_N)
    return group_N[order_N].astype(np.int32), kind_N.astype(np.int8)


def _draw_and_score(
    sorted_S: list[tuple[NDArray[np.int32], NDArray[np.int8]]], groups: int, seed: np.uint64, number: int
) -> NDArray[np.float64]:
    weight_GD = np.empty((groups, DRAWS_AT_ONCE), np.uint8)
    _draw(seed, np.uint64(number), np.array(POISSON, np.uint16), weight_GD)
    return np.stack([_score(group_N, kind_N, weight_GD) for group_N, kind_N in sorted_S])


@compiled
def _draw(seed, number, limits, weight_GD):  # type: ignore[no-untyped-def]
    """Fill in Poisson weights, each from 16 bits of a SplitMix64 hash (Steele and others, 2014)."""
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
def _score(group_N, kind_N, weight_GD):  # type: ignore[no-untyped-def]
    """Return the weighted AUC of each draw: a fake beats the reals below it, and takes back half of its ties."""
    shape = DRAWS_AT_ONCE
    below_D, before_D = np.zeros(shape, np.int32), np.zeros(shape, np.int32)  # reals so far; those below the tie
    waiting_D, fakes_D = np.zeros(shape, np.int32), np.zeros(shape, np.int64)  # fakes since the last real; all
    won_D, tied_D = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for row in range(len(group_N)):
        weight_D = weight_GD[np.uint32(group_N[row])]
        kind = kind_N[row]
        if kind & FAKE:
            for draw in range(shape):
                waiting_D[draw] += np.int32(weight_D[draw])
            if kind & TIED:
                for draw in range(shape):
                    tied_D[draw] += np.int64(weight_D[draw]) * (below_D[draw] - before_D[draw])
        else:
            if kind & FIRST_OF_TIE:
                before_D[:] = below_D
            for draw in range(shape):
                won_D[draw] += np.int64(waiting_D[draw]) * np.int64(below_D[draw])
                fakes_D[draw] += waiting_D[draw]
                waiting_D[draw] = 0
                below_D[draw] += np.int32(weight_D[draw])
    won_D += waiting_D * below_D.astype(np.int64)
    return (won_D - tied_D / 2) / ((fakes_D + waiting_D) * below_D.astype(np.float64))
