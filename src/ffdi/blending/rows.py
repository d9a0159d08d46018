"""Out-of-fold rows as units of fitting and scoring: their outer parts, targets and groups of near-duplicates.

Shapes: H members with out-of-fold rows, N rows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.blending.methods import Array, Folds, Target
from ffdi.blending.oof import Team, canonical
from ffdi.metrics.delong import Placements, group_numbers, placements

PARTS = 5  # outer parts if the folds cannot be used


@dataclass(frozen=True)
class OofRows:
    """`part_N`: the outer part of a row, left out as a whole by nested weights. `group_N`: numbers from 0 on, or None
    if rows are independent. Members by name, rows by id."""

    names: list[str]
    logits_HN: Array
    fold_N: Folds
    part_N: Folds
    target_N: Target
    group_N: NDArray[np.int64] | None

    def parts(self, *left_out: int) -> list[int]:
        """Return the parts, other than `left_out`, that leave at least one part to fit weights to."""
        left = [part for part in np.unique(self.part_N).tolist() if part not in left_out]
        return left if len(left) > 1 else []

    def lacks_class(self, *left_out: int) -> bool:
        """Return True if the rows outside these parts have fewer than two rows of a class."""
        rest_N = ~np.isin(self.part_N, left_out)
        return bool(min(np.bincount(self.target_N[rest_N], minlength=2)) < 2)

    def placements(self, score_N: Array) -> Placements:
        """Return the placements of the rows that have a score."""
        scored_N = ~np.isnan(score_N)
        group_N = None if self.group_N is None else self.group_N[scored_N]
        return placements(self.target_N[scored_N], score_N[scored_N], group_N)


def gather(team: Team) -> OofRows:
    """Return the out-of-fold rows of a team with at least one member that has some."""
    team = canonical(team)
    members = team.members_with_oof
    return OofRows(
        [member.name for member in members],
        np.array([member.oof_N for member in members]),
        team.oof["fold"].to_numpy(np.int64),
        outer_parts(team.oof),
        team.oof["target"].to_numpy(np.int8),
        group_numbers(team.oof["group"], len(team.oof)) if "group" in team.oof else None,
    )


def outer_parts(rows: pd.DataFrame) -> Folds:
    """Return the outer part of each row: its fold if there are several and each holds its clusters and groups whole.

    Otherwise blocks of rows that belong together are dealt to PARTS parts, the largest first. `rows` has the columns
    fold, and if known group and cluster (-1: in none).
    """
    fold_N = rows["fold"].to_numpy(np.int64)
    group_N = group_numbers(rows.get("group"), len(rows))
    cluster_N = rows["cluster"].to_numpy(np.int64) if "cluster" in rows else np.full(len(rows), -1)
    block_N = np.where(cluster_N >= 0, group_N.max(initial=0) + 1 + cluster_N, group_N)
    block_N, size_B = np.unique(block_N, return_inverse=True, return_counts=True)[1:]
    pairs = np.unique(np.stack([block_N, fold_N]), axis=1)
    if pairs.shape[1] == len(size_B) and len(np.unique(fold_N)) > 1:
        return fold_N
    part_B = np.empty(len(size_B), np.int64)
    part_B[np.argsort(-size_B, kind="stable")] = np.arange(len(size_B)) % PARTS
    return part_B[block_N]
