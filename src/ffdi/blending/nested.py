"""The honest table: what each method is worth with weights fitted to the other outer parts.

In-sample, fitted weights look too good: on 40 similar members and 1,500 rows greedy weights showed .8118, was worth
.7973 nested, and equal weights .8086 (own simulation, 8 repeats). Outer parts hold groups of near-duplicates whole, so
no row is scored by weights that were fitted to a near-copy of it.

Shapes: M members, H of them with out-of-fold rows, N rows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.blending.methods import METHODS, Array, Folds, Method, combine
from ffdi.blending.oof import Team, canonical
from ffdi.blending.weights import Target
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Placements, auc_interval, gain_interval, group_numbers, placements
from ffdi.metrics.ranks import rank_within

PARTS = 5  # outer parts if the folds cannot be used
BASELINE = "rank_mean"  # equal weights, nothing fitted
AUTO = "auto"  # the row of the choice itself, made anew for every outer part
Choose = Callable[[Mapping[str, Placements]], str]


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


@dataclass(frozen=True)
class NestedTable:
    """`choice`: the method that the rule picks. By method, and for "auto" the choice itself: nested ranks inside folds,
    their placements, and the AUC with weights fitted to all rows."""

    choice: str
    scores: dict[str, Array]
    placements: dict[str, Placements]
    in_sample: dict[str, float]


@dataclass(frozen=True)
class NestedCV:
    """Weights of one method by the parts that they are not fitted to; each is fitted once.

    Features are made beforehand: ranks inside a fold depend on no other fold.
    """

    method: Method
    rows: OofRows
    features_MN: Array
    fitted: dict[frozenset[int], Array] = field(default_factory=dict)

    def weights(self, *left_out: int) -> Array:
        """Return weights fitted to all rows outside these parts."""
        parts = frozenset(left_out if self.method.fits != "nothing" else ())
        if parts not in self.fitted:
            rows_N = ~np.isin(self.rows.part_N, list(parts))
            self.fitted[parts] = self.method.weigh(self.features_MN[:, rows_N], self.rows.target_N[rows_N])
        return self.fitted[parts]

    def nested(self, *left_out: int) -> Array:
        """Return ranks inside folds of the blend in which the weights of no part were fitted to it or to `left_out`.

        NaN for rows of `left_out` and for rows without any weights.
        """
        score_N = np.full(len(self.rows.part_N), np.nan)
        for part in self.rows.parts(*left_out):
            inside_N = self.rows.part_N == part
            score_N[inside_N] = combine(self.features_MN[:, inside_N], self.weights(part, *left_out))
        return _ranked(score_N, self.rows.fold_N)


def nested_table(rows: OofRows, choose: Choose, methods: Mapping[str, Method] = METHODS) -> NestedTable:
    """Score every method nested over the outer parts.

    Args:
        rows: the out-of-fold rows.
        choose: the rule that picks a method by its placements.
        methods: the candidates, the baseline among them.
    """
    features = {one.features: one.features(rows.logits_HN, rows.fold_N) for one in methods.values()}
    cvs = {name: NestedCV(method, rows, features[method.features]) for name, method in methods.items()}
    scores = {name: cv.nested() for name, cv in cvs.items()}
    fitted = {name: _ranked(combine(cv.features_MN, cv.weights()), rows.fold_N) for name, cv in cvs.items()}
    in_sample = {name: auc(rows.target_N, score_N) for name, score_N in fitted.items()}
    placed = {name: rows.placements(score_N) for name, score_N in scores.items()}
    choice = choose(placed)
    scores[AUTO] = _chosen_anew(cvs, scores, choose)
    placed[AUTO], in_sample[AUTO] = rows.placements(scores[AUTO]), in_sample[choice]
    return NestedTable(choice, scores, placed, in_sample)


def _chosen_anew(cvs: Mapping[str, NestedCV], scores: Mapping[str, Array], choose: Choose) -> Array:
    """Return nested ranks of the choice itself: for each outer part it is made on the other parts alone."""
    rows = next(iter(cvs.values())).rows
    score_N = np.full(len(rows.part_N), np.nan)
    for part in rows.parts():
        name, others = BASELINE, rows.parts(part)
        if others and not any(rows.lacks_class(part, other) for other in others):
            name = choose({name: rows.placements(cv.nested(part)) for name, cv in cvs.items()})
        inside_N = rows.part_N == part
        score_N[inside_N] = scores[name][inside_N]
    return _ranked(score_N, rows.fold_N)


def _ranked(score_N: Array, fold_N: Folds) -> Array:
    """Return ranks inside folds of the values that are not NaN."""
    scored_N = ~np.isnan(score_N)
    ranked_N = np.full(len(score_N), np.nan)
    ranked_N[scored_N] = rank_within(score_N[scored_N], fold_N[scored_N])
    return ranked_N


def honest_table(found: NestedTable, row: str) -> pd.DataFrame:
    """Return a row a method: method, in_sample, nested, low, high, optimism, gain, gain_low, gain_high, chosen.

    AUCs are of ranks inside folds; the gain is the nested AUC less that of the baseline. `row` is the chosen one: it
    says what the blend is worth.
    """
    lines = []
    for name, placed in found.placements.items():
        nested, gain = auc_interval(placed), gain_interval(placed - found.placements[BASELINE])
        aucs = {"in_sample": found.in_sample[name], "nested": nested.value, "low": nested.low, "high": nested.high}
        gains = {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
        optimism = found.in_sample[name] - nested.value
        lines.append({"method": name, **aucs, "optimism": optimism, **gains, "chosen": name == row})
    return pd.DataFrame(lines)
