"""Ranks with ties averaged. AUC depends on nothing else.

Shapes: N values, G runs of equal values.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ffdi.core.errors import UserError
from ffdi.metrics.sorting import BLOCK, ascend


def midrank(values: ArrayLike) -> NDArray[np.float64]:
    """Return the rank of each of N values from 1 on; equal values share the mean of their ranks, a multiple of 1/2."""
    in_order = ascend(values, reuse=True)
    length = len(in_order.order_N)
    rank_N = np.empty(length)
    if in_order.many_ties:
        starts_G = in_order.starts_G
        sizes_G = np.diff(starts_G, append=length)
        rank_N[in_order.order_N] = np.repeat(starts_G + (sizes_G + 1) / 2, sizes_G)
        return rank_N
    for start in range(0, length, BLOCK):
        stop = min(start + BLOCK, length)
        rank_N[in_order.order_N[start:stop]] = np.arange(start + 1.0, stop + 1)
    places_T = in_order.tied_T
    if len(places_T):
        starts_G = np.flatnonzero(in_order.first_N[places_T])
        sizes_G = np.diff(starts_G, append=len(places_T))
        rank_N[in_order.order_N[places_T]] = np.repeat(places_T[starts_G] + (sizes_G + 1) / 2, sizes_G)
    return rank_N


def rank(values: ArrayLike) -> NDArray[np.float64]:
    """Return (midrank - 1/2) / N: strictly inside (0, 1), with mean 1/2; it mirrors when the values change sign."""
    rank_N = midrank(values)
    rank_N -= 0.5
    rank_N /= len(rank_N)
    return rank_N


def rank_within(values: ArrayLike, groups: ArrayLike) -> NDArray[np.float64]:
    """Return ranks in (0, 1) inside each group, so that groups scored on different scales can be pooled.

    Args:
        values: N finite numbers.
        groups: N labels, such as the fold that held each row out.
    """
    values_N, groups_N = np.asarray(values), np.asarray(groups)
    if values_N.shape != groups_N.shape:
        raise UserError(f"Scores {values_N.shape} and groups {groups_N.shape} must be of one length.")
    _, codes_N, sizes = np.unique(groups_N, return_inverse=True, return_counts=True)
    by_group_N = np.argsort(codes_N, kind="stable")
    rank_N = np.empty(len(values_N))
    for rows in np.split(by_group_N, np.cumsum(sizes)[:-1]):
        rank_N[rows] = rank(values_N[rows])
    return rank_N
