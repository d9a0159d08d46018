"""What a way to blend is really worth: weights learned on the other folds, scored on the one left out.

In-sample, learned weights flatter themselves: on 40 like members and 1,500 rows greedy selection showed .8118, was
worth .7973 nested, and equal weights .8086 (own simulation, 8 repeats). Folds hold near-duplicate groups whole, so a
row that weights are scored on has no twin among the rows they were learned on.

Shapes: M members, N rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ffdi.blend.apply import held_out
from ffdi.blend.features import Array, Folds
from ffdi.blend.members import Team, canonical
from ffdi.blend.methods import METHODS, Method, combine
from ffdi.blend.weights import Target
from ffdi.score.auc import auc
from ffdi.score.interval import Interval, Placements, apart, around, placements
from ffdi.score.ranks import rank_within

YARDSTICK = "rank_mean"  # equal weights, nothing learned


@dataclass(frozen=True)
class Estimate:
    """AUC of one method over ranks made inside folds. `gain`: nested AUC less that of the equal-weight rank mean."""

    method: str
    in_sample: float
    nested: Interval
    gain: Interval

    @property
    def optimism(self) -> float:
        return self.in_sample - self.nested.value


@dataclass(frozen=True)
class Honest:
    """Estimates by method, the choice among METHODS, and the scores they rest on: nested ranks inside folds."""

    estimates: dict[str, Estimate]
    choice: str
    scores: dict[str, Array]


def honest(
    team: Team, methods: Mapping[str, Method] = METHODS, level: float = 0.95, given: Method | None = None
) -> Honest:
    """Score every method, nested over the folds of the team; `methods` from the simplest on, the yardstick among them.

    `level`: of the intervals. A method is beaten if another's paired interval lies above it at this level, shared out
    (Bonferroni) among the others. `given` is scored beside them and never chosen: its weights are not ours to judge.
    """
    team = canonical(team)
    logits_MN = held_out(team).logits_HN
    folds_N, target_N = team.oof["fold"].to_numpy(np.int64), team.oof["target"].to_numpy(np.int8)
    in_sample, nested = {}, {}
    for method in [*methods.values(), *([given] if given else [])]:
        features_MN = method.features(logits_MN, folds_N)
        flattered_N = rank_within(combine(features_MN, method.weigh(features_MN, target_N)), folds_N)
        nested[method.name] = crossed(method, features_MN, target_N, folds_N) if method.learns else flattered_N
        in_sample[method.name] = auc(target_N, flattered_N)
    placed = {name: placements(target_N, score_N) for name, score_N in nested.items()}
    estimates = {
        name: Estimate(name, in_sample[name], around(mine, level), apart(mine - placed[YARDSTICK], level))
        for name, mine in placed.items()
    }
    return Honest(estimates, choose({name: placed[name] for name in methods}, level), nested)


def crossed(method: Method, features_MN: Array, target_N: Target, folds_N: Folds) -> Array:
    """Ranks inside folds of the blend in which every fold is weighted by what the other folds taught.

    Features may be made beforehand: ranks inside a fold know nothing of other folds.
    """
    score_N = np.empty(len(target_N))
    for fold in np.unique(folds_N):
        inside_N = folds_N == fold
        weights_M = method.weigh(features_MN[:, ~inside_N], target_N[~inside_N])
        score_N[inside_N] = combine(features_MN[:, inside_N], weights_M)
    return rank_within(score_N, folds_N)


def choose(placed: Mapping[str, Placements], level: float = 0.95) -> str:
    """The first (simplest) of the methods whose nested scores no other beats beyond noise."""
    shared = 1 - (1 - level) / max(len(placed) - 1, 1)
    for name, mine in placed.items():
        rivals = (theirs for other, theirs in placed.items() if other != name)
        if not any(apart(theirs - mine, shared).low > 0 for theirs in rivals):
            return name
    # A circle of beaten methods cannot be ruled out on paper: then the highest.
    return max(placed, key=lambda name: placed[name].value)


def table(found: Honest) -> pd.DataFrame:
    """A row a method: method, in_sample, nested, low, high, optimism, gain, gain_low, gain_high, chosen."""
    return pd.DataFrame(
        [
            {
                "method": one.method,
                "in_sample": one.in_sample,
                "nested": one.nested.value,
                "low": one.nested.low,
                "high": one.nested.high,
                "optimism": one.optimism,
                "gain": one.gain.value,
                "gain_low": one.gain.low,
                "gain_high": one.gain.high,
                "chosen": one.method == found.choice,
            }
            for one in found.estimates.values()
        ]
    )
