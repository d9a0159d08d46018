"""Read items into batches of bytes: the stream for training and prediction.

An item is (row index, epoch); its pixels depend on that, the seed and the id alone. So a stream can begin at any step,
and the number of workers changes nothing. No float image is made before the batch is on the device.

B images of a batch, H = W the size in pixels, C = 3 channels RGB.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import cv2
import torch

from ffdi.core.errors import UserError
from ffdi.data import slots
from ffdi.data.decode import Defect
from ffdi.data.images import Images
from ffdi.data.order import Item
from ffdi.data.slots import Shape, Slots
from ffdi.data.workers import shared_pool

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
        self.slots = self._stream.slots if self._stream is not None else slots.private(shape)
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
        place = self.slots if slot is not None else slots.private(Shape(1, count, self._images.size))
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
        except UserError:
            raise
        except (OSError, Defect) as error:
            if self._images.strict:
                name = self._images.id(row)
                remedy = "copy it again or `touch` it, then run `ffdi folds` again, which looks at what has changed"
                raise UserError(f"{name} cannot be read ({error}); {remedy}.") from error
            return False
        return True
