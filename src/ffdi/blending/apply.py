"""The blend of a team on its held-out, validation and test rows.

Shapes: M members, N rows.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ffdi.blending.evidence import gather, held_out
from ffdi.blending.features import Array, ranks
from ffdi.blending.members import Team, canonical
from ffdi.blending.methods import Method, combine, over_models
from ffdi.metrics.ranks import rank_within

BLEND = "blend"  # the column of the blend, beside one column a member


@dataclass(frozen=True)
class Blended:
    """Frames sorted by id, each with a column a member and the column `blend`; weights (sum 1) by member.

    `oof`: id, split, relpath, target, fold, then ranks inside folds: of the members that held rows out, and of the
    blend (missing if none of them has a weight). `val`, `test`: id, relpath, target, imputed, then the members'
    features and the blend in (0, 1), where an unreadable image has the `prior`: a middle score of the held-out rows.
    """

    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame
    weights: dict[str, float]
    prior: float


def apply(
    team: Team, method: Method, given: Mapping[str, float] | None = None, fit: Collection[str] = ("oof",)
) -> Blended:
    """Blend by `method`; weights `given` by member (from the recipe) take the place of those it would find.

    `fit`: the rows that weights learn from, as `evidence.gather` knows them.
    """
    team = canonical(team)
    names = [member.name for member in team.members]
    held = held_out(team)
    weights = _shares(given or _found(team, method, fit), names)
    oof, prior = team.oof, 0.5
    if held.names:
        folds_N = team.oof["fold"].to_numpy(np.int64)
        oof = oof.assign(**dict(zip(held.names, ranks(held.logits_HN, folds_N), strict=True)))
        shares = _shares(weights, held.names)
        if shares:
            blend_N = combine(method.features(held.logits_HN, folds_N), np.array(list(shares.values())))
            oof[BLEND] = rank_within(blend_N, folds_N)
            prior = float(method.squash(np.median(blend_N, keepdims=True))[0])
    val = unseen(team.val, {member.name: member.val_KV for member in team.members}, method, weights, prior)
    test = unseen(team.test, {member.name: member.test_KT for member in team.members}, method, weights, prior)
    return Blended(oof, val, test, weights, prior)


def _found(team: Team, method: Method, fit: Collection[str]) -> dict[str, float]:
    """Weights by member. No row tells what a member is worth that held none out: it gets the mean weight."""
    names = [member.name for member in team.members]
    if all(member.oof_N is None for member in team.members):
        return dict.fromkeys(names, 1.0)
    known = gather(team, fit)
    rows_N = known.learns_N
    found_H = method.weigh(known.features(method)[:, rows_N], known.target_N[rows_N])
    found = dict(zip(known.held.names, found_H.tolist(), strict=True))
    return {name: found.get(name, 1 / len(found)) for name in names}


def unseen(
    rows: pd.DataFrame, logits: Mapping[str, Array], method: Method, weights: Mapping[str, float], prior: float
) -> pd.DataFrame:
    """Rows that no member was trained on. The unreadable ones stand outside: they move nobody's rank."""
    seen_N = ~rows["imputed"].to_numpy(bool)
    features = {name: np.full(len(rows), prior) for name in logits}
    blend_N = np.full(len(rows), prior)
    if seen_N.any():
        for name, logits_KN in logits.items():
            features[name][seen_N] = over_models(method, logits_KN[:, seen_N])
        seen_MN = np.stack([features[name][seen_N] for name in weights])
        blend_N[seen_N] = method.squash(combine(seen_MN, np.array(list(weights.values()))))
    return rows.assign(**features, **{BLEND: blend_N})


def _shares(weights: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Weights of these members scaled to sum 1; empty if none is positive."""
    total = sum(weights.get(name, 0.0) for name in names)
    return {name: weights.get(name, 0.0) / total for name in names} if total > 0 else {}
