"""Deal groups into folds: whole groups in one fold, the classes spread evenly.

Shapes: N rows, G groups, K folds, 2 classes.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.data.groups import components


def make_folds(
    labels: pd.DataFrame,
    groups: str | Sequence[str] = (),
    k: int = 5,
    seed: int = 0,
    id: str = "id",
    label: str = "label",
) -> pd.Series:
    """Return the fold, 0 to k - 1, of each row of a table of labels.

    Rows that share a value in any of the `groups` columns (a video, a person) stand in one fold; the classes are spread
    as evenly as whole groups allow. The folds depend on the ids and the seed, not on the order of the rows.

    Args:
        labels: One row an image, with the columns `id` and `label`.
        groups: Names of columns; a missing value in one links no rows.
        k: Number of folds, 2 or more.
        seed: Another seed deals other folds.
        id: Column of unique ids.
        label: Column of 0 (real) and 1 (fake).

    Raises:
        UserError: an id repeats, a label is neither 0 nor 1, or the rows or groups are too few for `k` folds.

    Example:
        >>> labels = pd.DataFrame({"id": list("abcdefgh"), "label": [0, 1] * 4, "video": [1, 1, 2, 2, 3, 3, 4, 4]})
        >>> labels["fold"] = make_folds(labels, groups="video", k=2)
        >>> labels.groupby("video")["fold"].nunique().tolist(), labels.groupby("fold")["label"].mean().tolist()
        ([1, 1, 1, 1], [0.5, 0.5])
    """
    _check_labels(labels, k, id, label)
    rows = labels.reset_index(drop=True).sort_values(id)  # tables that were joined often repeat their index
    target = rows[label].to_numpy(np.int64)
    group = _joined([rows[name] for name in ([groups] if isinstance(groups, str) else groups)], len(rows))
    require_enough(target, group, k)
    table = pd.DataFrame({"target": target, "group": group, "fold": deal_groups(target, group, k, seed)}, rows.index)
    check_folds(table)
    return table["fold"].sort_index().set_axis(labels.index)


def deal_groups(target: np.ndarray, group: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return the fold of each row, int16 [N].

    StratifiedGroupKFold weighs every group against every fold in Python: 0.45 ms a group, minutes for half a million
    images. But groups with the same class counts are interchangeable. They are dealt round-robin, which leaves all
    folds equal, and only the last one to two rounds of each kind go to StratifiedGroupKFold.

    Args:
        target: 0 or 1, [N].
        group: 0 .. G-1, [N].
        k: Number of folds.
        seed: Another seed deals other folds.
    """
    counts_G2 = np.bincount(2 * group + target, minlength=2 * (group.max() + 1)).reshape(-1, 2)
    fold_G = _round_robin(counts_G2, k, seed)
    left = np.flatnonzero(fold_G < 0)
    rest = np.flatnonzero(fold_G[group] < 0)
    splitter = StratifiedGroupKFold(k)
    for number, (_, held) in enumerate(splitter.split(rest, target[rest], _shuffled(group[rest], seed))):
        fold_G[group[rest[held]]] = number
    fold_G[left] = _levelled(fold_G[left], counts_G2[left], k)
    return fold_G[group]


def require_enough(target: np.ndarray, group: np.ndarray, k: int) -> None:
    """Raise UserError if there are fewer images of a class, or fewer groups, than folds.

    Args:
        target: 0 or 1, [N].
        group: 0 .. G-1, [N].
        k: Number of folds.
    """
    for value, word in enumerate(("real", "fake")):
        count = int((target == value).sum())
        if count < 2:
            raise UserError(f"Folds need images of both classes, and {count} {word} images are usable.")
        if count < k:
            raise UserError(f"{k} folds need as many {word} images, and {count} are usable; lower k to {count}.")
    if (count := group.max() + 1) < k:
        remedy = f"lower k to {count}" if count > 1 else "add images of other scenes or persons"
        raise UserError(f"{k} folds need as many groups, and there are {count}; {remedy}.")


def check_folds(table: pd.DataFrame) -> None:
    """Raise UserError if a fold (column fold) holds one class (column target) alone."""
    shares = table.groupby("fold")["target"].mean()
    for number, share in shares[shares.isin([0, 1])].items():
        remedy = "lower the number of folds" if len(shares) > 2 else "add images of other scenes or persons"
        raise UserError(
            f"Fold {number} has {share:.0%} fakes: the groups are too large for {len(shares)} folds; {remedy}."
        )


def _check_labels(labels: pd.DataFrame, k: int, id: str, label: str) -> None:
    if k < 2:
        raise UserError(f"k is {k}; make 2 folds or more.")
    repeated = labels[id][labels[id].duplicated()]
    if len(repeated):
        raise UserError(f"The id {repeated.iloc[0]!r} stands in several rows; keep one of them.")
    odd = labels[label][~labels[label].isin([0, 1])]
    if len(odd):
        raise UserError(f"The label {odd.iloc[0]} is neither 0 (real) nor 1 (fake); write one of them in every row.")


def _joined(columns: Sequence[pd.Series], count: int) -> np.ndarray:
    """Return the group of each row, 0 .. G-1: rows that share a value of a column, directly or through others."""
    links = [np.empty((0, 2), np.int64)]
    for column in columns:
        codes = pd.factorize(column)[0]
        known = np.flatnonzero(codes >= 0)
        first = pd.Series(known).groupby(codes[known]).transform("first").to_numpy()
        links.append(np.stack([first, known], axis=1))
    return components(np.concatenate(links), count)


def _round_robin(counts_G2: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return the fold of each group, int16 [G], for whole rounds of groups with equal counts; -1 for the rest."""
    kind = np.unique(counts_G2, axis=0, return_inverse=True)[1].ravel()
    size = np.bincount(kind)
    drawn = keys.rng("folds", seed).permutation(len(kind))
    order = drawn[np.argsort(kind[drawn], kind="stable")]  # by kind, within a kind as drawn
    place = np.empty(len(kind), np.int64)
    place[order] = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
    # One full round is kept back: so each class still has k images for the splitter, which asks for them.
    dealt = place < np.maximum(size // k - 1, 0)[kind] * k
    return np.where(dealt, place % k, -1).astype(np.int16)


def _shuffled(group: np.ndarray, seed: int) -> np.ndarray:
    """Return other numbers for the same groups, in which they come to the splitter in a drawn order.

    What shuffle=True does from scikit-learn 1.8 on; before, it gave groups the class counts of others (sklearn #32540:
    folds off by up to 14 points of class share). So all versions make the same folds.
    """
    place = np.unique(group, return_inverse=True)[1].ravel()
    state = keys.key("folds", "splitter", seed) % 2**32  # what scikit-learn takes as a seed
    drawn = np.random.RandomState(state).permutation(place.max() + 1)
    return np.argsort(drawn)[place]


def _levelled(fold_G: np.ndarray, counts_G2: np.ndarray, k: int) -> np.ndarray:
    """Move groups until no fold is empty, nor larger than another by more than the largest group.

    Seldom needed: StratifiedGroupKFold looks at sizes only between equal scores, and those differ by rounding. Every
    move lowers the sum of the squared sizes, so it ends.
    """
    fold_G, size_G = fold_G.copy(), counts_G2.sum(axis=1)
    while True:
        counts_K2 = np.stack([np.bincount(fold_G, counts_G2[:, value], k) for value in (0, 1)], axis=1)
        size_K, groups_K = counts_K2.sum(axis=1), np.bincount(fold_G, minlength=k)
        small = size_K.argmin()
        large = np.where((size_K[small] > 0) | (groups_K > 1), size_K, -1).argmax()
        if size_K[small] > 0 and size_K[large] - size_K[small] <= size_G.max():
            return fold_G
        movable = np.flatnonzero(fold_G == large)
        after_large, after_small = counts_K2[large] - counts_G2[movable], counts_K2[small] + counts_G2[movable]
        fold_G[movable[(after_large**2 + after_small**2).sum(axis=1).argmin()]] = small
