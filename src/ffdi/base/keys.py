"""Randomness without state: a number derived from names.

Order, augmentation, dropout and mixup are functions of (seed, epoch, step, id). So a checkpoint holds no generator,
a resumed run draws what the uninterrupted one would have drawn, and the number of workers changes nothing.
"""

from hashlib import blake2b

import numpy as np


def key(*parts: int | str) -> int:
    """A 63-bit integer that depends on every part and on their order; equal for equal parts on every machine."""
    text = "\x1f".join([f"{'i' if isinstance(part, int) else 's'}{part}" for part in parts])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def rng(*parts: int | str) -> np.random.Generator:
    """A generator of its own for these parts: PCG64 seeded by their key."""
    return np.random.Generator(np.random.PCG64(key(*parts)))
