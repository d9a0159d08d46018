"""Transforms of albumentations under the kit's own randomness, for operations too rare to be worth quick code.

Version 2.0.8 has two traps. `set_random_seed` mixes torch's seed of the worker into the draw, so here every call gets
generators made of the image's key. And an argument that is unknown or out of range is only warned about, after which
the transform runs with its defaults (`ImageCompression(quality_lower=60)` at quality 99): here it is refused.
"""

import os
import random
from typing import Any

import numpy as np

from ffdi.config.augment import Library, Operation
from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.core.keys import Draws

PROBE_KEY = 0
GRID_STEPS = 5


class Transform:
    """One transform, applied whenever it is called: whether it is, the policy's `p` has decided before."""

    def __init__(self, operation: Operation, size: int) -> None:
        """Raises UserError for what albumentations does not have, or what does not keep size x size x 3 bytes."""
        self.name, arguments = _call(operation)
        self._transform = _construct(self.name, arguments)
        self._probe(size)

    def __call__(self, image: np.ndarray, _: Any, draw: Draws) -> np.ndarray:
        number = draw.integer(0, 2**53 - 1)
        self._transform.set_random_state(keys.rng("numpy", number), random.Random(keys.key("python", number)))
        return self._transform(image=image)["image"]

    def describe(self) -> dict[str, Any]:
        """Return the arguments it really runs with."""
        return {key: value for key, value in self._transform.to_dict()["transform"].items() if key != "p"}

    def _probe(self, size: int) -> None:
        image = np.full((size, size, 3), 127, np.uint8)
        try:
            result = self(image, None, Draws(PROBE_KEY, "probe"))
        except Exception as error:
            raise UserError(f"augment: {self.name} does not run on an image alone: {error}.") from error
        if result.shape != image.shape or result.dtype != image.dtype:
            raise UserError(
                f"augment: {self.name} turns {image.shape} {image.dtype} into {result.shape} {result.dtype}; "
                "only transforms that keep size and type fit in."
            )


def _call(operation: Operation) -> tuple[str, dict[str, Any]]:
    """Return the transform and its arguments; what is not of the library is the kit's `grid`."""
    if isinstance(operation, Library):
        return operation.transform, dict(operation.arguments)
    assert operation.range is not None
    most = operation.range[1]
    return "GridDistortion", {"num_steps": GRID_STEPS, "distort_limit": (-most, most)}


def _construct(name: str, arguments: dict[str, Any]) -> Any:
    albumentations = _albumentations()
    kind = getattr(albumentations, name, None)
    if not (isinstance(kind, type) and issubclass(kind, albumentations.BasicTransform)):
        raise UserError(f"augment: albumentations {albumentations.__version__} has no transform {name!r}.")
    if "p" in arguments:
        raise UserError(f"augment: {name}: write p beside transform, not among its arguments.")
    try:
        return kind(**arguments, p=1.0, strict=True)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"augment: {name} refuses {arguments}: {reason}.") from error


def _albumentations() -> Any:
    """Return the library, imported on the first use, which takes 1-3 s; its look for a newer version stays off."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations

    return albumentations
