"""Real database servers on loopback, for the tests that use them: made empty, started, and stopped again."""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

POSTGRESQL = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
PLACES = "/usr/sbin:/usr/local/sbin:/usr/local/mysql/bin"  # beside PATH
PATIENCE = 60.0  # seconds for a server to begin or end


@contextmanager
def postgresql() -> Iterator[str]:
    """The URL of a fresh PostgreSQL."""
    if POSTGRESQL is None:
        pytest.skip("PostgreSQL is not installed in /usr/lib/postgresql")
    user = _user("postgres")
    with _folder(user) as folder:
        data, port = str(folder / "data"), _port()
        settings = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        _run(user, POSTGRESQL / "initdb", "-D", data, "-A", "trust", "-U", "ffdi", "--no-sync")
        _run(user, POSTGRESQL / "pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start")
        try:
            yield f"postgresql+psycopg://ffdi@127.0.0.1:{port}/postgres"
        finally:
            _run(user, POSTGRESQL / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")


@contextmanager
def mysql() -> Iterator[str]:
    """The URL of a fresh MariaDB, which speaks MySQL's protocol."""
    path = f"{os.environ.get('PATH', '')}:{PLACES}"
    install, server = (shutil.which(name, path=path) for name in ("mariadb-install-db", "mariadbd"))
    if not install or not server:
        pytest.skip("MariaDB (mariadbd, mariadb-install-db) is not installed")
    if importlib.util.find_spec("pymysql") is None:
        pytest.skip("PyMySQL is not installed")
    user = _user("mysql")
    with _folder(user) as folder:
        data, port = f"--datadir={folder / 'data'}", _port()
        _run(user, install, "--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db")
        places = (f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}", f"--tmpdir={folder}")
        options = ("--bind-address=127.0.0.1", f"--port={port}", "--innodb-flush-log-at-trx-commit=0")
        command = [server, "--no-defaults", data, *places, *options]
        null = subprocess.DEVNULL
        with subprocess.Popen(command, stdout=null, stderr=null, cwd="/", **_as(user)) as process:
            try:
                _make_database(process, port)
                yield f"mysql+pymysql://root@127.0.0.1:{port}/ffdi"
            finally:
                process.terminate()
                process.wait(PATIENCE)


def _make_database(process: "subprocess.Popen[bytes]", port: int) -> None:
    import pymysql

    end = time.monotonic() + PATIENCE
    while True:
        try:
            with closing(pymysql.connect(host="127.0.0.1", port=port, user="root")) as connection:
                connection.cursor().execute("CREATE DATABASE ffdi")
            return
        except pymysql.err.OperationalError:
            assert process.poll() is None, "mariadbd ended at once"
            assert time.monotonic() < end, "mariadbd does not answer"
            time.sleep(0.05)


def _user(name: str) -> str:
    """Servers refuse to run as root."""
    if os.getuid():
        return pwd.getpwuid(os.getuid()).pw_name
    if name not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip(f"a database does not run as root, and there is no user {name}")
    return name


def _as(user: str) -> dict[str, Any]:
    if os.getuid():
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ffdi-server-"))  # not below tmp_path, which is closed to other users
    shutil.chown(folder, user)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _run(user: str, *command: str | Path) -> None:
    command = tuple(map(str, command))
    subprocess.run(command, check=True, capture_output=True, cwd="/", timeout=2 * PATIENCE, **_as(user))
