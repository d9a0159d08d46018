"""What finished folds make of degraded copies of the images they held out."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from torch import nn

from ffdi.core import checksum, digest, lock
from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.data import manifest as manifests
from ffdi.data.degraded import DAMAGES, RULES, prepare, sample
from ffdi.metrics.auc import auc
from ffdi.model import precision
from ffdi.model.build import build
from ffdi.model.weights import GOLDEN_TOLERANCE, check_golden, load_weights
from ffdi.training import launch, predictions
from ffdi.training.job import FoldJob
from ffdi.training.outcome import WEIGHTS
from ffdi.training.world import World

COPIES = "copies"  # below the folder of the tables, for as long as they are predicted


def aucs(
    job: FoldJob,
    kinds: Iterable[str] = tuple(DAMAGES),
    folder: Path | None = None,
    world: World | None = None,
    stop: Stop | None = None,
) -> dict[str, float]:
    """AUC of a finished fold on degraded copies of its held-out images (data.degraded), by kind.

    Copies are made in `folder`, if they are not there, and stay for other nets; without a folder none stays. Raises
    UserError if the weights are gone, Paused when `stop` asks.
    """
    if folder is None:
        with TemporaryDirectory() as room:
            return aucs(job, kinds, Path(room), world, stop)
    kinds, world, stop = tuple(kinds), world or World(torch.device(launch.devices()[0])), stop or Stop()
    if not kinds:
        return {}
    rows = sample(job.oof)
    prepare(rows, job.images, folder, kinds, stop)
    model = _net(job, world)
    target = rows.set_index("id").target
    scores = {}
    for kind in kinds:
        logits = _means(_logits(job, model, rows, kind, folder, world, stop))
        scores[kind] = auc(target.reindex(logits.index), logits)
    return scores


@dataclass(frozen=True)
class Table:
    """Logits of one fold on the copies of one kind: where they lie, and what decides them."""

    job: FoldJob
    kind: str
    path: Path
    facts: dict[str, Any]

    @property
    def stands(self) -> bool:
        return self.path.exists() and checksum.read_facts(self.path) == self.facts


def tables(jobs: Sequence[FoldJob], kinds: Iterable[str], folder: Path) -> list[Table]:
    """The tables of all folds and kinds, in `folder`, whether they stand or not. The folds are finished."""
    kinds = tuple(kinds)
    rows = {job.fold: manifests.digest(sample(job.oof)) for job in jobs}
    found = []
    for job in jobs:
        weights = checksum.read_json(job.folder / "done.json")["files"][WEIGHTS]
        place = folder / job.folder.parent.name
        for kind in kinds:
            facts = {**job.identity, "weights": weights, "views": list(job.member.tta), "size": job.size,
                     "rows": rows[job.fold], "damage": DAMAGES[kind].facts, "rules": RULES}  # fmt: skip
            found.append(Table(job, kind, place / f"fold{job.fold}-{kind}.parquet", facts))
    return found


def predict(wanted: Sequence[Table], folder: Path, world: World, stop: Stop) -> None:
    """Seal every table that does not stand; copies are made for all nets of a fold at once and do not stay.

    Killed, it goes on where it was. Raises UserError before anything is done if weights are gone, LockedError if
    another process is at work in `folder`, Paused when `stop` asks.
    """
    left = [one for one in wanted if not one.stands]
    groups: dict[tuple[int | str, str], list[Table]] = {}
    for one in left:
        _refuse_without_weights(one.job)
        groups.setdefault((one.job.fold, one.kind), []).append(one)
    if not left and not (folder / COPIES).exists():
        return
    with lock.exclusive(folder):
        for group in groups.values():
            _predict(group, folder / COPIES, world, stop)
        shutil.rmtree(folder / COPIES, ignore_errors=True)


def read(some: Iterable[Table]) -> dict[str, pd.Series]:
    """By member the mean logits of all its folds, by id, without the images that cannot be read."""
    parts: dict[str, list[pd.Series]] = {}
    for one in some:
        parts.setdefault(one.job.member.name, []).append(_means(checksum.read_table(one.path)))
    return {name: pd.concat(folds) for name, folds in parts.items()}


def _predict(group: Sequence[Table], folder: Path, world: World, stop: Stop) -> None:
    job, kind, facts = group[0].job, group[0].kind, group[0].facts
    rows = sample(job.oof)
    # Copies of other images, or of another range, that a killed call left are not taken for these.
    copies = folder / digest.of_json([facts["rows"], facts["damage"], facts["rules"]])[:16]
    prepare(rows, job.images, copies, [kind], stop)
    for one in group:
        frame = _logits(one.job, _net(one.job, world), rows, kind, copies, world, stop)
        checksum.write_table(one.path, frame, one.facts)
    shutil.rmtree(copies)


def _logits(
    job: FoldJob, model: nn.Module, rows: pd.DataFrame, kind: str, copies: Path, world: World, stop: Stop
) -> pd.DataFrame:
    there = replace(job, images=copies / kind)
    label = f"{job.label} {kind}"
    return predictions.logits(there, model, rows, job.size, job.member.tta, label, world, stop)


def _means(frame: pd.DataFrame) -> pd.Series:
    return frame[~frame.imputed].groupby("id").logit.mean()


def _net(job: FoldJob, world: World) -> nn.Module:
    _refuse_without_weights(job)
    model = build(job.member, pretrained=False)
    load_weights(job.folder / WEIGHTS, model)
    model = precision.place(model, world.device, precision.wants_channels_last(model, job.member.channels_last))
    check_golden(model, job.folder / WEIGHTS, GOLDEN_TOLERANCE)
    return model


def _refuse_without_weights(job: FoldJob) -> None:
    path = job.folder / WEIGHTS
    if not path.exists():
        raise UserError(
            f"{job.label} cannot predict degraded copies: {path} does not exist; put it back, or run `ffdi train` with "
            "this recipe."
        )
