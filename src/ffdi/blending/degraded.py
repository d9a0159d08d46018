"""The blend of other logits of the same held-out rows, such as those of degraded copies, with the weights it has.

Shapes: H members, N rows.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from ffdi.blending.evidence import held_out
from ffdi.blending.features import Array, Folds
from ffdi.blending.members import Team, canonical
from ffdi.blending.methods import Method, combine
from ffdi.metrics.ranks import rank_within


def voices(team: Team, weights: Mapping[str, float]) -> tuple[str, ...]:
    """The members that speak on held-out rows: those that held some out and have a weight."""
    return tuple(member.name for member in team.members if member.oof_N is not None and weights.get(member.name, 0) > 0)


def scores(team: Team, method: Method, weights: Mapping[str, float], logits: Mapping[str, pd.Series]) -> pd.DataFrame:
    """The held-out rows for which every voice has other `logits` (by member, by id), with the columns clean and worse:
    the blend of the team's own logits of these rows, and of the others, each ranked inside folds.

    clean_among and worse_among rank both together: they tell whether the others stand off from the clean ones.
    """
    team = canonical(team)
    names = voices(team, weights)
    ids = team.oof["id"]
    known_N = np.logical_and.reduce([ids.isin(logits[name].index) for name in names])
    rows = team.oof[known_N].reset_index(drop=True)
    held = held_out(team)
    own_HN = np.stack([held.logits_HN[held.names.index(name)][known_N] for name in names])
    others_HN = np.stack([logits[name].reindex(rows["id"]).to_numpy(np.float64) for name in names])
    total = sum(weights[name] for name in names)
    weight_H = np.array([weights[name] / total for name in names])  # as `apply` has them, to the bit: ranks tie
    folds_N = rows["fold"].to_numpy(np.int64)

    def blended(logits_HN: Array, folds_N: Folds) -> Array:
        return rank_within(combine(method.features(logits_HN, folds_N), weight_H), folds_N)

    clean_N, worse_N = np.split(blended(np.hstack([own_HN, others_HN]), np.tile(folds_N, 2)), 2)
    return rows.assign(
        clean=blended(own_HN, folds_N),
        worse=blended(others_HN, folds_N),
        clean_among=clean_N,
        worse_among=worse_N,
    )
