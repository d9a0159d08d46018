"""Kill a child at random instants, start it again, until it ends by itself."""

import os
import signal
import sys
import time
import traceback
import zlib
from collections.abc import Callable

import numpy as np


def run_killed(work: Callable[[], None], seconds: float, most: int, *name: int | str) -> int:
    """Run `work` in forked children, each killed after a random time of up to `seconds`; at most `most` are killed.

    The parent has imported everything already, so kills fall into the work and not into imports. Returns the kills;
    `name` is the key of the random times. Raises AssertionError if a child fails by itself.
    """
    rng = np.random.default_rng(zlib.crc32(repr(name).encode()))  # its own: controls tamper with ours
    for kills in range(most + 1):
        child = os.fork()
        if child == 0:
            _work_and_leave(work)
        patience = rng.uniform(0, seconds) if kills < most else 600.0
        status = _wait(child, patience)
        if status is not None:
            assert status == 0, f"a child failed by itself: {status}"
            return kills
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    raise AssertionError("the last child, which nobody killed, did not end within 600 s")


def run_once(work: Callable[[], None]) -> int:
    """Run `work` in a forked child that nobody kills but itself; returns its wait status (0, or a signal's number)."""
    child = os.fork()
    if child == 0:
        _work_and_leave(work)
    return os.waitpid(child, 0)[1]


def _work_and_leave(work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _wait(child: int, seconds: float) -> int | None:
    """Exit status, or None if the child still runs after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return status
        time.sleep(0.002)
    return None
