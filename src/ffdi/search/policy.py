"""The augmentation policy in six numbers: one strength, and a probability for each family of operations.

Strength s moves every range of an operation away from the value that does nothing: at 0 nothing happens to the
pixels (nearly, where a field has a smallest value), at 1 the ranges are those of the member, at 2 they reach twice as
far, as far as the fields allow, and on originals as far as they keep their label. The idea of one shared strength is
RandAugment's (Cubuk and others, 2020).
"""

from collections.abc import Callable, Mapping
from typing import Any

from ffdi.config import semantics
from ffdi.config.augment import Augment, Operation
from ffdi.config.search import operation

# By family: its operations, and which of them run where the member has none of the family.
FAMILIES = {
    "geometry": (("crop", "hflip", "vflip", "rot90", "rotate", "grid"), ("crop", "hflip")),
    "colour": (("colour", "gamma", "grey"), ("colour",)),
    "compression": (("resize", "webp", "jpeg", "degrade"), ("resize", "jpeg")),
    "noise": (("sharpen", "blur", "motion", "noise"), ("blur", "noise")),
    "occlusion": (("cutout", "parts"), ("cutout",)),
}
FLIPS = ("hflip", "vflip")  # at p = 1 a flip is no variety again: they get half of their family's probability
Scale = Callable[[float, float], float]  # (value, strength) -> value


def _up(least: float, most: float) -> Scale:
    """Grows with the strength from `least`."""
    return lambda value, strength: min(max(value * strength, least), most)


def _down(top: float, least: float) -> Scale:
    """Falls with the strength from `top`."""
    return lambda value, strength: min(max(top - (top - value) * strength, least), top)


def _power(value: float, strength: float) -> float:
    """For ratios, whose neutral value is 1."""
    return float(min(max(value**strength, 0.1), 10.0))


def _odd(value: float, strength: float) -> float:
    return min(3 + 2 * round((value - 3) * strength / 2), 99)


# By operation and field. Flips, turns by 90 degrees and grey have no strength.
SCALES: dict[str, dict[str, Scale]] = {
    "crop": {"scale": _down(1.0, 0.05), "ratio": _power},
    "rotate": {"degrees": _up(0, 180)},
    "grid": {"limit": _up(1e-3, 0.9)},
    "colour": {"brightness": _up(0, 1), "contrast": _up(0, 1), "saturation": _up(0, 1), "hue": _up(0, 180)},
    "gamma": {"gamma": _power},
    "sharpen": {"amount": _up(0, 5)},
    "blur": {"sigma": _up(0.01, 20)},
    "motion": {"length": _odd},
    "resize": {"factor": _down(1.0, 0.05)},
    "noise": {"sigma": _up(0, 100)},
    "cutout": {"size": _up(0.001, 1)},
    "webp": {"quality": _down(100, 1)},
    "jpeg": {"quality": _down(100, 1)},
    "degrade": {"quality": _down(100, 1), "factor": _down(1.0, 0.05), "sigma": _up(0, 100)},
}


def at(policy: Augment, strength: float | None = None, families: Mapping[str, float] | None = None) -> Augment:
    """The policy at a strength (None: as it is) and with the probabilities of some families.

    A family whose probability is named gets its usual operations where the policy has none of it.
    """
    wishes = {name: getattr(policy, name) for name in Augment.model_fields}
    for family, p in (families or {}).items():
        names, usual = FAMILIES[family]
        on = [name for name in names if wishes[name] is not None] or usual
        for name in on:
            kind = operation(name)
            assert kind is not None
            wishes[name] = (wishes[name] or kind()).model_copy(update={"p": p / 2 if name in FLIPS else p})
    if strength is not None:
        wishes = {name: _scaled(name, wish, strength) for name, wish in wishes.items()}
    return Augment.model_validate({name: _plain(wish) for name, wish in wishes.items()})


def _scaled(name: str, wish: Any, strength: float) -> Any:
    if name not in SCALES or wish is None:
        return wish
    fields = {}
    for field, scale in SCALES[name].items():
        moved = _moved(getattr(wish, field), scale, strength)
        fields[field] = _kept(moved, semantics.bounds(name, field, wish.on))
    return wish.model_copy(update=fields)


def _kept(value: Any, bounds: semantics.Bounds | None) -> Any:
    """No strength makes a forgery of an original."""
    if bounds is None:
        return value
    if isinstance(value, tuple):
        return tuple(_kept(end, bounds) for end in value)
    return type(value)(min(max(value, bounds[0]), bounds[1]))


def _moved(value: Any, scale: Scale, strength: float) -> Any:
    if isinstance(value, tuple):
        return tuple(sorted(_moved(end, scale, strength) for end in value))
    moved = scale(value, strength)
    return round(moved) if isinstance(value, int) else moved


def _plain(wish: Any) -> Any:
    """As a recipe would write it, so that every bound is checked again."""
    return wish.model_dump() if isinstance(wish, Operation) else wish
