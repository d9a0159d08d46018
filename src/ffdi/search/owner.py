"""Refuse a journal that another machine or another call uses."""

import errno
import fcntl
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffdi.core.errors import LockedError, UserError


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold `path`, the file beside a journal that names the machine at work on it.

    The kernel frees the lock when the process ends, and processes that it forks do not share it. The name of the
    machine is for disks that do not share locks between machines.

    Raises:
        LockedError: Another call on this machine has the journal.
        UserError: Another machine has it, or was killed while it had it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        file.seek(0)
        _refuse_other_machine(file.read(), path)
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise LockedError(f"Another process searches in {path.parent}; wait for it or stop it.") from None
        _write(file.fileno(), " ".join(machine()))
        try:
            yield
        finally:
            _write(file.fileno(), "")


def machine() -> tuple[str, str]:
    """Return the host's name and the id of its kernel since it was started."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    return platform.node(), boot.read_text().strip() if boot.exists() else "unknown"


def _refuse_other_machine(text: str, path: Path) -> None:
    """Raise UserError if the file names another machine. A host that was started again has another boot id; containers
    on one kernel share the id and its locks."""
    other = text.split()
    if other and not set(machine()) & set(other):
        raise UserError(
            f"The machine {other[0]} uses this search's journal, which serves one machine: give --storage the URL of a "
            f"database to share the search, or delete {path} if that machine does not work on it any more."
        )


def _write(descriptor: int, text: str) -> None:
    os.ftruncate(descriptor, 0)
    os.write(descriptor, text.encode())  # the file is open for appending, so this lands at its start
    os.fsync(descriptor)
