"""Read items into batches of bytes, copy them to the device and normalise them there.

An item is (row index, epoch); its pixels depend on that, the seed and the id alone. So a stream can begin at any step,
and the number of workers changes nothing. No float image is made before the batch is on the device.

B images of a batch, H = W the size in pixels, C = 3 channels RGB.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from itertools import chain, cycle
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from ffdi.core.errors import UserError
from ffdi.data.decode import Defect
from ffdi.data.images import Images
from ffdi.data.order import Item
from ffdi.data.slots import Shape, Slots
from ffdi.data.workers import shared_pool

CPU = torch.device("cpu")
AHEAD = 3  # batches that are made before they are asked for
IMAGES_AHEAD = 4  # or this many images a worker, where batches are small
HELD = 3  # batches that the consumer may keep; more of them are made by the main process, in memory of their own


class Batch(NamedTuple):
    """`rows_B` are positions in the table the images were made of; the pixels of `unreadable` rows are black."""

    images_BHWC: torch.Tensor  # uint8
    targets_B: torch.Tensor  # float32; -1 where unknown
    rows_B: torch.Tensor  # int64, always on the CPU
    unreadable: tuple[int, ...] = ()


class Loader:
    """Iterate over the batches of these items, in order, made by `workers` processes (0: by this one).

    Args:
        images: What gives the pixels and the label of an item.
        batches: Sequences of items; the first one is the largest or larger ones are split off the shared memory.
        workers: Processes that read images. They are shared by all loaders of this process.
        held: See HELD.

    Raises:
        UserError: A strict set of images holds one that cannot be read; the message names it.
        FfdiError: A worker died; the message names what it read.
    """

    def __init__(self, images: Images, batches: Iterable[Sequence[Item]], workers: int, held: int) -> None:
        self._images = images
        self._batches = iter(batches)
        first = next(self._batches, None)
        self._batches = self._batches if first is None else chain([first], self._batches)
        self._waiting: deque[tuple[int | None, Sequence[Item]]] = deque()
        batch = max(len(first or ()), 1)
        self._ahead = max(AHEAD, -(-IMAGES_AHEAD * workers // batch)) if workers else 1
        shape = Shape(self._ahead + held, batch, images.size)
        self._stream = shared_pool(workers).open(images, shape) if workers and first is not None else None
        self.slots = self._stream.slots if self._stream is not None else Slots(shape)
        cv2.setNumThreads(0)  # threads cost more than they give on small images

    def __iter__(self) -> Iterator[Batch]:
        try:
            self._post()
            while self._waiting:
                yield self._made(*self._waiting.popleft())
                self._post()
        finally:
            if self._stream is not None:  # the workers stay for the next one
                self._stream.pool.close(self._stream)

    def _post(self) -> None:
        """Hand out work while there are batches and free slots."""
        while len(self._waiting) < self._ahead and (items := next(self._batches, None)) is not None:
            slot = self.slots.take() if len(items) <= self.slots.shape.batch else None
            if slot is not None:
                self.slots.items[slot, : len(items)] = items
                if self._stream is not None:
                    self._stream.pool.post(self._stream, slot, len(items))
            self._waiting.append((slot, items))

    def _made(self, slot: int | None, items: Sequence[Item]) -> Batch:
        """Return the batch in `slot`; without a slot it is made here, in memory of its own."""
        count, at = len(items), slot or 0
        place = self.slots if slot is not None else Slots(Shape(1, count, self._images.size))
        if self._stream is not None and slot is not None:
            self._stream.pool.wait(self._stream, slot)
        else:
            place.items[at, :count] = items
            for index in range(count):
                place.fill(self._images, at, index)
        failed = [index for index in range(count) if place.failed[at, index]]
        unreadable = tuple(items[index][0] for index in failed if not self._read_again(place, at, index))
        pixels_BHWC, targets_B = place.window(at, count)
        targets_B[:] = self._images.labels(items)
        rows_B = torch.tensor([row for row, _ in items])
        return Batch(torch.from_numpy(pixels_BHWC), torch.from_numpy(targets_B), rows_B, unreadable)

    def _read_again(self, place: Slots, slot: int, index: int) -> bool:
        """Read an image that a worker could not, to see why; return whether it can be read now."""
        row, epoch = place.items[slot, index].tolist()
        try:
            place.pixels(slot)[index] = self._images.image(row, epoch)
        except (OSError, Defect) as error:
            if self._images.strict:
                name = self._images.id(row)
                remedy = "copy it again or `touch` it, then run `ffdi folds` again, which looks at what has changed"
                raise UserError(f"{name} cannot be read ({error}); {remedy}.") from error
            return False
        return True


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
