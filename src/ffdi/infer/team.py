"""A whole team over the same images: each is decoded once for all members, folds and views of one size.

One process drives all devices, a whole batch to each in turn; a GPU works on while the next batches are prepared, so
one stream of decoded batches feeds them all. Every net sees the batches that `infer.predict` would give it, so on a CPU
the bits are the same.

A deadline could be met by going over the rows several times, the most valuable nets first; that decodes again each
time. Here all cells go over the rows together and `infer.plan` gives some up when the measured speed says that they
will not be ready: nothing is decoded twice, and the set that is left is the same for every row. Rows that not even the
last net reaches are imputed.

B images of a batch, R rows of the table, V views, H height, W width, C channels.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ffdi.core import console
from ffdi.core.stop import Stop
from ffdi.data.dataset import Batch, loader, normalise
from ffdi.data.images import TestImages
from ffdi.data.order import in_sequence
from ffdi.infer import views as tta
from ffdi.infer.flops import flops
from ffdi.infer.logit import logits
from ffdi.infer.nets import Loaded, MeanStd, Net, common_batch, groups, load, refuse_twins, room_on
from ffdi.infer.plan import Cell, Plan
from ffdi.model.mode import evaluating

IN_FLIGHT = 2  # batches a device may have before it, so that it never waits for the next
OUT_OF_TIME = "for want of time"
Buffers = dict[tuple[MeanStd, bool], Tensor]  # normalised pixels by (mean and std, channels last)


@dataclass(frozen=True)
class TeamLogits:
    """`logits`: float32 [R, V] by (member, fold); V as in `views` of that net. The same set for every row.

    `imputed_R`: rows without logits (NaN): unreadable, or `unreached_R` at the deadline. `dropped`: what was given up,
    in phrases for a log; a net that is not in `logits` was given up whole.
    """

    logits: dict[tuple[str, int | str], np.ndarray]
    views: dict[tuple[str, int | str], tuple[str, ...]]
    imputed_R: np.ndarray
    unreached_R: np.ndarray
    dropped: tuple[str, ...]


def predict_team(
    nets: Sequence[Net],
    rows: pd.DataFrame,
    folder: Path,
    *,
    devices: Sequence[torch.device],
    workers: int,
    stop: Stop | None = None,
    memory: int | None = None,
    label: str = "predict",
) -> TeamLogits:
    """Logits of `rows` (id, relpath, maybe status) by every net under its member's views.

    `nets` by importance: the first member is the last to be given up. `devices`: batches go to each in turn. `stop`: at
    its deadline the answer is there; any other wish to stop ends the prediction at once. `memory`: bytes for weights on
    a device (None: half of what is free); nets that exceed it together come one group after another. Raises FfdiError
    for moved golden outputs and when no net gives finite logits, UserError for weights that do not fit their member.
    """
    refuse_twins(nets)
    usable_R = (rows.status != "quarantined").to_numpy() if "status" in rows else np.ones(len(rows), bool)
    usable = rows[usable_R].reset_index(drop=True)
    plan = Plan(_costs(nets, stop), len(usable), len(devices), stop)
    sheet = _Sheet(usable, plan)
    room = room_on(devices) if memory is None else memory
    together = groups(nets, room)
    with console.progress(label, len(usable) * len(together)) as meter:
        for group in together:
            _predict_group(group, TestImages(usable, folder, group[0].size), sheet, devices, workers, stop, meter)
    if len(plan.complete()) < len(plan.kept):
        plan.give_up_unfinished(OUT_OF_TIME)
    for phrase in plan.dropped:
        console.warn(f"{label}: given up: {phrase}.")
    return sheet.answer(nets, usable_R)


class _Sheet:
    """The logits so far of the U rows that can be predicted, by cell; NaN where there is none."""

    def __init__(self, usable: pd.DataFrame, plan: Plan) -> None:
        self.plan = plan
        self._ids = usable.id.to_numpy()
        self._found = {cell: np.full(len(usable), np.nan, np.float32) for cell in plan.kept}
        self._unreadable_U = np.zeros(len(usable), bool)

    def enter(self, batch: Batch, logits_by_cell: Mapping[Cell, Tensor]) -> None:
        """What a batch gave. A net with a logit that is not finite is given up."""
        rows_B = batch.rows_B.numpy()
        self._unreadable_U[list(batch.unreadable)] = True
        readable_B = ~self._unreadable_U[rows_B]
        for cell, logits_B in logits_by_cell.items():
            self._found[cell][rows_B] = np.where(readable_B, logits_B.cpu().numpy(), np.nan)
            bad_B = readable_B & ~np.isfinite(self._found[cell][rows_B])
            if bad_B.any() and cell in self.plan.kept:
                self.plan.spoil(cell, f"whose logit of {self._ids[rows_B[bad_B][0]]} is not finite")
        self.plan.done(logits_by_cell, len(rows_B))

    def answer(self, nets: Sequence[Net], usable_R: np.ndarray) -> TeamLogits:
        columns = {net.key: [view for view in net.member.tta if net.cell(view) in self.plan.kept] for net in nets}
        cells = [Cell(*key, view) for key, views in columns.items() for view in views]
        lacking_U = np.any([np.isnan(self._found[cell]) for cell in cells], axis=0)
        imputed_R, unreached_R = ~usable_R, np.zeros(len(usable_R), bool)
        imputed_R[usable_R] = lacking_U
        unreached_R[usable_R] = lacking_U & ~self._unreadable_U
        logits_by_net = {}
        for key, views in columns.items():
            if views:
                logits_RV = np.full((len(usable_R), len(views)), np.nan, np.float32)
                logits_RV[usable_R] = np.stack([self._found[Cell(*key, view)] for view in views], axis=1)
                logits_RV[imputed_R] = np.nan
                logits_by_net[key] = logits_RV
        kept = {key: tuple(views) for key, views in columns.items() if views}
        return TeamLogits(logits_by_net, kept, imputed_R, unreached_R, tuple(self.plan.dropped))


def _predict_group(
    group: Sequence[Net],
    images: TestImages,
    sheet: _Sheet,
    devices: Sequence[torch.device],
    workers: int,
    stop: Stop | None,
    meter: console.Meter,
) -> None:
    """Nets of one size over all rows, a batch to each device in turn."""
    group = [net for net in group if _wanted(net, sheet.plan)]
    if not group or (stop is not None and stop.requested):
        return
    lanes = [_Lane(group, device) for device in devices]
    cuda = devices[0].type == "cuda"
    ahead = IN_FLIGHT * len(lanes) if cuda else 0
    pending: deque[tuple[Batch, dict[Cell, Tensor]]] = deque()
    sheet.plan.measure_anew()
    batches = loader(images, in_sequence(len(images), common_batch(group)), workers, pin=cuda)
    with evaluating([model for lane in lanes for loaded in lane.crew for model in loaded.by_view.values()]):
        while some := list(islice(batches, len(lanes))):
            pending.extend(zip(some, _forward(lanes, some, sheet.plan), strict=True))
            while len(pending) > ahead:
                sheet.enter(*pending.popleft())
            meter.advance(sum(len(batch.rows_B) for batch in some))
            if (stop is not None and stop.requested) or not any(_wanted(net, sheet.plan) for net in group):
                break
        while pending:
            sheet.enter(*pending.popleft())


class _Lane:
    """A device with the nets of a group on it, and the batch it works at."""

    def __init__(self, group: Sequence[Net], device: torch.device) -> None:
        self.crew = [load(net, device) for net in group]
        self._device = device
        self._pixels_BHWC = torch.empty(0)
        self._fed: Buffers = {}
        self._buffers: Buffers = {}

    def take(self, batch: Batch) -> None:
        self._pixels_BHWC = batch.images_BHWC.to(self._device, non_blocking=True)
        self._fed = {}

    def logits(self, loaded: Loaded, view: str) -> Tensor:
        """logits_B, on the device."""
        parts = self._normalised(loaded).split(loaded.net.member.batch_size)
        return torch.cat([_logits(loaded, part_BCHW, view) for part_BCHW in parts])

    def _normalised(self, loaded: Loaded) -> Tensor:
        """The batch in float; nets that are fed alike share it."""
        fed = loaded.mean_std, loaded.channels_last
        if fed not in self._fed:
            out = self._buffers.get(fed)
            images_BCHW = normalise(self._pixels_BHWC, *loaded.mean_std, self._device, loaded.channels_last, out)
            self._fed[fed] = images_BCHW
            self._buffers.setdefault(fed, images_BCHW)
        return self._fed[fed]


def _forward(lanes: Sequence[_Lane], batches: Sequence[Batch], plan: Plan) -> list[dict[Cell, Tensor]]:
    """logits_B by kept cell for each batch, on its device; there may be fewer batches than lanes at the end.

    Net by net on all devices, not device by device: a GPU queues about a thousand operations and then makes this
    process wait, while the others would have nothing to do.
    """
    working = list(zip(lanes, batches, strict=False))
    found: list[dict[Cell, Tensor]] = [{} for _ in batches]
    for lane, batch in working:
        lane.take(batch)
    for number, first in enumerate(lanes[0].crew):
        for view in _wanted(first.net, plan):
            for (lane, _), into in zip(working, found, strict=True):
                into[first.net.cell(view)] = lane.logits(lane.crew[number], view)
    return found


def _logits(loaded: Loaded, images_BCHW: Tensor, view: str) -> Tensor:
    layout = torch.channels_last if loaded.channels_last else torch.contiguous_format
    view_BCHW = tta.apply(images_BCHW, view).contiguous(memory_format=layout)
    return logits(loaded.by_view[view], view_BCHW, loaded.dtype)


def _wanted(net: Net, plan: Plan) -> list[str]:
    return [view for view in net.member.tta if net.cell(view) in plan.kept]


def _costs(nets: Sequence[Net], stop: Stop | None) -> dict[Cell, float]:
    """Work for one image by cell; without a deadline nobody asks."""
    timed = stop is not None and stop.deadline is not None
    return {net.cell(view): float(flops(net.member, view)) if timed else 1.0 for net in nets for view in net.member.tta}
