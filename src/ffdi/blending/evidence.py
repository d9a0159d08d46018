"""Collect what images and fold models tell of the test: how far held-out scores speak for it.

Shapes: N held-out rows, T test rows.
"""

from dataclasses import dataclass
from math import hypot

from ffdi.blending.shift import NO_SHIFT, Shift
from ffdi.blending.unseen import Unseen

Typical = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class Source:
    """Train against test.

    `auc`: adversarial. `effective`: share of the held-out rows that is left once they are weighted like the test.
    `differences`: (measurement, AUC of test against train) of those that tell the two apart. `typical`: relpaths of the
    images most like train, and of those most like the test.
    """

    auc: float
    effective: float
    rows: int
    other_source: bool
    differences: tuple[tuple[str, float], ...]
    typical: Typical


@dataclass(frozen=True)
class Evidence:
    """`averaging`: gain of the mean over fold models. `mix`: what the test's mix of images adds. `missing`: what is not
    known, a sentence."""

    averaging: Shift = NO_SHIFT
    mix: Shift = NO_SHIFT
    source: Source | None = None
    unseen: Unseen | None = None
    missing: str = ""

    @property
    def seen(self) -> Shift:
        """Return what is added if all forgeries are of the kinds that were held out."""
        return Shift(self.averaging.value + self.mix.value, hypot(self.averaging.se, self.mix.se))


NO_EVIDENCE = Evidence()
