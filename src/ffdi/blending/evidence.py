"""The rows that tell members apart, which of them weights may learn from, and which are left out together.

A row that a fold model held out has one logit a member; a validation row was held out by all fold models and has the
mean of their features. Ranks are made for each model file by itself: inside its fold, and before that mean. So a
member trained again with another seed is another member, with ranks of its own.

Shapes: H members that held rows out, N rows: out-of-fold rows first, then readable validation rows with a label.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.blending.features import Array, Folds
from ffdi.blending.members import Team, canonical
from ffdi.blending.methods import Method, over_models
from ffdi.blending.weights import Target
from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Interval, Placements, placements

PARTS = 5  # outer parts where the folds cannot be
VAL = -1  # the fold, and the outer part, of validation rows


@dataclass(frozen=True)
class HeldOut:
    """Members that held rows out, and their logits there."""

    names: list[str]
    logits_HN: Array


@dataclass(frozen=True)
class Evidence:
    """`oof`: how many of the rows are out-of-fold. `part_N`: rows that weights forget together. `learns_N`: whether
    weights may learn from a row at all. `group_N`: 0, 1, ... of the out-of-fold rows, None if they are not grouped."""

    held: HeldOut
    val_HKN: list[Array]
    oof: int
    fold_N: Folds
    part_N: Folds
    target_N: Target
    learns_N: NDArray[np.bool_]
    group_N: NDArray[np.int64] | None

    def features(self, method: Method) -> Array:
        """[H, N]"""
        oof_HN = method.features(self.held.logits_HN, self.fold_N[: self.oof])
        if self.oof == len(self.fold_N):
            return oof_HN
        return np.hstack([oof_HN, [over_models(method, logits_KN) for logits_KN in self.val_HKN]])

    def thinned(self, most: int) -> tuple["Evidence", NDArray[np.bool_]]:
        """About so many out-of-fold rows in whole groups, and all validation rows; and which rows these are."""
        group_N = np.arange(self.oof) if self.group_N is None else self.group_N
        drawn_G = rng("thinned", most).random(int(group_N.max(initial=0)) + 1) * self.oof < most
        kept_N = np.append(drawn_G[group_N], np.ones(len(self.fold_N) - self.oof, bool))
        held = HeldOut(self.held.names, self.held.logits_HN[:, kept_N[: self.oof]])
        oof = int(drawn_G[group_N].sum())
        fewer = None if self.group_N is None else np.unique(group_N[kept_N[: self.oof]], return_inverse=True)[1]
        kept = Evidence(
            held, self.val_HKN, oof, self.fold_N[kept_N], self.part_N[kept_N], self.target_N[kept_N],
            self.learns_N[kept_N], fewer,
        )  # fmt: skip
        return kept, kept_N

    @property
    def teachers(self) -> frozenset[int]:
        """The parts that weights learn from."""
        return frozenset(np.unique(self.part_N[self.learns_N]).tolist())

    def taught(self, *parts: int) -> list[int]:
        """The parts but these for which others are left to learn from."""
        left = self.teachers - set(parts)
        return [part for part in np.unique(self.part_N).tolist() if part not in parts and left - {part}]

    def enough(self, *parts: int) -> bool:
        """Whether, without these parts, others can be judged by weights that still others teach."""
        taught = [part for part in self.taught(*parts) if part != VAL]
        rests = [self.learns_N & ~np.isin(self.part_N, [part, *parts]) for part in taught]
        rests.append(np.isin(self.part_N, taught))
        return len(taught) > 0 and all(min(np.bincount(self.target_N[rest_N], minlength=2)) > 1 for rest_N in rests)

    def auc(self, score_N: Array) -> float:
        """Of the out-of-fold rows."""
        return auc(self.target_N[: self.oof], score_N[: self.oof])

    def auc_val(self, score_N: Array) -> float | None:
        target_N, score_N = self.target_N[self.oof :], score_N[self.oof :]
        return None if np.isnan(score_N).any() or len(np.unique(target_N)) < 2 else auc(target_N, score_N)

    def placed(self, score_N: Array) -> Placements:
        """Of the out-of-fold rows that have a score."""
        scored_N = ~np.isnan(score_N[: self.oof])
        group_N = None if self.group_N is None else self.group_N[scored_N]
        return placements(self.target_N[: self.oof][scored_N], score_N[: self.oof][scored_N], group_N)

    def drawn(self, mine_N: Array, theirs_N: Array, level: float) -> Interval:
        """Of the gain on the out-of-fold rows."""
        from ffdi.metrics.bootstrap import bootstrap  # compiled

        rows = slice(self.oof)
        return bootstrap(self.target_N[rows], mine_N[rows], theirs_N[rows], self.group_N, level)


def held_out(team: Team) -> HeldOut:
    found = {member.name: member.oof_N for member in team.members if member.oof_N is not None}
    return HeldOut(list(found), np.array(list(found.values())))


def gather(team: Team, fit: Collection[str] = ("oof",)) -> Evidence:
    """`fit`: whether weights learn from "oof" rows, "val" rows or both; all are scored. At least one member held rows
    out. Raises UserError if weights are to learn from validation rows and there are none with a label."""
    team = canonical(team)
    held = held_out(team)
    labelled_V = np.zeros(len(team.val), bool)
    if len(team.val):
        labelled_V = (team.val["target"].to_numpy() >= 0) & ~team.val["imputed"].to_numpy(bool)
    if "val" in fit and not labelled_V.any():
        raise UserError(
            'blend.weight_splits names "val", but no validation row with a label is held out; leave "oof" alone.'
        )
    rows, known = len(team.oof), int(labelled_V.sum())
    target_V = team.val["target"].to_numpy(np.int8)[labelled_V] if known else np.empty(0, np.int8)
    return Evidence(
        held,
        [member.val_KV[:, labelled_V] for member in team.members if member.oof_N is not None],
        rows,
        np.append(team.oof["fold"].to_numpy(np.int64), np.full(known, VAL)),
        np.append(outer_parts(team.oof), np.full(known, VAL)),
        np.append(team.oof["target"].to_numpy(np.int8), target_V),
        np.repeat(["oof" in fit, "val" in fit], [rows, known]),
        np.unique(team.oof["group"], return_inverse=True)[1] if "group" in team.oof else None,
    )


def outer_parts(rows: pd.DataFrame) -> Folds:
    """The part of each row: its fold, if there are several and each holds its clusters and near-duplicates whole.

    Else these are dealt, the largest first. `rows`: fold, and as far as known group and cluster (-1: in none).
    """
    fold_N = rows["fold"].to_numpy(np.int64)
    if "group" not in rows:
        return fold_N
    group_N = np.unique(rows["group"], return_inverse=True)[1]
    cluster_N = rows["cluster"].to_numpy(np.int64) if "cluster" in rows else np.full(len(rows), -1)
    block_N = np.where(cluster_N >= 0, group_N.max(initial=0) + 1 + cluster_N, group_N)
    block_N, size_B = np.unique(block_N, return_inverse=True, return_counts=True)[1:]
    pairs = np.unique(np.stack([block_N, fold_N]), axis=1)
    if pairs.shape[1] == len(size_B) and len(np.unique(fold_N)) > 1:
        return fold_N
    part_B = np.empty(len(size_B), np.int64)
    part_B[np.argsort(-size_B, kind="stable")] = np.arange(len(size_B)) % PARTS
    return part_B[block_N]
