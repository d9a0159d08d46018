"""One fold of one member, as a value: all that `fit` needs and nothing it has to look up."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ffdi.base.paths import Places
from ffdi.data import manifest as manifests
from ffdi.spec.competition import Competition
from ffdi.spec.identity import member_digest
from ffdi.spec.recipe import Data, Member, Recipe


@dataclass(frozen=True)
class Job:
    """`train`, `oof`, `val`, `test`: frames with id, relpath, target, status; `oof` is empty for fold "all"."""

    member: Member
    fold: int | str
    spec: str  # 64 hex digits: the member's identity
    manifest: str  # digest of the fit rows
    folds: str  # digest
    data: Data
    images: Path  # the competition folder
    cache: Path | None  # where decoded pixels lie, if the recipe wants them
    folder: Path  # of this fold
    train: pd.DataFrame
    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame

    @property
    def label(self) -> str:
        return f"{self.member.name} fold {self.fold}"

    @property
    def size(self) -> int:
        """Side of the images that are predicted, in pixels."""
        return self.member.test_size or self.member.image_size

    @property
    def identity(self) -> dict[str, str]:
        """What every artefact of this fold must agree with."""
        return {"spec": self.spec, "manifest": self.manifest, "folds": self.folds, "fold": str(self.fold)}


def plan(
    recipe: Recipe,
    competition: Competition,
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    folds_digest: str,
    images: Path,
    places: Places,
) -> list[Job]:
    """Every (member, fold) of the recipe, in the recipe's order."""
    fit_rows = folds.merge(manifest, on=["id", "split"], how="left", validate="one_to_one").sort_values("id")
    manifest_digest = manifests.digest(fit_rows)
    rest = [name for name in competition.splits if name not in recipe.data.fit]
    held = {name: manifest[manifest.split == name] for name in rest}
    empty = manifest.iloc[:0]
    jobs = []
    for member in recipe.member:
        spec = member_digest(member, manifest_digest, folds_digest, recipe.data)
        for fold in range(recipe.folds.k) if member.fold == "k" else ["all"]:
            inside = fit_rows.fold == fold
            jobs.append(
                Job(
                    member=member,
                    fold=fold,
                    spec=spec,
                    manifest=manifest_digest,
                    folds=folds_digest,
                    data=recipe.data,
                    images=images,
                    cache=places.cache if recipe.data.cache == "decoded" else None,
                    folder=places.fold(member.name, spec[:8], fold),
                    train=fit_rows[~inside].reset_index(drop=True),
                    oof=fit_rows[inside].reset_index(drop=True),
                    val=held.get("val", empty).reset_index(drop=True),
                    test=held.get("test", empty).reset_index(drop=True),
                )
            )
    return jobs
