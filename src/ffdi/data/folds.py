"""Folds: which images a model never saw when it is judged on them.

Scheme "group" keeps near-duplicates together and the classes alike (scikit-learn's StratifiedGroupKFold). "cluster"
besides leaves clusters of fakes out whole, as unseen forgeries would be. "official" trains on the contest's train and
holds its val out.

The table depends on the ids, labels and hashes, not on the order of the rows.
Shapes: N rows, G groups, K folds, 2 classes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from ffdi.config.recipe import Folds
from ffdi.core import checksum, keys
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.data.clusters import cluster, deal_clusters
from ffdi.data.groups import groups

UNEVEN = 0.02  # the fake share of a fold may differ this much from the whole, or as much as one group makes out
MOST_COMPARED = 50_000  # rows whose embeddings are compared, all with all, to find near-duplicates
TRAINED_ONLY = -1  # the fold of rows that no fold holds out


def make(
    places: Workspace,
    spec: Folds,
    manifest: pd.DataFrame,
    fit: Sequence[str],
    embeddings: np.ndarray | None = None,
) -> pd.DataFrame:
    """The fold table of these wishes: the one on disk if it fits, else made, checked and written.

    Columns id, split, group int64, fold int16, sorted by split and id; as `make_folds`, which names the errors.
    """
    if is_current(places, spec, manifest, fit):
        return checksum.read_table(places.folds(spec.scheme))
    folds = make_folds(manifest, spec, fit, embeddings)
    checksum.write_table(places.folds(spec.scheme), folds, _facts(folds, spec, manifest, fit))
    return folds


def read(places: Workspace, spec: Folds, manifest: pd.DataFrame, fit: Sequence[str]) -> pd.DataFrame:
    """The fold table on disk. Raises UserError if it is missing or was made from another manifest or recipe."""
    path = places.folds(spec.scheme)
    if not path.exists():
        raise UserError(f"There are no folds at {path}; run `ffdi folds` first.")
    if not is_current(places, spec, manifest, fit):
        raise UserError(f"{path} was made from other images or fold settings; run `ffdi folds` again.")
    return checksum.read_table(path)


def is_current(places: Workspace, spec: Folds, manifest: pd.DataFrame, fit: Sequence[str]) -> bool:
    """Whether the table on disk is the answer to these wishes. Raises CorruptError if it is damaged."""
    path = places.folds(spec.scheme)
    if not path.exists():
        return False
    facts = checksum.read_facts(path)
    wishes = _wishes(spec, manifest, fit)
    return {name: facts.get(name) for name in wishes} == wishes


def make_folds(
    manifest: pd.DataFrame, spec: Folds, fit: Sequence[str], embeddings: np.ndarray | None = None
) -> pd.DataFrame:
    """Group and fold of every usable row of the `fit` splits: id, split, group int64, fold int16.

    With the scheme "cluster" also cluster int16, -1 in groups without fakes. `embeddings`: float [N, D] in the order
    of `manifest.select(manifest, fit)`. Raises UserError if there are fewer images of a class, fewer groups or fewer
    clusters than folds, if near-duplicates chain through the data, or if the scheme lacks what it needs.
    """
    rows = manifests.select(manifest, fit)
    compared = embeddings if len(rows) <= MOST_COMPARED else None
    table = rows[["id", "split", "target"]].assign(
        group=groups(rows, spec.distance, spec.confirm, compared, spec.cosine)
    )
    table = table.sort_values(["split", "id"])
    if embeddings is not None:
        embeddings = embeddings[table.index]
    return _dealt(table.reset_index(drop=True), spec, embeddings)


def _dealt(table: pd.DataFrame, spec: Folds, embeddings: np.ndarray | None) -> pd.DataFrame:
    """`table` has id, split, target and group; `embeddings` are in its order."""
    target, group = table["target"].to_numpy(np.int64), table["group"].to_numpy()
    columns = ["id", "split", "group", "fold"]
    if spec.scheme == "official":
        _check_official(table)
        held_N = table["split"] == "val"
        return table.assign(fold=np.where(held_N, 0, TRAINED_ONLY).astype(np.int16))[columns]
    _check_enough(target, group, spec)
    if spec.scheme == "cluster":
        if embeddings is None:
            raise UserError('Folds of the scheme "cluster" need features of the images; name folds.embedding.')
        cluster_G = cluster(embeddings, target, group, spec.clusters, spec.seed)
        table["cluster"] = cluster_G[group].astype(np.int16)
        table["fold"] = deal_clusters(target, group, cluster_G, spec.k)
        columns.append("cluster")
    else:
        table["fold"] = deal_groups(target, group, spec.k, spec.seed)
    check_folds(table, even=spec.scheme != "cluster")
    return table[columns]


def deal_groups(target: np.ndarray, group: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Fold of each row, int16 [N], with whole groups (0 .. G-1) in one fold and the classes (0, 1) spread evenly.

    StratifiedGroupKFold weighs every group against every fold in Python: 0.45 ms a group, minutes for half a million
    images. But groups with the same class counts are interchangeable. They are dealt round-robin, which leaves all
    folds equal, and only the last one to two rounds of each kind go to StratifiedGroupKFold.
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


def _round_robin(counts_G2: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Fold of each group, int16 [G], for whole rounds of groups with equal counts; -1 for those that are left."""
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
    """Other numbers for the same groups, in which they come to the splitter in a drawn order.

    What shuffle=True does from scikit-learn 1.8 on; before, it gave groups the class counts of others (sklearn #32540:
    folds off by up to 14 points of class share). So all versions make the same folds.
    """
    place = np.unique(group, return_inverse=True)[1].ravel()
    drawn = np.random.RandomState(_state(seed)).permutation(place.max() + 1)
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


def check_folds(table: pd.DataFrame, even: bool = True) -> None:
    """`table` has target, group and fold. Raises UserError if a group straddles folds or the classes are uneven.

    Whole clusters cannot be dealt evenly: without `even` a fold need only hold both classes.
    """
    straddling = table.groupby("group")["fold"].nunique()
    if (straddling > 1).any():
        raise UserError(
            f"Group {straddling.idxmax()} stands in several folds; delete the fold table and make it again."
        )
    folds = table.groupby("fold")["target"].agg(["size", "mean"])
    whole = float(table["target"].mean())
    allowed = np.maximum(UNEVEN, table.groupby("group").size().max() / folds["size"])
    uneven = even & ((folds["mean"] - whole).abs() > allowed)
    one_class = (folds["mean"] == 0) | (folds["mean"] == 1)
    for number, fold in folds[uneven | one_class].iterrows():
        raise UserError(
            f"Fold {number} has {fold['mean']:.1%} fakes and the whole {whole:.1%}: the groups are too large for even "
            "folds; lower folds.k or folds.confirm in the recipe."
        )


def _check_enough(target: np.ndarray, group: np.ndarray, spec: Folds) -> None:
    for value, word in enumerate(("real", "fake")):
        count = int((target == value).sum())
        if count < spec.k:
            raise UserError(f"{spec.k} folds need as many {word} images, and {count} are usable; lower folds.k.")
    if group.max() + 1 < spec.k:
        raise UserError(f"{spec.k} folds need as many groups, and there are {group.max() + 1}; lower folds.k.")


def _check_official(table: pd.DataFrame) -> None:
    for split in ("train", "val"):
        if table.loc[table["split"] == split, "target"].nunique() < 2:
            raise UserError(
                f'The scheme "official" needs originals and fakes in {split}; say data.train_splits = '
                '["train", "val"], or take another folds.scheme.'
            )


def _state(seed: int) -> int:
    return keys.key("folds", "splitter", seed) % 2**32  # what scikit-learn takes as a seed


def _wishes(spec: Folds, manifest: pd.DataFrame, fit: Sequence[str]) -> dict[str, Any]:
    unused = set() if spec.scheme == "cluster" else {"clusters"}
    wishes = spec.model_dump(mode="json", exclude=unused)
    return {**wishes, "fit": list(fit), "manifest": manifests.digest(manifest)}


def _facts(folds: pd.DataFrame, spec: Folds, manifest: pd.DataFrame, fit: Sequence[str]) -> dict[str, Any]:
    joined = folds.merge(manifest[["id", "split", "target"]], on=["id", "split"], validate="one_to_one")
    sizes = joined.groupby("group").size()
    return {
        **_wishes(spec, manifest, fit),
        "images": len(joined),
        "groups": len(sizes),
        "images_in_groups": int(sizes[sizes > 1].sum()),
        "largest_group": int(sizes.max()),
        "counts": pd.crosstab(joined["fold"], joined["target"]).to_numpy().tolist(),  # a fold: [real, fake]
    }
