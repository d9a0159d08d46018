"""Compares candidate blends by AUC, exactly, and yet computes few AUCs.

Features become whole numbers, so sums are exact. Every candidate is first judged by a histogram: only the pairs inside
one bin are uncertain, so its AUC lies between losing and winning them all. Candidates whose upper limit reaches the
best lower one are judged by finer bins, then computed exactly, and only if there are several. So every pick is that of
the exact search.

Shapes: M members, N rows (fakes first), B bins.
"""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ffdi.blending.features import Array
from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc, classes

Target = NDArray[np.int8]
Grid = NDArray[np.int32]
Counts = NDArray[np.int32]
Move = tuple[int, int, int]  # member, and the whole numbers that base and member are multiplied with
Limits = tuple[float, float]  # of an AUC; equal if it is known exactly
Found = TypeVar("Found")
Item = TypeVar("Item")
GRID = 1 << 24  # steps between 0 and 1: finer than the ranks of 8 million rows
MOST = 127  # ones that a blend may add up to: more would overflow 31 bits
COARSE, FINE = 13, 16  # bits of the bins: histograms that fit in the first cache and in the second
PAYS = 0.8  # share of the rivals that finer bins may leave open: to look costs a fifth of an exact value
FEW = 1 << 12  # rows
BLOCK = 1 << 15  # rows a step of the plain loop: temporaries stay in the cache
COMPILED_FROM = 1 << 26  # features to look at, from which a compiled loop pays for loading the compiler


class _Space(threading.local):
    """Two rows of keys a thread, kept: the page faults of fresh ones would cost a third of the sort."""

    keys_2N = np.empty((2, 0), np.uint32)

    def take(self, length: int) -> NDArray[np.uint32]:
        if self.keys_2N.shape[1] < length:
            self.keys_2N = np.empty((2, length), np.uint32)
        return self.keys_2N[:, :length]


_SPACE = _Space()


class Judge:
    """Ranks candidates `here * base + there * feature` by AUC. Features must lie in [0, 1].

    `looks`: how many times about every feature will be looked at; many are worth the compiled loops, which run on
    all cores.
    """

    def __init__(self, features_MN: Array, target_N: Target, looks: int = 1) -> None:
        is_fake_N = classes(target_N, features_MN[0])
        self.compiled = looks * features_MN.size >= COMPILED_FROM
        self.threads = ThreadPoolExecutor(os.cpu_count()) if self.compiled else None  # compiled loops hold no lock
        order_N = np.concatenate([np.flatnonzero(is_fake_N), np.flatnonzero(~is_fake_N)])
        self.fakes = int(is_fake_N.sum())
        self.target_N = is_fake_N[order_N]
        self.pairs = self.fakes * (len(order_N) - self.fakes)
        self.grid_MN = np.empty(features_MN.shape, np.int32)
        self._each(range(len(features_MN)), lambda member: self._enter(member, features_MN[member], order_N))

    def _enter(self, member: int, features_N: Array, order_N: NDArray[np.intp]) -> None:
        if not (features_N.min() >= 0 and features_N.max() <= 1):
            raise UserError("A search for weights needs features between 0 and 1; give ranks or probabilities.")
        scaled_N = features_N * GRID
        np.rint(scaled_N, out=scaled_N)
        np.take(scaled_N.astype(np.int32), order_N, out=self.grid_MN[member])

    def blend(self, base_N: Grid, move: Move) -> Grid:
        member, here, there = move
        return here * base_N + there * self.grid_MN[member]

    def best(self, base_N: Grid, moves: Sequence[Move], full: int) -> tuple[Move, Limits]:
        """The move of highest AUC, the first of equals. `full`: ones that a whole blend may add up to."""
        if full > MOST:
            raise UserError(f"A search blends at most {MOST} members at once, but {full} were asked for.")
        limits = self._all_limits(base_N, moves, full, COARSE if self.compiled else FINE)
        rivals = _rivals(limits)
        if self.compiled and len(rivals) > 1 and _finer_pays([limits[place] for place in rivals]):
            finer = self._all_limits(base_N, [moves[place] for place in rivals], full, FINE)
            for place, limit in zip(rivals, finer, strict=True):
                limits[place] = limit
        place, value = first_best(limits, lambda asked: self.exact(base_N, [moves[place] for place in asked]))
        return moves[place], value

    def _all_limits(self, base_N: Grid, moves: Sequence[Move], full: int, bits: int) -> list[Limits]:
        return self._each(moves, lambda move: self.limits(base_N, move, full, bits))

    def limits(self, base_N: Grid, move: Move, full: int, bits: int = FINE) -> Limits:
        """Between which values the AUC of a move lies. Of few rows it is computed: that costs less than the bins."""
        if len(self.target_N) <= FEW:
            value = auc(self.target_N, self.blend(base_N, move))
            return value, value
        member, here, there = move
        count = _loops().count if self.compiled else _count_plainly
        won, tied = count(base_N, self.grid_MN[member], here, there, *_bins(full, bits), self.fakes)
        return won / self.pairs, (won + tied) / self.pairs

    def exact(self, base_N: Grid, moves: Sequence[Move]) -> list[float]:
        """The AUC of each move."""
        return self._each(moves, lambda move: self._exact(base_N, move))

    def worth(self, counts_M: Counts) -> float:
        """AUC of the blend of members, each taken so many times; of at most MOST in all."""
        total_N = np.zeros_like(self.grid_MN[0])
        for member in np.flatnonzero(counts_M):
            total_N += counts_M[member] * self.grid_MN[member]
        return self._exact(total_N, (0, 1, 0))

    def _exact(self, base_N: Grid, move: Move) -> float:
        if not self.compiled:
            return auc(self.target_N, self.blend(base_N, move))
        member, here, there = move
        keys_2N = _SPACE.take(len(base_N))
        twice = _loops().settle(base_N, self.grid_MN[member], here, there, self.fakes, keys_2N[0], keys_2N[1])
        return twice / (2 * self.pairs)

    def _each(self, items: Iterable[Item], work: Callable[[Item], Found]) -> list[Found]:
        return [work(item) for item in items] if self.threads is None else list(self.threads.map(work, items))


def _bins(full: int, bits: int) -> tuple[int, int]:
    """(shift, count) of bins 2**shift wide, at most 2**bits of them, that hold every whole number up to full."""
    top = full * GRID
    shift = max(top.bit_length() - bits, 0)
    return shift, (top >> shift) + 1


def _rivals(limits: Sequence[Limits]) -> list[int]:
    """Places that may hold the highest value, the most promising first: its exact value closes most of the others."""
    floor = max(low for low, _ in limits)
    rivals = [place for place, (_, high) in enumerate(limits) if high >= floor]
    return sorted(rivals, key=lambda place: (-limits[place][1], place))


def _finer_pays(limits: Sequence[Limits]) -> bool:
    """Whether finer bins will close some of these. The middle of the coarse limits is nearly the exact value."""
    margin = max(high - low for low, high in limits) / 2 ** (FINE - COARSE)
    middles = [(low + high) / 2 for low, high in limits]
    return sum(middle >= max(middles) - margin for middle in middles) < PAYS * len(limits)


def first_best(limits: Sequence[Limits], exact: Callable[[list[int]], Sequence[float]]) -> tuple[int, Limits]:
    """The first place of the highest value, asking for exact values only where the limits leave it open."""
    rivals = _rivals(limits)
    if len(rivals) == 1:
        return rivals[0], limits[rivals[0]]
    won, value, cores = -1, -1.0, os.cpu_count() or 1
    while rivals and limits[rivals[0]][1] >= value:
        now, rivals = rivals[:cores], rivals[cores:]
        asked = [place for place in now if limits[place][0] < limits[place][1]]
        known = dict(zip(asked, exact(asked), strict=True))
        for place in now:
            mine = known.get(place, limits[place][0])
            if mine > value or (mine == value and place < won):
                won, value = place, mine
    return won, (value, value)


def _count_plainly(
    base_N: Grid, grid_N: Grid, here: int, there: int, shift: int, bins: int, fakes: int
) -> tuple[int, int]:
    """Pairs (fake, real) with the fake in a higher bin, and pairs in one bin."""
    fakes_B, reals_B = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
    for begin, end, count_B in ((0, fakes, fakes_B), (fakes, len(base_N), reals_B)):
        for start in range(begin, end, BLOCK):
            part = slice(start, min(start + BLOCK, end))
            places = (here * base_N[part] + there * grid_N[part]) >> shift
            count_B += np.bincount(places, minlength=bins)
    return int(fakes_B @ (np.cumsum(reals_B) - reals_B)), int(fakes_B @ reals_B)


def _loops() -> ModuleType:
    """Loaded when first needed: the import alone takes half a second."""
    from ffdi.blending import histogram

    return histogram
