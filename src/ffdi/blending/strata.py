"""Held-out rows as a sample of the board: near-duplicates stay together, classes and sources have the board's shares.

Shapes: S candidates, N rows, G groups of near-duplicates, C strata (a class of a source).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.blending.features import Array
from ffdi.blending.weights import Target
from ffdi.core.errors import UserError
from ffdi.metrics.delong import placements

NAMED = 5  # sources spelled out in a message
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Strata:
    """`stratum_N`: of each row. `share_C`: of a stratum in its class on the board; either class sums to 1."""

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
        """Groups with a row in the stratum."""
        pairs = np.unique(self.stratum_N * self.groups + self.group_N)
        return np.bincount(pairs // self.groups, minlength=len(self.share_C)).astype(float)

    @property
    def groups(self) -> int:
        return int(self.group_N.max()) + 1

    @property
    def fewest(self) -> int:
        """Groups of the rarer class."""
        return int(min(self.groups_C[self.is_fake_C].sum(), self.groups_C[~self.is_fake_C].sum()))

    @property
    def mixed(self) -> bool:
        """Whether sources count otherwise than they stand among the rows."""
        return len(self.share_C) > 2

    def sizes(self, fakes: int, reals: int) -> Indices:
        """Rows of each stratum on a board of so many fakes and reals; one at least of each that is there."""
        wanted_C = np.rint(self.share_C * np.where(self.is_fake_C, fakes, reals))
        return np.where(self.share_C > 0, np.maximum(wanted_C, 1), 0).astype(np.int64)


def strata(
    target_N: Target,
    group_N: ArrayLike | None = None,
    source_N: ArrayLike | None = None,
    mix: Mapping[str, float] | None = None,
) -> Strata:
    """`group_N`: any label that near-duplicates share; None: every row stands alone. `mix`: share by source.

    Sources have the shares of the mix in either class, as far as they are in it; rows of other sources count nothing.
    Raises UserError for a source, or a class, without rows.
    """
    target_N = np.asarray(target_N)
    group_N = np.arange(len(target_N)) if group_N is None else np.unique(np.asarray(group_N), return_inverse=True)[1]
    source_N = np.zeros(len(target_N), np.int64) if not mix else _codes(np.asarray(source_N).astype(str), sorted(mix))
    weight_C = np.repeat([*(mix[name] for name in sorted(mix)), 0.0] if mix else [1.0], 2)
    stratum_N = 2 * source_N + (target_N == 1)
    is_fake_C = np.arange(len(weight_C)) % 2 == 1
    there_C = np.bincount(stratum_N, minlength=len(weight_C)) > 0
    return Strata(target_N, group_N, stratum_N, _shares(weight_C * there_C, is_fake_C), is_fake_C)


def _codes(source_N: NDArray[np.str_], names: list[str]) -> Indices:
    """The place of each row's source among the names; behind the last where it is none of them."""
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


def pulls(score_N: Array, rows: Strata) -> tuple[float, Array]:
    """AUC on the board's shares, and by how much each row pulls it away from its expectation.

    The pulls of independent groups, each summed over the group, have a mean of 0, and their squares add up to the
    variance of the AUC: DeLong's where every row stands alone, Obuchowski's (1997) for rows in groups.
    """
    fake_N = rows.target_N == 1
    weight_N = (rows.share_C / np.maximum(rows.rows_C, 1))[rows.stratum_N]
    placed_N = np.empty(len(score_N))
    if rows.mixed:
        placed_N[fake_N] = _below(score_N[fake_N], score_N[~fake_N], weight_N[~fake_N])
        placed_N[~fake_N] = 1 - _below(score_N[~fake_N], score_N[fake_N], weight_N[fake_N])
        value = float(weight_N[fake_N] @ placed_N[fake_N])
    else:
        placed = placements(rows.target_N, score_N)
        placed_N[fake_N], placed_N[~fake_N] = placed.fakes_P, placed.reals_R
        value = placed.value
    mean_C = np.bincount(rows.stratum_N, placed_N, len(rows.share_C)) / np.maximum(rows.rows_C, 1)
    # As in n - 1: a mean that was taken from the same groups lies too near to them.
    known_C = np.maximum(rows.groups_C, 2)
    factor_N = weight_N * np.sqrt(known_C / (known_C - 1))[rows.stratum_N]
    return value, factor_N * (placed_N - mean_C[rows.stratum_N])


def _below(score_N: Array, others_M: Array, weight_M: Array) -> Array:
    """Weight of the others below each score; ties count one half."""
    order = others_M.argsort()
    sums = np.concatenate([[0.0], weight_M[order].cumsum()])
    left, right = (np.searchsorted(others_M[order], score_N, side) for side in ("left", "right"))
    return (sums[left] + sums[right]) / 2


def covariance(pulls_SN: Array, rows: Strata, sizes_C: Indices | None = None) -> Array:
    """Of the candidates' AUCs [S, S]: over the held-out rows, or over boards with `sizes_C` rows of each stratum.

    A board takes groups whole as long as it wants rows of all their strata: two rows of one group meet there as often
    as the rarer wanted of the two lets them.
    """
    if sizes_C is None:
        sums_SG = _by_group(pulls_SN, rows)
        return sums_SG @ sums_SG.T
    scale_C = rows.rows_C / np.maximum(sizes_C, 1)
    found_SS, before = np.zeros((len(pulls_SN), len(pulls_SN))), 0.0
    for scale in np.unique(scale_C[sizes_C > 0]):
        sums_SG = _by_group(pulls_SN * (scale_C >= scale)[rows.stratum_N], rows)
        found_SS += (scale - before) * (sums_SG @ sums_SG.T)
        before = scale
    return found_SS


def _by_group(values_SN: Array, rows: Strata) -> Array:
    if rows.groups == values_SN.shape[1]:
        return values_SN
    return np.stack([np.bincount(rows.group_N, values_N, rows.groups) for values_N in values_SN])


class Draws:
    """Boards drawn from the rows: groups whole, until each stratum has what it wants."""

    def __init__(self, rows: Strata) -> None:
        self.rows = rows
        self.order_N = rows.group_N.argsort(kind="stable")
        self.size_G = np.bincount(rows.group_N)
        self.begin_G = self.size_G.cumsum() - self.size_G

    def again(self, generator: np.random.Generator) -> Indices:
        """Groups, drawn with replacement until every stratum of the board is among them."""
        wanted_C = self.rows.share_C > 0
        while True:
            groups = generator.integers(0, self.rows.groups, self.rows.groups)
            counts_C = np.bincount(self.rows.stratum_N[self._expand(groups)], minlength=len(wanted_C))
            if (counts_C[wanted_C] > 0).all():
                return groups

    def board(self, groups: Indices, sizes_C: Indices, generator: np.random.Generator) -> Indices:
        """Rows of a board with so many of each stratum, from whole groups among `groups`."""
        wanted_C = sizes_C > 0
        have_C = np.bincount(self.rows.stratum_N[self._expand(groups)], minlength=len(sizes_C))
        need = math.ceil(1.2 * len(groups) * (sizes_C[wanted_C] / have_C[wanted_C]).max()) + 8
        drawn = np.empty(0, np.int64)
        while True:
            drawn = np.concatenate([drawn, groups[generator.integers(0, len(groups), need)]])
            rows_R = self._expand(drawn)
            stratum_R = self.rows.stratum_N[rows_R]
            if (np.bincount(stratum_R, minlength=len(sizes_C)) >= sizes_C).all():
                firsts = [rows_R[stratum_R == code][:size] for code, size in enumerate(sizes_C) if size]
                return np.concatenate(firsts)

    def _expand(self, groups: Indices) -> Indices:
        """The rows of these groups, group after group."""
        size = self.size_G[groups]
        inside = np.arange(size.sum()) - np.repeat(size.cumsum() - size, size)
        return self.order_N[np.repeat(self.begin_G[groups], size) + inside]
