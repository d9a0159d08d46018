"""Groups of images that must not be split between folds: copies, re-encodes, and an original with its forgeries.

Three kinds of links join rows: the same bytes; hashes near each other at two lengths; embeddings near each other. A
group is a connected component of the links, so a chain of small edits stays together.

The longer hash matters because faces aligned alike collide on 64 bits, and the number of pairs grows with the square
of the rows: a rate of false pairs that is harmless among a thousand images chains half a million into one group.

Shapes: N rows, P pairs, D features.
"""

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ffdi.data import hashes

# Near-duplicates differ in at most DISTANCE of 64 and CONFIRM of 256 bits, or the cosine of their embeddings reaches
# COSINE. At CONFIRM = 60 links among 524,429 synthetic images have precision 0.994 and recall 0.998; at 64 0.89.
DISTANCE, CONFIRM, COSINE = 12, 60, 0.8
CELLS = 1 << 25  # similarities held at once, 128 MB


def groups(rows: pd.DataFrame, embeddings: np.ndarray | None = None) -> np.ndarray:
    """Return the group of each row, int64 [N]: 0, 1, ... in the order of the smallest (split, id) in each.

    The group of an image does not depend on the order of the rows.

    Args:
        rows: id, sha256, phash, phash256, and split if ids repeat between splits.
        embeddings: Finite numbers [N, D] in the order of `rows`; None: hashes alone.
    """
    keys = [name for name in ("split", "id") if name in rows]
    order = rows[keys].reset_index(drop=True).sort_values(keys).index.to_numpy()
    rows = rows.iloc[order]
    links = [_forest(pd.factorize(rows["sha256"])[0]), near(rows)]
    if embeddings is not None:
        links.append(neighbours(embeddings[order], COSINE))
    placed = np.empty(len(rows), np.int64)
    placed[order] = components(np.concatenate(links), len(rows))
    return placed


def too_large(rows: pd.DataFrame, group: np.ndarray, k: int) -> str:
    """Return why the largest group fits into no fold, and a remedy that parts no near-duplicates.

    Args:
        rows: As `groups` takes them.
        group: Of each row, [N].
        k: Number of folds.
    """
    members = rows[group == np.bincount(group).argmax()]
    one, other = members["id"].iloc[[0, -1]]
    fits = len(rows) // len(members)
    remedy = f"lower folds.k to {fits}" if fits >= 2 else "remove copies, or add images of other scenes or persons"
    return (
        f"{len(members):,} of {len(rows):,} images, such as {one!r} and {other!r}, are near-duplicates of each other, "
        f"which must stay together, and one of {k} folds holds {len(rows) // k:,}; {remedy}."
    )


def near(rows: pd.DataFrame) -> np.ndarray:
    """Return the pairs of near-duplicates by phash and phash256, int64 [P, 2], as `pairs.near_pairs` does."""
    from ffdi.data.pairs import near_pairs  # late: the compiler takes half a second

    short = rows["phash"].to_numpy(np.uint64)
    return near_pairs(short, DISTANCE, hashes.from_hex(list(rows["phash256"])), CONFIRM)


def components(links: np.ndarray, count: int) -> np.ndarray:
    """Return the connected component of each of `count` rows, int64, numbered by first appearance.

    Example:
        >>> components(np.array([[0, 2], [1, 3]]), 5).tolist()
        [0, 1, 0, 1, 2]
    """
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(count, count))
    return pd.factorize(connected_components(graph, directed=False)[1])[0].astype(np.int64)


def neighbours(embeddings: np.ndarray, cosine: float) -> np.ndarray:
    """Return links, int64 [P, 2] with P < N, that join exactly the rows whose centred embeddings [N, D] reach `cosine`.

    Centring comes first because all portraits share a large common part: it takes the fakes found beside their original
    without one false pair from 96 % to 99 % (tf_efficientnet_lite0, stage of stride 8 pooled to 4 x 4, 1,598 images).
    The time grows with N squared times D: for some ten thousand rows.
    """
    units = unit_rows(centred(embeddings))
    count = len(units)
    links = np.empty((0, 2), np.int64)
    step = max(1, CELLS // max(1, count))
    for start in range(0, count, step):
        near = np.triu(units[start : start + step] @ units[start:].T >= cosine, 1)
        found = start + np.stack(np.nonzero(near), axis=1)
        # A forest has fewer links than rows, however many pairs there are.
        links = _forest(components(np.concatenate([links, found]), count))
    return links


def centred(embeddings: np.ndarray) -> np.ndarray:
    """Return embeddings less their mean, float32 [N, D]."""
    return embeddings.astype(np.float32) - embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)


def unit_rows(vectors_ND: np.ndarray) -> np.ndarray:
    return vectors_ND / np.maximum(np.linalg.norm(vectors_ND, axis=1, keepdims=True), 1e-12)


def _forest(labels: np.ndarray) -> np.ndarray:
    """Return links from the first row of each component to its other rows."""
    first = np.unique(labels, return_index=True)[1][labels]
    others = np.flatnonzero(first != np.arange(len(labels)))
    return np.stack([first[others], others], axis=1)
