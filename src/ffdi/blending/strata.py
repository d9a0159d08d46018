"""Held-out rows as a sample of the board: near-duplicates count as one, classes and sources have the board's shares.

Shapes: S candidates, N rows, G groups of near-duplicates, C strata (a class of a source).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.blending.features import Array, Target
from ffdi.core.errors import UserError
from ffdi.metrics.delong import placements

NAMED = 5  # sources listed in a message
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Strata:
    """`stratum_N`: the stratum of each row. `share_C`: share of a stratum in its class on the board; sums to 1 for
    either class."""

    target_N: Target
    group_N: Indices
    stratum_N: Indices
    share_C: Array
    is_fake_C: NDArray[np.bool_]

    @cached_property
    def rows_C(self) -> Array:
        return np.bincount(self.stratum_N, minlength=len(self.share_C)).astype(float)

    @cached_property
    def groups_C(self) -> Array:
        """Return the number of groups with a row in each stratum."""
        pairs = np.unique(self.stratum_N * self.groups + self.group_N)
        return np.bincount(pairs // self.groups, minlength=len(self.share_C)).astype(float)

    @property
    def groups(self) -> int:
        return int(self.group_N.max()) + 1

    @property
    def groups_of_rarer_class(self) -> int:
        return int(min(self.groups_C[self.is_fake_C].sum(), self.groups_C[~self.is_fake_C].sum()))

    def sizes(self, fakes: int, reals: int) -> Indices:
        """Return the rows of each stratum on a board of so many fakes and reals, at least 1 of each stratum there."""
        wanted_C = np.rint(self.share_C * np.where(self.is_fake_C, fakes, reals))
        return np.where(self.share_C > 0, np.maximum(wanted_C, 1), 0).astype(np.int64)


def strata(
    target_N: Target,
    group_N: ArrayLike | None = None,
    source_N: ArrayLike | None = None,
    mix: Mapping[str, float] | None = None,
) -> Strata:
    """Return the strata of the rows.

    Args:
        target_N: 0 or 1.
        group_N: a label that near-duplicates share; None if rows are independent.
        source_N: the source of each row, needed with a mix.
        mix: share by source on the board, the same for either class. Rows of other sources do not count.

    Raises:
        UserError: a source of the mix, or a class, has no rows.
    """
    target_N = np.asarray(target_N)
    group_N = np.arange(len(target_N)) if group_N is None else np.unique(np.asarray(group_N), return_inverse=True)[1]
    source_N = np.zeros(len(target_N), np.int64) if not mix else _codes(np.asarray(source_N).astype(str), sorted(mix))
    weight_C = np.repeat([*(mix[name] for name in sorted(mix)), 0.0] if mix else [1.0], 2)
    stratum_N = 2 * source_N + (target_N == 1)
    is_fake_C = np.arange(len(weight_C)) % 2 == 1
    present_C = np.bincount(stratum_N, minlength=len(weight_C)) > 0
    return Strata(target_N, group_N, stratum_N, _shares(weight_C * present_C, is_fake_C), is_fake_C)


def _codes(source_N: NDArray[np.str_], names: list[str]) -> Indices:
    """Return the place of each row's source among the names, or their number if it is none of them."""
    known = np.unique(source_N)
    unknown = sorted(set(names) - set(known.tolist()))
    if unknown:
        shown = ", ".join(known[:NAMED]) + (" …" if len(known) > NAMED else "")
        raise UserError(f"board.mix names the source {unknown[0]!r}, of which no row was held out; there are {shown}.")
    return np.where(np.isin(source_N, names), np.searchsorted(names, source_N), len(names))


def _shares(weight_C: Array, is_fake_C: NDArray[np.bool_]) -> Array:
    share_C = np.empty(len(weight_C))
    for inside_C, word in ((is_fake_C, "fake"), (~is_fake_C, "original")):
        total = weight_C[inside_C].sum()
        if not total:
            raise UserError(f"board.mix names no source with {word} images that were held out; add one.")
        share_C[inside_C] = weight_C[inside_C] / total
    return share_C


def influence(score_N: Array, rows: Strata) -> tuple[float, Array]:
    """Return the AUC with the board's shares, and the influence of each row on it.

    Summed over independent groups, influences have mean 0, and their squares add up to the variance of the AUC:
    DeLong's for independent rows, Obuchowski's (1997) for rows in groups.
    """
    fake_N = rows.target_N == 1
    weight_N = (rows.share_C / np.maximum(rows.rows_C, 1))[rows.stratum_N]
    placed_N = np.empty(len(score_N))
    if len(rows.share_C) == 2:  # no mix: the exact AUC
        placed = placements(rows.target_N, score_N)
        placed_N[fake_N], placed_N[~fake_N], value = placed.fakes_P, placed.reals_R, placed.value
    else:
        placed_N[fake_N] = _below(score_N[fake_N], score_N[~fake_N], weight_N[~fake_N])
        placed_N[~fake_N] = 1 - _below(score_N[~fake_N], score_N[fake_N], weight_N[fake_N])
        value = float(weight_N[fake_N] @ placed_N[fake_N])
    mean_C = np.bincount(rows.stratum_N, placed_N, len(rows.share_C)) / np.maximum(rows.rows_C, 1)
    known_C = np.maximum(rows.groups_C, 2)  # n / (n - 1): the mean was taken from the same groups
    factor_N = weight_N * np.sqrt(known_C / (known_C - 1))[rows.stratum_N]
    return value, factor_N * (placed_N - mean_C[rows.stratum_N])


def _below(score_N: Array, others_M: Array, weight_M: Array) -> Array:
    """Return the weight of the others below each score; ties count one half."""
    order = others_M.argsort()
    sums = np.concatenate([[0.0], weight_M[order].cumsum()])
    left, right = (np.searchsorted(others_M[order], score_N, side) for side in ("left", "right"))
    return (sums[left] + sums[right]) / 2


def covariance(influence_SN: Array, rows: Strata, sizes_C: Indices | None = None) -> Array:
    """Return the covariance [S, S] of the AUCs over the held-out rows, or over boards of `sizes_C` rows a stratum.

    A board takes groups whole as long as it wants rows of all their strata, so two rows of one group meet there as
    often as the rarer wanted of the two.
    """
    if sizes_C is None:
        sums_SG = _by_group(influence_SN, rows)
        return sums_SG @ sums_SG.T
    scale_C = rows.rows_C / np.maximum(sizes_C, 1)
    found_SS, before = np.zeros((len(influence_SN), len(influence_SN))), 0.0
    for scale in np.unique(scale_C[sizes_C > 0]):
        sums_SG = _by_group(influence_SN * (scale_C >= scale)[rows.stratum_N], rows)
        found_SS += (scale - before) * (sums_SG @ sums_SG.T)
        before = scale
    return found_SS


def _by_group(values_SN: Array, rows: Strata) -> Array:
    if rows.groups == values_SN.shape[1]:
        return values_SN
    return np.stack([np.bincount(rows.group_N, values_N, rows.groups) for values_N in values_SN])
