"""The pulse of a worker in its lease's file: which machine it is on, and how often it has beaten.

Only changes count, seen by the watcher's own clock; no clock of another machine is compared with it.
"""

import itertools
import os
import platform
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from ffdi.core import console

BEAT = 10.0  # seconds
PATIENCE = 45.0  # seconds without a beat after which a worker is dead


@cache
def machine() -> str:
    """Names the kernel that keeps this process's locks: two containers of one machine share it."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else platform.node()


@contextmanager
def beating(descriptor: int) -> Iterator[None]:
    """A context in which the open file beats."""
    over = threading.Event()
    _beat(descriptor, 0)
    thread = threading.Thread(target=_beat_until, args=(descriptor, over), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()  # before its descriptor is given to another file


def still_beating(paths: Sequence[Path]) -> Path | None:
    """One of these files that beats on another machine; None after `PATIENCE` without a beat, at once if none is of
    another machine."""
    seen = {path: pulse for path in paths if (pulse := _read(path)) and pulse.split()[0] != machine()}
    if seen:
        console.say(f"a worker of another machine looks dead; {PATIENCE:.0f} s to make sure")
    end = time.monotonic() + PATIENCE
    while seen and time.monotonic() < end:
        time.sleep(BEAT / 10)
        for path, pulse in seen.items():
            if _read(path) not in (pulse, ""):
                return path
    return None


def _read(path: Path) -> str:
    """Empty if it is gone, or never beat."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _beat_until(descriptor: int, over: threading.Event) -> None:
    for count in itertools.count(1):
        if over.wait(BEAT):
            return
        _beat(descriptor, count)


def _beat(descriptor: int, count: int) -> None:
    with suppress(OSError):  # a full disk: then locks alone tell
        os.pwrite(descriptor, f"{machine()} {count:12}\n".encode(), 0)
        os.fsync(descriptor)
