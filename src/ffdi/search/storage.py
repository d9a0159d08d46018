"""Storage of a study: a journal file for one machine, or a database by its URL for several.

A URL may hold a password, which is neither printed nor kept.
"""

import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ffdi.core.errors import SpaceError, UserError
from ffdi.search import journal

ERRORS = (SQLAlchemyError, StorageInternalError)
HEARTBEAT_SECONDS, GRACE_SECONDS = 30, 180
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Database(RDBStorage):
    """Optuna's database with heartbeats: a trial without one for `GRACE_SECONDS` is failed and queued again."""

    def record_heartbeat(self, trial_id: int) -> None:
        """Record a heartbeat; a lost one does not stop the trial, whose next report tells of a lasting fault."""
        with suppress(*ERRORS):
            super().record_heartbeat(trial_id)


def queued(trials: list[FrozenTrial]) -> set[int | None]:
    """Return the numbers of the trials that were queued again."""
    return {trial.system_attrs.get("retry_history", [None])[-1] for trial in trials}


def retry(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue an interrupted trial again with the values it had; do nothing when that is done already."""
    if trial.number not in queued(study.get_trials(deepcopy=False)):
        trial.user_attrs = {}  # they describe the attempt that ended
        RetryHeartbeatStaleTrialCallback()(study, trial)


@contextmanager
def opened(url: str, path: Path) -> Iterator[BaseStorage]:
    """Open the database at `url`, or without one the journal at `path`; make it when there is none."""
    if not url:
        yield journal.open_journal(path)
        return
    with _explained(url):
        database = Database(
            url,
            engine_kwargs={"pool_pre_ping": True},
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=retry,
        )
    try:
        yield database
    finally:
        database.remove_session()
        database.engine.dispose()


@contextmanager
def read(url: str, path: Path) -> Iterator[BaseStorage | None]:
    """Open what there is as `opened` does; a journal is neither made nor repaired: None when there is none yet."""
    if url:
        with opened(url, path) as storage:
            yield storage
    else:
        yield journal.read_journal(path) if path.exists() else None


@contextmanager
def answering(name: str, url: str) -> Iterator[None]:
    """Turn errors of the storage into one sentence: UserError, or SpaceError on a full disk."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # Optuna 2 to 5 have heartbeats and retries unchanged
            warnings.filterwarnings("ignore", "Heartbeat of storage", UserWarning)  # without `optimize` it has none
            yield
    except ERRORS as error:
        raise UserError(
            f"--storage of {name}: {masked(str(error), url)}; correct the URL, or start the database."
        ) from None
    except OSError as error:
        kind = SpaceError if error.errno in DISK_FULL else UserError
        remedy = "make room or the place writable, or name another with --work"
        raise kind(f"The search {name} stopped: {error}; {remedy}, and run the same command again to go on.") from error


def masked(text: str, url: str) -> str:
    """Return the first line of a text without the password of a valid URL."""
    parsed = sqlalchemy.engine.make_url(url)
    line, secrets = text.partition("\n")[0], (parsed.password, parsed.query.get("password"))
    for secret in filter(None, map(str, secrets)):
        line = line.replace(secret, "•••")
    return line


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn what is wrong with a URL into one sentence."""
    try:
        sqlalchemy.engine.make_url(url)
    except (ArgumentError, ValueError):  # of a port that is no number
        raise UserError("--storage is no URL such as postgresql+psycopg://user@host/database.") from None
    try:
        yield
    except ImportError:
        raise UserError(
            "--storage needs a driver that is not installed: pip install 'psycopg[binary]' for postgresql+psycopg://, "
            "'PyMySQL[rsa]' for mysql+pymysql://."
        ) from None
    except RuntimeError:  # its message shows the URL
        raise UserError(
            "--storage has tables of another version of Optuna: run `optuna storage upgrade --storage URL`."
        ) from None
    except (TypeError, ValueError, AttributeError, OSError) as error:  # of drivers, for odd options
        raise UserError(f"--storage cannot be opened: {masked(str(error), url)}; look at what follows the ?.") from None
