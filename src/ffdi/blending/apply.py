"""Blend the held-out, validation and test rows of a team, or other logits of its held-out rows.

Shapes: M members, H members with out-of-fold rows, N rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ffdi.blending.methods import Array, Method, combine, over_models, ranks
from ffdi.blending.nested import gather
from ffdi.blending.oof import Team, canonical
from ffdi.metrics.ranks import rank_within

BLEND = "blend"  # the column of the blend, beside one column a member


@dataclass(frozen=True)
class Blended:
    """Frames sorted by id, each with a column a member and the column `blend`; weights (sum 1) by member.

    `oof`: id, split, relpath, target, fold, then ranks inside folds of the members that held rows out and of the blend
    (missing if none of them has a weight). `val`, `test`: id, relpath, target, imputed, then the members' features and
    the blend in (0, 1); an unreadable image has the `prior`, the median score of the held-out rows.
    """

    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    weights: dict[str, float]
    prior: float


def apply(team: Team, method: Method, given: Mapping[str, float] | None = None) -> Blended:
    """Blend a team.

    Args:
        team: members and their rows.
        method: features, and weights unless they are given.
        given: weights by member from the recipe.
    """
    team = canonical(team)
    names = [member.name for member in team.members]
    weights = normalised_weights(given or _fitted(team, method), names)
    oof, prior, held = team.oof, 0.5, team.members_with_oof
    if held:
        folds_N, logits_HN = team.oof["fold"].to_numpy(np.int64), np.array([member.oof_N for member in held])
        held_names = [member.name for member in held]
        oof = oof.assign(**dict(zip(held_names, ranks(logits_HN, folds_N), strict=True)))
        shares = normalised_weights(weights, held_names)
        if shares:
            blend_N = combine(method.features(logits_HN, folds_N), np.array(list(shares.values())))
            oof[BLEND] = rank_within(blend_N, folds_N)
            prior = float(method.squash(np.median(blend_N, keepdims=True))[0])
    val = unseen(team.val, {member.name: member.val_KV for member in team.members}, method, weights, prior)
    test = unseen(team.test, {member.name: member.test_KT for member in team.members}, method, weights, prior)
    return Blended(oof, val, test, weights, prior)


def _fitted(team: Team, method: Method) -> dict[str, float]:
    """Return weights by member; one trained on all rows has that of its `kfold`, or without one the mean."""
    if not team.members_with_oof:
        return {member.name: 1.0 for member in team.members}
    rows = gather(team)
    weights_H = method.weigh(method.features(rows.logits_HN, rows.fold_N), rows.target_N)
    fitted = dict(zip(rows.names, weights_H.tolist(), strict=True))
    return {member.name: fitted.get(member.kfold or member.name, 1 / len(fitted)) for member in team.members}


def unseen(
    rows: pd.DataFrame, logits: Mapping[str, Array], method: Method, weights: Mapping[str, float], prior: float
) -> pd.DataFrame:
    """Return rows that no member was trained on with a column a member and `blend`.

    Unreadable rows get the prior and move nobody's rank.

    Args:
        rows: a column `imputed`, True if the image is unreadable.
        logits: logits_KN by member, one row a fold model.
        method: how to blend.
        weights: by member, sum 1.
        prior: score of an unreadable image.
    """
    seen_N = ~rows["imputed"].to_numpy(bool)
    features = {name: np.full(len(rows), prior) for name in logits}
    blend_N = np.full(len(rows), prior)
    if seen_N.any():
        for name, logits_KN in logits.items():
            features[name][seen_N] = over_models(method, logits_KN[:, seen_N])
        seen_MN = np.stack([features[name][seen_N] for name in weights])
        blend_N[seen_N] = method.squash(combine(seen_MN, np.array(list(weights.values()))))
    return rows.assign(**features | {BLEND: blend_N})


def normalised_weights(weights: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Return the weights of these members scaled to sum 1; empty if none is positive."""
    total = sum(weights.get(name, 0.0) for name in names)
    return {name: weights.get(name, 0.0) / total for name in names} if total > 0 else {}


def members_with_weight(team: Team, weights: Mapping[str, float]) -> tuple[str, ...]:
    """Return the names of the members that held rows out and have a weight."""
    return tuple(member.name for member in team.members_with_oof if weights.get(member.name, 0) > 0)


def degraded_scores(
    team: Team, method: Method, weights: Mapping[str, float], logits: Mapping[str, pd.Series]
) -> pd.DataFrame:
    """Return the held-out rows with their blend twice: `clean` from the team's logits, `worse` from other logits.

    Both are ranked inside folds.

    Args:
        team: the members.
        method: how to blend.
        weights: by member.
        logits: other logits by member, each a Series by id. Rows that a member has no other logit of are left out.
    """
    team = canonical(team)
    names = members_with_weight(team, weights)
    ids = team.oof["id"]
    known_N = np.logical_and.reduce([ids.isin(logits[name].index) for name in names])
    rows = team.oof[known_N].reset_index(drop=True)
    own_HN = np.array([m.oof_N[known_N] for m in team.members_with_oof if m.name in names and m.oof_N is not None])
    others_HN = np.stack([logits[name].reindex(rows["id"]).to_numpy(np.float64) for name in names])
    weight_H = np.array(list(normalised_weights(weights, names).values()))  # as `apply` has them, to the bit: ranks tie
    folds_N = rows["fold"].to_numpy(np.int64)

    def blended(logits_HN: Array) -> Array:
        return rank_within(combine(method.features(logits_HN, folds_N), weight_H), folds_N)

    return rows.assign(clean=blended(own_HN), worse=blended(others_HN))
