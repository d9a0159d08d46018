"""Which images a step sees: a function of (seed, epoch, step), so that no sampler has a state to save.

A plain epoch is a permutation of all rows. A balanced one has as many reals as fakes: every row of the rarer class
once, and as many of the other, of which consecutive epochs take different ones until all have had their turn. So it
has 2 x (rows of the rarer class) images; with the contest's 81 % fakes that is 38 % of a plain epoch.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ffdi.core import keys
from ffdi.core.errors import UserError

Item = tuple[int, int]  # (row index, epoch)


def epoch_length(targets: np.ndarray, balance: bool = False) -> int:
    """Return the number of images in one epoch of rows with these targets (0 real, 1 fake; any if not balanced)."""
    return 2 * min(_counts(targets)) if balance else len(targets)


def epoch_order(targets: np.ndarray, seed: int, epoch: int, balance: bool = False) -> np.ndarray:
    """Return the rows of one epoch in order, int64.

    Args:
        targets: 0 real, 1 fake, [N].
        seed: Of the order.
        epoch: From 0.
        balance: Take as many images of each class.

    Raises:
        UserError: A balanced epoch of one class alone.
    """
    if not balance:
        return keys.rng(seed, "order", int(epoch)).permutation(len(targets))
    real, fake = np.flatnonzero(targets == 0), np.flatnonzero(targets == 1)
    share = min(_counts(targets))
    turns = [_turn(real, share, seed, int(epoch), "real"), _turn(fake, share, seed, int(epoch), "fake")]
    return keys.rng(seed, "order", int(epoch)).permutation(np.concatenate(turns))


@dataclass(frozen=True)
class Order:
    """The order of a whole run over rows with these `targets`. A step's batch depends on nothing but its number."""

    targets: np.ndarray
    batch_size: int
    seed: int
    balance: bool = False

    def __post_init__(self) -> None:
        if not len(self.targets):
            raise UserError("There is no image to train on; look at the folds and at what the scan set aside.")

    @property
    def steps_per_epoch(self) -> int:
        """Return the batches of an epoch; a short one at its end is left out, unless it is the only one."""
        return max(epoch_length(self.targets, self.balance) // self.batch_size, 1)

    def batches(self, first: int, last: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (epoch, int64 rows) of the steps from `first` up to `last`, which is left out. Begin at k to go on at
        step k."""
        steps, ordered = self.steps_per_epoch, -1
        for step in range(first, last):
            epoch, place = divmod(step, steps)
            if epoch != ordered:
                order_N, ordered = epoch_order(self.targets, self.seed, epoch, self.balance), epoch
            yield epoch, order_N[place * self.batch_size : (place + 1) * self.batch_size]


def in_sequence(images: int, batch_size: int) -> Iterator[list[Item]]:
    """Yield the items of every row once, in order, for prediction."""
    for start in range(0, images, batch_size):
        yield [(row, 0) for row in range(start, min(start + batch_size, images))]


def _turn(rows: np.ndarray, share: int, seed: int, epoch: int, name: str) -> np.ndarray:
    """Return `share` of these rows: the epoch's part of a shuffle that lasts until all rows have had their turn."""
    cycle, place = divmod(epoch, len(rows) // share)
    shuffled = keys.rng(seed, "order", name, cycle).permutation(rows)
    return shuffled[place * share : (place + 1) * share]


def _counts(targets: np.ndarray) -> tuple[int, int]:
    real, fake = int(np.count_nonzero(targets == 0)), int(np.count_nonzero(targets == 1))
    if not real or not fake:
        raise UserError(f"balance = true needs both classes; these rows hold {real} real and {fake} fake images.")
    return real, fake
