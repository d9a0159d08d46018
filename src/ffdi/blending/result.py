"""`ffdi blend` as one function: finished runs in, blend and card out. It writes and prints nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending import saved
from ffdi.blending.apply import BLEND, Blended, apply
from ffdi.blending.choose import Choice, decide
from ffdi.blending.evidence import collect
from ffdi.blending.forecast import Forecast, forecast
from ffdi.blending.oof import Team, read_team
from ffdi.config.competition import Competition
from ffdi.config.recipe import Recipe
from ffdi.core import checksum
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.training.job import digest_of, plan

# Difference of the folds' shares of fakes: evenly spread it costs 0.003 of an AUC of 0.95, twice as much 0.014.
UNEVEN = 0.1


@dataclass(frozen=True)
class BlendResult(saved.SavedBlend):
    """`forecast`: None if no row was held out or the board's size is not known.

    `submission`: id column and prediction column, float64 in [0, 1], in the order of the competition's own list.
    `reference`: mean logit by test id; a submission that is not turned round correlates with it.
    """

    choice: Choice
    forecast: Forecast | None
    blended: Blended
    submission: pd.DataFrame
    reference: pd.Series
    warnings: tuple[str, ...]


def blend(recipe: Recipe, competition: Competition, places: Workspace, images: Path | None = None) -> BlendResult:
    """Blend the finished runs of a recipe.

    Args:
        recipe: the recipe.
        competition: the competition.
        places: where runs are.
        images: the competition folder, for the forecast to look at the test; None if the images are not here.

    Raises:
        UserError: a member's fold is unfinished or stale; the message names it.
    """
    manifest = manifests.read(places)
    folds = checksum.read_table(places.folds(recipe.folds.scheme))
    jobs = plan(recipe, competition, manifest, folds, Path(), places)
    team = read_team(jobs)
    choice = decide(recipe.blend, team)
    blended = apply(team, choice.method, recipe.blend.weights)
    if choice.nested_N is not None:  # with weights not fitted to them; the test keeps those fitted to all rows
        blended = replace(blended, oof=blended.oof.assign(**{BLEND: choice.nested_N}))
    rows, board = blended.oof, competition.board
    expected: Forecast | None = None
    if board and BLEND in rows:
        evidence = collect(board, team, choice.method, blended, manifest, places, images)
        scaled = board.scaled(len(blended.test))
        expected = forecast(rows[BLEND].to_numpy(), rows["target"].to_numpy(), scaled, rows.get("group"), evidence)
    made = saved.card(recipe, choice, expected, team, blended, manifests.digest(manifest), digest_of(folds))
    return BlendResult(
        card=made,
        choice=choice,
        forecast=expected,
        blended=blended,
        table=saved.table(team, blended),
        submission=_submission(blended, manifest["id"][manifest["split"] == "test"], competition),
        reference=pd.Series(np.mean([one.test_KT.mean(axis=0) for one in team.members], axis=0), team.test["id"]),
        warnings=tuple(_warnings(recipe, team, blended)),
    )


def _submission(blended: Blended, order: pd.Series, competition: Competition) -> pd.DataFrame:
    score = blended.test.set_index("id")[BLEND].loc[order]
    return pd.DataFrame({competition.id_column: order.to_numpy(), competition.prediction_column: score.to_numpy()})


def _warnings(recipe: Recipe, team: Team, blended: Blended) -> Iterator[str]:
    given, dropped = recipe.blend.weights, [name for name, weight in blended.weights.items() if weight == 0]
    if dropped and not given:
        yield f"Dropped, because the blend is no better with them: {', '.join(dropped)}."
    refit = [member for member in team.members if member.oof_N is None]
    if refit:
        named = [f"{one.name} (weighed like {one.kfold})" if one.kfold and not given else one.name for one in refit]
        yield f"Not in the OOF scores of the blend, because trained on all rows: {', '.join(named)}."
    shares = blended.oof.groupby("fold")["target"].mean() if BLEND in blended.oof else pd.Series([0.0])
    if shares.max() - shares.min() > UNEVEN:
        spread = f"{shares.min():.0%} to {shares.max():.0%}"
        yield f"The folds hold {spread} fakes: the OOF AUC, of ranks inside folds, is too low; see the mean over folds."
    imputed = blended.test["id"][blended.test["imputed"].astype(bool)]
    if len(imputed):
        yield f"{len(imputed)} test images are unreadable, such as {imputed.iloc[0]}; they get the prior, a median."
