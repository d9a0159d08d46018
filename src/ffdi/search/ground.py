"""The common ground of all trials: the same rows, folds and seeds, so that trials differ in what is searched alone.

N rows, G groups.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.config.competition import Competition
from ffdi.config.recipe import Member, Recipe
from ffdi.config.search import Search
from ffdi.core import digest, keys
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.search import space
from ffdi.search.study import Wishes
from ffdi.training.job import FoldJob, digest_of, plan

BUDGET = {"trials", "minutes", "top_k", "rerun_seeds"}  # may grow in a study that has begun


@dataclass(frozen=True)
class Ground:
    """`manifest` and `folds` hold the rows of the trials alone; artefacts go below `folder`."""

    recipe: Recipe
    search: Search
    competition: Competition
    manifest: pd.DataFrame
    folds: pd.DataFrame
    images: Path
    cache: Path | None
    folder: Path

    @property
    def base(self) -> Member:
        """What trials change: the member with its proxy."""
        return space.proxied(self.search, space.base_of(self.recipe))

    @property
    def held_out(self) -> tuple[int, ...]:
        return self.search.proxy.folds or tuple(self.recipe.folds.held_out)

    def jobs(self, member: Member) -> list[FoldJob]:
        """The folds of one trial, in order. Equal members share their run folders, whatever their trials' numbers."""
        recipe = self.recipe.model_copy(update={"member": (member,)})
        places = Workspace(self.folder, self.folder)
        planned = plan(recipe, self.competition, self.manifest, self.folds, self.images, places)
        shared = [replace(job, cache=self.cache) for job in planned]
        by_fold = {job.fold: job for job in shared}
        return [by_fold[fold] for fold in self.held_out]

    def wishes(self, storage: str) -> Wishes:
        """The study of these trials, in `storage` (a URL) or in the journal file of `folder`."""
        search = self.search
        return Wishes(
            name=self.folder.name,
            folder=self.folder,
            space=space.distributions(search, self.base),
            storage=storage,
            trials=search.trials,
            minutes=search.minutes,
            sampler=search.sampler,
            pruner=search.pruner,
            seed=search.seed,
            folds=len(self.held_out),
            epochs=space.longest(search, self.base),
        )


def lay(
    recipe: Recipe,
    competition: Competition,
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    images: Path,
    places: Workspace,
) -> Ground:
    """The ground of the recipe's search, from the manifest and the fold table of its folds.

    The study's folder is named by everything that its scores depend on, so another space, proxy or fold table is
    another study. Raises UserError if there is no `[search]`, or if the proxy leaves a fold without one of the classes.
    """
    search = recipe.search
    if search is None:
        raise UserError(f"Recipe {recipe.name} has no [search]; ensembles/search_sample.toml shows one.")
    rows = manifests.select(manifest, recipe.data.train_splits, usable=False)
    table = folds.merge(rows[["id", "split", "target"]], on=["id", "split"], validate="one_to_one")
    kept = table[share_of_groups(table, search.proxy.share, search.seed)]
    _check_classes(kept, search, recipe.folds.held_out)
    kept = kept[list(folds.columns)].reset_index(drop=True)
    rows = rows.merge(kept[["id", "split"]], on=["id", "split"])
    identity = {
        "search": search.model_dump(mode="json", exclude=BUDGET),
        "member": space.base_of(recipe).model_dump(mode="json"),
        "manifest": manifests.digest(rows),
        "folds": digest_of(kept),
    }
    name = f"{recipe.name}-{digest.of_json(identity)[:8]}"
    cache = places.cache if recipe.data.cache == "decoded" else None
    folder = places.work / "search" / name
    return Ground(recipe, search, competition, rows, kept, images, cache, folder)


def share_of_groups(table: pd.DataFrame, share: float, seed: int) -> np.ndarray:
    """Rows to keep, bool [N]: whole groups, in every fold and for every kind of group (so many reals and fakes) the
    same share of them. `table`: id, split, target, group, fold. It depends on the ids and the seed, not on the order.
    """
    groups = table.assign(name=table["split"] + "\t" + table["id"]).groupby("group")
    kinds = groups.agg(fold=("fold", "first"), fakes=("target", "sum"), size=("target", "size"), name=("name", "min"))
    kinds["key"] = [keys.key(seed, "share", name) for name in kinds["name"]]
    kinds = kinds.sort_values(["fold", "size", "fakes", "key"])
    place_G = kinds.groupby("fold").cumcount().to_numpy()
    # Every 1 / share-th of the sorted groups of a fold.
    kept = kinds.index[np.floor((place_G + 1) * share + 1e-9) > np.floor(place_G * share + 1e-9)]
    return table["group"].isin(kept).to_numpy()


def _check_classes(table: pd.DataFrame, search: Search, folds: range) -> None:
    counts = pd.crosstab(table["fold"], table["target"]).reindex(index=folds, columns=[0, 1], fill_value=0)
    for fold in search.proxy.folds or folds:
        real, fake = counts.loc[fold].to_numpy(np.int64).tolist()
        if not real or not fake:
            raise UserError(
                f"search.proxy.share = {search.proxy.share:g} leaves fold {fold} with {real} real and {fake} fake "
                "images; raise it."
            )
