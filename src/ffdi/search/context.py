"""The context that all trials of a search share: rows, folds and seeds, so that they differ only in what is searched.

N rows, G groups.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition
from ffdi.config.recipe import Member, Recipe
from ffdi.config.search import Proxy, Search
from ffdi.core import checksum, digest, keys
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.search import space
from ffdi.search.study import StudyOptions
from ffdi.training.job import FoldJob, digest_of, plan

BUDGET = {"trials", "minutes", "top_k", "rerun_seeds"}  # may grow in a study that has begun


@dataclass(frozen=True)
class SearchContext:
    """`manifest` and `folds` hold only the rows of the trials; artefacts go below `folder`."""

    recipe: Recipe
    search: Search
    competition: Competition
    manifest: pd.DataFrame
    folds: pd.DataFrame
    images: Path
    folder: Path

    @property
    def base(self) -> Member:
        """Return the member with its proxy, which trials change."""
        return space.with_proxy(self.search, space.searched_member(self.recipe))

    @property
    def held_out(self) -> tuple[int, ...]:
        return self.search.proxy.folds or tuple(self.recipe.folds.held_out)

    def jobs(self, member: Member) -> list[FoldJob]:
        """Return the folds of one trial, in order. Trials with equal members share a run folder."""
        recipe = self.recipe.model_copy(update={"member": (member,)})
        workspace = Workspace(self.folder, self.folder)
        planned = plan(recipe, self.competition, self.manifest, self.folds, self.images, workspace)
        by_fold = {job.fold: job for job in planned}
        return [by_fold[fold] for fold in self.held_out]

    def options(self, storage: str = "") -> StudyOptions:
        """Return the study of these trials, in `storage` (a URL) or in the journal file of `folder`."""
        search = self.search
        return StudyOptions(
            name=self.folder.name,
            folder=self.folder,
            storage=storage,
            trials=search.trials,
            minutes=search.minutes,
            pruner=search.pruner,
            seed=search.seed,
            epochs=space.longest(search, self.base),
        )

    def without_proxy(self, manifest: pd.DataFrame, folds: pd.DataFrame) -> "SearchContext":
        """Return the context of full training, from the whole manifest and fold table."""
        search = self.search.model_copy(update={"proxy": Proxy()})
        rows = manifests.select(manifest, self.recipe.data.train_splits, usable=False)
        return replace(self, search=search, manifest=rows, folds=folds)


def make_context(
    recipe: Recipe,
    competition: Competition,
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    images: Path,
    workspace: Workspace,
) -> SearchContext:
    """Return the context of the recipe's search.

    The study's folder is named by everything that its scores depend on, so another space, proxy or fold table is
    another study.

    Args:
        recipe: With a [search].
        competition: The recipe's.
        manifest: As stored.
        folds: The fold table.
        images: The competition folder.
        workspace: Where artefacts go.

    Raises:
        UserError: There is no `[search]`, or the proxy leaves a fold without one of the classes.
    """
    search = recipe.search
    if search is None:
        raise UserError(f"Recipe {recipe.name} has no [search]; ensembles/search_sample.toml shows one.")
    rows = manifests.select(manifest, recipe.data.train_splits, usable=False)
    table = folds.merge(rows[["id", "split", "target"]], on=["id", "split"], validate="one_to_one")
    kept = table[share_of_groups(table, search.proxy.share, search.seed)]
    classes = kept.groupby("fold")["target"].nunique()
    for fold in search.proxy.folds or recipe.folds.held_out:
        if classes.get(fold, 0) < 2:
            share = f"search.proxy.share = {search.proxy.share:g}"
            raise UserError(f"{share} leaves fold {fold} without images of both classes; raise it.")
    kept = kept[list(folds.columns)].reset_index(drop=True)
    rows = rows.merge(kept[["id", "split"]], on=["id", "split"])
    identity = {
        "search": search.model_dump(mode="json", exclude=BUDGET),
        "member": space.searched_member(recipe).model_dump(mode="json"),
        "manifest": manifests.digest(rows),
        "folds": digest_of(kept),
    }
    folder = workspace.searches / f"{recipe.name}-{digest.of_json(identity)[:8]}"
    return SearchContext(recipe, search, competition, rows, kept, images, folder)


def score_of(job: FoldJob) -> float:
    """Return what is maximised: the held-out AUC of a finished fold. Raise UserError where a class is missing."""
    found = checksum.read_json(job.folder.done)["scores"]
    if "auc" not in found:
        raise UserError(f"{job.label} has no held-out image of one of the classes; raise search.proxy.share.")
    return float(found["auc"])


def share_of_groups(table: pd.DataFrame, share: float, seed: int) -> np.ndarray:
    """Return the rows to keep, bool [N]: whole groups, the same share of every fold and of every kind of group.

    Args:
        table: id, split, target, group and fold of N rows.
        share: From 0 to 1.
        seed: With the ids it decides which groups are kept; the order of the rows does not.
    """
    groups = table.assign(name=table["split"] + "\t" + table["id"]).groupby("group")
    kinds = groups.agg(fold=("fold", "first"), fakes=("target", "sum"), size=("target", "size"), name=("name", "min"))
    kinds["key"] = [keys.key(seed, "share", name) for name in kinds["name"]]
    kinds = kinds.sort_values(["fold", "size", "fakes", "key"])
    place_G = kinds.groupby("fold").cumcount().to_numpy()
    # Every 1 / share-th of the sorted groups of a fold.
    kept = kinds.index[np.floor((place_G + 1) * share + 1e-9) > np.floor(place_G * share + 1e-9)]
    return table["group"].isin(kept).to_numpy()
