"""Find weights by search: Caruana's greedy selection, hill climbing, and dropping members one by one.

Shapes: M members, N rows, R rounds.
"""

import numpy as np

from ffdi.blending.features import Array, Target
from ffdi.blending.scorer import MAX_SUM, AucScorer, Bounds, first_best
from ffdi.blending.weights import best_single, normalised
from ffdi.core.keys import rng
from ffdi.metrics.sorting import finite

ROUNDS = 25  # members drawn, with replacement (Caruana and others, 2004, section 2)
BAGS = 8  # random halves of the members, searched one by one (the same, section 2.3)
MIN_BAG = 2
CLIMB_STEPS = 20  # hill climbing moves weight in twentieths
MAX_CLIMBS = 50


def greedy(features_MN: Array, target_N: Target, rounds: int = ROUNDS, bags: int = BAGS) -> Array:
    """Return the mean weights of greedy selections with replacement over random halves of the members.

    Args:
        features_MN: Scores of each member.
        target_N: 0 or 1.
        rounds: Members drawn for one selection.
        bags: Random halves of the members.
    """
    members = len(features_MN)
    scorer = AucScorer(features_MN, target_N)
    pools = [np.arange(members)]
    if bags > 1 and members // 2 >= MIN_BAG:
        pools = [rng("greedy", members, bag).permutation(members)[: members // 2] for bag in range(bags)]
    found_BM = [normalised(_select(scorer, sorted(pool.tolist()), min(rounds, MAX_SUM))) for pool in pools]
    return normalised(np.sum(found_BM, axis=0))


def _select(scorer: AucScorer, pool: list[int], rounds: int) -> Array:
    """Return how often each member is drawn up to the round of the highest AUC. Ties go to members already drawn."""
    base_N = np.zeros_like(scorer.grid_MN[0])
    counts_RM = np.zeros((rounds + 1, len(scorer.grid_MN)), np.int32)
    bounds: list[Bounds] = []
    for drawn in range(rounds):
        members = sorted(pool, key=lambda member: counts_RM[drawn, member] == 0)
        move, value = scorer.best(base_N, [(member, 1, 1) for member in members], full=drawn + 1)
        base_N = scorer.blend(base_N, move)
        counts_RM[drawn + 1] = counts_RM[drawn]
        counts_RM[drawn + 1, move[0]] += 1
        bounds.append(value)
    last, _ = first_best(bounds, lambda asked: [scorer.auc_of(counts_RM[drawn + 1]) for drawn in asked])
    return counts_RM[last + 1].astype(float)


def climb(features_MN: Array, target_N: Target) -> Array:
    """Start at the best member; move weight to the member that raises AUC most, until none does."""
    members = len(features_MN)
    scorer = AucScorer(features_MN, target_N)
    weights_M = best_single(features_MN, target_N)
    base_N = scorer.grid_MN[int(np.argmax(weights_M))]
    stay = (0, CLIMB_STEPS, 0)
    moves = [(member, CLIMB_STEPS - step, step) for member in range(members) for step in range(1, CLIMB_STEPS // 2 + 1)]
    for _ in range(MAX_CLIMBS):
        move, _ = scorer.best(base_N, [stay, *moves], full=CLIMB_STEPS)
        member, here, there = move
        if move == stay:
            break
        base_N = np.rint(scorer.blend(base_N, move) / CLIMB_STEPS).astype(np.int32)
        weights_M = (weights_M * here + np.eye(members)[member] * there) / CLIMB_STEPS
    return normalised(weights_M)


def drop(features_MN: Array, target_N: Target) -> Array:
    """Return equal weights of the members that are left after dropping those whose absence raises AUC, worst first."""
    numbers_MN = np.stack([finite(features_N) for features_N in features_MN])
    lowest, width = numbers_MN.min(), max(np.ptp(numbers_MN), 1e-300)
    scorer = AucScorer((numbers_MN - lowest) / width, target_N)  # one scale for all members: sums keep their order
    kept = list(range(len(features_MN)))
    base_N = scorer.grid_MN.sum(axis=0, dtype=np.int32)
    while 1 < len(kept) <= MAX_SUM:
        move, _ = scorer.best(base_N, [(0, 1, 0), *((member, 1, -1) for member in kept)], full=len(kept))
        if move == (0, 1, 0):
            break
        base_N = scorer.blend(base_N, move)
        kept.remove(move[0])
    return normalised(np.isin(np.arange(len(features_MN)), kept).astype(float))
