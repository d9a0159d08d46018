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

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ffdi.core import atomic


class RepairLock:
    """Optuna's lock for a journal, made of a kernel lock: a killed process holds nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def acquire(self) -> bool:
        """Wait for the lock, then repair the file."""
        self._lock = locked(self.path.with_suffix(".lock"))
        self._lock.__enter__()
        try:
            repair(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        self._lock.__exit__(None, None, None)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the kernel lock of `path`; wait while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def open_journal(path: Path) -> JournalStorage:
    """Return the journal at `path` as a storage; make the file when there is none."""
    lock = RepairLock(path)
    lock.acquire()
    lock.release()
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))  # type: ignore[arg-type]


def read_journal(path: Path) -> JournalStorage:
    """Return an existing journal to look at: nothing is locked or repaired, a torn end is passed over."""
    return JournalStorage(JournalFileBackend(str(path)))


def repair(path: Path) -> None:
    """Cut off what follows the last line end; a copy stays beside the file. Call it under the lock."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() == b"\n":
            return
        file.seek(0)
        data = file.read()
        end = data.rfind(b"\n") + 1
        atomic.write_bytes(path.with_name(f"{path.name}.torn-{end}"), data[end:])
        file.truncate(end)
        os.fsync(file.fileno())
