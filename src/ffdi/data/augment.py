"""Compile an augmentation to a function of (image, label, key): the same key always gives the same pixels.

Every operation draws from a stream of its own, named by its field, so that one more operation, or another probability,
moves none of the others: trials of a search differ in what they search, and in nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ffdi.config.augment import FOR_FAKES, Augment, Operation
from ffdi.config.load import validate
from ffdi.core.keys import Draws
from ffdi.data import operations

FAKE = 1
FIRST = ("parts", "crop")  # in this order, on the image as it was read, of any size, with the face in its place


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, bound to its code. `name` is its stream."""

    name: str
    operation: Operation
    apply: Callable[..., np.ndarray]  # of image, range and draws

    def __call__(self, image: np.ndarray, label: int, key: int) -> np.ndarray:
        if self.name in FOR_FAKES and label != FAKE:
            return image
        draw = Draws(key, self.name)
        return self.apply(image, self.operation.range, draw) if draw.unit() < self.operation.p else image


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Call it with (image_HWC uint8 RGB of any size, label 0 real or 1 fake, key) for [size, size, 3] uint8."""

    size: int
    first: tuple[Step, ...]
    rest: tuple[Step, ...]

    def __call__(self, image: np.ndarray, label: int, key: int) -> np.ndarray:
        for step in self.first:
            image = step(image, label, key)
        image = operations.fit(image, self.size)  # the whole image, unless the crop has made it already
        for step in self.rest:
            image = step(image, label, key)
        return image


def transforms(augment: str | Mapping[str, Any] = "light", size: int = 224) -> Augmentation:
    """Return the augmentation of a recipe as a function of (image, label, key).

    Args:
        augment: A preset ("none", "light", "medium", "heavy"), or a table as in a recipe.
        size: Side of the result in pixels.

    Returns:
        A function of image (uint8 RGB [H, W, 3] of any size), label (0 real, 1 fake) and an integer key, which gives
        uint8 [size, size, 3]; the same key gives the same pixels.

    Raises:
        UserError: `augment` is no preset, or a value in it is out of range.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((300, 200, 3), np.uint8)
        >>> transforms("light", 64)(image, 1, 7).shape
        (64, 64, 3)
    """
    return compile(validate(Augment, augment if isinstance(augment, str) else dict(augment), "augment"), size)


def compile(policy: Augment, size: int) -> Augmentation:
    """Bind every operation that is on (p > 0) to its code."""
    code = vars(operations) | {"crop": partial(operations.crop, size=size)}
    steps = {name: Step(name, one, code[name]) for name, one in policy.operations() if one.p > 0}
    first = tuple(steps.pop(name) for name in FIRST if name in steps)
    return Augmentation(size, first, tuple(steps.values()))
