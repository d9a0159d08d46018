"""The whole verb as one function: finished runs in, blend and card out; it writes and prints nothing."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.base.paths import Places
from ffdi.blend.apply import BLEND, Blended, apply
from ffdi.blend.budget import Budget, budget, parameters
from ffdi.blend.card import card, tables
from ffdi.blend.choice import Choice, decide
from ffdi.blend.forecast import Forecast, forecast
from ffdi.blend.members import Team, canonical, read_team, read_views
from ffdi.blend.views import MemberViews
from ffdi.blend.views import judge as judge_views
from ffdi.data import manifest as manifests
from ffdi.data.job import plan
from ffdi.score.auc import auc
from ffdi.spec.competition import Board, Competition
from ffdi.spec.recipe import Recipe

ALONE = 3  # members that the forecast looks at by themselves
COLUMNS = {"id", "split", "relpath", "target", "fold", "imputed", BLEND}  # what a member may not be called


@dataclass(frozen=True)
class BlendResult:
    """`members` and `folds` are the tables of `card.tables`; `choice` says which method blends and why.

    `outlook`: what the board may show, None if no row was held out or its size is not known. `views`: what the views
    of each member buy, of those that held rows out under more than one. `budget`: how many members it takes.

    `submission`: id column and prediction column, float64 in [0, 1], in the order of the competition's own list.
    `reference`: mean logit by test id, with which a submission that is not turned round correlates.
    """

    card: dict[str, Any]
    members: pd.DataFrame
    folds: pd.DataFrame
    choice: Choice
    outlook: Forecast | None
    views: tuple[MemberViews, ...]
    budget: Budget | None
    blended: Blended
    submission: pd.DataFrame
    reference: pd.Series
    warnings: tuple[str, ...]


def blend(recipe: Recipe, competition: Competition, places: Places) -> BlendResult:
    """Blend the finished runs of `recipe`. Raises UserError naming the member and fold that is unfinished or stale."""
    taken = sorted(COLUMNS & {member.name for member in recipe.member})
    if taken:
        raise UserError(f"A member may not be called {taken[0]!r}, a column of the blend's tables; rename it.")
    manifest = manifests.read(places)
    fold_path = places.folds(recipe.folds.scheme)
    jobs = plan(recipe, competition, manifest, seal.read_table(fold_path), seal.digest(fold_path), Path(), places)
    team = canonical(read_team(jobs))
    choice = decide(recipe.blend, team)
    blended = _honestly(apply(team, choice.method, recipe.blend.weights), choice)
    outlook = _outlook(recipe.board or competition.board, choice, blended)
    limit = recipe.max_params or competition.max_params
    views = tuple(judge_views(viewed) for viewed in read_views(jobs))
    made = card(recipe, choice, outlook, team, blended, manifests.digest(manifest), seal.digest(fold_path))
    members, folds = tables(made)
    order = manifest["id"][manifest["split"] == "test"]
    return BlendResult(
        card=made,
        members=members,
        folds=folds,
        choice=choice,
        outlook=outlook,
        views=views,
        budget=None if choice.found is None else budget(team, parameters(jobs), limit),
        blended=blended,
        submission=_submission(blended, order, competition),
        reference=_reference(team),
        warnings=_warnings(team, blended),
    )


def _honestly(blended: Blended, choice: Choice) -> Blended:
    """Held-out scores of the blend with weights that the rows scored did not teach; the test keeps those of all."""
    nested_N = choice.nested_N
    return blended if nested_N is None else replace(blended, oof=blended.oof.assign(**{BLEND: nested_N}))


def _outlook(board: Board | None, choice: Choice, blended: Blended) -> Forecast | None:
    """Of the blend, the other methods and the best members by themselves."""
    if board is None or BLEND not in blended.oof:
        return None
    target_N = blended.oof["target"].to_numpy(np.int8)
    scores = {choice.row: blended.oof[BLEND].to_numpy()}
    if choice.found is not None:
        # Of the methods, the best single member stands there under its own name.
        scores |= {name: score_N for name, score_N in choice.found.scores.items() if name != "best_single"}
        alone = {name: blended.oof[name].to_numpy() for name in blended.weights if name in blended.oof}
        best = sorted(alone, key=lambda name: -auc(target_N, alone[name]))[:ALONE]
        scores |= {f"{name} alone": alone[name] for name in best}
    return forecast(scores, target_N, choice.row, board.scaled(len(blended.test)))


def _submission(blended: Blended, order: pd.Series, competition: Competition) -> pd.DataFrame:
    score = blended.test.set_index("id")[BLEND].loc[order]
    return pd.DataFrame({competition.id_column: order.to_numpy(), competition.prediction_column: score.to_numpy()})


def _reference(team: Team) -> pd.Series:
    logits_N = sum(member.test_KT.mean(axis=0) for member in team.members) / len(team.members)
    return pd.Series(logits_N, index=team.test["id"])


def _warnings(team: Team, blended: Blended) -> tuple[str, ...]:
    told = []
    unseen = [member.name for member in team.members if member.oof_N is None]
    if unseen:
        told.append(
            f"{', '.join(unseen)} held no rows out: the OOF scores of the blend are those of the other members."
        )
    imputed = blended.test["id"][blended.test["imputed"].astype(bool)]
    if len(imputed):
        told.append(
            f"{len(imputed)} test images are unreadable, such as {imputed.iloc[0]}; they get the prior, a middle score."
        )
    return tuple(told)
