"""Leases in a database: advisory locks, which the server frees when the session of their holder ends."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from ffdi.core import keys
from ffdi.core.errors import UserError
from ffdi.search.storage import masked

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
# A worker at work for hours is not cut off. PostgreSQL notices a vanished machine after about a minute and a half;
# MySQL leaves that to its system (Linux: tcp_keepalive_time and its siblings, about two hours).
SETTINGS = {
    "postgresql": ("SET tcp_keepalives_idle = 30", "SET tcp_keepalives_interval = 20", "SET tcp_keepalives_count = 3"),
    "mysql": ("SET SESSION wait_timeout = 2147483",),
}
DRIVERS = {
    "psycopg": "'psycopg[binary]'",
    "psycopg2": "psycopg2-binary",
    "pymysql": "'PyMySQL[rsa]'",
    "mysqldb": "mysqlclient",
}
NAMES = "postgresql+psycopg:// or mysql+pymysql://"


class ServerLeases:
    """Advisory locks of one session of its own; `scope` keeps studies apart. Not for several threads.

    Raises UserError for a database that has no such locks, or a driver that is not installed.
    """

    def __init__(self, url: str, scope: str) -> None:
        self.scope = scope
        place = _parsed(url)
        dialect = place.get_backend_name()
        if dialect not in STATEMENTS:
            raise UserError(
                f"--storage takes {' or '.join(STATEMENTS)} URLs, not {dialect}; on one disk leave it out: "
                "the journal file needs no server."
            )
        _check_driver(place)
        self._lock, self._unlock, self._probe = STATEMENTS[dialect]
        engine = create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1)
        try:
            self._connection = engine.connect()
        except (RuntimeError, TypeError, ValueError, AttributeError, OSError) as error:  # of drivers, for odd options
            raise UserError(
                f"--storage {place.drivername}://... cannot be opened ({masked(str(error), url)}); look at what "
                "follows the ? in it, and whether the driver has all its packages."
            ) from None
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

    live = hold

    def is_free(self, name: str) -> bool:
        return self._ask(self._probe, name)

    def check_dead(self, names: Sequence[str]) -> None: ...

    def check_own(self, name: str) -> None: ...

    def sweep(self, keep: str) -> None: ...

    def close(self) -> None:
        self._connection.close()
        self._connection.engine.dispose()

    def _ask(self, statement: str, name: str) -> bool:
        key = keys.key("lease", self.scope, name)
        return bool(self._connection.exec_driver_sql(statement.format(key=key)).scalar())


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # of a port that is no number
        raise UserError("--storage is no URL such as postgresql+psycopg://user@host/database.") from None


def _check_driver(place: URL) -> None:
    if place.get_dialect().is_async:
        raise UserError(f"--storage takes no asynchronous driver like {place.get_driver_name()}; try {NAMES}.")
    try:
        place.get_dialect().import_dbapi()
    except ImportError:  # also of psycopg without the library of PostgreSQL's clients
        driver = place.get_driver_name()
        package = DRIVERS.get(driver, driver)
        raise UserError(
            f"--storage {place.drivername}://... needs a package that is not installed; run: pip install {package}."
        ) from None
