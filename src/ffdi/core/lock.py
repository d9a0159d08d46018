"""Let one process work on a folder: a lock of the operating system, which ends with the process.

Loaders that it forked share the lock; they notice its death and end within seconds.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffdi.core.errors import LockedError, UserError


@contextmanager
def exclusive(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold the lock `name` in `folder`.

    Raise LockedError at once if another process holds it, UserError if the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(
            f"Cannot work in {folder}: {error.strerror}; name another place, or make it writable."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockedError(
                f"Another process is working in {folder}; wait for it or stop it, then run again."
            ) from error
        yield
    finally:
        os.close(descriptor)
