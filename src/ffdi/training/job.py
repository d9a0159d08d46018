"""One fold of one member as a value: everything that `fit` needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pandas as pd

from ffdi.config.competition import Competition
from ffdi.config.recipe import Data, Member, Recipe, member_digest
from ffdi.core import digest
from ffdi.core.layout import FoldFolder, Workspace
from ffdi.data import manifest as manifests

COLUMNS = ["id", "split", "relpath", "target", "status", "sha256"]  # of the manifest; frames travel to every process
FULL = "full"  # the fold of a member that trains on every row


@dataclass(frozen=True)
class FoldJob:
    """Frames have id, split, relpath, target, status and sha256; those of all folds share `fit`, `val` and `test`."""

    member: Member
    fold: int | str
    spec: str  # 64 hex digits: the member's identity
    manifest: str  # digest of the fit rows
    folds: str  # digest
    data: Data
    images: Path  # the competition folder
    folder: FoldFolder
    fit: pd.DataFrame  # with a column fold
    val: pd.DataFrame
    test: pd.DataFrame
    rows: dict[str, str]  # digests of oof, val and test; a table without rows has none
    extra: pd.DataFrame | None = None  # of data.extra: trained on besides, as data/forged.py has it

    @property
    def train(self) -> pd.DataFrame:
        rows = self.fit[self.fit["fold"] != self.fold]
        if self.extra is not None:
            seen = (self.extra["fold"] != self.fold) & (self.extra["beside"] != self.fold)
            rows = pd.concat([rows, self.extra[seen]], join="inner")
        return rows.reset_index(drop=True)

    @property
    def oof(self) -> pd.DataFrame:
        """Return the rows held out; none for the fold "full"."""
        return self.fit[self.fit["fold"] == self.fold].reset_index(drop=True)

    @property
    def label(self) -> str:
        return f"{self.member.name} fold {self.fold}"

    @property
    def size(self) -> int:
        """Return the side of the images that are predicted, pixels."""
        return self.member.test_size or self.member.image_size

    def with_loaders(self, workers: int) -> "FoldJob":
        """Return the job with so many loader processes, where the recipe leaves their number open."""
        if self.data.workers is not None:
            return self
        return replace(self, data=self.data.model_copy(update={"workers": workers}))

    @property
    def asked(self) -> dict[str, dict[str, object]]:
        """Return the tables that this fold must leave, each with what decides its content beside the weights."""
        views = list(self.member.tta)
        return {name: {"rows": rows, "views": views, "size": self.size} for name, rows in self.rows.items()}

    @property
    def identity(self) -> dict[str, str]:
        """Return what every artefact of this fold must agree with."""
        return {"spec": self.spec, "manifest": self.manifest, "folds": self.folds, "fold": str(self.fold)}


def plan(
    recipe: Recipe,
    competition: Competition,
    manifest: pd.DataFrame,
    folds: pd.DataFrame,
    images: Path,
    places: Workspace,
) -> list[FoldJob]:
    """Return a job for every member and fold, in the recipe's order.

    Args:
        recipe: Its members are trained.
        competition: The recipe's.
        manifest: As stored.
        folds: The fold table.
        images: The competition folder.
        places: Where artefacts go.
    """
    folds_digest = digest_of(folds)
    fit = folds.merge(manifest[COLUMNS], on=["id", "split"], how="left", validate="one_to_one")
    fit = fit.sort_values(["split", "id"], ignore_index=True)
    extra = None
    if recipe.data.extra:
        from ffdi.data.forged import extra as read_extra  # late: it brings cv2, and most blends start without it

        extra = read_extra(recipe.data.extra, fit)
    fit_digest = manifests.digest(fit if extra is None else pd.concat([fit, extra]))
    val, test = (_held(manifest, name, recipe.data.train_splits) for name in ("val", "test"))
    seen: list[int | str] = [*recipe.folds.held_out, FULL]
    shared = _digests({"val": val, "test": test})
    rows = {fold: _digests({"oof": fit[fit["fold"] == fold]}) | shared for fold in seen}
    of_all = partial(
        FoldJob, manifest=fit_digest, folds=folds_digest, data=recipe.data, images=images,
        fit=fit, val=val, test=test, extra=extra,
    )  # fmt: skip
    jobs = []
    for member in recipe.member:
        spec = member_digest(member, fit_digest, folds_digest, recipe.data)
        for fold in seen[-1:] if member.refit_full else seen[:-1]:
            folder = places.fold(member.name, spec[:8], fold)
            jobs.append(of_all(member=member, fold=fold, spec=spec, folder=folder, rows=rows[fold]))
    return jobs


def digest_of(folds: pd.DataFrame) -> str:
    """Return the digest of a fold table's content; the bytes of its file change with the version of pyarrow."""
    lines = sorted(folds["split"] + "\t" + folds["id"] + "\t" + folds["fold"].astype(str))
    return digest.of_bytes("\n".join(lines).encode())


def _held(manifest: pd.DataFrame, split: str, fit: Sequence[str]) -> pd.DataFrame:
    """Return the rows of a split that is only predicted; none if it is trained on."""
    wanted = (manifest["split"] == split) & (split not in fit)
    return manifest.loc[wanted, COLUMNS].reset_index(drop=True)


def _digests(frames: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    return {name: manifests.digest(frame) for name, frame in frames.items() if len(frame)}
