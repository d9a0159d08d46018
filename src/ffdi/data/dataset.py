"""Images -> one uint8 batch: the stream that training and prediction read.

An item is (row index, epoch); its pixels depend on that, the seed and the id alone. So the stream can begin at any
step, and the number of workers changes nothing. No float image is made before `normalise`, on the device.

B images of a batch, H = W the size in pixels, C = 3 channels RGB.
"""

import multiprocessing
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader

from ffdi.core.errors import FfdiError, UserError
from ffdi.data.images import Images
from ffdi.data.order import Item
from ffdi.data.ring import IDLE, Ring
from ffdi.data.worker import Failure, LoaderTask, Work, prepare

PREFETCH = 2  # batches a worker makes ahead
HELD = 3  # batches the consumer may hold before new ones travel through the queue


class Batch(NamedTuple):
    """`rows_B` are positions in the table the images were made of; the pixels of `unreadable` rows are black."""

    images_BHWC: torch.Tensor  # uint8
    targets_B: torch.Tensor  # float32; -1 where unknown
    rows_B: torch.Tensor  # int64
    unreadable: tuple[int, ...] = ()


def loader(images: Images, batches: Iterable[Sequence[Item]], workers: int = 0, pin: bool = False) -> Iterator[Batch]:
    """The batches of these items, in order and as long as they last, made by `workers` processes (0: by this one).

    `pin`: in page-locked memory, for a GPU. Raises UserError for an image a strict data set cannot read, FfdiError when
    a worker dies; both name the image.
    """
    batches = iter(batches)
    first = next(batches, None)
    if first is None:
        return
    cv2.setNumThreads(0)  # threads cost more than they give on small images
    ring = Ring(max(workers, 1) * PREFETCH + HELD, len(first), images.size)
    sent: deque[Sequence[Item]] = deque()
    stream = _stream(images, ring, _jobs(ring, chain([first], batches), sent), workers)
    try:
        while (made := _next(stream, images, ring)) is not None:
            yield _batch(images, ring, sent.popleft(), *made, pin)
    finally:
        del stream  # ends the workers


def normalise(
    images_BHWC: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device | str = "cpu",
    channels_last: bool = True,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """float32 [B, C, H, W] on the device: (byte / 255 - mean) / std, in the memory layout the model wants.

    `out`: what an earlier call gave and nobody needs any more; used again if it fits. On a CPU that is 4 times as fast
    as fresh memory, whose page faults cost more than the arithmetic (own measurement, 64 x 224 px: 110 and 480 us).
    """
    size, height, width, channels = images_BHWC.shape
    layout = torch.channels_last if channels_last else torch.contiguous_format
    pixels_BHWC = images_BHWC.to(device, non_blocking=True)
    scale_C = 1 / (255 * torch.tensor(std, dtype=torch.float32))
    shift_C = -torch.tensor(mean, dtype=torch.float32) / torch.tensor(std, dtype=torch.float32)
    if out is None or not _fits(out, pixels_BHWC, layout):
        out = torch.empty(size, channels, height, width, device=pixels_BHWC.device, memory_format=layout)
    out = out[:size]
    if pixels_BHWC.device.type != "cpu":
        scale, shift = scale_C.to(device).view(1, -1, 1, 1), shift_C.to(device).view(1, -1, 1, 1)
        return out.copy_(pixels_BHWC.permute(0, 3, 1, 2)).mul_(scale).add_(shift)
    if channels_last:  # image by image, so that it stays in the cache, and row by row: a last axis of 3 is slow
        scale_row, shift_row = scale_C.repeat(width), shift_C.repeat(width)
        for image_HWC, out_CHW in zip(pixels_BHWC, out, strict=True):
            flat = out_CHW.permute(1, 2, 0).view(height, width * channels)
            flat.copy_(image_HWC.reshape(height, width * channels)).mul_(scale_row).add_(shift_row)
    else:
        for channel in range(channels):
            out[:, channel].copy_(pixels_BHWC[..., channel]).mul_(scale_C[channel]).add_(shift_C[channel])
    return out


def _jobs(ring: Ring, batches: Iterable[Sequence[Item]], sent: deque[Sequence[Item]]) -> Iterator[LoaderTask]:
    """Work for the loader; `sent` keeps the batches under way, in order."""
    for items in batches:
        sent.append(items)
        yield ring.take(len(items)), items


def _stream(images: Images, ring: Ring, jobs: Iterator[LoaderTask], workers: int) -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)  # more workers than cores
        return iter(
            DataLoader(
                cast(Any, Work(images, ring)),
                batch_sampler=cast(Any, jobs),
                num_workers=workers,
                collate_fn=_as_it_is,
                worker_init_fn=prepare,
                generator=torch.Generator(),  # of its own, or torch's global one would move
                prefetch_factor=PREFETCH if workers else None,
                multiprocessing_context=_context() if workers else None,
            )
        )


def _context() -> BaseContext:
    """Forking is quick, but a process that has touched CUDA must not: then from a server, which imports torch once."""
    if not torch.cuda.is_initialized():
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _as_it_is(made: Any) -> Any:
    return made


def _next(stream: Iterator[Any], images: Images, ring: Ring) -> tuple[int | np.ndarray, list[Failure]] | None:
    try:
        return next(stream, None)
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        at = ", ".join(images.id(row) for row in ring.marks.tolist() if row != IDLE) or "no image"
        raise FfdiError(
            f"A loader process died (killed, often for want of memory) while the loaders read {at}; "
            "lower data.workers, or look at these files."
        ) from error


def _batch(
    images: Images, ring: Ring, items: Sequence[Item], made: int | np.ndarray, failures: list[Failure], pin: bool
) -> Batch:
    _refuse(images, failures)
    rows_B = torch.tensor([row for row, _ in items], dtype=torch.int64)
    pixels_BHWC = torch.from_numpy(ring.window(made, len(items)) if isinstance(made, int) else made)
    targets_B = torch.from_numpy(images.labels(items))
    if pin:
        pixels_BHWC, targets_B = pixels_BHWC.pin_memory(), targets_B.pin_memory()
    return Batch(pixels_BHWC, targets_B, rows_B, tuple(failure.row for failure in failures))


def _refuse(images: Images, failures: list[Failure]) -> None:
    for row, error in failures:
        if isinstance(error, UserError):
            raise error
        if images.strict:
            raise UserError(f"{images.id(row)} cannot be read ({error}); run `ffdi scan` again, which sets it aside.")


def _fits(out: torch.Tensor, pixels_BHWC: torch.Tensor, layout: torch.memory_format) -> bool:
    size, height, width, channels = pixels_BHWC.shape
    alike = out.dtype == torch.float32 and out.device == pixels_BHWC.device
    return (
        alike
        and len(out) >= size
        and out.shape[1:] == (channels, height, width)
        and out.is_contiguous(memory_format=layout)
    )
