"""Where a study is kept: a journal file, or a database by its URL; and what is said when it does not answer.

A URL may hold a password. It is neither printed nor kept.
"""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, unquote_plus

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import SQLAlchemyError

from ffdi.core.errors import FfdiError, SpaceError, UserError
from ffdi.search import journal

ERRORS = (SQLAlchemyError, StorageInternalError)
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def opened(url: str, path: Path) -> Iterator[BaseStorage]:
    """The database at `url`, or without one the journal at `path`; made if there is none."""
    if not url:
        yield journal.storage(path)
        return
    server = _server(url)
    try:
        yield server
    finally:
        server.remove_session()
        server.engine.dispose()


@contextmanager
def looked_at(url: str, path: Path) -> Iterator[BaseStorage | None]:
    """As `opened`, but nothing is made or healed: None if there is no study yet."""
    if not url:
        yield journal.reader(path) if path.exists() else None
    elif not _has_tables(url):
        yield None
    else:
        with opened(url, path) as storage:
            yield storage


@contextmanager
def answering(name: str, url: str) -> Iterator[None]:
    """Turns the errors of a study's storage into one sentence: UserError, SpaceError on a full disk, else FfdiError."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    except ERRORS as error:
        raise UserError(f"The storage of {name} does not answer: {masked(str(error), url)}") from None
    except OSError as error:
        kind = SpaceError if error.errno in FULL else FfdiError
        raise kind(f"The search {name} stopped: {error}; run the same command again to go on.") from error


def masked(text: str, url: str) -> str:
    """The first line of a text, without what may be a password in the URL, also in one that is written wrongly."""
    line = text.partition("\n")[0]
    password = url.partition("://")[2].rpartition("@")[0].partition(":")[2]
    secrets = {password, unquote(password), *re.split("[@:/]", password)}
    found = re.findall(r"[?&]\w*pass\w*=([^&]*)", url)
    secrets |= {*found, *map(unquote_plus, found)}
    for secret in sorted(secrets - {""}, key=len, reverse=True):
        line = line.replace(secret, "•••")
    return line


def _server(url: str) -> RDBStorage:
    try:
        return RDBStorage(url, engine_kwargs={"pool_pre_ping": True})
    except RuntimeError:  # its message shows the URL
        raise UserError(
            f"The tables in --storage are of another version of Optuna than {optuna.__version__}; upgrade them with "
            "`optuna storage upgrade`, or take another database."
        ) from None


def _has_tables(url: str) -> bool:
    engine = sqlalchemy.create_engine(url)
    try:
        return sqlalchemy.inspect(engine).has_table("studies")
    finally:
        engine.dispose()
