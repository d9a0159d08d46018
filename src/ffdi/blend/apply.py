"""The blend of a team on its held-out, validation and test rows.

Shapes: M members, N rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ffdi.blend.members import Team, canonical
from ffdi.blend.methods import Array, Method, combine, over_models

BLEND = "blend"  # the column of the blend, beside one column a member


@dataclass(frozen=True)
class Blended:
    """Frames sorted by id, each with a column of features a member and the column `blend`; weights (sum 1) by member.

    `oof`: id, split, relpath, target, fold; only members that held rows out (`blend` is missing if none has a weight).
    `val` and `test`: id, relpath, target, imputed; an unreadable image has the prior, the median of the held-out blend.
    """

    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    weights: dict[str, float]


def apply(team: Team, method: Method, given: Mapping[str, float] | None = None) -> Blended:
    """Blend by `method`; weights `given` by member (from the recipe) take the place of those it would find."""
    team = canonical(team)
    held = {member.name: member.oof_N for member in team.members if member.oof_N is not None}
    folds_N, target_N = team.oof["fold"].to_numpy(np.int64), team.oof["target"].to_numpy(np.int8)
    features_HN = method.features(np.array(list(held.values())), folds_N) if held else np.empty((0, 0))
    if given:
        weights = {member.name: given.get(member.name, 0.0) for member in team.members}
    else:
        found_H = method.weigh(features_HN, target_N) if held else np.empty(0)
        # No rows tell what a member is worth that held none out: it gets the mean weight.
        found = dict(zip(held, map(float, found_H), strict=True))
        weights = {member.name: found.get(member.name, 1 / max(len(held), 1)) for member in team.members}
    oof = _blended(team.oof, dict(zip(held, features_HN, strict=True)), weights)
    prior = float(oof[BLEND].median()) if BLEND in oof else 0.5
    val = _unseen(team.val, {member.name: member.val_KV for member in team.members}, method, weights, prior)
    test = _unseen(team.test, {member.name: member.test_KT for member in team.members}, method, weights, prior)
    return Blended(oof, val, test, _shares(weights))


def _unseen(
    rows: pd.DataFrame, logits: Mapping[str, Array], method: Method, weights: Mapping[str, float], prior: float
) -> pd.DataFrame:
    """Rows that no member was trained on. The unreadable ones stand outside: they move nobody's rank."""
    seen_N = ~rows["imputed"].to_numpy(bool)
    features = {}
    for name, logits_KN in logits.items():
        features[name] = np.full(len(rows), prior)
        if seen_N.any():
            features[name][seen_N] = over_models(method, logits_KN[:, seen_N])
    frame = _blended(rows, features, weights)
    frame.loc[~seen_N, BLEND] = prior
    return frame


def _blended(rows: pd.DataFrame, features: Mapping[str, Array], weights: Mapping[str, float]) -> pd.DataFrame:
    """The rows with the members' features and, if one of them has a weight, the blend."""
    frame = rows.assign(**features)
    shares = _shares({name: weights[name] for name in features})
    if shares:
        frame[BLEND] = combine(np.stack(list(features.values())), np.array(list(shares.values())))
    return frame


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights scaled to sum 1; empty if none is positive."""
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} if total > 0 else {}
