"""Compares candidate blends by AUC, exactly, and yet computes few AUCs.

Features become whole numbers, so sums are exact. Every candidate is first judged by a histogram: only the pairs inside
one bin are uncertain, so its AUC lies between losing and winning them all. Candidates whose upper limit reaches the
best lower one are then computed exactly, and only if there are several. So every pick is that of the exact search.

Shapes: M members, N rows (fakes first), B bins.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from ffdi.base.errors import UserError
from ffdi.blend.features import Array
from ffdi.score.auc import auc, classes

Target = NDArray[np.int8]
Grid = NDArray[np.int32]
Move = tuple[int, int, int]  # member, and the whole numbers that base and member are multiplied with
Limits = tuple[float, float]  # of an AUC; equal if it is known exactly
Count = Callable[[Grid, Grid, int, int, np.float32, int, int], tuple[int, int]]
GRID = 1 << 24  # steps between 0 and 1: finer than the ranks of 8 million rows
BINS = 1 << 16  # two histograms of them fit in the second cache
FINE_BINS = 1 << 20  # for the rivals, if they are many, as among near-copies
RIVALS = 3
FEW = 1 << 12  # rows
BLOCK = 1 << 15  # rows a step of the plain loop: temporaries stay in the cache
COMPILED_FROM = 1 << 26  # features to look at, from which a compiled loop pays for loading the compiler


class Judge:
    """Ranks candidates `here * base + there * feature` by AUC. Features must lie in [0, 1].

    `looks`: how many times about every feature will be looked at; many are worth the compiled histogram.
    """

    def __init__(self, features_MN: Array, target_N: Target, looks: int = 1) -> None:
        if not (features_MN.min() >= 0 and features_MN.max() <= 1):
            raise UserError("A search for weights needs features between 0 and 1; give ranks or probabilities.")
        is_fake_N = classes(target_N, features_MN[0])
        order_N = np.concatenate([np.flatnonzero(is_fake_N), np.flatnonzero(~is_fake_N)])
        self.fakes = int(is_fake_N.sum())
        self.target_N = is_fake_N[order_N]
        self.grid_MN = np.empty(features_MN.shape, np.int32)
        for grid_N, features_N in zip(self.grid_MN, features_MN, strict=True):
            np.rint(features_N[order_N] * GRID, out=grid_N, casting="unsafe")
        self.compiled = looks * features_MN.size >= COMPILED_FROM
        self.count = _count_compiled() if self.compiled else _count_plainly

    def blend(self, base_N: Grid, move: Move) -> Grid:
        member, here, there = move
        return here * base_N + there * self.grid_MN[member]

    def exact(self, blend_N: Grid) -> float:
        return auc(self.target_N, blend_N)

    def best(self, base_N: Grid, moves: Sequence[Move], full: int) -> tuple[Move, Limits]:
        """The move of highest AUC, the first of equals. `full`: ones that a whole blend may add up to."""
        limits = self._all_limits(base_N, moves, full, BINS)
        floor = max(low for low, _ in limits)
        rivals = [place for place, (_, high) in enumerate(limits) if high >= floor]
        if self.compiled and len(rivals) > RIVALS:
            finer = self._all_limits(base_N, [moves[place] for place in rivals], full, FINE_BINS)
            for place, limit in zip(rivals, finer, strict=True):
                limits[place] = limit
        place, value = first_best(limits, lambda place: self.exact(self.blend(base_N, moves[place])))
        return moves[place], value

    def limits(self, base_N: Grid, move: Move, full: int, bins: int = BINS) -> Limits:
        """Between which values the AUC of a move lies. Of few rows it is computed: that costs less than the bins."""
        if len(self.target_N) <= FEW:
            value = self.exact(self.blend(base_N, move))
            return value, value
        member, here, there = move
        scale = np.float32(bins / (full * GRID))
        won, tied = self.count(base_N, self.grid_MN[member], here, there, scale, bins, self.fakes)
        pairs = self.fakes * (len(self.target_N) - self.fakes)
        return won / pairs, (won + tied) / pairs

    def _all_limits(self, base_N: Grid, moves: Sequence[Move], full: int, bins: int) -> list[Limits]:
        if not self.compiled:
            return [self.limits(base_N, move, full, bins) for move in moves]
        with ThreadPoolExecutor(os.cpu_count()) as threads:  # the compiled loop holds no lock
            return list(threads.map(lambda move: self.limits(base_N, move, full, bins), moves))


def first_best(limits: Sequence[Limits], exact: Callable[[int], float]) -> tuple[int, Limits]:
    """The first place of the highest value, asking for exact values only where the limits leave it open."""
    floor = max(low for low, _ in limits)
    rivals = [place for place, (_, high) in enumerate(limits) if high >= floor]
    if len(rivals) == 1:
        return rivals[0], limits[rivals[0]]
    won, value = -1, -1.0
    # The most promising first: its exact value closes most of the others.
    for place in sorted(rivals, key=lambda place: (-limits[place][1], place)):
        if limits[place][1] < value:
            break
        mine = limits[place][0] if limits[place][0] == limits[place][1] else exact(place)
        if mine > value or (mine == value and place < won):
            won, value = place, mine
    return won, (value, value)


def _count_plainly(
    base_N: Grid, grid_N: Grid, here: int, there: int, scale: np.float32, bins: int, fakes: int
) -> tuple[int, int]:
    """Pairs (fake, real) with the fake in a higher bin, and pairs in one bin."""
    fakes_B, reals_B = np.zeros(bins + 1, np.int64), np.zeros(bins + 1, np.int64)
    for begin, end, count_B in ((0, fakes, fakes_B), (fakes, len(base_N), reals_B)):
        for start in range(begin, end, BLOCK):
            part = slice(start, min(start + BLOCK, end))
            places = ((here * base_N[part] + there * grid_N[part]) * scale).astype(np.intp)
            count_B += np.bincount(places, minlength=bins + 1)
    return int(fakes_B @ (np.cumsum(reals_B) - reals_B)), int(fakes_B @ reals_B)


def _count_compiled() -> Count:
    """The same by a compiled loop, loaded when first needed: the import alone takes half a second."""
    from ffdi.blend.histogram import count

    return count
