"""What a finished fold leaves: sealed weights, OOF, validation and test logits, and the file that says done.

Training and predicting have separate identities: other views, or a test set that came later, are predicted with the
weights that stand, without training again.
"""

from typing import Any

import numpy as np
import pandas as pd
import torch

from ffdi.base import seal
from ffdi.base.errors import CorruptError
from ffdi.base.stop import Stop
from ffdi.data.job import Job
from ffdi.infer.predict import predict
from ffdi.model import precision
from ffdi.model.build import build, data_config
from ffdi.model.weights import load_weights
from ffdi.score.auc import auc
from ffdi.train import environment, loss
from ffdi.train.world import World

WEIGHTS = "weights.safetensors"


def is_trained(job: Job) -> bool:
    """Whether the sealed weights stand. Raises CorruptError if they are damaged or of another run."""
    path = job.folder / WEIGHTS
    if not path.exists():
        return False
    _, facts = seal.read_tensors(path)
    _refuse_other_run(path, facts, job)
    return True


def is_done(job: Job) -> bool:
    """Whether `done.json` stands and every table in it is what the recipe asks for now."""
    path = job.folder / "done.json"
    if not path.exists():
        return False
    done = seal.read_json(path)
    _refuse_other_run(path, done, job)
    return done["asked"] == job.asked


def finish(job: Job, world: World, stop: Stop) -> None:
    """Predict with the weights on disk, then write `done.json`. Raises Paused on a stop."""
    model = build(job.member, pretrained=False)
    load_weights(job.folder / WEIGHTS, model)
    model = precision.place(model, world.device, precision.wants_channels_last(model, job.member.channels_last))
    frames = {
        name: predictions(
            job, model, getattr(job, name), job.size, job.member.views, f"{job.label} {name}", world, stop
        )
        for name in job.asked
    }
    if world.writes:
        _write(job, frames)
    world.barrier()


def held_out(job: Job, model: torch.nn.Module, world: World, stop: Stop) -> dict[str, float]:
    """Loss and AUC of the fold's held-out rows, plain view: the curve people look at; nothing is chosen by it."""
    size = job.member.image_size
    frame = predictions(job, model, job.oof, size, ("identity",), f"{job.label} held out", world, stop)
    return _scores(job, frame)


def predictions(
    job: Job,
    model: torch.nn.Module,
    rows: pd.DataFrame,
    size: int,
    views: tuple[str, ...],
    label: str,
    world: World,
    stop: Stop,
) -> pd.DataFrame:
    """Logits of every row and view: id, view, logit (NaN where the image is unreadable), imputed.

    Several processes take every n-th row each and add up what they have.
    """
    mine = rows.iloc[world.rank :: world.size].reset_index(drop=True)
    frame = predict(
        model,
        mine,
        job.images,
        size=size,
        views=views,
        mean_std=data_config(model)[:2],
        device=world.device,
        batch_size=job.member.batch_size,
        workers=job.data.workers,
        amp=job.member.amp,
        channels_last=precision.wants_channels_last(model, job.member.channels_last),
        stop=stop,
        label=label,
    )
    return frame if world.size == 1 else _gathered(frame, rows, world)


def _gathered(mine: pd.DataFrame, rows: pd.DataFrame, world: World) -> pd.DataFrame:
    """The table of all rows from each process's share; NaN (unreadable) stays NaN in the sum."""
    views = mine["view"].unique()
    logits_RV = torch.zeros(len(rows), len(views))
    logits_RV[world.rank :: world.size] = torch.from_numpy(mine.logit.to_numpy().reshape(-1, len(views)))
    logits = world.sum(logits_RV).cpu().numpy().reshape(-1)
    ids, names = np.repeat(rows.id.to_numpy(), len(views)), np.tile(views, len(rows))
    return pd.DataFrame({"id": ids, "view": names, "logit": logits, "imputed": np.isnan(logits)})


def _write(job: Job, frames: dict[str, pd.DataFrame]) -> None:
    priors = _priors(frames.get("oof", frames.get("test")))
    for name, frame in frames.items():
        seal.write_table(
            job.folder / f"{name}.parquet", _impute(frame, priors), {**job.identity, "member": job.member.name}
        )
    environment.write(job.folder.parent, job.member)
    files = {name: seal.digest(job.folder / name) for name in (WEIGHTS, *(f"{name}.parquet" for name in frames))}
    done = {**job.identity, "spec8": job.spec[:8], "files": files, "asked": job.asked}
    seal.write_json(job.folder / "done.json", {**done, "scores": _scores(job, frames.get("oof"))})


def _priors(frame: pd.DataFrame | None) -> dict[str, float]:
    """The median logit of each view: what an unreadable image gets, so that it moves no rank."""
    medians = {} if frame is None else frame.groupby("view").logit.median().to_dict()
    return {str(view): float(logit) for view, logit in medians.items()}


def _impute(frame: pd.DataFrame, priors: dict[str, float]) -> pd.DataFrame:
    filled = frame.logit.where(~frame.imputed, frame["view"].map(priors)).astype(np.float32)
    return frame.assign(logit=filled)


def _scores(job: Job, frame: pd.DataFrame | None) -> dict[str, float]:
    """AUC and mean loss of the held-out rows (mean logit over views); empty where one class is missing."""
    if frame is None:
        return {}
    logits = frame[~frame.imputed].groupby("id").logit.mean()
    targets = job.oof.set_index("id").target.reindex(logits.index).to_numpy()
    if len(set(targets)) < 2:
        return {}
    losses_B = loss.cross_entropy(torch.tensor(logits.to_numpy())[:, None], torch.tensor(targets).float())
    return {"auc": auc(targets, logits.to_numpy()), "loss": float(losses_B.mean())}


def _refuse_other_run(path: Any, facts: dict[str, Any], job: Job) -> None:
    for name, wanted in job.identity.items():
        if facts.get(name) != wanted:
            raise CorruptError(
                f"{path} was made with {name} {facts.get(name)}, this run has {name} {wanted}; delete {job.folder}."
            )
