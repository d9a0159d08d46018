"""The tables of logits a fold leaves, made in parts: what a stop finds predicted is not predicted again.

R rows, V views.
"""

import numpy as np
import pandas as pd
import torch

from ffdi.config.recipe import Member
from ffdi.core import checksum
from ffdi.core.errors import Paused
from ffdi.core.stop import Stop
from ffdi.infer.engine import predict
from ffdi.infer.nets import Net
from ffdi.model import compiling
from ffdi.training.job import FoldJob
from ffdi.training.world import World

MIN_GPU_BATCH = 64
GPU_PIXELS = 5_000_000  # of a batch
PART_BATCHES = 500  # whole batches, so that parts are bit-equal to the whole


def parts(job: FoldJob, name: str, device: torch.device, processes: int = 1) -> list[range]:
    """Return the places of the rows of each part of a table.

    Args:
        job: A fold.
        name: "oof", "val" or "test".
        device: Such a one predicts.
        processes: That predict together.
    """
    count, size = len(getattr(job, name)), PART_BATCHES * prediction_batch(job.member, device) * processes
    return [range(begin, min(begin + size, count)) for begin in range(0, count, size)]


def part(job: FoldJob, name: str, rows: range, model: torch.nn.Module, world: World, stop: Stop) -> pd.DataFrame:
    """Return one part of a table; predict and write it where it is not there. Parts may be made in any order.

    Args:
        job: A fold.
        name: Of the table.
        rows: Of the part.
        model: The fold's weights.
        world: The processes that work together.
        stop: Asks to stop.

    Returns:
        id, view, logit (NaN where the image is unreadable) and imputed of every row.

    Raises:
        Paused: `stop` asked.
    """
    # Named by both ends: another device makes parts of another length.
    path = job.folder.predicted_parts / f"{name}-{rows.start:07d}-{rows.stop:07d}.parquet"
    facts = {**job.identity, **job.asked[name]}
    if path.exists() and checksum.read_facts(path) == facts:
        return checksum.read_table(path)
    whole: pd.DataFrame = getattr(job, name)
    pixels = len(whole) * len(job.member.tta) * job.size**2  # all parts alike: compiled where that pays for the whole
    compiled = compiling.wants_compile(job.member.compile, pixels, compiling.PREDICTION_PIXELS, world.device)
    label = f"{job.label} {name}" + (f" from {rows.start:,}" if len(rows) < len(whole) else "")
    if world.size > 1 and world.any(stop.requested):  # together they stop here, or some would wait for ever
        reason = stop.reason or "another process was stopped"
        raise Paused(f"{label}: stopped ({reason}); run the same command again to go on.")
    some = whole.iloc[rows.start : rows.stop].reset_index(drop=True)
    frame = logits(job, model, some, label, world, stop, compiled=compiled)
    if world.writes:
        checksum.write_table(path, frame, facts)
    world.barrier()
    return frame


def prediction_batch(member: Member, device: torch.device) -> int:
    """Return the images of a batch: on a GPU whole batches of the member up to MIN_GPU_BATCH, as small ones idle it.

    GPU_PIXELS fill it, and more may not fit beside a training, whose captured step keeps its memory.
    """
    if device.type != "cuda":
        return member.batch_size
    pixels = member.batch_size * (member.test_size or member.image_size) ** 2
    return member.batch_size * max(1, min(-(-MIN_GPU_BATCH // member.batch_size), GPU_PIXELS // pixels))


def logits(
    job: FoldJob,
    model: torch.nn.Module,
    rows: pd.DataFrame,
    label: str,
    world: World,
    stop: Stop,
    compiled: bool = False,
) -> pd.DataFrame:
    """Predict as `part` does, for any rows. Several processes take every n-th row each.

    Every row is tried, whatever the scan said of it: what decodes is predicted, what does not is imputed.

    Args:
        job: A fold.
        model: Its weights.
        rows: id and relpath of each image.
        label: What the progress line calls this.
        world: The processes that work together.
        stop: Asks to stop.
        compiled: Whether to compile the model first.
    """
    member = job.member.model_copy(update={"batch_size": prediction_batch(job.member, world.device)})
    mine = rows.iloc[world.rank :: world.size].reset_index(drop=True)
    frame = predict(
        Net(member, job.fold, model),
        mine,
        job.images,
        device=world.device,
        workers=job.data.workers or 0,
        stop=stop if world.size == 1 else None,
        compiled=compiled,
        label=label,
    )
    return frame if world.size == 1 else _gathered(frame, rows, member.tta, world)


def _gathered(mine: pd.DataFrame, rows: pd.DataFrame, views: tuple[str, ...], world: World) -> pd.DataFrame:
    """Return the table of all rows from each process's share; NaN (unreadable) stays NaN in the sum."""
    logits_RV = torch.zeros(len(rows), len(views))
    logits_RV[world.rank :: world.size] = torch.from_numpy(mine.logit.to_numpy(np.float32).reshape(-1, len(views)))
    summed = world.sum(logits_RV).cpu().numpy().reshape(-1)
    ids, names = np.repeat(rows.id.to_numpy(), len(views)), np.tile(np.array(views, object), len(rows))
    return pd.DataFrame({"id": ids, "view": names, "logit": summed, "imputed": np.isnan(summed)})
