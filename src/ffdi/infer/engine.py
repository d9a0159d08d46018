"""The predictor: every image is decoded once for all nets of one size, and nobody waits for the device.

The order of a batch: bytes to the device on a copy stream, normalised there, every net under every view, logits back
by an asynchronous copy that is read a few batches later. With several devices each takes a whole batch in turn. Every
net sees the batches it would see alone, so on a CPU the number of workers, devices and nets changes no bit, and rows
predicted in parts of whole batches equal rows predicted at once.

B images of a batch, R rows of the table, V views, H height, W width, C channels.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ffdi.core import console
from ffdi.core.errors import Paused
from ffdi.core.stop import Stop
from ffdi.data.batches import Batch, batches
from ffdi.data.degraded import DegradedImages
from ffdi.data.images import Images, TestImages
from ffdi.data.order import in_sequence
from ffdi.infer.nets import DeviceNets, Net, common_batch, flops, groups, memory_for_weights
from ffdi.infer.plan import Pass, Plan
from ffdi.model.precision import evaluating

IN_FLIGHT = 3  # batches queued on a GPU before the result of the first is read
NAMED = 5  # ids spelled out in a message
Key = TypeVar("Key")


@dataclass(frozen=True)
class TeamLogits:
    """Logits of several nets for the same R rows.

    `logits`: float32 [R, V] by (member, fold); V as in `views` of that net. `imputed_R`: rows without logits (NaN),
    because they are unreadable, or `unreached_R` at the deadline. `dropped`: what was left out, in phrases for a log;
    a net that is not in `logits` was dropped whole.
    """

    logits: dict[tuple[str, int | str], np.ndarray]
    views: dict[tuple[str, int | str], tuple[str, ...]]
    imputed_R: np.ndarray
    unreached_R: np.ndarray
    dropped: tuple[str, ...]


def predict(
    net: Net,
    rows: pd.DataFrame,
    folder: Path,
    *,
    device: torch.device,
    workers: int = 0,
    stop: Stop | None = None,
    compiled: bool = False,
    label: str = "predict",
    damage: str = "",
) -> pd.DataFrame:
    """Predict images by one net, under all views of its member.

    Args:
        net: A model on `device`, which stays as it is, or a file of weights.
        rows: id and relpath of each image.
        folder: What relpath is relative to.
        device: Where the net computes.
        workers: Processes that read images; they change no result.
        stop: Asked after every batch.
        compiled: Whether to compile the net first, which pays for hundreds of thousands of images on a GPU.
        label: What the progress line and messages call this.
        damage: Key of `data.degraded.DAMAGES`; each image is degraded first.

    Returns:
        A table id, view, logit (float32), imputed: each row in order, each view in order. An image that cannot be read
        has imputed = True and no logit (NaN); a warning names it.

    Raises:
        Paused: `stop` asked.
        FfdiError: A logit is not finite; the message names the ids.
    """
    table = _Table(rows, [net], Plan(_costs([net], timed=False), len(rows)))
    _predict_group([net], table, folder, [device], workers, stop, label, compiled, damage)
    if table.plan.unfinished and stop is not None:
        raise Paused(f"{label}: stopped ({stop.reason}); run the same command again to go on.")
    found = table.result()
    ids, views = rows["id"].to_numpy(), net.member.tta
    if found.imputed_R.any():
        console.warn(f"{label}: {_some(list(ids[found.imputed_R]))} cannot be read and will get the prior.")
    return pd.DataFrame(
        {
            "id": np.repeat(ids, len(views)),
            "view": np.tile(np.array(views, object), len(rows)),
            "logit": found.logits[net.key].reshape(-1),
            "imputed": np.repeat(found.imputed_R, len(views)),
        }
    )


def predict_team(
    nets: Sequence[Net],
    rows: pd.DataFrame,
    folder: Path,
    *,
    devices: Sequence[torch.device],
    workers: int,
    stop: Stop | None = None,
    label: str = "predict",
) -> TeamLogits:
    """Predict images by several nets, and drop what will not be ready before the deadline.

    Nets that do not fit into the memory of a device together are loaded one group after another.

    Args:
        nets: At least one, each once; the most important member first: it is the last to be dropped.
        rows: id and relpath of each image.
        folder: What relpath is relative to.
        devices: Batches go to each in turn.
        workers: Processes that read images; they change no result.
        stop: The result is there at its deadline; any other reason to stop ends the prediction at once.
        label: What the progress line and messages call this.

    Raises:
        FfdiError: Golden outputs moved, or no net gives finite logits.
        UserError: A file of weights does not fit its member.
    """
    timed = stop is not None and stop.deadline is not None
    table = _Table(rows, nets, Plan(_costs(nets, timed), len(rows), len(devices), stop))
    for group in groups(nets, memory_for_weights(devices)):
        _predict_group(group, table, folder, devices, workers, stop, label)
    table.plan.drop_unfinished()
    for phrase in table.plan.dropped:
        console.warn(f"{label}: left out: {phrase}.")
    return table.result()


def run(
    images: Images,
    batch_size: int,
    workers: int,
    devices: Sequence[torch.device],
    forward: Callable[[int, Tensor], Iterable[tuple[Key, Tensor]]],
) -> Iterator[tuple[Batch, dict[Key, np.ndarray]]]:
    """Yield every batch, in order, with what `forward` made of it.

    The caller sets inference mode around the loop. On a GPU results come `IN_FLIGHT` batches late, so that the device
    always has work.

    Args:
        images: What is read.
        batch_size: Images in a batch.
        workers: Processes that read images.
        devices: Batches go to each in turn.
        forward: (number of the device, uint8 [B, H, W, C] on it) -> named tensors [B, ...] on it, one by one: the
            devices take turns, since a GPU queues about a thousand operations and then makes this process wait.
    """
    waiting: deque[_Queued[Key]] = deque()
    stream = batches(images, in_sequence(len(images), batch_size), workers, devices)
    while some := list(islice(stream, len(devices))):
        made = [forward(number, batch.images_BHWC) for number, batch in enumerate(some)]
        turns = list(zip(*made, strict=True))
        waiting += [_Queued(batch, [turn[number] for turn in turns]) for number, batch in enumerate(some)]
        while len(waiting) > (IN_FLIGHT * len(devices) if devices[0].type == "cuda" else 0):
            yield waiting.popleft().read()
    while waiting:
        yield waiting.popleft().read()


class _Queued(Generic[Key]):
    """A batch on its way through a device."""

    def __init__(self, batch: Batch, made: Sequence[tuple[Key, Tensor]]) -> None:
        self._batch = batch
        self._keys = [key for key, _ in made]
        stacked = torch.stack([values for _, values in made]) if made else torch.empty(0)
        self._values = stacked.to("cpu", non_blocking=True)  # page-locked where it comes from a GPU
        self._copied = torch.cuda.current_stream(stacked.device).record_event() if stacked.is_cuda else None

    def read(self) -> tuple[Batch, dict[Key, np.ndarray]]:
        if self._copied is not None:
            self._copied.synchronize()
        return self._batch, dict(zip(self._keys, self._values.numpy(), strict=True))


def _predict_group(
    nets: Sequence[Net],
    table: "_Table",
    folder: Path,
    devices: Sequence[torch.device],
    workers: int,
    stop: Stop | None,
    label: str,
    compiled: bool = False,
    damage: str = "",
) -> None:
    """Fill the table by nets of one size."""
    plan = table.plan
    passes = [net.under(view) for net in nets for view in net.member.tta]
    if not any(one in plan.kept for one in passes) or (stop is not None and stop.requested):
        return
    loaded = [DeviceNets([net for net in nets if table.keeps(net)], device, compiled) for device in devices]
    size = nets[0].size
    images = DegradedImages(table.rows, folder, size, damage) if damage else TestImages(table.rows, folder, size)
    plan.restart_clock()
    with ExitStack() as stack:
        stack.enter_context(evaluating([model for one in loaded for model in one.models]))
        if devices[0].type == "cuda":  # around all others: half-precision copies of weights stay from batch to batch
            stack.enter_context(torch.autocast("cuda", enabled=False))
        meter = stack.enter_context(console.progress(label, len(images)))
        results = run(
            images, common_batch(nets), workers, devices, lambda n, pixels: loaded[n].logits(pixels, plan.kept)
        )
        for batch, logits_by_pass in results:
            table.enter(batch, logits_by_pass)
            meter.advance(len(batch.rows_B))
            if (stop is not None and stop.requested) or not any(one in plan.kept for one in passes):
                break


class _Table:
    """The logits so far, by pass; NaN where there is none."""

    def __init__(self, rows: pd.DataFrame, nets: Sequence[Net], plan: Plan) -> None:
        self.rows = rows.reset_index(drop=True)
        self.plan = plan
        self._nets = nets
        self._found = {one: np.full(len(rows), np.nan, np.float32) for one in plan.kept}
        self._unreadable_R = np.zeros(len(rows), bool)

    def keeps(self, net: Net) -> bool:
        return any(net.under(view) in self.plan.kept for view in net.member.tta)

    def enter(self, batch: Batch, logits_by_pass: Mapping[Pass, np.ndarray]) -> None:
        """Add what a batch gave. A net with a logit that is not finite is dropped."""
        rows_B = batch.rows_B.numpy()
        self._unreadable_R[list(batch.unreadable)] = True
        readable_B = ~self._unreadable_R[rows_B]
        for one, logits_B in logits_by_pass.items():
            self._found[one][rows_B] = np.where(readable_B, logits_B, np.nan)
            bad_B = readable_B & ~np.isfinite(logits_B)
            if bad_B.any() and one in self.plan.kept:
                ids = self.rows["id"].to_numpy()[rows_B[bad_B]]
                self.plan.drop_net(one, f"whose logits of {_some(list(ids))} are not finite")
        self.plan.done(logits_by_pass, len(rows_B))

    def result(self) -> TeamLogits:
        views = {net.key: tuple(v for v in net.member.tta if net.under(v) in self.plan.kept) for net in self._nets}
        views = {key: kept for key, kept in views.items() if kept}
        found = {key: np.stack([self._found[Pass(*key, v)] for v in kept], axis=1) for key, kept in views.items()}
        imputed_R = np.any([np.isnan(logits_RV).any(axis=1) for logits_RV in found.values()], axis=0)
        for logits_RV in found.values():
            logits_RV[imputed_R] = np.nan
        return TeamLogits(found, views, imputed_R, imputed_R & ~self._unreadable_R, tuple(self.plan.dropped))


def _costs(nets: Sequence[Net], timed: bool) -> dict[Pass, float]:
    """Return the work of each pass for one image; it is counted only where there is a deadline."""
    passes = [(net, view) for net in nets for view in net.member.tta]
    return {net.under(view): float(flops(net.member, view)) if timed else 1.0 for net, view in passes}


def _some(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return f"{len(ids):,} image{'s' if len(ids) != 1 else ''} ({', '.join(ids[:NAMED])}{more})"
