"""What the members of a blend predicted, read from their finished runs and joined by id.

Shapes: N held-out rows, V validation rows, T test rows, K fold models, W views.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ffdi.config.views import side
from ffdi.core import checksum
from ffdi.core.errors import CorruptError, UserError
from ffdi.training.job import FoldJob

Logits = NDArray[np.float64]
AGAIN = "run `ffdi train` with this recipe"


@dataclass(frozen=True)
class Predictions:
    """Logits of one member, mean over its views; rows in the order of the team's frames.

    `oof_N` is None for a member that was fitted on all rows: it held none out.
    """

    name: str
    spec: str  # 64 hex digits: the identity of its run
    oof_N: Logits | None
    val_KV: Logits
    test_KT: Logits
    files: dict[str, str]  # digests of what was read, by fold and file


@dataclass(frozen=True)
class Team:
    """Members sorted by name, and the rows they speak of, sorted by id.

    `oof`: id, split, relpath, target, fold, and as the fold table has them group and cluster. `val`, `test`: id,
    relpath, target (-1 unknown), imputed (unreadable).
    """

    members: tuple[Predictions, ...]
    oof: pd.DataFrame
    val: pd.DataFrame
    test: pd.DataFrame


def read_team(jobs: Iterable[FoldJob]) -> Team:
    """Every fold of every member. Raises UserError naming the member and fold that is unfinished or stale."""
    ordered = sorted(jobs, key=lambda job: (job.member.name, str(job.fold)))
    _refuse_other_folds(ordered)
    by_name = [list(folds) for _, folds in groupby(ordered, key=lambda job: job.member.name)]
    members = tuple(_read_member(folds) for folds in by_name)
    folded = next((folds for folds in by_name if not folds[0].member.refit_full), [])
    return Team(members, _oof_rows(folded), _held_rows(ordered[0], "val"), _held_rows(ordered[0], "test"))


@dataclass(frozen=True)
class Viewed:
    """Logits of one member by view on its held-out rows, which are sorted by id. `costs_W`: pixels, a plain view 1."""

    name: str
    views: tuple[str, ...]
    costs_W: tuple[float, ...]
    logits_NW: Logits
    folds_N: NDArray[np.int64]
    target_N: NDArray[np.int8]


def read_views(jobs: Iterable[FoldJob]) -> Iterator[Viewed]:
    """Members with several views that held rows out, one at a time: all at once would not fit into memory."""
    ordered = sorted(jobs, key=lambda job: (job.member.name, str(job.fold)))
    for name, group in groupby(ordered, key=lambda job: job.member.name):
        folds = list(group)
        views = tuple(sorted(folds[0].member.tta))
        if len(views) < 2 or folds[0].member.refit_full:
            continue
        parts = [_read_logits(job, _read_done(job), "oof", pd.Index(job.oof["id"])) for job in folds]
        rows = pd.concat([job.oof[["id", "fold", "target"]] for job in folds])
        order_N = rows["id"].to_numpy(object).argsort(kind="stable")
        yield Viewed(
            name,
            views,
            tuple((side(folds[0].size, view) / folds[0].size) ** 2 for view in views),
            np.concatenate(parts)[order_N],
            rows["fold"].to_numpy(np.int64)[order_N],
            rows["target"].to_numpy(np.int8)[order_N],
        )


def canonical(team: Team) -> Team:
    """Members by name and rows by id, so that no order in which they came can change a bit of a sum."""
    placed = {name: _ascending(getattr(team, name)["id"]) for name in ("oof", "val", "test")}
    members = [
        replace(
            member,
            oof_N=None if member.oof_N is None else member.oof_N[placed["oof"]],
            val_KV=member.val_KV[:, placed["val"]],
            test_KT=member.test_KT[:, placed["test"]],
        )
        for member in sorted(team.members, key=lambda member: member.name)
    ]
    frames = {name: getattr(team, name).iloc[order].reset_index(drop=True) for name, order in placed.items()}
    return Team(tuple(members), **frames)


def _ascending(ids: pd.Series) -> NDArray[np.intp] | slice:
    return slice(None) if ids.is_monotonic_increasing else ids.to_numpy(object).argsort(kind="stable")


def _refuse_other_folds(jobs: list[FoldJob]) -> None:
    """Rows that one member held out another may have been trained on, or on their twins, under other folds.

    One table for all is how groups prove that no member leaks into the weights of another.
    """
    for job in jobs:
        if job.folds != jobs[0].folds:
            raise UserError(
                f"{job.member.name} was trained on other folds than {jobs[0].member.name}: what one held out, the "
                "other may have seen; blend members of one fold table."
            )


def _read_member(jobs: list[FoldJob]) -> Predictions:
    done = [_read_done(job) for job in jobs]
    return Predictions(
        name=jobs[0].member.name,
        spec=jobs[0].spec,
        oof_N=None if jobs[0].member.refit_full else _oof(jobs, done),
        val_KV=_held(jobs, done, "val"),
        test_KT=_held(jobs, done, "test"),
        files={
            f"fold{job.fold}/{name}": digest
            for job, facts in zip(jobs, done, strict=True)
            for name, digest in sorted(facts["files"].items())
        },
    )


def _oof(jobs: list[FoldJob], done: list[dict[str, Any]]) -> Logits:
    """Each image's logit by the one fold model that did not see it."""
    ids = pd.concat([job.oof["id"] for job in jobs])
    twice = ids[ids.duplicated()]
    if len(twice):
        raise UserError(
            f"{jobs[0].member.name}: the id {twice.iloc[0]} is held out twice ({len(twice)} such ids); "
            "rename images that two fitted splits name alike, or take one split out of data.train_splits."
        )
    frames = []
    for job, facts in zip(jobs, done, strict=True):
        logit = _read_table(job, facts, "oof", pd.Index(job.oof["id"]))
        frames.append(pd.DataFrame({"id": job.oof["id"], "logit": logit}))
    return _sorted(pd.concat(frames))["logit"].to_numpy()


def _held(jobs: list[FoldJob], done: list[dict[str, Any]], name: str) -> Logits:
    ids = pd.Index(_sorted(getattr(jobs[0], name))["id"])
    if not len(ids):
        return np.empty((len(jobs), 0))
    return np.stack([_read_table(job, facts, name, ids) for job, facts in zip(jobs, done, strict=True)])


def _read_done(job: FoldJob) -> dict[str, Any]:
    path = job.folder / "done.json"
    if not path.exists():
        raise UserError(f"{job.label} is not finished: {path} does not exist; {AGAIN}.{_elsewhere(job)}")
    done = checksum.read_json(path)
    for name, wanted in job.identity.items():
        if done.get(name) != wanted:
            raise UserError(
                f"{job.label} was made with another {name}: {path} says {done.get(name)}, this recipe has {wanted}; "
                f"delete {job.folder} and {AGAIN}."
            )
    return done


def _elsewhere(job: FoldJob) -> str:
    """What is known of the same fold under another fold table: those rows are not held out here."""
    for path in sorted(job.folder.parent.parent.glob(f"{job.member.name}-????????/{job.folder.name}/done.json")):
        if checksum.read_json(path).get("folds") != job.folds:
            return f" {path.parent} was trained on other folds, so it may have seen what is held out here."
    return ""


def _read_table(job: FoldJob, done: dict[str, Any], name: str, ids: pd.Index) -> Logits:
    """Mean logit over the member's views for every id, in their order."""
    return _read_logits(job, done, name, ids).mean(axis=1)


def _read_logits(job: FoldJob, done: dict[str, Any], name: str, ids: pd.Index) -> Logits:
    """Logits by (id, view), views in the order of their names."""
    path = job.folder / f"{name}.parquet"
    if done["asked"].get(name) != job.asked[name]:
        raise UserError(f"{job.label}: {path} is not what the recipe asks for (images, views, size); {AGAIN}.")
    if checksum.digest(path) != done["files"].get(path.name):
        raise CorruptError(f"{path} is not the file that {job.folder / 'done.json'} names; delete both and {AGAIN}.")
    frame = checksum.read_table(path, ["id", "view", "logit"])
    return _join(frame, ids, job.member.tta, f"{job.label}: {path}")


def _join(frame: pd.DataFrame, ids: pd.Index, views: tuple[str, ...], where: str) -> Logits:
    """Logits by (id, view), views in the order of their names. Refuses a missing, doubled, strange or NaN entry."""
    names = sorted(views)
    row_R = ids.get_indexer(pd.Index(frame["id"]))
    view_R = pd.Index(names).get_indexer(pd.Index(frame["view"]))
    _refuse(frame["id"][(row_R < 0) | (view_R < 0)], "is not among the rows and views of this recipe", where)
    cell_R = row_R * len(names) + view_R
    count_C = np.bincount(cell_R, minlength=len(ids) * len(names))
    _refuse(frame["id"][count_C[cell_R] > 1], "stands there more than once", where)
    _refuse(ids[np.flatnonzero(count_C == 0) // len(names)].to_series(), "is missing", where)
    _refuse(frame["id"][~np.isfinite(frame["logit"].to_numpy())], "has a logit that is NaN or infinite", where)
    logits_C = np.empty(len(count_C))
    logits_C[cell_R] = frame["logit"]
    return logits_C.reshape(len(ids), len(names))


def _refuse(bad: pd.Series, fault: str, where: str) -> None:
    if len(bad):
        raise UserError(f"{where}: the id {bad.iloc[0]} {fault} ({bad.nunique()} such ids); {AGAIN}.")


def _oof_rows(jobs: list[FoldJob]) -> pd.DataFrame:
    columns = ["id", "split", "relpath", "target", "fold"]
    if not jobs:
        return pd.DataFrame(columns=columns)
    columns += [name for name in ("group", "cluster") if name in jobs[0].fit]
    held = jobs[0].fit["fold"].isin([job.fold for job in jobs])
    return _sorted(jobs[0].fit.loc[held, columns])


def _held_rows(job: FoldJob, name: str) -> pd.DataFrame:
    """What decodes was predicted, whatever the scan set aside (two frames in one): it has logits like the rest."""
    rows = _sorted(getattr(job, name))
    if not len(rows):
        return rows[["id", "relpath", "target"]].assign(imputed=False)
    told = checksum.read_table(job.folder / f"{name}.parquet", ["id", "imputed"])
    return rows[["id", "relpath", "target"]].assign(imputed=rows["id"].isin(told["id"][told["imputed"]]).to_numpy())


def _sorted(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values("id", kind="stable").reset_index(drop=True)
