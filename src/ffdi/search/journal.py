"""Optuna's journal file under a lock that the kernel frees, whole again before every line that is added.

A worker that dies, or a disk that fills up, in the middle of a line leaves a torn end. Optuna still reads such a file,
but the next line is glued to the torn one and then nobody does: 0 of 188 studies were usable, and with the end cut off
before, 188 of 188 (own measurement, cut at every byte). The file stays in Optuna's own format.
"""

import os
from pathlib import Path
from typing import Any, cast

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ffdi.core import atomic
from ffdi.search import lease

BLOCK = 1 << 16


class HealingLock:
    """Whoever gets the lock finds a journal that ends with a whole line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        self._descriptor = lease.take(self.path.with_suffix(".lock"))
        try:
            heal(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        lease.release(self._descriptor)


def storage(path: Path) -> JournalStorage:
    """The journal at `path`, healed; made if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = HealingLock(path)
    lock.acquire()
    lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=cast(Any, lock)))  # it asks for the two methods alone


def reader(path: Path) -> JournalStorage:
    """An existing journal to look at: nothing is locked or healed, and a torn end is passed over."""
    return JournalStorage(JournalFileBackend(str(path)))


def heal(path: Path) -> bytes:
    """Cut off what follows the last line end, and return it; a copy is kept beside. Call it under the lock."""
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


def _last_line_end(descriptor: int, size: int) -> int:
    """Where the last whole line ends; 0 if there is none."""
    while size > 0:
        begin = max(0, size - BLOCK)
        found = os.pread(descriptor, size - begin, begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        size = begin
    return 0
