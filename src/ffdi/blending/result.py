"""The whole verb as one function: finished runs in, blend and card out; it writes and prints nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.blending.apply import BLEND, Blended, apply
from ffdi.blending.budget import Budget, budget
from ffdi.blending.card import card, tables
from ffdi.blending.choice import Choice, decide
from ffdi.blending.cost import Cost, costs
from ffdi.blending.features import Array
from ffdi.blending.forecast import Forecast, forecast
from ffdi.blending.gap import Gap, measure
from ffdi.blending.honest import AUTO
from ffdi.blending.members import Team, canonical, read_team, read_views
from ffdi.blending.views import MemberViews
from ffdi.blending.views import judge as judge_views
from ffdi.config.competition import Board, Competition
from ffdi.config.recipe import Blend, Recipe
from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.metrics.auc import auc
from ffdi.training.job import digest_of, plan

ALONE = 3  # members that the forecast looks at by themselves
COLUMNS = {
    "id",
    "split",
    "relpath",
    "target",
    "fold",
    "group",
    "cluster",
    "imputed",
    BLEND,
}  # what a member may not be called


@dataclass(frozen=True)
class BlendResult:
    """`members` and `folds` are the tables of `card.tables`; `choice` says which method blends and why.

    `outlook`: what the board may show, None if no row was held out or its size is not known. `views`: what the views
    of each member buy, of those that held rows out under more than one. `budget`: how many members it takes, and who
    is left out for it.

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


def blend(recipe: Recipe, competition: Competition, places: Workspace) -> BlendResult:
    """Blend the finished runs of `recipe`. Raises UserError naming the member and fold that is unfinished or stale."""
    taken = sorted(COLUMNS & {member.name for member in recipe.member})
    if taken:
        raise UserError(f"A member may not be called {taken[0]!r}, a column of the blend's tables; rename it.")
    manifest = manifests.read(places)
    fold_path = places.folds(recipe.folds.scheme)
    table = checksum.read_table(fold_path)
    jobs = plan(recipe, competition, manifest, table, Path(), places)
    team = canonical(read_team(jobs))
    known = costs(recipe, competition, jobs)
    choice = decide(recipe.blend, team)
    # Weights in the recipe are its own to answer for: limits do not cut them, a warning tells.
    limits = [replace(cost, limit=None) for cost in known] if recipe.blend.weights else known
    found = None if choice.found is None else budget(team, limits)
    left_out = () if found is None else found.left_out
    choice, weights = _within(recipe.blend, team, choice, left_out)
    blended = _honestly(apply(team, choice.method, weights, recipe.blend.weight_splits), choice)
    gap = measure(recipe, competition, manifest, places, team)
    outlook = _outlook(competition.board, choice, blended, left_out, manifest, gap)
    made = card(recipe, choice, outlook, team, blended, found, left_out, manifests.digest(manifest), digest_of(table))
    members, spread = tables(made)
    order = manifest["id"][manifest["split"] == "test"]
    return BlendResult(
        card=made,
        members=members,
        folds=spread,
        choice=choice,
        outlook=outlook,
        views=tuple(judge_views(viewed) for viewed in read_views(jobs)),
        budget=found,
        blended=blended,
        submission=_submission(blended, order, competition),
        reference=_reference(team),
        warnings=(*_warnings(team, blended), *_over(known, blended, left_out, found)),
    )


def _within(wish: Blend, team: Team, choice: Choice, left_out: tuple[str, ...]) -> tuple[Choice, dict[str, float]]:
    """The choice among the members that the budget lets in, and the weights it gives: of the others none."""
    if not left_out:
        return choice, wish.weights
    inside = replace(team, members=tuple(member for member in team.members if member.name not in left_out))
    choice = decide(wish, inside)
    return choice, apply(inside, choice.method, fit=wish.weight_splits).weights


def _honestly(blended: Blended, choice: Choice) -> Blended:
    """Held-out scores of the blend with weights that the rows scored did not teach; the test keeps those of all."""
    nested_N = choice.nested_N
    return blended if nested_N is None else replace(blended, oof=blended.oof.assign(**{BLEND: nested_N}))


def _outlook(
    board: Board | None,
    choice: Choice,
    blended: Blended,
    left_out: tuple[str, ...],
    manifest: pd.DataFrame,
    gap: Gap,
) -> Forecast | None:
    rows = blended.oof
    if board is None or BLEND not in rows:
        return None
    return forecast(
        _candidates(choice, blended, left_out),
        rows["target"].to_numpy(np.int8),
        choice.row,
        board.scaled(len(blended.test)),
        group_N=rows.get("group"),
        source_N=sources(board, rows, manifest) if board.mix else None,
        sent=choice.method.name if choice.row == AUTO else None,
        gap=gap,
    )


def _candidates(choice: Choice, blended: Blended, left_out: tuple[str, ...]) -> dict[str, Array]:
    """Held-out scores of the blend, the other methods and the best members by themselves."""
    target_N = blended.oof["target"].to_numpy(np.int8)
    scores = {choice.row: blended.oof[BLEND].to_numpy()}
    if choice.found is not None:
        # Of the methods, the best single member stands there under its own name, unless it is what blends.
        hidden = {"best_single"} - {choice.method.name}
        scores |= {name: score_N for name, score_N in choice.found.scores.items() if name not in hidden}
        names = [name for name in blended.weights if name in blended.oof and name not in left_out]
        best = sorted(names, key=lambda name: -auc(target_N, blended.oof[name]))[:ALONE]
        scores |= {f"{name} alone": blended.oof[name].to_numpy() for name in best}
    return scores


def sources(board: Board, rows: pd.DataFrame, manifest: pd.DataFrame) -> NDArray[np.str_]:
    """What the board's mix calls the source of each held-out row."""
    if board.mix_by == "folder":
        return rows["id"].str.rpartition("/")[0].to_numpy(str)
    if board.mix_by not in manifest.columns:
        columns = ", ".join(manifest.columns)
        raise UserError(f'board.mix_by = "{board.mix_by}" is no column of the manifest; take "folder" or {columns}.')
    joined = rows[["id", "split"]].merge(manifest[list({"id", "split", board.mix_by})], on=["id", "split"])
    return joined[board.mix_by].to_numpy().astype(str)


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


def _over(known: tuple[Cost, ...], blended: Blended, left_out: tuple[str, ...], found: Budget | None) -> Iterator[str]:
    """Who was left out for the budget; and limits that are passed where nobody may be left out."""
    if left_out and found is not None:
        worth = found.grown[-1].nested
        yield (
            f"Left out, for want of budget: {', '.join(left_out)}. Who fits was learned on all held-out rows; learned "
            f"on the other folds, equal weights are worth {worth.value:.4f} ({worth.low:.4f} to {worth.high:.4f}, "
            "nested)."
        )
    weighty = [name for name, weight in blended.weights.items() if weight > 0]
    for cost in known:
        spent = cost.of(weighty)
        if cost.limit is not None and spent > cost.limit:
            yield f"The members with a weight cost {spent:,.4g} {cost.unit}, over the limit of {cost.limit:,.10g}."
