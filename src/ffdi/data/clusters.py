"""Cluster fakes that look alike. Whole clusters that are held out imitate forgeries that are not in the data.

The winners of multi-ffdi clustered their images by features (k-means, about 20) and held clusters out, since the
official validation set flattered everyone (0.994 there, 0.930 on the test). Here near-duplicate groups stay whole, so
groups are clustered, and an original goes where its forgeries go.

Of a group counts mean(fake) - mean(real) embedding, where it holds both: that removes identity and pose. In 20 clusters
of the sample's 203 fakes, 97 % share their family with most of the cluster (three seeds, 0.966 to 0.985); by the fakes'
own features 66 %, where the larger family alone makes 58 %.

Shapes: N rows, G groups, C clusters, K folds, D features.
"""

import numpy as np
from sklearn.cluster import KMeans

from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.data.groups import centred, unit_rows

NONE = -1  # the cluster of a group without fakes


def cluster(embeddings: np.ndarray, target: np.ndarray, group: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return the cluster of each group, int64 [G], 0 .. C-1 by falling number of fakes; -1 for a group without fakes.

    Args:
        embeddings: [N, D].
        target: 0 or 1, [N].
        group: 0 .. G-1, [N].
        count: C. Raises UserError if fewer groups hold fakes.
        seed: Of k-means. The clusters are equal for rows in the same order only.
    """
    fakes_G = np.bincount(group, target, group.max() + 1)
    holders = np.flatnonzero(fakes_G)
    if len(holders) < count:
        raise UserError(
            f"{count} clusters need as many groups with fakes, there are {len(holders)}; lower folds.clusters."
        )
    units_ND = unit_rows(centred(embeddings))
    directions_GD = unit_rows(_means(units_ND, target == 1, group) - _means(units_ND, target == 0, group))[holders]
    kmeans = KMeans(count, n_init=10, random_state=keys.key("clusters", seed) % 2**32)
    found = kmeans.fit_predict(directions_GD)
    number_C = np.empty(count, np.int64)
    number_C[np.argsort(-np.bincount(found, fakes_G[holders], count), kind="stable")] = np.arange(count)
    cluster_G = np.full(len(fakes_G), NONE, np.int64)
    cluster_G[holders] = number_C[found]
    return cluster_G


def deal_clusters(target: np.ndarray, group: np.ndarray, cluster_G: np.ndarray, k: int) -> np.ndarray:
    """Return the fold of each row, int16 [N]: whole clusters, then groups without fakes to even out the class shares.

    Both by the rule of the longest processing time: the largest goes where least is.

    Args:
        target: 0 or 1, [N].
        group: 0 .. G-1, [N].
        cluster_G: As `cluster` returns it.
        k: Number of folds.

    Raises:
        UserError: There are fewer clusters with fakes than folds.
    """
    counts_G2 = np.bincount(2 * group + target, minlength=2 * len(cluster_G)).reshape(-1, 2)
    sizes_C = np.bincount(cluster_G[cluster_G >= 0], counts_G2[cluster_G >= 0, 1])
    if np.count_nonzero(sizes_C) < k:
        raise UserError(
            f"{k} folds need as many clusters of fakes, there are {np.count_nonzero(sizes_C)}; lower folds.k."
        )
    fold_C = _deal(sizes_C, np.zeros(k), np.ones(k))
    fold_G = np.where(cluster_G >= 0, fold_C[cluster_G], NONE).astype(np.int16)
    fakes_K, reals_K = (np.bincount(fold_G[fold_G >= 0], counts_G2[fold_G >= 0, kind], k) for kind in (1, 0))
    alone = np.flatnonzero(fold_G < 0)
    fold_G[alone] = _deal(counts_G2[alone, 0], reals_K, fakes_K)
    return fold_G[group]


def _means(units_ND: np.ndarray, wanted_N: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Return the mean features of the wanted rows of each group, [G, D]; zero where there are none."""
    count = group.max() + 1
    sums_GD = np.zeros((count, units_ND.shape[1]), np.float32)
    np.add.at(sums_GD, group[wanted_N], units_ND[wanted_N])
    return sums_GD / np.maximum(np.bincount(group, wanted_N, count), 1).astype(np.float32)[:, None]


def _deal(sizes: np.ndarray, filled_K: np.ndarray, wanted_K: np.ndarray) -> np.ndarray:
    """Return the fold of each part, the largest first, each to the fold that is emptiest for its `wanted` share."""
    filled_K, folds = filled_K.astype(float), np.empty(len(sizes), np.int16)
    for part in np.argsort(-sizes, kind="stable"):
        folds[part] = fold = (filled_K / wanted_K).argmin()
        filled_K[fold] += sizes[part]
    return folds
