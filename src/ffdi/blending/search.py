"""Weights found by search over blends: Caruana's greedy selection and hill climbing.

Shapes: M members, N rows.
"""

import numpy as np

from ffdi.blending.features import Array
from ffdi.blending.judge import MOST, Judge, Limits, first_best
from ffdi.blending.weights import Target, best, shares
from ffdi.core.keys import rng

ROUNDS = 25  # members drawn, with replacement (Caruana and others, 2004, section 2)
BAGS = 8  # halves of the pool searched on their own (the same, section 2.3): fewer members that were merely lucky
SMALLEST_BAG = 2
STEPS = 20  # hill climbing moves weight in twentieths
CLIMBS = 50  # moves at most


def greedy(features_MN: Array, target_N: Target, rounds: int = ROUNDS, bags: int = BAGS) -> Array:
    """Counts of a greedy selection with replacement, over random halves of the members, then their mean."""
    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=rounds * bags)
    pools = [np.arange(members)]
    if bags > 1 and members // 2 >= SMALLEST_BAG:
        pools = [rng("greedy", members, bag).permutation(members)[: members // 2] for bag in range(bags)]
    shares_BM = [shares(_drawn(judge, sorted(pool.tolist()), min(rounds, MOST))) for pool in pools]
    return shares(np.sum(shares_BM, axis=0))


def _drawn(judge: Judge, pool: list[int], rounds: int) -> Array:
    """How often each member was drawn, up to the round of the highest AUC. Ties go to members already in."""
    base_N = np.zeros_like(judge.grid_MN[0])
    counts_RM = np.zeros((rounds + 1, len(judge.grid_MN)), np.int32)
    limits: list[Limits] = []
    for drawn in range(rounds):
        new = counts_RM[drawn, pool] == 0
        members = [member for _, member in sorted(zip(new.tolist(), pool, strict=True))]
        move, value = judge.best(base_N, [(member, 1, 1) for member in members], full=drawn + 1)
        base_N = judge.blend(base_N, move)
        counts_RM[drawn + 1] = counts_RM[drawn]
        counts_RM[drawn + 1, move[0]] += 1
        limits.append(value)
    last, _ = first_best(limits, lambda asked: [judge.worth(counts_RM[drawn + 1]) for drawn in asked])
    return counts_RM[last + 1].astype(float)


def climb(features_MN: Array, target_N: Target) -> Array:
    """From the best member on, the move of weight to one member that raises AUC most, until none does."""
    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=CLIMBS * STEPS)
    weights_M = best(features_MN, target_N)
    base_N = judge.grid_MN[int(np.argmax(weights_M))]
    stay = (0, STEPS, 0)
    moves = [(member, STEPS - step, step) for member in range(members) for step in range(1, STEPS // 2 + 1)]
    for _ in range(CLIMBS):
        move, _ = judge.best(base_N, [stay, *moves], full=STEPS)
        member, here, there = move
        if move == stay:
            break
        base_N = np.rint(judge.blend(base_N, move) / STEPS).astype(np.int32)
        weights_M = (weights_M * here + np.eye(members)[member] * there) / STEPS
    return shares(weights_M)
