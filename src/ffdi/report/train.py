"""The page of training: how each member learned, and how well it ranks unseen images."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from ffdi.core import checksum
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import Interval, delong, group_numbers
from ffdi.metrics.ranks import rank_within
from ffdi.report import plots
from ffdi.report.page import Block, Page, Section, Text, provenance
from ffdi.report.plots import embed
from ffdi.report.table import Table, counted, interval, spread, table
from ffdi.training.job import FoldJob


@dataclass(frozen=True)
class Trained:
    """One member.

    `logs`: by fold; epoch (done, a fraction), split ('train' or 'oof'), and loss, auc, lr, images_per_second where
    known. `oof`: id, target, fold, logit, and group if known.
    """

    name: str
    logs: Mapping[int, pd.DataFrame]
    oof: pd.DataFrame

    def score(self) -> np.ndarray:
        """Return ranks inside each fold, because logits of two folds are not on one scale."""
        return rank_within(self.oof["logit"], self.oof["fold"])


def page(jobs: Sequence[FoldJob]) -> Page:
    """Return the page of finished jobs, member by member, of which at least one held images out."""
    by_name = {name: list(mine) for name, mine in groupby(jobs, lambda job: job.member.name)}
    members = [_read(mine) for mine in by_name.values() if len(mine[0].oof)]
    refits = [name for name, mine in by_name.items() if not len(mine[0].oof)]
    return of_members(members, {job.label: checksum.digest(job.folder.done) for job in jobs}, refits)


def _read(jobs: Sequence[FoldJob]) -> Trained:
    """Read the logs and OOF tables of the folds of one member."""
    from ffdi.training import log as logged  # imports torch

    logs, tables = {}, []
    for job in jobs:
        oof, known = checksum.read_table(job.folder.table("oof")), job.oof[["id", "target", "group"]]
        mean = oof.groupby("id", as_index=False)["logit"].mean()
        tables.append(known.merge(mean, on="id", validate="one_to_one").assign(fold=job.fold))
        # The log's points are of the plain view, so the last point is too, and not the mean of all views.
        plain = known.merge(oof[(oof["view"] == "identity") & ~oof["imputed"]], on="id")
        last = {"epoch": float(job.member.epochs), "split": "oof", "auc": _auc(plain)}
        logs[int(job.fold)] = pd.DataFrame([*logged.lines(job.folder.log), last])
    return Trained(jobs[0].member.name, logs, pd.concat(tables, ignore_index=True))


def of_members(members: Sequence[Trained], inputs: Mapping[str, str], refits: Sequence[str] = ()) -> Page:
    """Return the page of members, in any order, whose OOF predictions hold both classes.

    Args:
        members: At least one.
        inputs: Digests by name, for the foot.
        refits: Names of the members that were trained on all images.
    """
    members = sorted(members, key=lambda member: -auc(member.oof["target"], member.score()))
    groups = [group_numbers(one.oof.get("group"), len(one.oof)) for one in members]
    found = [delong(one.oof["target"], one.score(), group_N) for one, group_N in zip(members, groups, strict=True)]
    unscored = f" Without a score, because trained on all images: {', '.join(refits)}." if refits else ""
    return Page(
        title=f"Training of {counted(len(members) + len(refits), 'member')}",
        headline=_headline(members, found[0]) + unscored,
        sections=(Section("Members", (_summary(members, found),)), Section("Learning curves", _curves(members))),
        provenance=provenance("ffdi train", inputs),
    )


def _headline(members: Sequence[Trained], found: Interval) -> str:
    best = members[0]
    start = f"{best.name} is the best of {len(members)} members with" if len(members) > 1 else f"{best.name} has"
    return (
        f"{start} an OOF AUC of {found.value:.4f} (95% interval {interval(found.low, found.high)}) on "
        f"{counted(len(best.oof), 'image')} in {counted(best.oof['fold'].nunique(), 'fold')}."
    )


def _summary(members: Sequence[Trained], intervals: Sequence[Interval]) -> Table:
    rows = []
    for member, found in zip(members, intervals, strict=True):
        folds = pd.Series({fold: _auc(rows) for fold, rows in member.oof.groupby("fold")}, dtype=float)
        rows.append({
            "member": member.name, "OOF AUC": found.value, "95% interval": interval(found.low, found.high),
            "folds": int(folds.size), "mean ± sd": spread(folds.mean(), folds.std()),
        })  # fmt: skip
    caption = "OOF AUC: scores are ranked inside each fold, then pooled. Intervals: DeLong, near-duplicates as one."
    return table(pd.DataFrame(rows), "Members, best first", caption, {"OOF AUC": ".4f"})


def _curves(members: Sequence[Trained]) -> tuple[Block, ...]:
    blocks: list[Block] = [Text("Solid: images that the fold held out (OOF). Dashed: training images.")]
    for member in members:
        for column, what in (("loss", "loss"), ("auc", "OOF AUC")):
            logs = {fold: log for fold, log in member.logs.items() if column in log and log[column].notna().any()}
            if logs:
                blocks.append(embed(plots.fold_curves(logs, column, what), f"{member.name}: {what}"))
    return tuple(blocks)


def _auc(rows: pd.DataFrame) -> float:
    return auc(rows["target"], rows["logit"]) if rows["target"].nunique() == 2 else math.nan
