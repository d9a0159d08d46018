"""One process a run folder: a kernel lock, so that a killed process holds nothing.

Loaders that it forked share the lock; they notice its death and end within seconds."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ffdi.base.errors import LockedError


@contextmanager
def exclusive(folder: Path, name: str = ".lock") -> Iterator[None]:
    """Hold `folder` alone, or what `name` stands for in it. Raises LockedError at once if a living process holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT, 0o644)
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
