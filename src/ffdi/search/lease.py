"""Who is alive: leases that whoever keeps the studies frees by itself when their holder dies.

On a (shared) disk that is the kernel: flock, also over NFS from version 4 on. In a database it is the server: advisory
locks of a session. So a killed worker leaves nothing stale, and no clock has to be right.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from ffdi.base import keys
from ffdi.base.errors import UserError

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

    def is_free(self, name: str) -> bool:
        """Whether no living process holds `name`."""

    def sweep(self, keep: str) -> None:
        """Remove what dead holders have left. Call it, and begin to hold names, only under `keep`."""

    def close(self) -> None: ...


class FileLeases:
    """One empty file a name in `folder`. Probing takes shared locks, so probes do not disturb each other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with flocked(self.folder / name):
            yield

    def is_free(self, name: str) -> bool:
        try:
            descriptor = os.open(self.folder / name, os.O_RDWR)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def sweep(self, keep: str) -> None:
        for path in self.folder.iterdir():
            if path.name != keep and self.is_free(path.name):
                path.unlink(missing_ok=True)

    def close(self) -> None: ...


@contextmanager
def flocked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if needed and stays."""
    descriptor = take(path)
    try:
        yield
    finally:
        release(descriptor)


def take(path: Path) -> int:
    """A descriptor that carries the exclusive lock of `path`; waits for it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        release(descriptor)
        raise
    return descriptor


def release(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)


# (wait for it, give it back, is it free): each gives one true or false value. Keys are 63-bit whole numbers, alike for
# all; MySQL wants names. A session locks what it has locked already, so a worker must not probe itself.
STATEMENTS = {
    "postgresql": (
        "SELECT pg_advisory_lock({key}) IS NOT NULL",
        "SELECT pg_advisory_unlock({key})",
        "SELECT CASE WHEN pg_try_advisory_lock_shared({key}) THEN pg_advisory_unlock_shared({key}) ELSE false END",
    ),
    "mysql": (
        "SELECT GET_LOCK('ffdi-{key}', 2147483)",
        "SELECT RELEASE_LOCK('ffdi-{key}')",
        "SELECT IS_FREE_LOCK('ffdi-{key}')",
    ),
}
# A vanished machine is noticed after about a minute and a half; a worker at work for hours is not cut off.
SETTINGS = {
    "postgresql": ("SET tcp_keepalives_idle = 30", "SET tcp_keepalives_interval = 20", "SET tcp_keepalives_count = 3"),
    "mysql": ("SET SESSION wait_timeout = 2147483",),
}


class ServerLeases:
    """Advisory locks of one session of its own; `scope` keeps studies apart. Not for several threads."""

    def __init__(self, url: str, scope: str) -> None:
        from sqlalchemy import create_engine
        from sqlalchemy.engine import make_url

        self.scope = scope
        dialect = make_url(url).get_backend_name()
        if dialect not in STATEMENTS:
            raise UserError(
                f"--storage takes {' or '.join(STATEMENTS)} URLs, not {dialect}; on one disk leave it out: "
                "the journal file needs no server."
            )
        self._lock, self._unlock, self._probe = STATEMENTS[dialect]
        engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
        self._connection = engine.connect()
        for setting in SETTINGS[dialect]:
            self._connection.exec_driver_sql(setting)

    @contextmanager
    def hold(self, name: str) -> Iterator[None]:
        if not self._ask(self._lock, name):
            raise UserError(f"The database did not give the lock {name!r} of {self.scope}; run again to go on.")
        try:
            yield
        finally:
            self._ask(self._unlock, name)

    def is_free(self, name: str) -> bool:
        return self._ask(self._probe, name)

    def sweep(self, keep: str) -> None: ...

    def close(self) -> None:
        self._connection.close()
        self._connection.engine.dispose()

    def _ask(self, statement: str, name: str) -> bool:
        key = keys.key("lease", self.scope, name)
        return bool(self._connection.exec_driver_sql(statement.format(key=key)).scalar())
