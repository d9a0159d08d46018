"""What a loader process does: fill a slot of the ring with the pixels of a batch."""

import os
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from ffdi.core.errors import UserError
from ffdi.data.decode import Defect
from ffdi.data.order import Item
from ffdi.data.ring import IDLE, OUTSIDE, Ring

LoaderTask = tuple[int | None, Sequence[Item]]  # (slot, or None where none is free; the batch)


class Failure(NamedTuple):
    """A row without pixels, and why. A value, since an exception of a worker arrives as a page of traceback."""

    row: int
    error: Exception


class Pictures(Protocol):
    size: int

    def image(self, row: int, epoch: int) -> np.ndarray:
        """uint8 [size, size, 3]. Raises Defect or OSError."""


class Work:
    """A task in, (slot or, without one, the pixels; failures) out. The pixels of a failure are black."""

    def __init__(self, pictures: Pictures, ring: Ring) -> None:
        self._pictures = pictures
        self._ring = ring

    def __getitem__(self, index: int) -> tuple[int | np.ndarray, list[Failure]]:
        raise TypeError("work comes in whole batches")

    def __getitems__(self, task: LoaderTask) -> tuple[int | np.ndarray, list[Failure]]:
        slot, items = task
        size = self._pictures.size
        if slot is None:
            pixels_BHWC = np.empty((len(items), size, size, 3), np.uint8)
            return pixels_BHWC, self._fill(pixels_BHWC, items, OUTSIDE)
        return slot, self._fill(self._ring.buffer(slot, len(items)), items, slot)

    def _fill(self, pixels_BHWC: np.ndarray, items: Sequence[Item], slot: int) -> list[Failure]:
        failures, marks = [], self._ring.marks
        for pixels_HWC, (row, epoch) in zip(pixels_BHWC, items, strict=True):
            marks[slot] = row
            try:
                pixels_HWC[:] = self._pictures.image(int(row), int(epoch))
            except (Defect, UserError, OSError) as error:
                pixels_HWC[:] = 0
                failures.append(Failure(int(row), error))
        marks[slot] = IDLE
        return failures


def prepare(worker: int) -> None:
    """A group of its own: Ctrl-C and a SIGTERM to the group reach the main process alone, which saves and ends us."""
    os.setpgrp()
    cv2.setNumThreads(0)
