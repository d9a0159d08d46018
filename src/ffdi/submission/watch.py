"""Waiting for Kaggle to get something done: rare looks, a deadline, and no fuss about a bad connection.

Its rate limits are unpublished, so the looks are 30 s apart and soon rarer.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ffdi.core import console
from ffdi.core.errors import Paused
from ffdi.submission.refusals import Unreachable

FIRST, GROWTH, LONGEST = 30.0, 1.5, 300.0  # seconds between two looks
Found = TypeVar("Found")


@dataclass(frozen=True)
class Watch:
    """`until`: seconds on `now`'s scale, after which nothing is waited for."""

    until: float
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def wait(self, what: str, look: Callable[[int], Found | None]) -> Found:
        """What `look` finds; it is called with 0, 1, 2, ... until that is not None.

        A look that cannot reach Kaggle counts as one that found nothing. Raises Paused, naming `what`, at the deadline.
        """
        rest, number = FIRST, 0
        while True:
            try:
                found = look(number)
            except Unreachable as error:
                console.warn(f"{error} Looking again in {rest:.0f} s.")
                found = None
            if found is not None:
                return found
            if self.now() + rest > self.until:
                raise Paused(f"{what}, and the time to wait is up; run the same command again to go on.")
            self.sleep(rest)
            rest, number = min(rest * GROWTH, LONGEST), number + 1
