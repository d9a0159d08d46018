"""Read what the members of a blend predicted, from their finished runs, and join it by id.

Shapes: N held-out (out-of-fold) rows, V validation rows, T test rows, K fold models, W views of test-time augmentation.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.core.errors import CorruptError, UserError
from ffdi.training.job import FoldJob

Logits = NDArray[np.float64]
REMEDY = "run `ffdi train` with this recipe"
# What a refit and the folds that speak for it may differ in. A plan trains its refits for as many epochs as fit.
NOT_SETTINGS = {"name", "refit_full", "seed", "tta", "test_size", "epochs"}


@dataclass(frozen=True)
class MemberLogits:
    """Logits of one member, mean over its views; rows in the order of the team's frames.

    `oof_N` is None for a member trained on all rows (`refit_full`): it held none out. `kfold`: the name of the member
    that was trained in folds with the same settings but for its epochs, whose score speaks for it; None if there is
    none.
    """

    name: str
    spec: str  # 64 hex digits: the identity of its run
    oof_N: Logits | None
    val_KV: Logits
    test_KT: Logits
    files: dict[str, str]  # digests of what was read, by fold and file
    kfold: str | None = None


@dataclass(frozen=True)
class Team:
    """Members sorted by name, and their rows sorted by id.

    `oof`: id, split, relpath, target, fold, and if the fold table has them group and cluster. `val`, `test`: id,
    relpath, target (-1 unknown), imputed (unreadable).
    """

    members: tuple[MemberLogits, ...]
    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame

    @property
    def members_with_oof(self) -> tuple[MemberLogits, ...]:
        return tuple(member for member in self.members if member.oof_N is not None)


def read_team(jobs: Iterable[FoldJob]) -> Team:
    """Read every fold of every member.

    Raises:
        UserError: a fold is unfinished, made from other inputs, or its table has other rows; the message names it.
        CorruptError: a file is not the one that its run names.
    """
    ordered = sorted(jobs, key=lambda job: (job.member.name, str(job.fold)))
    by_name = [list(folds) for _, folds in groupby(ordered, key=lambda job: job.member.name)]
    in_folds = [folds for folds in by_name if not folds[0].member.refit_full]
    members = tuple(
        _read_member(folds, _kfold(folds[0].member, [one[0].member for one in in_folds])) for folds in by_name
    )
    rows = _oof_rows(in_folds[0] if in_folds else [])
    return Team(members, rows, _held_rows(ordered[0], "val"), _held_rows(ordered[0], "test"))


def canonical(team: Team) -> Team:
    """Return the team with members by name and rows by id, so that no input order can change a bit of a sum."""
    places = {name: _by_id(getattr(team, name)["id"]) for name in ("oof", "val", "test")}
    members = [
        replace(
            member,
            oof_N=None if member.oof_N is None else member.oof_N[places["oof"]],
            val_KV=member.val_KV[:, places["val"]],
            test_KT=member.test_KT[:, places["test"]],
        )
        for member in sorted(team.members, key=lambda member: member.name)
    ]
    frames = {name: getattr(team, name).iloc[order].reset_index(drop=True) for name, order in places.items()}
    return Team(tuple(members), **frames)


def _by_id(ids: pd.Series) -> NDArray[np.intp] | slice:
    return slice(None) if ids.is_monotonic_increasing else ids.to_numpy(object).argsort(kind="stable")


def _kfold(member: Member, in_folds: list[Member]) -> str | None:
    """Return which of the members trained in folds has the settings of a refit; of several that of nearest epochs."""
    wanted = member.model_dump_json(exclude=NOT_SETTINGS)
    same = [one for one in in_folds if one.model_dump_json(exclude=NOT_SETTINGS) == wanted]
    return min(same, key=lambda one: abs(one.epochs - member.epochs)).name if same and member.refit_full else None


def _read_member(jobs: list[FoldJob], kfold: str | None) -> MemberLogits:
    done = [_read_done(job) for job in jobs]
    refit = jobs[0].member.refit_full
    return MemberLogits(
        name=jobs[0].member.name,
        spec=jobs[0].spec,
        oof_N=None if refit else _oof(jobs, done),
        val_KV=_held(jobs, done, "val"),
        test_KT=_held(jobs, done, "test"),
        files={
            f"fold{job.fold}/{name}": digest
            for job, facts in zip(jobs, done, strict=True)
            for name, digest in sorted(facts["files"].items())
        },
        kfold=kfold,
    )


def _oof(jobs: list[FoldJob], done: list[dict[str, Any]]) -> Logits:
    """Return each image's logit by the fold model that did not see it, sorted by id."""
    ids = pd.concat([job.oof["id"] for job in jobs])
    tables = [_read_table(job, facts, "oof", pd.Index(job.oof["id"])) for job, facts in zip(jobs, done, strict=True)]
    return _sorted(pd.DataFrame({"id": ids.to_numpy(), "logit": np.concatenate(tables)}))["logit"].to_numpy()


def _held(jobs: list[FoldJob], done: list[dict[str, Any]], name: str) -> Logits:
    ids = pd.Index(_sorted(getattr(jobs[0], name))["id"])
    if not len(ids):
        return np.empty((len(jobs), 0))
    return np.stack([_read_table(job, facts, name, ids) for job, facts in zip(jobs, done, strict=True)])


def _read_done(job: FoldJob) -> dict[str, Any]:
    path = job.folder.done
    if not path.exists():
        raise UserError(f"{job.label} is not finished: {path} does not exist; {REMEDY}.")
    done = checksum.read_json(path)
    for name, wanted in job.identity.items():
        if done.get(name) != wanted:
            raise UserError(
                f"{job.label} was made with another {name}: {path} says {done.get(name)}, this recipe has {wanted}; "
                f"delete {job.folder} and {REMEDY}."
            )
    return done


def _read_table(job: FoldJob, done: dict[str, Any], name: str, ids: pd.Index) -> Logits:
    """Return the mean logit over the member's views for every id, in their order."""
    path = job.folder.table(name)
    if done["asked"].get(name) != job.asked[name]:
        raise UserError(f"{job.label}: {path} is not what the recipe asks for (images, views, size); {REMEDY}.")
    if checksum.digest(path) != done["files"].get(path.name):
        raise CorruptError(f"{path} is not the file that {job.folder.done} names; delete both and {REMEDY}.")
    frame = checksum.read_table(path, ["id", "view", "logit"])
    return _join(frame, ids, job.member.tta, f"{job.label}: {path}").mean(axis=1)


def _join(frame: pd.DataFrame, ids: pd.Index, views: tuple[str, ...], where: str) -> Logits:
    """Return logits by (id, view), views in the order of their names. Raise UserError unless each is there once."""
    once = frame.drop_duplicates(["id", "view"], keep=False).pivot(index="id", columns="view", values="logit")
    logits_NW = once.reindex(index=ids, columns=sorted(views)).to_numpy(np.float64)
    bad = ids[~np.isfinite(logits_NW).all(axis=1)]
    if len(bad):
        raise UserError(f"{where}: the id {bad[0]} has not one finite logit a view ({len(bad)} such ids); {REMEDY}.")
    return logits_NW


def _oof_rows(jobs: list[FoldJob]) -> pd.DataFrame:
    columns = ["id", "split", "relpath", "target", "fold"]
    if not jobs:
        return pd.DataFrame(columns=columns)
    columns += [name for name in ("group", "cluster") if name in jobs[0].fit]
    held = jobs[0].fit["fold"].isin([job.fold for job in jobs])
    return _sorted(jobs[0].fit.loc[held, columns])


def _held_rows(job: FoldJob, name: str) -> pd.DataFrame:
    """Return the rows of "val" or "test". Every image that decodes was predicted, also those the scan set aside."""
    rows = _sorted(getattr(job, name))
    if not len(rows):
        return rows[["id", "relpath", "target"]].assign(imputed=False)
    table = checksum.read_table(job.folder.table(name), ["id", "imputed"])
    return rows[["id", "relpath", "target"]].assign(imputed=rows["id"].isin(table["id"][table["imputed"]]).to_numpy())


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("id", kind="stable").reset_index(drop=True)
