"""Blend other logits of the same held-out rows, such as those of degraded copies, with the weights of a blend.

Shapes: H members, N rows.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ffdi.blending.features import Array
from ffdi.blending.methods import Method, combine
from ffdi.blending.oof import Team, canonical
from ffdi.metrics.ranks import rank_within


def members_with_weight(team: Team, weights: Mapping[str, float]) -> tuple[str, ...]:
    """Return the names of the members that held rows out and have a weight."""
    return tuple(member.name for member in team.members_with_oof if weights.get(member.name, 0) > 0)


def scores(team: Team, method: Method, weights: Mapping[str, float], logits: Mapping[str, pd.Series]) -> pd.DataFrame:
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
    total = sum(weights[name] for name in names)
    weight_H = np.array([weights[name] / total for name in names])  # as `apply` has them, to the bit: ranks tie
    folds_N = rows["fold"].to_numpy(np.int64)

    def blended(logits_HN: Array) -> Array:
        return rank_within(combine(method.features(logits_HN, folds_N), weight_H), folds_N)

    return rows.assign(clean=blended(own_HN), worse=blended(others_HN))
