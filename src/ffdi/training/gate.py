"""Several folds on one GPU: the first shows how much memory a fold takes, then others begin while that much is free."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ffdi.core.errors import Paused
from ffdi.core.stop import Stop

MARGIN = 1.2  # of the memory that folds took
BESIDE = 500_000_000  # bytes of kernels that a process loads, beside its tensors
POLL_SECONDS = 0.05


class Gate:
    """A fold works inside `turn`, which begins when the device has room for one more.

    What a fold takes is measured in its own process: others, which only wait, take memory too. The counts of all
    processes lie in a file of `folder`, by device. The folder is new in every run: folds of another run take other
    memory. The kernel frees the lock of the file when a process dies.
    """

    def __init__(self, device: str, folder: Path) -> None:
        self._device = torch.device(device)
        self._path = folder / device.replace(":", "")
        self._begins = False  # from the beginning of a fold to the end of its first step

    @contextmanager
    def turn(self, stop: Stop) -> Iterator[None]:
        """Wait for the memory of one more fold; at the end its memory is free for others. Raise Paused on a stop."""
        while not self._begin():
            if stop.requested:
                raise Paused(f"Stopped ({stop.reason}); all is saved, run the same command to go on.")
            time.sleep(POLL_SECONDS)
        try:
            yield
            if torch.cuda.memory_reserved(self._device):  # else there was nothing to do
                self.began()
        finally:
            torch.cuda.empty_cache()
            with self._counted() as count:
                count["at_work"] -= 1
                count["beginning"] -= self._begins
            self._begins = False

    def began(self) -> None:
        """Note what the fold takes: its first step is done, or all of it."""
        with self._counted() as count:
            count["taken"] = max(count["taken"], torch.cuda.memory_reserved(self._device) + BESIDE)
            count["beginning"] -= self._begins
        self._begins = False

    def _begin(self) -> bool:
        """Count a fold as beginning and return True, if there is room for it or nobody else at work."""
        with self._counted() as count:
            needed = MARGIN * count["taken"] * (count["beginning"] + 1)
            has_room = count["taken"] > 0 and torch.cuda.mem_get_info(self._device)[0] >= needed
            if count["at_work"] and not has_room:
                return False
            count["at_work"] += 1
            count["beginning"] += 1
        self._begins = True
        return True

    @contextmanager
    def _counted(self) -> Iterator[dict[str, int]]:
        """Lock the file, yield what it says, and write what was changed."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            count = {"taken": 0, "beginning": 0, "at_work": 0} | json.loads(os.pread(descriptor, 100, 0) or "{}")
            yield count
            os.pwrite(descriptor, json.dumps(count).ljust(100).encode(), 0)
        finally:
            os.close(descriptor)
