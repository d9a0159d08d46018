"""The whole verb as one function: finished runs in, blend and card out; it writes and prints nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.base.paths import Places
from ffdi.blend.apply import BLEND, Blended, apply
from ffdi.blend.card import card, tables
from ffdi.blend.members import Team, read_team
from ffdi.blend.methods import METHODS
from ffdi.data import manifest as manifests
from ffdi.data.job import plan
from ffdi.spec.competition import Competition
from ffdi.spec.recipe import Recipe

COLUMNS = {"id", "split", "relpath", "target", "fold", "imputed", BLEND}  # what a member may not be called


@dataclass(frozen=True)
class BlendResult:
    """`members` and `folds` are the tables of `card.tables`.

    `submission`: id column and prediction column, float64 in [0, 1], in the order of the competition's own list.
    `reference`: mean logit by test id, with which a submission that is not turned round correlates.
    """

    card: dict[str, Any]
    members: pd.DataFrame
    folds: pd.DataFrame
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
    team = read_team(jobs)
    method = METHODS[recipe.blend.method]
    blended = apply(team, method, recipe.blend.weights)
    made = card(recipe, method, team, blended, manifests.digest(manifest), seal.digest(fold_path))
    members, folds = tables(made)
    order = manifest["id"][manifest["split"] == "test"]
    return BlendResult(
        card=made,
        members=members,
        folds=folds,
        blended=blended,
        submission=_submission(blended, order, competition),
        reference=_reference(team),
        warnings=_warnings(team, blended),
    )


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
