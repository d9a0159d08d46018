"""How many members a blend needs: grown under a budget of minutes or parameters, and dropped one by one; equal weights.

The order is learned by AUC; each point of a curve is scored nested, with orders that the other folds taught.

Shapes: M members that held rows out, N rows, B budgets.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ffdi.blending.cost import Cost
from ffdi.blending.evidence import held_out
from ffdi.blending.features import Array, Folds, ranks
from ffdi.blending.judge import Judge
from ffdi.blending.members import Team, canonical
from ffdi.blending.weights import Target
from ffdi.core.errors import UserError
from ffdi.metrics.delong import Interval, auc_interval, placements
from ffdi.metrics.ranks import rank_within

Order = list[int]
Learn = Callable[[Array, Target], Order]


@dataclass(frozen=True)
class Point:
    """`members`: by the order that all rows teach; `costs`: theirs, by unit; `nested`: what so many are worth."""

    members: tuple[str, ...]
    costs: dict[str, float]
    nested: Interval


@dataclass(frozen=True)
class Budget:
    """`grown` from one member on, as far as the limits let them; `dropped` from all of them down to one.

    `costs`: the unit to draw first. `left_out`: members that held rows out and do not fit; empty if all do.
    """

    costs: tuple[Cost, ...]
    grown: tuple[Point, ...]
    dropped: tuple[Point, ...]
    left_out: tuple[str, ...]


def budget(team: Team, costs: Sequence[Cost]) -> Budget:
    """Of at least two members that held rows out; members that held none out stay, and their cost is taken first.

    Raises UserError if nothing fits.
    """
    team = canonical(team)
    held = held_out(team)
    kept = [member.name for member in team.members if member.name not in held.names]
    costs_BM = np.array([[cost.by_member[name] for name in held.names] for cost in costs], dtype=float)
    limits_B = np.array([np.inf if cost.limit is None else cost.limit - cost.of(kept) for cost in costs])
    refuse_empty(costs, held.names, costs_BM, limits_B)
    folds_N, target_N = team.oof["fold"].to_numpy(np.int64), team.oof["target"].to_numpy(np.int8)
    group_N = np.unique(team.oof["group"], return_inverse=True)[1] if "group" in team.oof else None
    features_MN = ranks(held.logits_HN, folds_N)

    def points(learn: Learn) -> tuple[Point, ...]:
        order = learn(features_MN, target_N)
        scores_SN = _nested(features_MN, target_N, folds_N, learn, len(order))
        nested = [auc_interval(placements(target_N, rank_within(score_N, folds_N), group_N)) for score_N in scores_SN]
        chosen = [[held.names[place] for place in sorted(order[: size + 1])] for size in range(len(order))]
        return tuple(
            Point(tuple(names), {cost.unit: cost.of(names) for cost in costs}, interval)
            for names, interval in zip(chosen, nested, strict=True)
        )

    grown = points(lambda features, target: grow(features, target, costs_BM, limits_B))
    left_out = tuple(name for name in held.names if name not in grown[-1].members)
    return Budget(tuple(costs), grown, points(keep)[::-1], left_out)


def refuse_empty(costs: Sequence[Cost], names: Sequence[str], costs_BM: Array, limits_B: Array) -> None:
    """Raises UserError if no member fits all limits."""
    if (costs_BM <= limits_B[:, None]).all(axis=0).any():
        return
    tight = int(np.argmax(costs_BM.min(axis=1) - limits_B))
    cheapest = int(np.argmin(costs_BM[tight]))
    raise UserError(
        f"No member fits into {costs[tight].limit:g} {costs[tight].unit}: the cheapest, {names[cheapest]}, takes "
        f"{costs_BM[tight, cheapest]:.4g} of the {max(limits_B[tight], 0):.4g} that are left; raise the limit."
    )


def grow(features_MN: Array, target_N: Target, costs_BM: Array, limits_B: Array) -> Order:
    """Members in the order in which they raise the AUC of the mean most (or lower it least), while budgets last."""
    judge = Judge(features_MN, target_N, looks=len(features_MN))
    base_N, spent_B = np.zeros_like(judge.grid_MN[0]), np.zeros(len(limits_B))
    order: Order = []
    while True:
        fitting = np.flatnonzero((spent_B[:, None] + costs_BM <= limits_B[:, None]).all(axis=0)).tolist()
        moves = [(place, 1, 1) for place in fitting if place not in order]
        if not moves:
            return order
        move, _ = judge.best(base_N, moves, full=len(order) + 1)
        base_N = judge.blend(base_N, move)
        order.append(move[0])
        spent_B = spent_B + costs_BM[:, move[0]]


def keep(features_MN: Array, target_N: Target) -> Order:
    """Members in the order of their worth: the last is the one that the blend of all misses least, and so on."""
    judge = Judge(features_MN, target_N, looks=len(features_MN))
    left = list(range(len(features_MN)))
    base_N, dropped = judge.grid_MN.sum(axis=0, dtype=np.int32), []
    while len(left) > 1:
        move, _ = judge.best(base_N, [(place, 1, -1) for place in left], full=len(left))
        base_N = judge.blend(base_N, move)
        left.remove(move[0])
        dropped.append(move[0])
    return [*left, *dropped[::-1]]


def _nested(features_MN: Array, target_N: Target, folds_N: Folds, learn: Learn, sizes: int) -> Array:
    """[S, N] by number of members, less one. An order that ends early, for want of budget, stays at its last blend."""
    score_SN = np.empty((sizes, len(target_N)))
    for fold in np.unique(folds_N):
        inside_N = folds_N == fold
        order = learn(features_MN[:, ~inside_N], target_N[~inside_N])
        for size in range(sizes):
            score_SN[size, inside_N] = features_MN[sorted(order[: size + 1])][:, inside_N].mean(axis=0)
    return score_SN
