"""What unseen forgeries cost: AUC on folds that leave clusters of fakes out whole, against ordinary folds.

Both folds judge the same members, each trained under either, on the same images and the same pairs of them.

Shapes: N rows.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending.features import ranks
from ffdi.blending.members import Team, read_team
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
INSIDE = 1e-6  # an AUC this close to 0 or 1 has no logit to speak of


@dataclass(frozen=True)
class Gap:
    """`lost`: AUC that clusters left out whole cost, 95 %, None where it is not measured. `why`: a sentence or two."""

    lost: Interval | None
    why: str


def measure(recipe: Recipe, competition: Competition, manifest: pd.DataFrame, places: Workspace, team: Team) -> Gap:
    """From whatever stands on disk beside the runs of `team`. Damaged or stale runs are named, not fatal."""
    if recipe.folds.scheme == CLUSTER:
        return Gap(
            None, "Whole clusters of fakes were held out, so this is the forecast for forgeries of unseen kinds."
        )
    path = places.folds(CLUSTER)
    if not path.exists():
        return Gap(None, f"{NOT_KNOWN}no folds that leave clusters out are here; {REMEDY}")
    try:
        jobs = _finished(_jobs(recipe, competition, manifest, places, path), team)
        if not jobs:
            return Gap(None, f"{NOT_KNOWN}no member is finished under folds that leave clusters out; {REMEDY}")
        return compare(team, read_team(jobs))
    except FfdiError as error:
        return Gap(None, f"{NOT_KNOWN}{error}")


def compare(ours: Team, theirs: Team) -> Gap:
    """`ours` under ordinary folds, `theirs` the same members, or some of them, under folds of clusters.

    The equal-weight rank mean of both is scored inside every fold of clusters. Clusters, not images, are what there is
    little of, so the interval is Student's over those folds.
    """
    names = [member.name for member in theirs.members]
    mine = _scored(ours, names).rename(columns={"score": "ordinary"}).drop(columns="fold")
    both = mine.merge(_scored(theirs, names).drop(columns="target"), on="id")
    folds = [fold for _, fold in both.groupby("fold") if fold["target"].nunique() == 2]
    if len(folds) < 2:
        return Gap(None, f"{NOT_KNOWN}fewer than two folds of clusters hold both classes.")
    aucs_K2 = np.array([[auc(fold["target"], fold[name]) for name in ("ordinary", "score")] for fold in folds])
    lost = _student(aucs_K2[:, 0] - aucs_K2[:, 1])
    ordinary, cluster = aucs_K2.mean(axis=0)
    cost = (
        f"unseen forgeries cost {lost.value:.4f} (95 %: {lost.low:+.4f} to {lost.high:+.4f}, over {len(folds)} folds)"
    )
    return Gap(
        lost,
        f"Where clusters of fakes are left out whole, {' and '.join(names)} together reach {cluster:.4f} instead of "
        f"{ordinary:.4f}: {cost}. Lower limits for a board of unseen kinds are widened by that.",
    )


def lowest(span: Interval, lost: Interval, level: float) -> float:
    """The lower limit of `span` for a board that holds nothing but unseen kinds; never above its own."""
    value = min(max(span.value - lost.value, INSIDE), 1 - INSIDE)
    return min(span.low, logit_interval(value, math.hypot(span.se, lost.se), level).low)


def _jobs(
    recipe: Recipe, competition: Competition, manifest: pd.DataFrame, places: Workspace, path: Path
) -> list[FoldJob]:
    """Of the recipe's members, had it asked for clusters."""
    table = checksum.read_table(path)
    k = int(table["fold"].max()) + 1
    folds = recipe.folds.model_copy(update={"scheme": CLUSTER, "k": k})
    other = recipe.model_copy(update={"folds": folds})
    return plan(other, competition, manifest, table, Path(), places)


def _finished(jobs: list[FoldJob], team: Team) -> list[FoldJob]:
    """Those of members that held rows out under both and have no fold left to do."""
    held = {member.name for member in team.members if member.oof_N is not None}
    waiting = {job.member.name for job in jobs if not (job.folder / "done.json").exists()}
    return [job for job in jobs if job.member.name in held - waiting and not job.member.refit_full]


def _scored(team: Team, names: list[str]) -> pd.DataFrame:
    """id, target, fold, score: the mean of the members' ranks inside folds."""
    logits_MN = np.array([member.oof_N for member in team.members if member.name in names])
    score_N = ranks(logits_MN, team.oof["fold"].to_numpy(np.int64)).mean(axis=0)
    return team.oof[["id", "target", "fold"]].assign(score=score_N)


def _student(gaps_K: np.ndarray) -> Interval:
    from scipy.special import stdtrit  # here, as it would delay the start of every verb

    value, se = float(gaps_K.mean()), float(gaps_K.std(ddof=1)) / math.sqrt(len(gaps_K))
    half = float(stdtrit(len(gaps_K) - 1, 1 - tail(0.95))) * se
    return Interval(value, max(value - half, -1.0), min(value + half, 1.0), se)
