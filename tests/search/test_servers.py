"""The same study in a database: a real PostgreSQL on loopback, started here where it is installed."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ffdi.base.errors import UserError
from ffdi.base.stop import Stop
from ffdi.search import workers
from ffdi.search.lease import ServerLeases
from ffdi.search.study import Trial, opened, watched
from tests.fault.kills import run_killed
from tests.search.examples import objective, wishes

BIN = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    if BIN is None:
        pytest.skip("PostgreSQL is not installed in /usr/lib/postgresql")
    user = pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:  # it refuses to run as root
        if "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
            pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
        user = "postgres"
    folder = Path(tempfile.mkdtemp(prefix="ffdi-pg-"))  # not below tmp_path, which is closed to other users
    shutil.chown(folder, user)
    become = ["runuser", "-u", user, "--"] if os.getuid() == 0 else []

    def run(*command: str) -> None:
        subprocess.run([*become, *command], check=True, capture_output=True, cwd="/", timeout=120)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, settings = str(folder / "data"), f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
    run(str(BIN / "initdb"), "-D", data, "-A", "trust", "-U", "ffdi", "--no-sync")
    run(str(BIN / "pg_ctl"), "-D", data, "-w", "-l", str(folder / "log"), "-o", settings, "start")
    yield f"postgresql+psycopg://ffdi@127.0.0.1:{port}/postgres"
    run(str(BIN / "pg_ctl"), "-D", data, "-w", "-m", "immediate", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def test_leases_of_a_server_die_with_their_session(url: str) -> None:
    one, other = ServerLeases(url, "a"), ServerLeases(url, "a")
    elsewhere = ServerLeases(url, "b")
    assert other.is_free("worker")
    with one.hold("worker"):
        assert not other.is_free("worker")
        assert elsewhere.is_free("worker")
    assert other.is_free("worker")
    child = os.fork()
    if child == 0:
        mine = ServerLeases(url, "a")
        with mine.hold("worker"):
            signal.pause()
    while other.is_free("worker"):
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while not other.is_free("worker"):  # the server notices the closed connection within milliseconds
        pass
    for leases in (one, other, elsewhere):
        leases.close()


@pytest.mark.parametrize(("trials", "most"), [(2, 1), pytest.param(60, 40, marks=pytest.mark.slow)])
def test_killed_workers_of_a_server_leave_no_zombie(url: str, tmp_path: Path, trials: int, most: int) -> None:
    """And propose what they would have without kills, or with a journal file."""
    plain = wishes(tmp_path, trials=trials)
    workers.work(plain, objective(), Stop())
    wanted = wishes(tmp_path, name=f"killed {trials}", storage=url, trials=trials)

    def work() -> None:
        def asked(trial: Trial, stop: Stop) -> float:
            assert len(trial._study.trials(TrialState.RUNNING)) == 1
            return objective()(trial, stop)

        workers.work(wanted, asked, Stop())

    kills = run_killed(work, 1.0, most, "postgres")
    print(f"{kills} kills")
    found = []
    for where in (plain, wanted):
        with watched(where) as study:
            ended = [trial for trial in study.trials() if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
            assert all(trial.state.is_finished() for trial in study.trials())
        found.append({trial.user_attrs["draw"]: (trial.state, trial.params) for trial in ended})
        assert len(ended) == trials
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("postgresql+psycopg://ffdi:secret@127.0.0.1:1/none", "does not answer"),
        ("sqlite:///study.db", "the journal file needs no server"),
        ("mysql+nothing://ffdi:secret@127.0.0.1:1/none", "does not answer"),
        ("no url", "--storage is no URL"),
    ],
)
def test_a_bad_url_is_one_sentence_without_its_password(tmp_path: Path, storage: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as error, opened(wishes(tmp_path, storage=storage)):
        pass
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
