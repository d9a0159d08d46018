"""The augmentation policy in six numbers: one strength, and a probability for each family of operations.

Strength s moves every range of an operation away from the value that does nothing: at 0 nothing happens to the
pixels (nearly, where a field has a smallest value), at 1 the ranges are those of the member, at 2 they reach twice as
far, as far as the fields allow, and on originals as far as they keep their label. The idea of one shared strength is
RandAugment's (Cubuk and others, 2020).
"""

from collections.abc import Mapping
from typing import Any

from ffdi.config import semantics
from ffdi.config.augment import DEFAULTS, FROM_ZERO, KINDS, Augment, Operation

# By family: its operations, and which of them run where the member has none of the family.
FAMILIES = {
    "geometry": (("crop", "hflip", "vflip", "rot90", "rotate", "grid"), ("crop", "hflip")),
    "colour": (("colour", "grey"), ("colour",)),
    "compression": (("resize", "webp", "jpeg", "degrade"), ("resize", "jpeg")),
    "noise": (("sharpen", "blur", "noise"), ("blur", "noise")),
    "occlusion": (("cutout", "parts"), ("cutout",)),
}
FLIPS = ("hflip", "vflip")  # at p = 1 a flip is no variety again: they get half of their family's probability


def at(policy: Augment, strength: float | None = None, families: Mapping[str, float] | None = None) -> Augment:
    """The policy at a strength (None: as it is) and with the probabilities of some families.

    A family whose probability is named gets its usual operations where the policy has none of it.
    """
    wishes = {name: getattr(policy, name) for name in Augment.model_fields}
    for family, p in (families or {}).items():
        names, usual = FAMILIES[family]
        on = [name for name in names if wishes[name] is not None] or usual
        for name in on:
            wishes[name] = (wishes[name] or DEFAULTS[name]).model_copy(update={"p": p / 2 if name in FLIPS else p})
    if strength is not None:
        wishes = {name: _scaled(name, wish, strength) for name, wish in wishes.items()}
    return Augment.model_validate({name: _plain(wish) for name, wish in wishes.items()})


def _scaled(name: str, operation: Any, strength: float) -> Any:
    """Return the operation with its range moved away from the value without effect; no originals are forged."""
    if operation is None or name not in KINDS or not KINDS[name].unit:
        return operation
    kind, within = KINDS[name], None if operation.on == "fake" else semantics.OPERATIONS[name].within
    least, most = kind.limits
    low, high = within or kind.limits
    moved = (kind.neutral + (value - kind.neutral) * strength for value in operation.range)
    ends = sorted(min(max(value, least, low), most, high) for value in moved)
    if name in FROM_ZERO:
        ends[0] = 0.0
    return operation.model_copy(update={"range": tuple(map(float, ends))})


def _plain(operation: Any) -> Any:
    """As a recipe would write it, so that every bound is checked again."""
    return operation.model_dump() if isinstance(operation, Operation) else operation
