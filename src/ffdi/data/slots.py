"""Batches in memory that worker processes and the main process share, used again and again.

Memory that travels through a queue is fresh in both processes, and its page faults cost as much as decoding a small
image (own measurement, 64 x 224 px: 80 us an image in shared slots, 300 us through a queue).

B images of a slot, H = W the size in pixels, C = 3 channels RGB.
"""

import mmap
import weakref
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ffdi.data.images import Images

PAGE = mmap.ALLOCATIONGRANULARITY


class Shape(NamedTuple):
    """Size of some slots: `batch` images of `size` pixels a side in each."""

    slots: int
    batch: int
    size: int

    @property
    def image(self) -> int:
        """Return the bytes of one image."""
        return self.size**2 * 3

    @property
    def stride(self) -> int:
        """Return the bytes of one slot: pixels, then float32 targets, each at a multiple of 64."""
        return _rounded(self.batch * self.image, 64) + _rounded(4 * self.batch, 64)

    @property
    def bytes(self) -> int:
        """Return the bytes of all slots, then of items and failures, in whole pages."""
        return _rounded(self.slots * (self.stride + self.batch * (16 + 1)), PAGE)


class Slots:
    """Batches in `memory`: pixels [B, H, W, C] and targets [B] of each slot, items [slots, B, 2] (row, epoch).

    Without `memory` they are of this process alone.
    """

    def __init__(self, shape: Shape, memory: mmap.mmap | None = None) -> None:
        self.shape, self.memory = shape, memory or mmap.mmap(-1, shape.bytes)
        count, after = (shape.slots, shape.batch), shape.slots * shape.stride
        self.items = np.ndarray((*count, 2), np.int64, self.memory, after)
        self.failed = np.ndarray(count, np.bool_, self.memory, after + self.items.nbytes)
        self._users: dict[int, Callable[[], object] | None] = dict.fromkeys(range(shape.slots), lambda: None)

    def take(self) -> int | None:
        """Return a slot that nobody reads or writes, or None; it is taken until what `window` returned is gone."""
        for slot, user in self._users.items():
            if user is not None and user() is None:
                self._users[slot] = None
                return slot
        return None

    def pixels(self, slot: int) -> np.ndarray:
        """Return the memory [B, H, W, C] of a slot."""
        shape = (self.shape.batch, self.shape.size, self.shape.size, 3)
        return np.ndarray(shape, np.uint8, self.memory, slot * self.shape.stride)

    def window(self, slot: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return pixels [count, H, W, C] and targets [count] of a slot; it is free again when both are gone."""
        shape = self.shape
        flat = np.ndarray(shape.stride, np.uint8, self.memory, slot * shape.stride)  # every view of it refers to it
        self._users[slot] = weakref.ref(flat)
        pixels = flat[: count * shape.image].reshape(count, shape.size, shape.size, 3)
        begin = _rounded(shape.batch * shape.image, 64)
        return pixels, flat[begin : begin + 4 * count].view(np.float32)

    def fill(self, images: Images, slot: int, place: int) -> None:
        """Write the pixels of one item; what cannot be read is black and marked as failed.

        Args:
            images: Reads one image.
            slot: Number of the slot.
            place: Of the item in it.
        """
        row, epoch = self.items[slot, place].tolist()
        try:
            self.pixels(slot)[place] = images.image(row, epoch)
            self.failed[slot, place] = False
        except Exception:  # the main process reads it again and sees the exception itself
            self.pixels(slot)[place] = 0
            self.failed[slot, place] = True


def _rounded(size: int, unit: int) -> int:
    """Return the next multiple of `unit`."""
    return -(-size // unit) * unit
