"""Predict degraded images by finished folds that held them out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ffdi.config.recipe import Cluster
from ffdi.core import checksum, lock
from ffdi.core.stop import Stop
from ffdi.data import manifest as manifests
from ffdi.data.degraded import RULES, sample
from ffdi.infer.engine import predict as predict_images
from ffdi.infer.nets import Net
from ffdi.training.job import FoldJob
from ffdi.training.world import World


@dataclass(frozen=True)
class Table:
    """Logits of one fold under one kind of damage: where they are, and what decides them."""

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
            found.append(Table(job, kind, path, {**same, "rows": rows[job.fold], "damage": kind}))
    return found


def predict(wanted: Sequence[Table], folder: Path, world: World, stop: Stop, cluster: Cluster | None = None) -> None:
    """Write every table that is not current. Killed, it goes on where it was.

    Each table is a task of the cluster, where that has an address; else the device of `world` predicts.

    Args:
        wanted: From `tables`.
        folder: Where they lie.
        world: The device.
        stop: Asks to stop.
        cluster: Of the recipe.

    Raises:
        UserError: Weights are gone.
        LockedError: Another process is at work in `folder`.
        Paused: `stop` asked.
    """
    missing = [one for one in wanted if not one.is_current]
    if not missing:
        return
    with lock.exclusive(folder):
        if cluster is not None and cluster.address:
            from ffdi.training import cluster as nodes

            nodes.predict_degraded(missing, folder, cluster, stop)
        else:
            for one in missing:
                write(one, world.device, stop)


def read(some: Iterable[Table]) -> dict[str, pd.Series]:
    """Return by member the mean logits of all its folds, by id, without the images that cannot be read."""
    parts: dict[str, list[pd.Series]] = {}
    for one in some:
        frame = checksum.read_table(one.path)
        parts.setdefault(one.job.member.name, []).append(frame[~frame.imputed].groupby("id").logit.mean())
    return {name: pd.concat(folds) for name, folds in parts.items()}


def write(one: Table, device: torch.device, stop: Stop) -> None:
    """Predict and write a table.

    Args:
        one: Which table.
        device: Where the net computes.
        stop: Asks to stop.
    """
    job = one.job
    frame = predict_images(
        Net(job.member, job.fold, job.folder.weights), sample(job.oof), job.images, device=device,
        workers=job.data.workers or 0, stop=stop, label=f"{job.label} {one.kind}", damage=one.kind,
    )  # fmt: skip
    checksum.write_table(one.path, frame, one.facts)
