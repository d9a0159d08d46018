"""One strength for all operations of an augmentation policy, after RandAugment (Cubuk and others, 2020).

Strength s moves every range of an operation away from the value that does nothing: at 0 nearly nothing happens to the
pixels, at 1 the ranges are those of the member, at 2 they reach twice as far, as far as the fields allow, and on
originals as far as they keep their label.
"""

from typing import Any

from ffdi.config import semantics
from ffdi.config.augment import Augment, Operation

UNIT, ANGLE, GREY_LEVELS, QUALITY = (0.0, 0.0, 1.0), (0.0, 0.0, 180.0), (0.0, 0.0, 100.0), (100, 1, 100)
SHARE, RATIO = (1.0, 0.05, 1.0), (1.0, 0.1, 10.0)
# By operation and field: the value that does nothing, the smallest and the largest. Flips, turns by 90 degrees and grey
# have no strength.
SCALES: dict[str, dict[str, tuple[float, float, float]]] = {
    "crop": {"scale": SHARE, "ratio": RATIO},
    "rotate": {"degrees": ANGLE},
    "grid": {"limit": (0.0, 1e-3, 0.9)},
    "colour": {"brightness": UNIT, "contrast": UNIT, "saturation": UNIT, "hue": ANGLE},
    "gamma": {"gamma": RATIO},
    "sharpen": {"amount": (0.0, 0.0, 5.0)},
    "blur": {"sigma": (0.0, 0.01, 20.0)},
    "motion": {"length": (3, 3, 99)},
    "resize": {"factor": SHARE},
    "noise": {"sigma": GREY_LEVELS},
    "cutout": {"size": (0.0, 0.001, 1.0)},
    "webp": {"quality": QUALITY},
    "jpeg": {"quality": QUALITY},
    "degrade": {"quality": QUALITY, "factor": SHARE, "sigma": GREY_LEVELS},
}


def scaled(policy: Augment, strength: float) -> Augment:
    """Return the policy with every range at `strength` times its distance from the value that does nothing."""
    if strength == 1:
        return policy
    fields = policy.model_dump()
    for name in SCALES:
        operation = getattr(policy, name)
        if operation is not None:
            fields[name] |= {field: _scaled(name, operation, field, strength) for field in SCALES[name]}
    return Augment.model_validate(fields)


def _scaled(name: str, operation: Operation, field: str, strength: float) -> Any:
    neutral, least, most = SCALES[name][field]
    low, high = semantics.bounds(name, field, operation.on) or (least, most)

    def move(value: float) -> float:
        moved = neutral + (value - neutral) * strength
        if isinstance(value, int):
            moved = neutral + 2 * round((moved - neutral) / 2) if field == "length" else round(moved)
        return type(value)(min(max(moved, least, low), most, high))

    value = getattr(operation, field)
    return tuple(sorted(map(move, value))) if isinstance(value, tuple) else move(value)
