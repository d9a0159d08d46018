"""Copy batches to the device as bytes and normalise them there, in the layout that the model reads.

B images of a batch, H = W the size in pixels, C = 3 channels RGB.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import cycle
from typing import Any

import numpy as np
import torch

from ffdi.data.images import Images
from ffdi.data.loader import HELD, Batch, Loader
from ffdi.data.order import Item

CPU = torch.device("cpu")


def batches(
    images: Images, items: Iterable[Sequence[Item]], workers: int = 0, devices: Sequence[torch.device] = (CPU,)
) -> Iterator[Batch]:
    """Yield the batches of these items, in order.

    On a GPU the copy runs on a stream of its own from page-locked memory, and the current stream waits for it; the
    host waits for neither. Raise what `Loader` raises.

    Args:
        images: Reads one image.
        items: The (row, epoch) pairs of each batch.
        workers: Processes that read; 0 reads in this process.
        devices: Each gets a batch in turn.
    """
    held = HELD if devices[0].type == "cuda" else 2 * len(devices) + 1  # a turn, while that before is still there
    loader = Loader(images, items, workers, held)
    yield from _copied(loader, devices) if devices[0].type == "cuda" else loader


def normalise(
    images_BHWC: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    channels_last: bool = True,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return (byte / 255 - mean) / std as float32 [B, C, H, W], on the device and in the memory layout asked for.

    Args:
        images_BHWC: uint8, on any device.
        mean: Of each channel, in 0..1.
        std: Of each channel.
        channels_last: The memory layout of the result.
        out: An earlier result that nobody needs any more; used again if it fits. On a CPU that is 4 times as fast as
            fresh memory, whose page faults cost more than the arithmetic (own measurement, 64 x 224 px).
    """
    size, height, width, channels = images_BHWC.shape
    layout = torch.channels_last if channels_last else torch.contiguous_format
    shape, kind = (channels, height, width), (torch.float32, images_BHWC.device)
    if (
        out is None
        or len(out) < size
        or (out.shape[1:], (out.dtype, out.device)) != (shape, kind)
        or not (out.is_contiguous(memory_format=layout))
    ):
        out = torch.empty(size, channels, height, width, device=images_BHWC.device, memory_format=layout)
    out = out[:size]
    scale_C, shift_C = _scale_and_shift(tuple(mean), tuple(std), images_BHWC.device)
    if images_BHWC.device.type != "cpu":
        view = (1, -1, 1, 1)
        return torch.addcmul(shift_C.view(view), images_BHWC.permute(0, 3, 1, 2), scale_C.view(view), out=out)
    if channels_last:  # image by image, so that it stays in the cache, and row by row: a last axis of 3 is slow
        scale_row, shift_row = scale_C.repeat(width), shift_C.repeat(width)
        for image_HWC, out_CHW in zip(images_BHWC, out, strict=True):
            flat = out_CHW.permute(1, 2, 0).view(height, width * channels)
            flat.copy_(image_HWC.reshape(height, width * channels)).mul_(scale_row).add_(shift_row)
    else:
        for channel in range(channels):
            out[:, channel].copy_(images_BHWC[..., channel]).mul_(scale_C[channel]).add_(shift_C[channel])
    return out


def _copied(loader: Loader, devices: Sequence[torch.device]) -> Iterator[Batch]:
    """Yield batches on the GPUs; a slot of the loader is free again when its copy is done."""
    under_way: deque[tuple[torch.cuda.Event, Batch]] = deque()
    with _page_locked(np.frombuffer(loader.slots.memory, np.uint8, loader.slots.shape.bytes), devices):
        for made, device in zip(loader, cycle(devices)):
            stream = _copy_stream(device)
            with torch.cuda.stream(stream):
                tensors = [tensor.to(device, non_blocking=True) for tensor in made[:2]]
                under_way.append((stream.record_event(), made))
            current = torch.cuda.current_stream(device)
            current.wait_event(under_way[-1][0])
            for tensor in tensors:
                tensor.record_stream(current)
            while under_way and (len(under_way) >= HELD or under_way[0][0].query()):
                under_way.popleft()[0].synchronize()
            yield Batch(tensors[0], tensors[1], made.rows_B, made.unreadable)


@lru_cache(maxsize=8)
def _copy_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


@contextmanager
def _page_locked(memory: np.ndarray, devices: Sequence[torch.device]) -> Iterator[None]:
    """Lock the memory of the slots for direct copies; where the driver refuses, copies are slower and the same."""
    cudart: Any = torch.cuda.cudart()
    locked = int(cudart.cudaHostRegister(memory.ctypes.data, memory.nbytes, 1)) == 0  # 1: for all devices
    if not locked:
        with suppress(RuntimeError):  # CUDA keeps the refusal, and the next kernel, whosever, would be blamed for it
            torch.ones(1, device=devices[0]).add_(1)
    try:
        yield
    finally:
        if locked:
            for device in devices:
                _copy_stream(device).synchronize()
            cudart.cudaHostUnregister(memory.ctypes.data)


@lru_cache(maxsize=16)
def _scale_and_shift(
    mean: tuple[float, ...], std: tuple[float, ...], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    scale_C = 1 / (255 * torch.tensor(std, dtype=torch.float32))
    shift_C = -torch.tensor(mean, dtype=torch.float32) / torch.tensor(std, dtype=torch.float32)
    return scale_C.to(device), shift_C.to(device)
