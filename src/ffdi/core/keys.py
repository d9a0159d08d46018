"""Derive random numbers from names, without a state.

Order, augmentation, dropout and mixup are functions of (seed, epoch, step, id). So a checkpoint holds no generator,
a resumed run draws what the uninterrupted one would have drawn, and the number of workers changes nothing.
"""

from collections.abc import Sequence
from hashlib import blake2b
from struct import Struct
from typing import TypeVar

import numpy as np

Option = TypeVar("Option")
_WORDS = Struct("<8Q").unpack  # a blake2b digest as eight 64-bit words


def key(*parts: int | str) -> int:
    """Return a 63-bit integer that depends on every part and on their order; equal for equal parts on every machine."""
    for part in parts:
        if type(part) not in (int, str):  # numpy's 3 is written as Python's "3": another key, silently
            raise TypeError(f"a key is made of int and str, not {type(part).__name__}")
    text = "\x1f".join([f"{'i' if isinstance(part, int) else 's'}{part}" for part in parts])
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def rng(*parts: int | str) -> np.random.Generator:
    """Return a generator for these parts: PCG64 seeded by their key."""
    return np.random.Generator(np.random.PCG64(key(*parts)))


class Draws:
    """A stream of uniform numbers for (key, name), read from their hash word by word.

    It starts in 3 us and `rng` in 16, which counts for an image with ten possible operations. For arrays use `rng`.
    """

    __slots__ = ("_source", "_words")

    def __init__(self, key: int, name: str) -> None:
        self._source = key.to_bytes(8, "little") + name.encode()
        self._words = list(_WORDS(blake2b(self._source).digest()))

    def unit(self) -> float:
        """Return the next number in [0, 1)."""
        if not self._words:
            self._source += b"+"
            self._words = list(_WORDS(blake2b(self._source).digest()))
        return (self._words.pop() >> 11) * 2.0**-53

    def uniform(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.unit()

    def integer(self, low: int, high: int) -> int:
        """Return a whole number from low to high, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, options: Sequence[Option]) -> Option:
        """Return one of the options."""
        return options[self.integer(0, len(options) - 1)]
