"""One strength for all operations of an augmentation policy, after RandAugment (Cubuk and others, 2020)."""

from ffdi.config.augment import FROM_ZERO, KINDS, Augment, Range


def scaled(policy: Augment, strength: float) -> Augment:
    """Return the policy with every range moved away from the value without effect.

    Args:
        policy: Operations that are off stay off; flips and grey have no range.
        strength: At 0 nearly nothing happens to the pixels, at 1 the ranges are those of `policy`, at 2 they reach
            twice as far, as far as their limits allow.
    """
    if strength == 1:
        return policy
    fields = policy.model_dump()
    for name, operation in policy.operations():
        if operation.range is not None:
            fields[name]["range"] = _moved(name, operation.range, strength)
    return Augment.model_validate(fields)


def _moved(name: str, ends: Range, strength: float) -> Range:
    kind = KINDS[name]
    low, high = kind.limits
    moved = (kind.neutral + (end - kind.neutral) * strength for end in ends)
    first, last = sorted(float(min(max(end, low), high)) for end in moved)
    return (0.0 if name in FROM_ZERO else first), last
