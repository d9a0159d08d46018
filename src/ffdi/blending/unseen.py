"""The cost of unseen forgeries: whole clusters of fakes are left out of a probe on embeddings, which then scores them.

A probe takes seconds where members would have to be trained again. Its loss on the logit scale is carried over to the
blend, with its spread over clusters.

Shapes: N held-out rows, D features.
"""

import math
from dataclasses import dataclass

import numpy as np

from ffdi.blending.features import Array
from ffdi.blending.influence import HeldOut
from ffdi.blending.probe import PARTS, crossfit
from ffdi.blending.shift import Shift, logit
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc

CLUSTERS = 8
MIN_FAKES = 10  # of a cluster whose loss counts
MIN_CLUSTERS = 3


@dataclass(frozen=True)
class Unseen:
    """`shift`: of the AUC on a kind left out. `losses`: by cluster. `seen`, `left_out`: AUC of the probe."""

    shift: Shift
    losses: tuple[float, ...]
    seen: float
    left_out: float

    @property
    def clusters(self) -> int:
        return len(self.losses)


def measure(features_ND: Array, rows: HeldOut, seed: int = 0) -> Unseen | None:
    """Return the cost of unseen kinds; None if there are too few fakes to tell.

    Args:
        features_ND: embeddings of the held-out rows.
        rows: their targets and groups.
        seed: of the clusters.
    """
    from ffdi.data.clusters import cluster  # late: it would delay the start of every verb

    count = min(CLUSTERS, rows.groups_by_class[1] // MIN_FAKES)
    if count < MIN_CLUSTERS:
        return None
    fake_N = rows.is_fake_N
    part_N = (rng("unseen", seed).permutation(rows.groups) % PARTS)[rows.group_N]
    cluster_N = cluster(features_ND, rows.target_N.astype(np.int64), rows.group_N, count, seed)[rows.group_N]
    seen = auc(rows.target_N, crossfit(features_ND, rows.target_N, part_N))
    found = []
    for number in range(count):
        mine_N = fake_N & (cluster_N == number)
        if mine_N.sum() >= MIN_FAKES:
            wanted_N = ~fake_N | mine_N
            logit_N = crossfit(features_ND, rows.target_N, part_N, ~mine_N)
            found.append(auc(rows.target_N[wanted_N], logit_N[wanted_N]))
    if len(found) < MIN_CLUSTERS:
        return None
    losses = [logit(value) - logit(seen) for value in found]
    spread = float(np.std(losses, ddof=1)) * math.sqrt(1 + 1 / len(losses))
    return Unseen(Shift(float(np.mean(losses)), spread), tuple(losses), float(seen), float(np.mean(found)))
