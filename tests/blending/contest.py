"""A small contest whose runs are finished: three members, two of them k-fold, one fitted on all rows."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.blending.result import BlendResult, blend
from ffdi.config.competition import Competition
from ffdi.config.load import load_competition
from ffdi.config.recipe import Recipe
from ffdi.core import checksum, digest
from ffdi.core.keys import rng
from ffdi.core.layout import Workspace
from ffdi.data import manifest as manifests
from ffdi.training.job import FoldJob, plan

SIZES = {"train": 120, "val": 40, "test": 50}
K = 4
Change = Callable[[str, pd.DataFrame], pd.DataFrame]  # (table's name, frame) -> frame


def manifest_frame() -> pd.DataFrame:
    """Rows in the order of the contest's tables, which is not that of the ids; the last test image is unreadable."""
    ids = [digest.of_bytes(f"{split}{i}".encode())[:32] + ".jpg" for split, n in SIZES.items() for i in range(n)]
    split = np.repeat(list(SIZES), list(SIZES.values()))
    target = np.where(split == "test", -1, np.arange(len(ids)) % 2)
    frame = pd.DataFrame({"id": ids, "split": split, "relpath": [f"{s}/{i}" for s, i in zip(split, ids, strict=True)]})
    frame = frame.assign(target=target, sha256=[digest.of_bytes(i.encode()) for i in ids], phash256="", mode="RGB")
    frame = frame.assign(width=64, height=64, bytes=900, mtime_ns=1, phash=0, jpeg_q=90, sharpness=1.0, defect="")
    frame = frame.assign(mean_grey=1.0, colourfulness=1.0, status="ok")
    frame.loc[len(frame) - 1, "status"] = "quarantined"
    return manifests.typed(frame)


def make_recipe(**blend: object) -> Recipe:
    members = [
        {"name": "one", "model": "test_resnet", "tta": ["identity", "hflip"]},
        {"name": "two", "model": "test_vit", "seed": 1},
        {"name": "whole", "model": "test_vit", "refit_full": True},
    ]
    folds = {"k": K, "scheme": "group"}
    return Recipe.model_validate({"name": "toy", "folds": folds, "member": members, "blend": blend})


@dataclass
class Contest:
    places: Workspace
    recipe: Recipe
    competition: Competition
    manifest: pd.DataFrame

    def jobs(self) -> list[FoldJob]:
        table = checksum.read_table(self.places.folds("group"))
        return plan(self.recipe, self.competition, self.manifest, table, Path(), self.places)

    def job(self, member: str, fold: int | str) -> FoldJob:
        return next(job for job in self.jobs() if (job.member.name, job.fold) == (member, fold))

    def blend(self) -> BlendResult:
        return blend(self.recipe, self.competition, self.places)

    def finish(self, job: FoldJob, change: Change = lambda name, frame: frame) -> None:
        """Write the sealed tables and done.json of one fold, as training does; `change` spoils a table before that."""
        names = [name for name in ("oof", "val", "test") if len(getattr(job, name))]
        for name in names:
            checksum.write_table(job.folder / f"{name}.parquet", change(name, table(job, name)), job.identity)
        asked = {
            name: {"rows": manifests.digest(getattr(job, name)), "views": list(job.member.tta), "size": job.size}
            for name in names
        }
        files = {f"{name}.parquet": checksum.digest(job.folder / f"{name}.parquet") for name in names}
        done = {**job.identity, "spec8": job.spec[:8], "files": files, "asked": asked, "scores": {}}
        checksum.write_json(job.folder / "done.json", done)

    def only(self, *names: str) -> "Contest":
        members = tuple(member for member in self.recipe.member if member.name in names)
        return replace(self, recipe=self.recipe.model_copy(update={"member": members}))


def table(job: FoldJob, name: str) -> pd.DataFrame:
    """Logits that know the target somewhat, on a scale that is the fold's own."""
    rows = getattr(job, name)
    views = job.member.tta
    frames = []
    for view in views:
        draw = rng("toy", job.member.name, str(job.fold), view, name)
        number = np.array([int(i[:6], 16) % 2 for i in rows["id"]])  # a hidden target where there is none
        target = np.where(rows["target"] >= 0, rows["target"], number)
        logit = (draw.normal(size=len(rows)) + 1.5 * target) * (1 + len(str(job.fold))) + 3 * hash_of(job.fold)
        frames.append(pd.DataFrame({"id": rows["id"], "view": view, "logit": logit.astype(np.float32)}))
    frame = pd.concat(frames, ignore_index=True)
    return frame.assign(imputed=frame["id"].isin(rows["id"][rows["status"] == "quarantined"]))


def hash_of(fold: int | str) -> int:
    return fold if isinstance(fold, int) else 9


def build(root: Path) -> Contest:
    """The contest, its fold table and every run, below `root`."""
    contest = at(root)
    manifests.write(contest.places, contest.manifest, {})
    train = contest.manifest[contest.manifest["split"] == "train"].reset_index(drop=True)
    folds = train[["id", "split"]].assign(group=np.arange(len(train)) // 2, fold=np.arange(len(train)) // 2 % K)
    checksum.write_table(contest.places.folds("group"), folds.astype({"fold": "int16"}), {"k": K})
    for job in contest.jobs():
        contest.finish(job)
    return contest


def at(root: Path) -> Contest:
    places = Workspace(root / "work", root / "submissions")
    return Contest(places, make_recipe(), load_competition("multi-ffdi-phase2"), manifest_frame())
