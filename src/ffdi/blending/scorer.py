"""Find the candidate blend with the highest AUC, exactly, while computing few exact AUCs.

Features become whole numbers, so sums are exact. A histogram bounds the AUC of each candidate: only pairs inside one
bin are uncertain. Candidates whose upper bound reaches the best lower bound get an exact AUC, and only if several are
left. So every pick is that of the exact search.

Shapes: M members, N rows (fakes first).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ffdi.metrics.auc import auc, classes
from ffdi.metrics.ranks import BUFFER

Grid = NDArray[np.int32]
Move = tuple[int, int, int]  # (member, factor of the base, factor of the member)
Bounds = tuple[float, float]  # of an AUC; equal if it is known exactly
Item = TypeVar("Item")
Result = TypeVar("Result")
STEPS_OF_ONE = 1 << 24  # grid steps between 0 and 1: finer than the ranks of 8 million rows
MAX_SUM = 127  # the factors of a blend may add up to this: more would overflow 31 bits
BITS = 14  # of a histogram that fits in the first cache
EXACT_BELOW = 1 << 12  # rows up to which an exact AUC is cheaper than loading the compiled histogram


class AucScorer:
    """Compare candidates `a * base + b * feature`, features in [0, 1], by AUC. Many rows: by compiled loops."""

    def __init__(self, features_MN: NDArray[np.float64], target_N: NDArray[np.int8]) -> None:
        is_fake_N = classes(target_N, features_MN[0])
        self.compiled = len(is_fake_N) > EXACT_BELOW
        self.threads = ThreadPoolExecutor(os.cpu_count()) if self.compiled else None  # the loops release Python's lock
        order_N = np.concatenate([np.flatnonzero(is_fake_N), np.flatnonzero(~is_fake_N)])
        self.fakes = int(is_fake_N.sum())
        self.target_N = is_fake_N[order_N]
        self.pairs = self.fakes * (len(order_N) - self.fakes)
        self.grid_MN = np.empty(features_MN.shape, np.int32)
        self._each(range(len(features_MN)), lambda member: self._fill(member, features_MN[member], order_N))

    def _fill(self, member: int, features_N: NDArray[np.float64], order_N: NDArray[np.intp]) -> None:
        scaled_N = features_N * STEPS_OF_ONE
        np.rint(scaled_N, out=scaled_N)
        np.take(scaled_N.astype(np.int32), order_N, out=self.grid_MN[member])

    def blend(self, base_N: Grid, move: Move) -> Grid:
        """Return the blend after a move."""
        member, here, there = move
        return here * base_N + there * self.grid_MN[member]

    def best(self, base_N: Grid, moves: Sequence[Move], full: int) -> Move:
        """Return the first move of the highest AUC.

        Args:
            base_N: the blend so far.
            moves: the candidates.
            full: the sum that the factors of a whole blend reach, at most MAX_SUM.
        """
        bounds = self._each(moves, lambda move: self.bound(base_N, move, full))
        return moves[first_best(bounds, lambda asked: self._each(asked, lambda at: self.exact(base_N, moves[at])))]

    def bound(self, base_N: Grid, move: Move, full: int) -> Bounds:
        """Return bounds of the AUC of a move; of few rows the exact value.

        Args:
            base_N: The blend so far, on the grid.
            move: Member, weight of the base, weight of the member.
            full: Sum of the weights.
        """
        if not self.compiled:
            value = self.exact(base_N, move)
            return value, value
        from ffdi.blending import histogram  # late: it takes half a second

        member, here, there = move
        shift = max((full * STEPS_OF_ONE).bit_length() - BITS, 0)
        bins = ((full * STEPS_OF_ONE) >> shift) + 1
        won, tied = histogram.count(base_N, self.grid_MN[member], here, there, shift, bins, self.fakes)
        return won / self.pairs, (won + tied) / self.pairs

    def exact(self, base_N: Grid, move: Move) -> float:
        """Return the AUC of a move."""
        if not self.compiled:
            return auc(self.target_N, self.blend(base_N, move))
        from ffdi.blending import histogram

        member, here, there = move
        keys_2N = BUFFER.take(len(base_N)).view(np.uint32).reshape(2, -1)
        twice = histogram.twice_won(base_N, self.grid_MN[member], here, there, self.fakes, keys_2N[0], keys_2N[1])
        return twice / (2 * self.pairs)

    def _each(self, items: Iterable[Item], work: Callable[[Item], Result]) -> list[Result]:
        return [work(item) for item in items] if self.threads is None else list(self.threads.map(work, items))


def first_best(bounds: Sequence[Bounds], exact: Callable[[list[int]], Sequence[float]]) -> int:
    """Return the first place of the highest value. `exact` is asked only for places that the bounds leave open."""
    highest_low = max(low for low, _ in bounds)
    places = [place for place, (_, high) in enumerate(bounds) if high >= highest_low]
    places.sort(key=lambda place: -bounds[place][1])  # the most promising first: its value closes most others
    if len(places) == 1:
        return places[0]
    won, value, cores = -1, -1.0, os.cpu_count() or 1
    while places and bounds[places[0]][1] >= value:
        now, places = places[:cores], places[cores:]
        asked = [place for place in now if bounds[place][0] < bounds[place][1]]
        known = dict(zip(asked, exact(asked), strict=True))
        for place in now:
            mine = known.get(place, bounds[place][0])
            if mine > value or (mine == value and place < won):
                won, value = place, mine
    return won
