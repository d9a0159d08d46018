"""A Ray cluster on this machine: start-up, what a task costs beside its work, and how sleeping tasks scale to 64."""

import time
from functools import partial
from statistics import median

from ffdi.cluster.run import Runner, Task, run_all
from ffdi.cluster.session import Needs, slots
from ffdi.core.stop import Stop
from tests.fixtures.cluster import running

SLEEP_SECONDS, TASKS_A_PLACE = 4.0, 4
PLACES = (1, 4, 16, 64)
TENTH = 0.1  # CPUs of a sleeping task: they are no load, and processes of 64 nodes would be


def rest(seconds: float, _: Stop) -> None:
    time.sleep(seconds)


def timed(seconds: float, count: int, places: int) -> float:
    """Return the seconds that `count` tasks take, at most `places` at a time."""
    begun = time.monotonic()
    runner = Runner(Needs(cpus=TENTH), Stop(), limit=lambda: places)
    run_all(runner, (Task(f"task {number}", rest, (seconds,)) for number in range(count)))
    return time.monotonic() - begun


def main() -> None:
    begun = time.monotonic()
    with running(nodes=4, cpus=2) as _:
        print(f"cluster of 4 nodes and the head up in {time.monotonic() - begun:.1f} s; {slots(Needs(TENTH))} places")
        print(f"first task {timed(0, 1, 1):.2f} s")
        one = partial(timed, 0, 50, 1)
        costs = sorted(one() / 50 for _ in range(3))
        print(f"task after task: {median(costs):.3f} s each (3 times 50; {costs[0]:.3f} to {costs[-1]:.3f})")
        for places in PLACES:
            timed(0, 2 * places, places)  # starts the processes
            lasted = timed(SLEEP_SECONDS, TASKS_A_PLACE * places, places)
            ideal = SLEEP_SECONDS * TASKS_A_PLACE
            print(f"{places:3} places: {lasted:.1f} s for {ideal:.0f} s of sleep each, {ideal / lasted:.0%} of ideal")
