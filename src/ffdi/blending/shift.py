"""Measure the cost of unseen forgeries: AUC on folds that leave clusters of fakes out whole, against ordinary folds.

Both kinds of folds score the same members, trained under each, on the same images.

Shapes: K folds.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending.features import ranks
from ffdi.blending.oof import Team, read_team
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core import checksum
from ffdi.core.errors import FfdiError
from ffdi.core.layout import Workspace
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Interval, logit_interval, tail
from ffdi.training.job import FoldJob, plan

CLUSTER = "cluster"  # the scheme of folds that leaves clusters out
NOT_KNOWN = "How much unseen forgeries cost is not known: "
REMEDY = f'to measure it, train the same members in a recipe that says folds.scheme = "{CLUSTER}".'
MARGIN = 1e-6  # from 0 and 1, where an AUC has no logit


@dataclass(frozen=True)
class Shift:
    """`cost`: AUC lost where clusters are left out whole (95 %), None if not measured. `why`: a sentence or two."""

    cost: Interval | None
    why: str


def measure(recipe: Recipe, competition: Competition, manifest: pd.DataFrame, places: Workspace, team: Team) -> Shift:
    """Return the cost by the runs that are finished under folds of clusters. Damaged or stale runs are only named."""
    if recipe.folds.scheme == CLUSTER:
        return Shift(None, "Whole clusters of fakes were held out, so this forecasts forgeries of unseen kinds.")
    path = places.folds(CLUSTER)
    if not path.exists():
        return Shift(None, f"{NOT_KNOWN}no folds that leave clusters out are here; {REMEDY}")
    try:
        jobs = _finished(cluster_jobs(recipe, competition, manifest, places), team)
        if not jobs:
            return Shift(None, f"{NOT_KNOWN}no member is finished under folds that leave clusters out; {REMEDY}")
        return compare(team, read_team(jobs))
    except FfdiError as error:
        return Shift(None, f"{NOT_KNOWN}{error}")


def compare(ordinary: Team, clustered: Team) -> Shift:
    """Return the cost from the same members under ordinary folds and under folds of clusters.

    The equal-weight rank mean is scored inside every fold of clusters. There are few clusters, not few images, so the
    interval is Student's over those folds.
    """
    names = [member.name for member in clustered.members]
    mine = _scored(ordinary, names).rename(columns={"score": "ordinary"}).drop(columns="fold")
    both = mine.merge(_scored(clustered, names).drop(columns="target"), on="id")
    folds = [fold for _, fold in both.groupby("fold") if fold["target"].nunique() == 2]
    if len(folds) < 2:
        return Shift(None, f"{NOT_KNOWN}fewer than two folds of clusters hold both classes.")
    auc_K2 = np.array([[auc(fold["target"], fold[name]) for name in ("ordinary", "score")] for fold in folds])
    cost = _student(auc_K2[:, 0] - auc_K2[:, 1])
    before, after = auc_K2.mean(axis=0)
    return Shift(
        cost,
        f"Where clusters of fakes are left out whole, {' and '.join(names)} together reach {after:.4f} instead of "
        f"{before:.4f}: unseen forgeries cost {cost.value:.4f} (95 %: {cost.low:+.4f} to {cost.high:+.4f}, over "
        f"{len(folds)} folds). Lower limits for a board of unseen kinds are widened by that.",
    )


def lower_limit(span: Interval, cost: Interval, level: float) -> float:
    """Return the lower limit of `span` on a board that holds only unseen kinds; never above its own."""
    value = min(max(span.value - cost.value, MARGIN), 1 - MARGIN)
    return min(span.low, logit_interval(value, math.hypot(span.se, cost.se), level).low)


def cluster_jobs(recipe: Recipe, competition: Competition, manifest: pd.DataFrame, places: Workspace) -> list[FoldJob]:
    """Return the jobs of the recipe's members, had it asked for folds of clusters."""
    table = checksum.read_table(places.folds(CLUSTER))
    folds = recipe.folds.model_copy(update={"scheme": CLUSTER, "k": int(table["fold"].max()) + 1})
    other = recipe.model_copy(update={"folds": folds})
    return plan(other, competition, manifest, table, Path(), places)


def _finished(jobs: list[FoldJob], team: Team) -> list[FoldJob]:
    """Return the jobs of members that held rows out under both kinds of folds and have no fold left to train."""
    held = {member.name for member in team.members_with_oof}
    waiting = {job.member.name for job in jobs if not (job.folder / "done.json").exists()}
    return [job for job in jobs if job.member.name in held - waiting and not job.member.refit_full]


def _scored(team: Team, names: list[str]) -> pd.DataFrame:
    """Return id, target, fold and the mean of the members' ranks inside folds as score."""
    logits_MN = np.array([member.oof_N for member in team.members if member.name in names])
    score_N = ranks(logits_MN, team.oof["fold"].to_numpy(np.int64)).mean(axis=0)
    return team.oof[["id", "target", "fold"]].assign(score=score_N)


def _student(cost_K: np.ndarray) -> Interval:
    from scipy.special import stdtrit  # late: it would delay the start of every verb

    value, se = float(cost_K.mean()), float(cost_K.std(ddof=1)) / math.sqrt(len(cost_K))
    half = float(stdtrit(len(cost_K) - 1, 1 - tail(0.95))) * se
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0), se)
