"""Two ways to do the same, in turns, in one process: only the ratio means something on a shared machine."""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Speeds in items per second, one of each a round; `ratio` is the median over rounds of ours / theirs."""

    name: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def rounds(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        return statistics.median(self.rounds)

    def __str__(self) -> str:
        return (
            f"{self.name}: x{self.ratio:.3f} (n = {len(self.ours)}, {min(self.rounds):.3f} to {max(self.rounds):.3f}; "
            f"{statistics.median(self.ours):,.1f} against {statistics.median(self.theirs):,.1f} per second)"
        )


def interleave(name: str, ours: Callable[[], int], theirs: Callable[[], int], rounds: int) -> Ratio:
    """Each call returns how many items it did; one unmeasured round comes first, and the order alternates."""
    ours(), theirs()
    speeds: dict[Callable[[], int], list[float]] = {ours: [], theirs: []}
    for number in range(rounds):
        for work in (ours, theirs) if number % 2 else (theirs, ours):
            gc.collect()
            begun = time.perf_counter()
            done = work()
            speeds[work].append(done / (time.perf_counter() - begun))
    return Ratio(name, tuple(speeds[ours]), tuple(speeds[theirs]))
