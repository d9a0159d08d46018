"""Several folds on one GPU: the first shows how much memory a fold takes, then others begin while that much is free."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from ffdi.core.stop import Stop

MARGIN = 1.2  # of the memory that the first fold took
POLL_SECONDS = 0.05
UNKNOWN = -1  # bytes: no fold of this run has begun yet


class Gate:
    """Call `enter` before a fold begins on the device and `leave` after its first step, when it has its memory.

    What folds take, and how many have entered and not left, lie in a file of `folder`, by device. The folder is new in
    every run: folds of another run take other memory. The kernel frees its lock when a process dies.
    """

    def __init__(self, device: str, folder: Path) -> None:
        self._device = torch.device(device)
        self._path = folder / device.replace(":", "")
        self._free: int | None = None  # bytes when this process entered
        self._has_memory = False  # a fold of this process has begun: its memory is there to be used again

    def enter(self, stop: Stop) -> bool:
        """Return True when the fold may begin, False where the device has no room for it or a stop came."""
        while not self._has_memory and self._free is None:
            if stop.requested:
                return False
            with self._counted() as count:
                free = torch.cuda.mem_get_info(self._device)[0]
                taken, beginning = count["taken"], count["beginning"]
                if taken != UNKNOWN and free < MARGIN * taken * (beginning + 1):
                    return False
                if taken != UNKNOWN or not beginning:
                    self._free, count["beginning"] = free, beginning + 1
                    return True
            time.sleep(POLL_SECONDS)
        return True

    def leave(self) -> None:
        """Note that the fold has its memory, or has ended."""
        if self._free is None:
            return
        with self._counted() as count:
            if count["taken"] == UNKNOWN:
                count["taken"] = max(self._free - torch.cuda.mem_get_info(self._device)[0], 0)
            count["beginning"] -= 1
        self._free, self._has_memory = None, True

    @contextmanager
    def _counted(self) -> Iterator[dict[str, int]]:
        """Lock the file, yield what it says, and write what was changed."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            count = {"taken": UNKNOWN, "beginning": 0} | json.loads(os.pread(descriptor, 100, 0) or "{}")
            yield count
            os.pwrite(descriptor, json.dumps(count).ljust(100).encode(), 0)
        finally:
            os.close(descriptor)
