"""Images -> logits by (id, view): every file is decoded once, for all views.

What it gives depends on the rows, the model and the batch size alone: the number of workers changes no bit, and rows
predicted in parts of whole batches equal rows predicted at once. Another batch size moves logits by float noise (below
1e-4 here, in float32), as libraries sum in another order.
B images of a batch, V views, R rows of the table, H height, W width, C channels.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from ffdi.config.views import parse, side
from ffdi.core import console
from ffdi.core.errors import FfdiError, Paused
from ffdi.core.stop import Stop
from ffdi.data.dataset import Batch, loader, normalise
from ffdi.data.images import TestImages
from ffdi.data.order import in_sequence
from ffdi.infer import views as tta
from ffdi.infer.logit import logits
from ffdi.model.mode import evaluating
from ffdi.model.precision import amp_dtype
from ffdi.model.size import at_size

MeanStd = tuple[tuple[float, ...], tuple[float, ...]]
NAMED = 5  # ids spelled out in a message


def predict(
    model: nn.Module,
    rows: pd.DataFrame,
    folder: Path,
    *,
    size: int,
    views: Sequence[str],
    mean_std: MeanStd,
    device: torch.device,
    batch_size: int,
    workers: int,
    amp: str = "auto",
    channels_last: bool = True,
    stop: Stop | None = None,
    label: str = "predict",
) -> pd.DataFrame:
    """id, view, logit (float32), imputed: for each of `rows` (id, relpath, maybe status), in order, each view in order.

    `model` is on `device` already and left as it was. An image that cannot be read, now or by its `status`
    "quarantined", has imputed = True and no logit (NaN): the caller gives it the prior. A warning names it.
    Raises Paused when `stop` asks, FfdiError naming the ids when a logit is not finite, UserError for an unknown view.
    """
    nets = _nets(model, parse(views), size)
    usable_R = (rows.status != "quarantined").to_numpy() if "status" in rows else np.ones(len(rows), bool)
    images = TestImages(rows[usable_R].reset_index(drop=True), folder, size)
    dtype = amp_dtype(amp, device)
    found_RV = np.full((len(images), len(nets)), np.nan, np.float32)
    images_BCHW = None
    with evaluating(nets.values()), console.progress(label, len(images)) as meter:
        for batch in loader(images, in_sequence(len(images), batch_size), workers, pin=device.type == "cuda"):
            if stop is not None and stop.requested:
                raise Paused(f"{label}: stopped ({stop.reason}); run the same command again to go on.")
            images_BCHW = normalise(batch.images_BHWC, *mean_std, device, channels_last, out=images_BCHW)
            logits_BV = _logits(nets, images_BCHW, dtype)
            found_RV[batch.rows_B.numpy()] = logits_BV
            found_RV[list(batch.unreadable)] = np.nan
            _refuse_not_finite(found_RV, batch, images, label)
            meter.advance(len(logits_BV))
    return _table(rows, list(nets), usable_R, found_RV, label)


def _nets(model: nn.Module, names: Sequence[str], size: int) -> dict[str, nn.Module]:
    """For each view the model that takes its size: the model itself, or a resampled copy where it must be."""
    sides = {name: side(size, name) for name in names}
    by_side = {pixels: at_size(model, pixels) for pixels in set(sides.values())}
    return {name: by_side[pixels] for name, pixels in sides.items()}


def _logits(nets: Mapping[str, nn.Module], images_BCHW: Tensor, dtype: torch.dtype | None) -> np.ndarray:
    """logits_BV, float32, on the CPU; the views keep the layout (channels last or not) of the batch."""
    last = images_BCHW.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    columns = []
    for name, net in nets.items():
        view_BCHW = tta.apply(images_BCHW, name).contiguous(memory_format=layout)
        columns.append(logits(net, view_BCHW, dtype))
    return torch.stack(columns, dim=1).cpu().numpy()


def _refuse_not_finite(found_RV: np.ndarray, batch: Batch, images: TestImages, label: str) -> None:
    readable = sorted(set(batch.rows_B.tolist()) - set(batch.unreadable))
    bad = [images.id(row) for row in readable if not np.isfinite(found_RV[row]).all()]
    if bad:
        raise FfdiError(
            f"{label}: the logits of {_some(bad)} are not finite; nothing was written. "
            f'The weights have diverged, or fp16 overflowed: lower lr, or set amp = "off".'
        )


def _table(
    rows: pd.DataFrame, names: Sequence[str], usable_R: np.ndarray, found_RV: np.ndarray, label: str
) -> pd.DataFrame:
    logits_RV = np.full((len(rows), len(names)), np.nan, np.float32)
    logits_RV[usable_R] = found_RV
    imputed_R = np.isnan(logits_RV).any(axis=1)
    ids = rows.id.to_numpy()
    if imputed_R.any():
        console.warn(f"{label}: {_some(list(ids[imputed_R]))} cannot be read and will get the prior.")
    return pd.DataFrame(
        {
            "id": np.repeat(ids, len(names)),
            "view": np.tile(np.array(names, object), len(rows)),
            "logit": logits_RV.reshape(-1),
            "imputed": np.repeat(imputed_R, len(names)),
        }
    )


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return f"{len(ids):,} image{'s' if len(ids) != 1 else ''} ({', '.join(ids[:NAMED])}{more})"
