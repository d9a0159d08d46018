"""Weights found by search over blends: Caruana's greedy selection and hill climbing.

Shapes: M members, N rows.
"""

import numpy as np

from ffdi.base.keys import rng
from ffdi.blend.features import Array
from ffdi.blend.judge import Judge, Move
from ffdi.blend.weights import Target, best, shares

ROUNDS = 25  # members drawn, with replacement (Caruana and others, 2004, section 2)
BAGS = 8  # halves of the pool searched on their own (the same, section 2.3): fewer members that were merely lucky
SMALLEST_BAG = 2
STEPS = 20  # hill climbing moves weight in twentieths
CLIMBS = 50  # moves at most


def greedy(features_MN: Array, target_N: Target, rounds: int = ROUNDS, bags: int = BAGS) -> Array:
    """Counts of a greedy selection with replacement, over random halves of the members, then the mean."""
    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=rounds * bags)
    pools = [np.arange(members)]
    if bags > 1 and members // 2 >= SMALLEST_BAG:
        pools = [rng("greedy", members, bag).permutation(members)[: members // 2] for bag in range(bags)]
    counts_BM = [shares(_drawn(judge, sorted(pool.tolist()), rounds)) for pool in pools]
    return shares(np.sum(counts_BM, axis=0))


def _drawn(judge: Judge, pool: list[int], rounds: int) -> Array:
    """How often each member was drawn, up to the round of the highest AUC. Ties go to members already in."""
    base_N = np.zeros_like(judge.grid_MN[0])
    counts_M = np.zeros(len(judge.grid_MN))
    best_counts_M, highest = counts_M, -1.0
    for drawn in range(rounds):
        moves: list[Move] = [(member, 1, 1) for member in sorted(pool, key=lambda member: counts_M[member] == 0)]
        move, value = judge.best(base_N, moves, full=drawn + 1)
        base_N = judge.blend(base_N, move)
        counts_M[move[0]] += 1
        if value > highest:
            best_counts_M, highest = counts_M.copy(), value
    return best_counts_M


def climb(features_MN: Array, target_N: Target) -> Array:
    """From the best member on, the move of weight to one member that raises AUC most, until none does."""
    members = len(features_MN)
    judge = Judge(features_MN, target_N, looks=CLIMBS * STEPS)
    weights_M = best(features_MN, target_N)
    base_N = judge.grid_MN[int(np.argmax(weights_M))]
    highest = -1.0
    moves = [(member, STEPS - step, step) for member in range(members) for step in range(1, STEPS // 2 + 1)]
    for _ in range(CLIMBS):
        move, value = judge.best(base_N, [(0, STEPS, 0), *moves], full=STEPS)
        member, here, there = move
        if value <= highest or there == 0:
            break
        highest = value
        base_N = np.rint(judge.blend(base_N, move) / STEPS).astype(np.int32)
        weights_M = (weights_M * here + np.eye(members)[member] * there) / STEPS
    return shares(weights_M)
