"""The fold table: for each image, the fold whose model does not train on it.

Scheme "group" keeps near-duplicates together and the classes alike. "cluster" besides leaves clusters of fakes out
whole, as unseen forgeries would be. "official" trains on the contest's train and holds its val out, together with
near-duplicates of val in train.

The table depends on the ids, labels and hashes, not on the order of the rows.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ffdi.config.recipe import Folds
from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.data.clusters import cluster, deal_clusters
from ffdi.data.deal import check_folds, deal_groups, require_enough
from ffdi.data.groups import groups, too_large

MAX_COMPARED = 50_000  # rows whose embeddings are compared, all with all, to find near-duplicates
SMALL_GROUP = 20  # rows that may be one group whatever the size of a fold
TRAINED_ONLY = -1  # the fold of rows that no fold holds out


def make(
    places: Workspace,
    spec: Folds,
    manifest: pd.DataFrame,
    splits: Sequence[str],
    embed: Callable[[], np.ndarray | None] = lambda: None,
) -> pd.DataFrame:
    """Return the fold table: the one on disk if it fits, else made by `fold_table`, which names the errors.

    Args:
        places: Where the table lies.
        spec: The recipe's [folds].
        manifest: As `manifest.read` gives it.
        splits: Those that are folded.
        embed: Returns embeddings as `fold_table` takes them; called where the table is made.
    """
    if _is_current(places, spec, manifest, splits):
        return checksum.read_table(places.folds(spec.scheme))
    folds = fold_table(manifest, spec, splits, embed())
    checksum.write_table(places.folds(spec.scheme), folds, _inputs(spec, manifest, splits))
    return folds


def read(places: Workspace, spec: Folds, manifest: pd.DataFrame, splits: Sequence[str]) -> pd.DataFrame:
    """Return the table on disk.

    Args:
        places: Where the table lies.
        spec: The recipe's [folds].
        manifest: As `manifest.read` gives it.
        splits: Those that are folded.

    Raises:
        UserError: It is missing, or was made from another manifest or recipe.
    """
    path = places.folds(spec.scheme)
    table = checksum.read_table(path)
    if not _is_current(places, spec, manifest, splits):
        raise UserError(f"{path} was made from other images or fold settings; run `ffdi folds` again.")
    return table


def _is_current(places: Workspace, spec: Folds, manifest: pd.DataFrame, splits: Sequence[str]) -> bool:
    """Return whether the table on disk was made from this."""
    path = places.folds(spec.scheme)
    if not path.exists():
        return False
    facts, inputs = checksum.read_facts(path), _inputs(spec, manifest, splits)
    return {name: facts.get(name) for name in inputs} == inputs


def fold_table(
    manifest: pd.DataFrame, spec: Folds, splits: Sequence[str], embeddings: np.ndarray | None = None
) -> pd.DataFrame:
    """Return group and fold of every usable row of some splits, by split and id.

    Args:
        manifest: As `manifest.read` gives it.
        spec: The recipe's [folds].
        splits: Those that are folded.
        embeddings: float [N, D] in the order of `manifest.select(manifest, splits)`.

    Returns:
        id, split, group int64, fold int16; with the scheme "cluster" also cluster int16, -1 in groups without fakes.

    Raises:
        UserError: a split without targets; fewer images of a class, groups or clusters than folds; a group that no fold
            can hold; or the scheme lacks what it needs.
    """
    rows = manifests.select(manifest, splits)
    for split in rows.loc[rows["target"] < 0, "split"]:
        raise UserError(f"Split {split!r} has no targets to learn from; take it out of data.train_splits.")
    compared = embeddings if len(rows) <= MAX_COMPARED else None
    group = groups(rows, embeddings=compared)
    if spec.scheme != "official" and len(rows) and np.bincount(group).max() > max(SMALL_GROUP, len(rows) / spec.k):
        raise UserError(too_large(rows, group, spec.k))
    table = rows[["id", "split", "target"]].assign(group=group).sort_values(["split", "id"])
    if embeddings is not None:
        embeddings = embeddings[table.index]
    return _dealt(table.reset_index(drop=True), spec, embeddings)


def _dealt(table: pd.DataFrame, spec: Folds, embeddings: np.ndarray | None) -> pd.DataFrame:
    """Add the fold to id, split, target and group; `embeddings` are in their order."""
    target, group = table["target"].to_numpy(np.int64), table["group"].to_numpy()
    columns = ["id", "split", "group", "fold"]
    if spec.scheme == "official":
        held_N = (table["split"] == "val").groupby(table["group"]).transform("any")
        table = table.assign(fold=np.where(held_N, 0, TRAINED_ONLY).astype(np.int16))
        if (table.groupby("fold")["target"].nunique().reindex([TRAINED_ONLY, 0], fill_value=0) < 2).any():
            raise UserError(
                'The scheme "official" needs originals and fakes in val, and in train some that are no near-duplicates '
                'of val; say data.train_splits = ["train", "val"], or take another folds.scheme.'
            )
        return table[columns]
    require_enough(target, group, spec.k)
    if spec.scheme == "cluster":
        if embeddings is None:
            raise UserError('Folds of the scheme "cluster" need features of the images; name folds.embedding.')
        cluster_G = cluster(embeddings, target, group, spec.clusters, spec.seed)
        table["cluster"] = cluster_G[group].astype(np.int16)
        table["fold"] = deal_clusters(target, group, cluster_G, spec.k)
        columns.append("cluster")
    else:
        table["fold"] = deal_groups(target, group, spec.k, spec.seed)
    check_folds(table)
    return table[columns]


def _inputs(spec: Folds, manifest: pd.DataFrame, splits: Sequence[str]) -> dict[str, Any]:
    unused = set() if spec.scheme == "cluster" else {"clusters"}
    settings = spec.model_dump(mode="json", exclude=unused)
    return {**settings, "train_splits": list(splits), "manifest": manifests.digest(manifest)}
