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

from ffdi.core.errors import UserError
from ffdi.data import hashes, pairs

LARGEST = 0.1  # share of the rows in one group from which no fair folds can be made
ALWAYS = 20  # rows that may stand in one group whatever the share
CELLS = 1 << 25  # similarities held at once, 128 MB


def groups(
    rows: pd.DataFrame,
    distance: int,
    confirm: int,
    embeddings: np.ndarray | None = None,
    cosine: float = 0.95,
) -> np.ndarray:
    """Group of each row, int64 [N]: 0, 1, ... in the order of the smallest (split, id) in each.

    `rows` has id, sha256, phash and phash256, and split if ids repeat between splits. Near means at most `distance`
    of 64 and `confirm` of 256 bits, or, with `embeddings` (float [N, D], in the order of `rows`), at least `cosine`.
    The result for an image does not depend on the order of the rows. Raises UserError if one group swallows the data.
    """
    order = _by_id(rows)
    rows = rows.iloc[order]
    links = [_equal(rows["sha256"]), _near(rows, distance, confirm)]
    if embeddings is not None:
        links.append(neighbours(embeddings[order], cosine))
    group = components(np.concatenate(links), len(rows))
    if _is_giant(group):
        raise UserError(_remedy(rows, links))
    placed = np.empty(len(rows), np.int64)
    placed[order] = group
    return placed


def components(links: np.ndarray, count: int) -> np.ndarray:
    """Connected component of each of `count` rows under `links`, int64 [P, 2], numbered by first appearance."""
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(count, count))
    labels = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]


def neighbours(embeddings: np.ndarray, cosine: float) -> np.ndarray:
    """Links, int64 [P, 2] with P < N, that join exactly the rows whose centred embeddings [N, D] reach `cosine`.

    Centring comes first because all portraits share a large common part: it takes the twins found without one false
    pair from 96 % to 99 % (tf_efficientnet_lite0, stage of stride 8 pooled to 4 x 4; 1,598 portraits).
    The time grows with N squared times D: for some ten thousand rows, or on fewer features. Raises ValueError for
    values that are not finite.
    """
    if embeddings.ndim != 2 or not np.isfinite(embeddings).all():
        raise ValueError("embeddings must be finite numbers of shape [N, D]")
    units = embeddings.astype(np.float32) - embeddings.mean(axis=0, dtype=np.float64).astype(np.float32)
    units /= np.maximum(np.linalg.norm(units, axis=1, keepdims=True), 1e-12)
    count = len(units)
    links = np.empty((0, 2), np.int64)
    step = max(1, CELLS // max(1, count))
    for start in range(0, count, step):
        near = np.triu(units[start : start + step] @ units[start:].T >= cosine, 1)
        found = start + np.stack(np.nonzero(near), axis=1)
        # A forest has fewer links than rows, however many pairs there are.
        links = _forest(components(np.concatenate([links, found]), count))
    return links


def _forest(labels: np.ndarray) -> np.ndarray:
    """Links from the first row of each component to its other rows."""
    first = np.unique(labels, return_index=True)[1][labels]
    others = np.flatnonzero(first != np.arange(len(labels)))
    return np.stack([first[others], others], axis=1)


def _by_id(rows: pd.DataFrame) -> np.ndarray:
    """Positions that put the rows in the order of (split, id)."""
    keys = [name for name in ("split", "id") if name in rows]
    return rows[keys].reset_index(drop=True).sort_values(keys).index.to_numpy()


def _equal(values: pd.Series) -> np.ndarray:
    return _forest(pd.factorize(values)[0])


def _near(rows: pd.DataFrame, distance: int, confirm: int) -> np.ndarray:
    short = rows["phash"].to_numpy(np.uint64)
    return pairs.near_pairs(short, distance, hashes.from_hex(list(rows["phash256"])), confirm)


def _is_giant(group: np.ndarray) -> bool:
    return len(group) > 0 and int(np.bincount(group).max()) > max(ALWAYS, LARGEST * len(group))


def _remedy(rows: pd.DataFrame, links: list[np.ndarray]) -> str:
    """One sentence: which kind of link chains the rows together and which value of the recipe ends it."""
    count = len(rows)
    equal, near, *others = links
    said = f"More than {LARGEST:.0%} of {count:,} images chain into one group of near-duplicates"
    if _is_giant(components(equal, count)):
        return f"{said}: the same file stands under many names; remove the copies and scan again."
    if others and _is_giant(components(others[0], count)):
        return f"{said} by their embeddings; raise folds.cosine in the recipe."
    looks = hashes.from_hex(list(rows["phash256"]))
    bits = np.bitwise_count(looks[near[:, 0]] ^ looks[near[:, 1]]).sum(axis=1)
    for confirm in range(int(bits.max(initial=0)) // 4 * 4, 0, -4):
        kept = np.concatenate([equal, near[bits <= confirm], *others])
        if not _is_giant(components(kept, count)):
            return f"{said}; set folds.confirm = {confirm} in the recipe."
    return f"{said}; lower folds.distance in the recipe."
