"""A linear probe on embeddings, and the cost of unseen forgeries, which it measures.

Whole clusters of fakes are left out of the probe, which then scores them. It takes seconds where members would have to
be trained again. Its loss on the logit scale is carried over to the blend, with its spread over clusters.

Shapes: N held-out rows, D features.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ffdi.blending.methods import Array
from ffdi.core import keys
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import logit

PARTS = 5
STRENGTH = 0.01  # C of scikit-learn, on standardised features: of 0.001 to 0.1 it had the best AUC or was level
CLUSTERS = 8
MIN_FAKES = 10  # of a cluster whose loss counts
MIN_CLUSTERS = 3


@dataclass(frozen=True)
class Unseen:
    """`losses`: change of the logit of the AUC for each cluster that was left out, from the AUC with none left out.

    Here an AUC counts at most as one half over the rows of the rarer class below 1: the logit of 1 is as large as one
    likes, and a loss from there would turn the ranks of a blend round.
    `seen`, `left_out`: AUC of the probe, with none left out and the mean over clusters.
    """

    losses: tuple[float, ...]
    seen: float
    left_out: float


def crossfit(
    features_ND: Array,
    target_N: np.ndarray,
    part_N: NDArray[np.int64],
    fit_N: NDArray[np.bool_] | bool = True,
    weight_N: Array | None = None,
) -> Array:
    """Return the logit of each row by the probe that was fitted to the other parts; 0 if these lack a class.

    Args:
        features_ND: any scale.
        target_N: 0 or 1.
        part_N: rows that belong together have one part.
        fit_N: False: the row is scored and never fitted to.
        weight_N: of the rows in the fit.
    """
    from sklearn.linear_model import LogisticRegression  # late: it would delay the start of every verb

    spread_D = features_ND.std(axis=0)
    scaled_ND = (features_ND - features_ND.mean(axis=0)) / np.where(spread_D > 0, spread_D, 1)
    weight_N = np.ones(len(target_N)) if weight_N is None else weight_N
    logit_N = np.zeros(len(target_N))
    for part in np.unique(part_N):
        inside_N = part_N == part
        rows_N = ~inside_N & fit_N
        if len(np.unique(target_N[rows_N])) < 2:
            continue
        model = LogisticRegression(C=STRENGTH, max_iter=300).fit(scaled_ND[rows_N], target_N[rows_N], weight_N[rows_N])
        logit_N[inside_N] = model.decision_function(scaled_ND[inside_N])
    return logit_N


def cost_of_unseen(features_ND: Array, fake_N: NDArray[np.bool_], group_N: NDArray[np.int64]) -> Unseen | None:
    """Return the cost of unseen kinds; None if there are too few fakes to tell.

    Args:
        features_ND: embeddings of the held-out rows.
        fake_N: True for fakes.
        group_N: numbers from 0 on; near-duplicates share one.
    """
    count = min(CLUSTERS, len(np.unique(group_N[fake_N])) // MIN_FAKES)
    if count < MIN_CLUSTERS:
        return None
    part_N = (rng("unseen", 0).permutation(group_N.max() + 1) % PARTS)[group_N]
    cluster_N = _clusters(features_ND, fake_N, group_N, count)
    seen = auc(fake_N, crossfit(features_ND, fake_N, part_N))
    found = []
    for number in range(count):
        mine_N = cluster_N == number
        if mine_N.sum() >= MIN_FAKES:
            wanted_N = ~fake_N | mine_N
            logit_N = crossfit(features_ND, fake_N, part_N, ~mine_N)
            found.append(auc(fake_N[wanted_N], logit_N[wanted_N]))
    if len(found) < MIN_CLUSTERS:
        return None
    most = 1 - 0.5 / min(np.bincount(fake_N))
    losses = tuple(logit(min(value, most)) - logit(min(seen, most)) for value in found)
    return Unseen(losses, float(seen), float(np.mean(found)))


def _clusters(
    features_ND: Array, fake_N: NDArray[np.bool_], group_N: NDArray[np.int64], count: int
) -> NDArray[np.int64]:
    """Return the cluster of each fake, -1 for originals, by what sets it apart from the original of its group.

    A fake without an original is compared with the mean of all. Unlike the clusters of folds these part the fakes of
    one group, which may be of several kinds.
    """
    from sklearn.cluster import KMeans  # late: it would delay the start of every verb

    groups, units_ND = group_N.max() + 1, _units(features_ND - features_ND.mean(axis=0))
    sums_GD = np.zeros((groups, units_ND.shape[1]))
    np.add.at(sums_GD, group_N[~fake_N], units_ND[~fake_N])
    known_G = np.bincount(group_N[~fake_N], minlength=groups)
    means_GD = np.where(known_G[:, None], sums_GD / np.maximum(known_G, 1)[:, None], units_ND[~fake_N].mean(axis=0))
    marks_FD = _units(units_ND[fake_N] - means_GD[group_N[fake_N]])
    cluster_N = np.full(len(fake_N), -1)
    state = keys.key("unseen", 0) % 2**32
    cluster_N[fake_N] = KMeans(count, n_init=4, random_state=state).fit_predict(marks_FD)
    return cluster_N


def _units(vectors_ND: Array) -> Array:
    return vectors_ND / np.maximum(np.linalg.norm(vectors_ND, axis=1, keepdims=True), 1e-12)
