"""Ratios of CPU seconds of this process, all threads, measured in turn: other load hits all candidates alike."""

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
        spread = f"{self.low:.1f}-{self.high:.1f}, n = {self.rounds}"
        return f"{self.name:<44} {self.milliseconds:10.2f} ms   x{self.ratio:.2f} ({spread})"


def compare(
    candidates: dict[str, Callable[[], object]], rounds: int = 9, clock: Callable[[], float] = time.process_time
) -> list[Ratio]:
    """Time every candidate once a round, after one round unmeasured. The first is the baseline of the ratios.

    `clock`: time.perf_counter where threads are part of the claim; then the machine must be idle.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for round_ in range(rounds + 1):
        for name, run in candidates.items():
            begun = clock()
            run()
            if round_:
                seconds[name].append(clock() - begun)
    base = next(iter(seconds.values()))
    found = []
    for name, mine in seconds.items():
        ratios = [theirs / own for theirs, own in zip(base, mine, strict=True)]
        found.append(Ratio(name, 1e3 * median(mine), median(ratios), min(ratios), max(ratios), rounds))
    return found
