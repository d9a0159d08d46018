"""Who is alive: leases that whoever keeps the studies frees by itself when their holder dies.

On a (shared) disk that is the kernel: flock, also over NFS from version 4 on. In a database it is the server: advisory
locks of a session. So a killed worker leaves nothing stale, and no clock has to be right.

Some network disks keep flock to each machine alone: there a living worker of another machine looks dead. So a worker's
file beats, and whoever takes a worker of another machine for dead first watches whether it still does.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from ffdi.core.errors import UserError
from ffdi.search import pulse

NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)

_held: set[int] = set()  # descriptors that carry a lock


def _let_go() -> None:
    """In a forked child: a loader must not keep alive what its killed parent held."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


class Leases(Protocol):
    def hold(self, name: str) -> Any:
        """A context in which this process alone has `name`; waits for it."""

    def live(self, name: str) -> Any:
        """A context in which this process holds `name`, its own, and shows other machines that it lives."""

    def is_free(self, name: str) -> bool:
        """Whether no living process holds `name`, as far as locks tell."""

    def check_dead(self, names: Sequence[str]) -> None:
        """Raises UserError if one of these, whose locks are free, lives all the same."""

    def check_own(self, name: str) -> None:
        """Raises UserError if `name`, which this process holds, was taken away from it."""

    def sweep(self, keep: str) -> None:
        """Remove what dead holders have left. Call it, and begin to hold names, only under `keep`."""

    def close(self) -> None: ...


class FileLeases:
    """One small file a name in `folder`. Probing takes shared locks, so probes do not disturb each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def hold(self, name: str) -> Iterator[int]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with flocked(self.folder / name) as descriptor:
            yield descriptor

    @contextmanager
    def live(self, name: str) -> Iterator[None]:
        with self.hold(name) as descriptor, pulse.beating(descriptor):
            yield

    def is_free(self, name: str) -> bool:
        try:
            descriptor = os.open(self.folder / name, os.O_RDONLY)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def check_dead(self, names: Sequence[str]) -> None:
        """Waits for `pulse.PATIENCE` if one of them is of another machine."""
        alive = pulse.still_beating([self.folder / name for name in names])
        if alive:
            raise UserError(
                f"Worker {alive.name} lives on another machine although its lock in {self.folder} is free: this disk "
                "does not share locks between machines; give --storage a PostgreSQL or MySQL URL."
            )

    def check_own(self, name: str) -> None:
        if not (self.folder / name).exists():
            raise UserError(
                f"The lease {self.folder / name} of this worker was removed: another machine took it for dead; "
                "run the same command again to go on."
            )

    def sweep(self, keep: str) -> None:
        dead = [path.name for path in self.folder.iterdir() if path.name != keep and self.is_free(path.name)]
        self.check_dead(dead)
        for name in dead:
            (self.folder / name).unlink(missing_ok=True)

    def close(self) -> None: ...


@contextmanager
def flocked(path: Path) -> Iterator[int]:
    """Hold the lock of a file, which is made if needed and stays; gives its descriptor."""
    descriptor = take(path)
    try:
        yield descriptor
    finally:
        release(descriptor)


def take(path: Path) -> int:
    """A descriptor that carries the exclusive lock of `path`; waits for it. UserError on a disk without locks."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException as error:
        release(descriptor)
        if isinstance(error, OSError) and error.errno in NO_LOCKS:
            raise UserError(
                f"{path}: its disk has no locks ({error.strerror}); put WORK on another one, or give --storage a "
                "PostgreSQL or MySQL URL."
            ) from None
        raise
    return descriptor


def release(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)
