"""What a finished fold leaves: sealed weights, OOF, validation and test logits, and the file that says done."""

import time

import numpy as np
import pandas as pd
import torch

from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.base.stop import Stop
from ffdi.infer.predict import predict
from ffdi.model.weights import save_weights
from ffdi.score.auc import auc
from ffdi.train import environment, loss, precision
from ffdi.train.job import Job
from ffdi.train.world import World

TABLES = ("oof", "val", "test")


def is_done(job: Job) -> bool:
    """Whether `done.json` stands and fits this job. Raises CorruptError if it is damaged or of another run."""
    path = job.folder / "done.json"
    if not path.exists():
        return False
    done = seal.read_json(path)
    for name, wanted in job.identity.items():
        if done[name] != wanted:
            raise UserError(
                f"{path} was made with {name} {done[name]}, this run has {name} {wanted}; delete {job.folder}."
            )
    return True


def seal_fold(job: Job, model: torch.nn.Module, world: World, stop: Stop) -> None:
    """Weights, predictions, environment, then `done.json` last, with the digest of each. Raises Paused on a stop."""
    begun = time.monotonic()
    frames: dict[str, pd.DataFrame] = {}
    for name in TABLES:
        rows = getattr(job, name)
        if len(rows):
            frames[name] = predictions(job, model, rows, f"{job.label} {name}", world, stop, job.member.views)
    priors = _priors(frames.get("oof", frames.get("test")))
    if not world.writes:
        world.barrier()
        return
    save_weights(job.folder / "weights.safetensors", model, job.identity)
    for name, frame in frames.items():
        facts = {**job.identity, "member": job.member.name}
        seal.write_table(job.folder / f"{name}.parquet", _impute(frame, priors), facts)
    environment.write(job.folder.parent, job.member)
    names = ["weights.safetensors", *(f"{name}.parquet" for name in frames)]
    files = {name: seal.digest(job.folder / name) for name in names}
    scores = _scores(job, frames.get("oof"))
    images = sum(len(frame) for frame in frames.values())
    speed = images / max(time.monotonic() - begun, 1e-9)
    seal.write_json(
        job.folder / "done.json",
        {**job.identity, "files": files, "scores": scores, "views_per_second": round(speed, 3)},
    )
    _drop_states(job)
    world.barrier()


def held_out(job: Job, model: torch.nn.Module, world: World, stop: Stop) -> dict[str, float]:
    """Loss and AUC of the fold's held-out rows, plain view: the curve people look at; nothing is chosen by it."""
    frame = predictions(job, model, job.oof, f"{job.label} held out", world, stop, ("identity",))
    return _scores(job, frame)


def predictions(
    job: Job,
    model: torch.nn.Module,
    rows: pd.DataFrame,
    label: str,
    world: World,
    stop: Stop,
    views: tuple[str, ...],
) -> pd.DataFrame:
    """Logits of every row and view: id, view, logit (NaN where the image is unreadable), imputed.

    Several processes take every n-th row each and add up what they have.
    """
    usable = (rows.status != "quarantined").to_numpy()
    share = np.zeros(len(rows), bool)
    share[np.flatnonzero(usable)[world.rank :: world.size]] = True
    frame = predict(
        model,
        rows[share].reset_index(drop=True),
        job.images,
        size=job.member.test_size or job.member.image_size,
        views=views,
        num_classes=job.member.num_classes,
        device=world.device,
        batch_size=job.member.batch_size,
        workers=job.data.workers,
        amp=precision.amp_dtype(job.member, world.device),
        stop=stop,
        label=label,
    )
    logits_RV = torch.zeros(len(rows), len(views), dtype=torch.float64)
    logits_RV[share] = torch.from_numpy(frame.logit.to_numpy(np.float64).reshape(-1, len(views)))
    logits = world.sum(logits_RV).cpu().numpy()
    logits[~usable] = np.nan
    return pd.DataFrame(
        {
            "id": np.repeat(rows.id.to_numpy(), len(views)),
            "view": np.tile(np.array(views, object), len(rows)),
            "logit": logits.reshape(-1).astype(np.float32),
            "imputed": np.isnan(logits).reshape(-1),
        }
    )


def _priors(frame: pd.DataFrame | None) -> dict[str, float]:
    """The median logit of each view: what an unreadable image gets, so that it moves no rank."""
    return {} if frame is None else frame.groupby("view").logit.median().to_dict()


def _impute(frame: pd.DataFrame, priors: dict[str, float]) -> pd.DataFrame:
    filled = frame.logit.where(~frame.imputed, frame["view"].map(priors)).astype(np.float32)
    return frame.assign(logit=filled)


def _scores(job: Job, frame: pd.DataFrame | None) -> dict[str, float]:
    """AUC and mean loss of the held-out rows (mean logit over views); empty where one class is missing."""
    if frame is None:
        return {}
    logits = frame[~frame.imputed].groupby("id").logit.mean()
    targets = job.oof.set_index("id").target.reindex(logits.index)
    if targets.nunique() < 2:
        return {}
    losses = loss.cross_entropy(torch.tensor(logits.to_numpy())[:, None], torch.tensor(targets.to_numpy()).float())
    return {"auc": auc(targets.to_numpy(), logits.to_numpy()), "loss": float(losses.mean())}


def _drop_states(job: Job) -> None:
    """A finished fold needs no state: it is four times the size of the weights."""
    for path in (job.folder / "state").glob("step-*.safetensors"):
        path.unlink()
