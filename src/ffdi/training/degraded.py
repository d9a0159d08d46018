"""Predict degraded copies of images by finished folds that held the images out."""

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch

from ffdi.config.recipe import Cluster
from ffdi.core import checksum, digest, lock
from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.data import manifest as manifests
from ffdi.data.degraded import DAMAGES, RULES, prepare, sample
from ffdi.infer.engine import predict as predict_images
from ffdi.infer.nets import Net
from ffdi.metrics.auc import auc
from ffdi.model.weights import load_net
from ffdi.training import launch
from ffdi.training.job import FoldJob
from ffdi.training.world import World

COPIES = "copies"  # below the folder of the tables, for as long as they are predicted


def aucs(
    job: FoldJob,
    kinds: Iterable[str] = tuple(DAMAGES),
    folder: Path | None = None,
    world: World | None = None,
    stop: Stop | None = None,
) -> dict[str, float]:
    """Return the AUC of a finished fold on degraded copies of its held-out images, by kind of damage.

    Args:
        job: The fold.
        kinds: Keys of `data.degraded.DAMAGES`.
        folder: Where copies are made, if they are not there, and stay for other nets; None: none stays.
        world: Whose device predicts; None: the first one.
        stop: Asked between images and batches.

    Raises:
        UserError: The weights are gone.
        Paused: `stop` asked.
    """
    if folder is None:
        with TemporaryDirectory() as temporary:
            return aucs(job, kinds, Path(temporary), world, stop)
    kinds = tuple(kinds)
    if not kinds:
        return {}
    device, stop = world.device if world else torch.device(launch.devices()[0]), stop or Stop()
    rows = sample(job.oof)
    prepare(rows, job.images, folder, kinds, stop)
    net, target = _net(job, device), rows.set_index("id").target
    logits = {kind: _means(_predict(job, net, rows, kind, folder, device, stop)) for kind in kinds}
    return {kind: auc(target.reindex(logits_N.index), logits_N) for kind, logits_N in logits.items()}


@dataclass(frozen=True)
class Table:
    """Logits of one fold on the copies of one kind: where they are, and what decides them."""

    job: FoldJob
    kind: str
    path: Path
    facts: dict[str, Any]

    @property
    def is_current(self) -> bool:
        return self.path.exists() and checksum.read_facts(self.path) == self.facts


def tables(jobs: Sequence[FoldJob], kinds: Iterable[str], folder: Path) -> list[Table]:
    """Return the tables of all folds and kinds, whether they exist or not.

    Args:
        jobs: Finished folds.
        kinds: Keys of DAMAGES.
        folder: Where the tables lie, or will.
    """
    kinds = tuple(kinds)
    rows = {job.fold: manifests.digest(sample(job.oof)) for job in jobs}
    found = []
    for job in jobs:
        weights = checksum.read_json(job.folder.done)["files"][job.folder.weights.name]
        same = {**job.identity, "weights": weights, "tta": list(job.member.tta), "size": job.size, "rules": RULES}
        for kind in kinds:
            path = folder / job.folder.parent.name / f"fold{job.fold}-{kind}.parquet"
            found.append(Table(job, kind, path, {**same, "rows": rows[job.fold], "damage": DAMAGES[kind].facts}))
    return found


def predict(wanted: Sequence[Table], folder: Path, world: World, stop: Stop, cluster: Cluster | None = None) -> None:
    """Write every table that is not current. Killed, it goes on where it was.

    Copies are made for all nets of a fold at once, and do not stay. Each fold and kind is a task of the cluster, where
    that has an address; else the device of `world` predicts.

    Args:
        wanted: From `tables`.
        folder: Where they lie; copies are made below it and do not stay.
        world: The device.
        stop: Asks to stop.

    Raises:
        UserError: Weights are gone; nothing is done then.
        LockedError: Another process is at work in `folder`.
        Paused: `stop` asked.
    """
    groups: dict[tuple[int | str, str], list[Table]] = {}
    for one in [one for one in wanted if not one.is_current]:
        _refuse_without_weights(one.job)
        groups.setdefault((one.job.fold, one.kind), []).append(one)
    if not groups and not (folder / COPIES).exists():
        return
    with lock.exclusive(folder):
        if cluster is not None and cluster.address and groups:
            from ffdi.training import cluster as nodes

            nodes.predict_degraded(list(groups.values()), folder / COPIES, cluster, stop)
        else:
            for group in groups.values():
                write(group, folder / COPIES, world.device, stop)
        shutil.rmtree(folder / COPIES, ignore_errors=True)


def read(some: Iterable[Table]) -> dict[str, pd.Series]:
    """Return by member the mean logits of all its folds, by id, without the images that cannot be read."""
    parts: dict[str, list[pd.Series]] = {}
    for one in some:
        parts.setdefault(one.job.member.name, []).append(_means(checksum.read_table(one.path)))
    return {name: pd.concat(folds) for name, folds in parts.items()}


def write(group: Sequence[Table], folder: Path, device: torch.device, stop: Stop) -> None:
    """Write the tables of one fold and kind."""
    job, kind, facts = group[0].job, group[0].kind, group[0].facts
    rows = sample(job.oof)
    # Copies of other images, or of another range, that a killed call left are not taken for these.
    copies = folder / digest.of_json([facts["rows"], facts["damage"], facts["rules"]])[:16]
    prepare(rows, job.images, copies, [kind], stop)
    for one in group:
        frame = _predict(one.job, _net(one.job, device), rows, kind, copies, device, stop)
        checksum.write_table(one.path, frame, one.facts)
    shutil.rmtree(copies)


def _predict(
    job: FoldJob, net: Net, rows: pd.DataFrame, kind: str, copies: Path, device: torch.device, stop: Stop
) -> pd.DataFrame:
    workers = job.data.workers or 0
    return predict_images(
        net, rows, copies / kind, device=device, workers=workers, stop=stop, label=f"{job.label} {kind}"
    )


def _means(frame: pd.DataFrame) -> pd.Series:
    return frame[~frame.imputed].groupby("id").logit.mean()


def _net(job: FoldJob, device: torch.device) -> Net:
    """Load the fold's model once, for all kinds of damage."""
    _refuse_without_weights(job)
    return Net(job.member, job.fold, load_net(job.folder.weights, job.member, device))


def _refuse_without_weights(job: FoldJob) -> None:
    path = job.folder.weights
    if not path.exists():
        raise UserError(
            f"{job.label} cannot predict degraded copies: {path} does not exist; put it back, or run `ffdi train` with "
            "this recipe."
        )
