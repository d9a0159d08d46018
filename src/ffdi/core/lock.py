"""Let one process work on a folder: a lock of the operating system, which ends with the process.

Loaders that it forked share the lock; they notice its death and end within seconds.
"""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ffdi.core.errors import LockedError, UserError


@contextmanager
def exclusive(folder: Path, name: str = ".lock", wait: bool = False) -> Iterator[None]:
    """Hold the lock `name` in `folder`.

    Args:
        folder: Made if it is not there.
        name: Of the file.
        wait: Whether to wait while another process holds it.

    Raises:
        LockedError: Another process holds it, and it shall not wait.
        UserError: The folder cannot be written to or locked.
    """
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            file = stack.enter_context((folder / name).open("a"))
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise LockedError(
                f"Another process is working in {folder}; wait for it or stop it, then run again."
            ) from error
        except OSError as error:
            remedy = "name another place, or make it writable"
            raise UserError(f"Cannot work in {folder}: {error.strerror}; {remedy}.") from error
        yield
