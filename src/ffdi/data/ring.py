"""Batches of pixels in memory that workers and the main process share, used again and again.

A batch sent through a queue is fresh memory in both processes: its page faults cost as much as decoding a small image
(own measurement, 64 x 224 px: 80 us an image through the ring, 300 us and more through the queue). A slot is handed
out again only when nothing refers to its pixels any more, so a batch may be kept as long as one likes; when all are
kept, batches travel through the queue after all.

B images of a slot, H = W the size, C = 3.
"""

import math
import mmap
import os
import tempfile
import weakref
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

IDLE = -1
OUTSIDE = -1  # the mark of a batch that has no slot: the last


class Ring:
    """`slots` buffers of uint8 [batch, size, size, 3]. `marks`: by slot, the row at work there (IDLE: none)."""

    def __init__(self, slots: int, batch: int, size: int) -> None:
        self._shape = (slots, batch, size, size, 3)
        self._descriptor = _anonymous_file(8 * (slots + 1) + math.prod(self._shape))
        self._map()
        self.marks[:] = IDLE
        self._taken: dict[int, weakref.ref[np.ndarray] | None] = {}  # None: a worker writes it

    def take(self, images: int) -> int | None:
        """A free slot for this many images, until `window` is called for it and what it gave is gone."""
        slots, batch = self._shape[:2]
        if images > batch:
            return None
        for slot in range(slots):
            user = self._taken.get(slot, _nobody)
            if user is not None and user() is None:
                self._taken[slot] = None
                return slot
        return None

    def buffer(self, slot: int, images: int) -> np.ndarray:
        """The pixels [images, size, size, 3] of a taken slot, to be written."""
        _, batch, *image = self._shape
        start = self.marks.nbytes + slot * math.prod((batch, *image))
        return np.ndarray((images, *image), np.uint8, self._memory, start)

    def window(self, slot: int, images: int) -> np.ndarray:
        """The same, to be read. The slot is free again when this array, and whatever was made of it, is gone."""
        window = self.buffer(slot, images)  # straight on the memory, so that every view of it refers to it
        self._taken[slot] = weakref.ref(window)
        return window

    def __getstate__(self) -> dict[str, Any]:
        """For workers that are started afresh instead of forked: the memory travels as a file descriptor."""
        return {"_shape": self._shape, "_descriptor": DupFd(self._descriptor)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _descriptor=state["_descriptor"].detach(), _taken={})
        self._map()

    def __del__(self) -> None:
        os.close(self._descriptor)

    def _map(self) -> None:
        self._memory = mmap.mmap(self._descriptor, 0)
        self.marks = np.frombuffer(self._memory, np.int64, self._shape[0] + 1)


def _nobody() -> None:
    return None


def _anonymous_file(size: int) -> int:
    """Not in /dev/shm, of which a container has 64 MB."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("ffdi-ring")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor
