"""Finish a fold: weights, OOF, validation and test logits, and the file that says done.

Training and predicting have separate identities: other views, or a test set that came later, are predicted with the
weights that stand, without training again.
"""

import platform
import shutil
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pandas as pd
import timm
import torch

from ffdi.core import checksum
from ffdi.core.digest import code_digest
from ffdi.core.errors import UserError
from ffdi.core.layout import RunFolder
from ffdi.core.stop import Stop
from ffdi.metrics.auc import auc
from ffdi.model.weights import load_net
from ffdi.training import loss, predictions
from ffdi.training.job import FoldJob
from ffdi.training.state import refuse_other_run
from ffdi.training.world import World


def is_trained(job: FoldJob) -> bool:
    """Return whether the weights stand. Raise CorruptError if they are damaged or of another run."""
    path = job.folder.weights
    if not path.exists():
        return False
    _, facts = checksum.read_tensors(path)
    refuse_other_run(path, facts, job.identity)
    return True


def is_done(job: FoldJob) -> bool:
    """Return whether `done.json` lists what the recipe asks for now, and its files are there (blend checks bytes)."""
    path = job.folder.done
    if not path.exists():
        return False
    done = checksum.read_json(path)
    refuse_other_run(path, done, job.identity)
    return done["asked"] == job.asked and all((job.folder / name).exists() for name in done["files"])


def agree_on_start(job: FoldJob, start: dict[str, Any], world: World) -> None:
    """Check that the folds of one member start from the same weights.

    The recipe says where weights come from, not which bytes they are; those are kept here.

    Args:
        job: A fold.
        start: Where its first weights came from, with their digest.
        world: The processes that train together.

    Raises:
        UserError: Another fold of the member started from others.
    """
    path = RunFolder(job.folder.parent).start
    if not path.exists() and world.writes:
        checksum.write_json(path, start)
    world.barrier()
    first = checksum.read_json(path)
    if first != start:
        raise UserError(
            f"{job.label} would start from other weights (sha256 {start['sha256'][:12] or 'none'}) than its sibling "
            f"folds ({first['sha256'][:12] or 'none'}); put those back, or delete {job.folder.parent}."
        )


def finish(job: FoldJob, world: World, stop: Stop) -> None:
    """Predict with the weights on disk, then write `done.json`.

    Args:
        job: A fold whose training is over.
        world: The processes that train together.
        stop: Asks to stop.

    Raises:
        Paused: `stop` asked.
    """
    model = load_net(job.folder.weights, job.member, world.device)
    if world.writes:
        job.folder.done.unlink(missing_ok=True)  # it must not vouch for tables that are being replaced
    world.barrier()
    priors: pd.Series | None = None
    scores: dict[str, float] = {}
    for name in job.asked:
        parts = predictions.parts(job, name, world.device, world.size)
        frame = pd.concat([predictions.part(job, name, one, model, world, stop) for one in parts], ignore_index=True)
        if name == "oof" or priors is None:
            priors = frame.groupby("view").logit.median()  # of each view: an unreadable image then moves no rank
        if name == "oof":
            scores = _scores(job, frame)
        if world.writes:
            facts = {**job.identity, "member": job.member.name}
            filled = frame.logit.where(~frame.imputed, frame["view"].map(priors)).astype(np.float32)
            checksum.write_table(job.folder.table(name), frame.assign(logit=filled), facts)
    if world.writes:
        _write_done(job, scores)
    world.barrier()


def held_out(job: FoldJob, model: torch.nn.Module, world: World, stop: Stop) -> dict[str, float]:
    """Return loss and AUC of the held-out rows, by the plain view at the size of training. They are only shown.

    Args:
        job: A fold.
        model: In training.
        world: The processes that train together.
        stop: Asks to stop.
    """
    plain = replace(job, member=job.member.model_copy(update={"tta": ("identity",), "test_size": None}))
    return _scores(job, predictions.logits(plain, model, job.oof, f"{job.label} held out", world, stop))


def _write_done(job: FoldJob, scores: dict[str, float]) -> None:
    run = RunFolder(job.folder.parent)
    if not run.environment.exists():  # for people: no identity depends on versions and code
        versions = {"python": platform.python_version()} | {one.__name__: one.__version__ for one in (torch, timm, cv2)}
        gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        checksum.write_json(run.spec, job.member.model_dump(mode="json"))
        checksum.write_json(run.environment, {**versions, "gpus": gpus, "code": code_digest()})
    written = [job.folder.weights, *map(job.folder.table, job.asked)]
    files = {path.name: checksum.digest(path) for path in written}
    done = {**job.identity, "spec8": job.spec[:8], "files": files, "asked": job.asked, "scores": scores}
    checksum.write_json(job.folder.done, done)
    shutil.rmtree(job.folder.predicted_parts, ignore_errors=True)


def _scores(job: FoldJob, frame: pd.DataFrame) -> dict[str, float]:
    """Return AUC and mean loss of the held-out rows (mean logit over views); empty where one class is missing."""
    logits = frame[~frame.imputed].groupby("id").logit.mean()
    targets = job.oof.set_index("id").target.reindex(logits.index).to_numpy()
    if len(set(targets)) < 2:
        return {}
    losses_B = loss.cross_entropy(torch.tensor(logits.to_numpy())[:, None], torch.tensor(targets).float())
    return {"auc": auc(targets, logits.to_numpy()), "loss": float(losses_B.mean())}
