"""Hold what all trials of a search share: rows, folds and seeds, so that they differ only in what is searched."""

from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.config.recipe import Member, Recipe
from ffdi.config.search import Proxy, Search
from ffdi.core import checksum, digest
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.search import space
from ffdi.search.study import StudyOptions
from ffdi.training.job import FoldJob, digest_of, plan

BUDGET = {"trials", "top_k", "rerun_seeds"}  # may grow in a study that has begun


@dataclass(frozen=True)
class SearchContext:
    """`manifest` holds the rows that may be trained on; artefacts go below `folder`."""

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
        return [job for fold in self.held_out for job in planned if job.fold == fold]

    def options(self, storage: str = "") -> StudyOptions:
        """Return the study of these trials, in `storage` (a URL) or in the journal file of `folder`."""
        search = self.search
        return StudyOptions(
            name=self.folder.name,
            folder=self.folder,
            storage=storage,
            trials=search.trials,
            pruner=search.pruner,
            seed=search.seed,
            epochs=space.longest(search, self.base),
        )

    def without_proxy(self) -> "SearchContext":
        """Return the context of full training."""
        return replace(self, search=self.search.model_copy(update={"proxy": Proxy()}))


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
        UserError: There is no `[search]`.
    """
    search = recipe.search
    if search is None:
        raise UserError(f"Recipe {recipe.name} has no [search]; ensembles/search_sample.toml shows one.")
    rows = manifests.select(manifest, recipe.data.train_splits, usable=False)
    context = SearchContext(recipe, search, competition, rows, folds, images, workspace.searches)
    identity: dict[str, object] = {
        "search": search.model_dump(mode="json", exclude=BUDGET),
        "member": space.searched_member(recipe).model_dump(mode="json"),
        "manifest": manifests.digest(rows),
        "folds": digest_of(folds),
    }
    if recipe.data.extra:
        identity["extra"] = context.jobs(context.base)[0].manifest
    return replace(context, folder=workspace.searches / f"{recipe.name}-{digest.of_json(identity)[:8]}")


def score_of(job: FoldJob) -> float:
    """Return what is maximised: the held-out AUC of a finished fold. Raise UserError where a class is missing."""
    found = checksum.read_json(job.folder.done)["scores"]
    if "auc" not in found:
        raise UserError(f"{job.label} has no held-out image of one of the classes; lower folds.k.")
    return float(found["auc"])
