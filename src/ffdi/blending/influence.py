"""Held-out rows, the AUC of weighted ones, and its variance on a board of another size.

Shapes: N rows, G groups of near-duplicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.blending.features import Array, Target
from ffdi.metrics.delong import Placements, group_numbers, small_sample


@dataclass(frozen=True)
class Shift:
    """A correction: `value` is added to the logit of an AUC; `se` is its standard error."""

    value: float = 0.0
    se: float = 0.0


NO_SHIFT = Shift()


@dataclass(frozen=True)
class HeldOut:
    """Targets and group numbers, from 0 on, of the held-out rows."""

    target_N: Target
    group_N: NDArray[np.int64]

    @property
    def is_fake_N(self) -> NDArray[np.bool_]:
        return self.target_N == 1


def held_out(target_N: ArrayLike, group_N: ArrayLike | None = None) -> HeldOut:
    """Return the rows; without groups each is independent."""
    targets_N = np.asarray(target_N)
    return HeldOut(targets_N, group_numbers(group_N, len(targets_N)))


def weighted(score_N: Array, rows: HeldOut, weight_N: Array) -> Placements:
    """Return the placements of rows that stand on a board more or less often.

    Args:
        score_N: finite numbers.
        rows: their targets and groups.
        weight_N: how often each row stands there, relative to the others of its class.
    """
    fake_N, placed_N = rows.is_fake_N, np.empty(len(score_N))
    share_N = weight_N / np.bincount(fake_N, weight_N, 2)[fake_N.astype(int)]
    placed_N[fake_N] = _below(score_N[fake_N], score_N[~fake_N], share_N[~fake_N])
    placed_N[~fake_N] = 1 - _below(score_N[~fake_N], score_N[fake_N], share_N[fake_N])
    scale_N = share_N * small_sample(fake_N, rows.group_N)[fake_N.astype(int)]
    return Placements(float(share_N[fake_N] @ placed_N[fake_N]), placed_N, scale_N, fake_N, rows.group_N)


def board_variance(placed: Placements, size: tuple[int, int]) -> float:
    """Return the variance of the AUC over boards of `size` (originals, fakes).

    A board takes groups whole as long as it wants rows of both classes, so two rows of one group meet there as often
    as the rarer wanted of the two.
    """
    fake_N, influence_N = placed.is_fake_N, placed.influence()
    ratio = np.bincount(fake_N, minlength=2) / np.maximum(size, 1)
    low, high = sorted(ratio)
    alone_N = influence_N * (fake_N == int(np.argmax(ratio)))
    return low * placed.variance(influence_N) + (high - low) * placed.variance(alone_N)


def _below(score_N: Array, others_M: Array, share_M: Array) -> Array:
    """Return the share of the others below each score; ties count one half."""
    order = others_M.argsort()
    sums = np.concatenate([[0.0], share_M[order].cumsum()])
    left, right = (np.searchsorted(others_M[order], score_N, side) for side in ("left", "right"))
    return (sums[left] + sums[right]) / 2
