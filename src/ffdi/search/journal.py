"""The journal file of a search: Optuna's own format, repaired before every write.

A worker that is killed, or a disk that fills up, in the middle of a line leaves a torn end. Optuna still reads such a
file, but the next line is glued to the torn one and then nothing reads it: 0 of 188 studies were usable, and 188 of 188
with the end cut off before (own measurement, cut at every byte).
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ffdi.core import atomic

BLOCK_BYTES = 1 << 16


class RepairLock:
    """Optuna's lock for a journal, made of a kernel lock: a killed process holds nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """Wait for the lock, then repair the file."""
        self._descriptor = _lock(self.path.with_suffix(".lock"))
        try:
            repair(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        os.close(self._descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the kernel lock of `path`; wait while another process has it."""
    descriptor = _lock(path)
    try:
        yield
    finally:
        os.close(descriptor)


def open_journal(path: Path) -> JournalStorage:
    """Return the journal at `path` as a storage; make the file when there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = RepairLock(path)
    lock.acquire()
    lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, lock)))  # only the two methods are called


def read_journal(path: Path) -> JournalStorage:
    """Return an existing journal to look at: nothing is locked or repaired, a torn end is passed over."""
    return JournalStorage(JournalFileBackend(str(path)))


def repair(path: Path) -> bytes:
    """Cut off what follows the last line end and return it; a copy stays beside the file. Call it under the lock."""
    if not path.exists():
        return b""
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = _last_line_end(file.fileno(), size)
        if end == size:
            return b""
        torn = os.pread(file.fileno(), size - end, end)
        atomic.write_bytes(path.with_name(f"{path.name}.torn-{end}"), torn)
        file.truncate(end)
        os.fsync(file.fileno())
    return torn


def _lock(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _last_line_end(descriptor: int, size: int) -> int:
    while size > 0:
        begin = max(0, size - BLOCK_BYTES)
        found = os.pread(descriptor, size - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        size = begin
    return 0
