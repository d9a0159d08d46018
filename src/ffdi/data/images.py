"""Read the rows of a table as images: in training forged and augmented, in prediction unchanged.

The pixels of an item, (row index, epoch), depend on that, the seed, the id and the originals it stands among; never on
what came before.
"""

import os.path
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.config.recipe import Member
from ffdi.core import keys
from ffdi.core.keys import Draws
from ffdi.data import augment, operations
from ffdi.data import forge as forgery
from ffdi.data.decode import decode
from ffdi.data.order import Item


class Images(ABC):
    """Rows (id, relpath, and target where known) as images of one size; an absolute relpath is read as it is."""

    strict = False  # one unreadable image ends the stream

    def __init__(self, rows: pd.DataFrame, folder: Path, size: int) -> None:
        self.size = size
        self.targets = rows.target.to_numpy(np.float32) if "target" in rows else np.full(len(rows), -1, np.float32)
        self._folder = str(folder)
        # What the scan could not open is not opened here: a link out of the folder, a pipe that waits for ever.
        relpaths = rows.relpath.where(rows.sha256 != "", "") if "sha256" in rows else rows.relpath
        self._relpaths, self._ids = _packed(relpaths), _packed(rows.id)

    def __len__(self) -> int:
        return len(self.targets)

    def id(self, row: int) -> str:
        return self._ids[row].decode()

    def read(self, row: int) -> np.ndarray:
        """Return uint8 RGB, HWC. Raise Defect or OSError for what cannot be read."""
        with open(os.path.join(self._folder, self._relpaths[row].decode()), "rb", buffering=0) as file:
            return decode(file.read()).image_HWC

    @abstractmethod
    def image(self, row: int, epoch: int) -> np.ndarray:
        """Return uint8 [size, size, 3]. Raise Defect or OSError."""

    def labels(self, items: Sequence[Item]) -> np.ndarray:
        """Return the float32 targets of these items."""
        return self.targets[[row for row, _ in items]]


class TrainImages(Images):
    """Augmented as a member says, under the key (seed, epoch, id); before that some originals are made fakes."""

    strict = True

    def __init__(self, rows: pd.DataFrame, folder: Path, member: Member) -> None:
        super().__init__(rows, folder, member.image_size)
        self.seed, self.forge = member.seed, member.forge
        self.augmentation = augment.compile(member.augment, self.size)
        self._originals = np.flatnonzero(self.targets == 0)

    def image(self, row: int, epoch: int) -> np.ndarray:
        image, label = self.read(row), int(self.targets[row])
        if self._is_forged(row, epoch):
            image, label = self._forged(image, row, self._forge_key(row, epoch)), 1
        return self.augmentation(image, label, keys.key(self.seed, "augment", epoch, self.id(row)))

    def labels(self, items: Sequence[Item]) -> np.ndarray:
        targets = super().labels(items)
        if self.forge.share > 0:
            targets[[self._is_forged(int(row), int(epoch)) for row, epoch in items]] = 1
        return targets

    def _is_forged(self, row: int, epoch: int) -> bool:
        return self.targets[row] == 0 and forgery.is_forged(self.forge, self._forge_key(row, epoch))

    def _forged(self, image: np.ndarray, row: int, key: int) -> np.ndarray:
        family, draw, count = forgery.family(self.forge, key), Draws(key, "others"), len(self._originals)
        places = [draw.integer(0, count - 1) for _ in range(forgery.CANDIDATES.get(family, 0))]
        # The next one stands in for the image itself, which would be an original under the label of a fake.
        others = [int(self._originals[(place + (self._originals[place] == row)) % count]) for place in places]
        return forgery.forge(image, [self.read(other) for other in others], family, key)

    def _forge_key(self, row: int, epoch: int) -> int:
        return keys.key(self.seed, "forge", epoch, self.id(row))


class TestImages(Images):
    """Images as they are, resized. An unreadable one is black and listed: a submission needs a row for it too."""

    __test__ = False  # not a test case

    def image(self, row: int, epoch: int = 0) -> np.ndarray:
        return operations.fit(self.read(row), self.size)


def _packed(names: pd.Series) -> np.ndarray:
    """Return UTF-8 in one array: half a million Python strings would be copied into every worker, touch by touch."""
    return np.array([name.encode() for name in names.tolist()], dtype=np.bytes_)
