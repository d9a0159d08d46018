"""How many members a blend needs: grown under a budget of parameters, and dropped one by one; equal weights.

The order is learned by AUC; each point of a curve is scored nested, with orders that the other folds taught.

Shapes: M members that held rows out, N rows.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ffdi.blend.apply import held_out
from ffdi.blend.features import Array, ranks
from ffdi.blend.judge import Judge
from ffdi.blend.members import Team, canonical
from ffdi.blend.weights import Target
from ffdi.data.job import Job
from ffdi.score.interval import Interval, around, placements
from ffdi.score.ranks import rank_within

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # stored beside parameters, not counted as such
BESIDE = "golden/"  # what a weights file holds besides the network
Order = list[int]
Learn = Callable[[Array, Target], Order]


@dataclass(frozen=True)
class Point:
    """`members`: by the order that all rows teach; `nested`: what so many are worth."""

    members: tuple[str, ...]
    cost: int
    nested: Interval


@dataclass(frozen=True)
class Budget:
    """`grown` from one member on, up to `limit`; `dropped` from all of them down to one. `unit`: of cost and limit."""

    unit: str
    limit: int | None
    grown: tuple[Point, ...]
    dropped: tuple[Point, ...]


def budget(team: Team, parameters: Mapping[str, int], limit: int | None) -> Budget:
    """Of at least two members that held rows out. Without `parameters` of them all, a member costs 1, without limit."""
    team = canonical(team)
    held = held_out(team)
    known = all(name in parameters for name in held.names)
    costs = [parameters[name] if known else 1 for name in held.names]
    limit = limit if known else None
    folds_N, target_N = team.oof["fold"].to_numpy(np.int64), team.oof["target"].to_numpy(np.int8)
    features_MN = ranks(held.logits_HN, folds_N)

    def points(learn: Learn) -> tuple[Point, ...]:
        order = learn(features_MN, target_N)
        nested = _nested(features_MN, target_N, folds_N, learn, len(order))
        chosen = [sorted(order[: size + 1]) for size in range(len(order))]
        return tuple(
            Point(tuple(held.names[place] for place in places), sum(costs[place] for place in places), interval)
            for places, interval in zip(chosen, nested, strict=True)
        )

    grown = points(lambda features, target: grow(features, target, costs, limit))
    return Budget("parameters" if known else "members", limit, grown, points(keep)[::-1])


def grow(features_MN: Array, target_N: Target, costs: list[int], limit: int | None) -> Order:
    """Members in the order in which they raise the AUC of the mean most (or lower it least), while the budget lasts."""
    judge = Judge(features_MN, target_N, looks=len(features_MN))
    base_N, spent = np.zeros_like(judge.grid_MN[0]), 0
    order: Order = []
    while True:
        left = [place for place in range(len(costs)) if place not in order]
        moves = [(place, 1, 1) for place in left if limit is None or spent + costs[place] <= limit]
        if not moves:
            return order
        move, _ = judge.best(base_N, moves, full=len(order) + 1)
        base_N = judge.blend(base_N, move)
        order.append(move[0])
        spent += costs[move[0]]


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


def _nested(features_MN: Array, target_N: Target, folds_N: np.ndarray, learn: Learn, sizes: int) -> list[Interval]:
    """By number of members, less one. An order that ends early, for want of budget, stays at its last blend."""
    score_SN = np.empty((sizes, len(target_N)))
    for fold in np.unique(folds_N):
        inside_N = folds_N == fold
        order = learn(features_MN[:, ~inside_N], target_N[~inside_N])
        for size in range(sizes):
            score_SN[size, inside_N] = features_MN[sorted(order[: size + 1])][:, inside_N].mean(axis=0)
    return [around(placements(target_N, rank_within(score_N, folds_N))) for score_N in score_SN]


def parameters(jobs: Iterable[Job]) -> dict[str, int]:
    """Of each member whose first fold left its weights here, from the names and shapes that head the file."""
    found: dict[str, int] = {}
    for job in jobs:
        path = job.folder / "weights.safetensors"
        if job.member.name not in found and path.exists():
            found[job.member.name] = _count(path)
    return found


def _count(path: Path) -> int:
    with path.open("rb") as file:
        heads = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(
        math.prod(head["shape"])
        for name, head in heads.items()
        if name != "__metadata__" and not name.startswith(BESIDE) and not name.endswith(BUFFERS)
    )
