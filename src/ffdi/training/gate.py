"""Several folds on one GPU: each begins when the one before has shown how much memory it takes."""

import fcntl
import json
import os
import tempfile
import time
from pathlib import Path

import torch

from ffdi.core.stop import Stop

MARGIN = 1.2  # of the memory that the last fold took
POLL_SECONDS = 0.05


class Gate:
    """One process at a time is between `enter` and `leave`, which its first step calls.

    The lock and the figure lie in a file of this user, by device; the kernel frees the lock of a process that dies.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._path = Path(tempfile.gettempdir()) / f"ffdi-{os.getuid()}-{device.replace(':', '')}-{os.getppid()}.gate"
        self._descriptor: int | None = None
        self._free = 0
        self._inside = 0  # folds of this process that have begun

    def enter(self, stop: Stop) -> bool:
        """Wait for the gate; return False where the device has no room for one more fold, or a stop came."""
        if self._inside:  # its own memory is there to be used again
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop.requested:
                    os.close(descriptor)
                    return False
                time.sleep(POLL_SECONDS)
        self._descriptor = descriptor
        taken = os.pread(descriptor, 100, 0)
        self._free = torch.cuda.mem_get_info(self._device)[0]
        if taken and self._free < MARGIN * json.loads(taken):
            self.leave(begun=False)
            return False
        return True

    def leave(self, begun: bool = True) -> None:
        """Note what the fold took, and let the next one in."""
        if self._descriptor is None:
            return
        if begun:
            self._inside += 1
            taken = self._free - torch.cuda.mem_get_info(self._device)[0]
            os.pwrite(self._descriptor, json.dumps(max(taken, 0)).ljust(20).encode(), 0)
        os.close(self._descriptor)
        self._descriptor = None
