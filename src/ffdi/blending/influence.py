"""The AUC of held-out rows and what each row adds to its variance, also on a board of another size.

Influences have mean 0; their squares, summed over independent groups, add up to the variance of the AUC: DeLong's for
independent rows, Obuchowski's (1997) for rows in groups.

Shapes: N rows, G groups of near-duplicates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.blending.features import Array, Target
from ffdi.metrics.delong import placements

Mask = NDArray[np.bool_]


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
    def groups(self) -> int:
        return int(self.group_N.max()) + 1

    @property
    def is_fake_N(self) -> Mask:
        return self.target_N == 1

    @property
    def groups_by_class(self) -> tuple[int, int]:
        """Return how many groups hold (an original, a fake)."""
        return len(np.unique(self.group_N[~self.is_fake_N])), len(np.unique(self.group_N[self.is_fake_N]))


def held_out(target_N: ArrayLike, group_N: ArrayLike | None = None) -> HeldOut:
    """Return the rows; without groups each is independent."""
    targets_N = np.asarray(target_N)
    codes_N = np.arange(len(targets_N)) if group_N is None else np.unique(np.asarray(group_N), return_inverse=True)[1]
    return HeldOut(targets_N, codes_N)


def influence(score_N: Array, rows: HeldOut, weight_N: Array | None = None) -> tuple[float, Array]:
    """Return the AUC and the influence of each row on it.

    Args:
        score_N: finite numbers.
        rows: their targets and groups.
        weight_N: how often each row stands on the board, relative to the others of its class; None: alike.
    """
    fake_N, placed_N = rows.is_fake_N, np.empty(len(score_N))
    each_N = np.ones(len(score_N)) if weight_N is None else weight_N
    shares_N = each_N / np.bincount(fake_N, each_N, 2)[fake_N.astype(int)]  # sum 1 in each class
    if weight_N is None:
        placed = placements(rows.target_N, score_N)
        placed_N[fake_N], placed_N[~fake_N], value = placed.fakes_P, placed.reals_R, placed.value
    else:
        placed_N[fake_N] = _below(score_N[fake_N], score_N[~fake_N], shares_N[~fake_N])
        placed_N[~fake_N] = 1 - _below(score_N[~fake_N], score_N[fake_N], shares_N[fake_N])
        value = float(shares_N[fake_N] @ placed_N[fake_N])
    known = np.maximum(rows.groups_by_class, 2)  # n / (n - 1): the mean was taken from the same groups
    return value, shares_N * np.sqrt(known / (known - 1))[fake_N.astype(int)] * (placed_N - value)


def variance(influence_N: Array, rows: HeldOut, size: tuple[int, int] | None = None) -> float:
    """Return the variance of the AUC over the held-out rows, or over boards of `size` (originals, fakes).

    A board takes groups whole as long as it wants rows of both classes, so two rows of one group meet there as often
    as the rarer wanted of the two.

    Args:
        influence_N: from `influence`.
        rows: the held-out rows.
        size: of the board.
    """
    if size is None:
        return _squares(influence_N, rows)
    ratio = np.bincount(rows.is_fake_N, minlength=2) / np.maximum(size, 1)
    wider_N = rows.is_fake_N == int(np.argmax(ratio))
    low, high = sorted(ratio)
    return low * _squares(influence_N, rows) + (high - low) * _squares(influence_N * wider_N, rows)


def _below(score_N: Array, others_M: Array, share_M: Array) -> Array:
    """Return the share of the others below each score; ties count one half."""
    order = others_M.argsort()
    sums = np.concatenate([[0.0], share_M[order].cumsum()])
    left, right = (np.searchsorted(others_M[order], score_N, side) for side in ("left", "right"))
    return (sums[left] + sums[right]) / 2


def _squares(influence_N: Array, rows: HeldOut) -> float:
    return float((np.bincount(rows.group_N, influence_N) ** 2).sum())
