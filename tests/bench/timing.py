"""Ratios of several ways to do the same, in turn: other load hits all alike, so only the ratios mean something."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Ratio:
    """How many times as fast as the baseline, over `rounds` interleaved rounds."""

    name: str
    milliseconds: float  # median
    ratio: float  # median over rounds
    low: float
    high: float
    rounds: int

    def __str__(self) -> str:
        spread = f"{self.low:.2f}-{self.high:.2f}, n = {self.rounds}"
        return f"{self.name:<44} {self.milliseconds:10.2f} ms   x{self.ratio:.3f} ({spread})"


def compare(
    candidates: dict[str, Callable[[], object]], rounds: int = 9, clock: Callable[[], float] = time.process_time
) -> list[Ratio]:
    """Time every candidate once a round, in alternating order, after one round unmeasured.

    Args:
        candidates: All do the same work. The first is the baseline of the ratios.
        rounds: That are measured.
        clock: CPU seconds of this process, all threads; time.perf_counter where other processes or threads are part of
            the claim: then the machine must be idle.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(rounds + 1):
        for name in list(candidates)[:: 1 if round_ % 2 else -1]:
            gc.collect()
            begun = clock()
            candidates[name]()
            if round_:
                seconds[name].append(clock() - begun)
    base = next(iter(seconds.values()))
    found = []
    for name, mine in seconds.items():
        ratios = [theirs / own for theirs, own in zip(base, mine, strict=True)]
        found.append(Ratio(name, 1e3 * median(mine), median(ratios), min(ratios), max(ratios), rounds))
    return found


def against(name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> Ratio:
    """Return how many times as fast ours is by the wall clock."""
    return compare({"theirs": theirs, name: ours}, rounds, time.perf_counter)[1]
