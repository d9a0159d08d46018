"""The same study in a database: a real PostgreSQL and a real MariaDB on loopback, each where it is installed."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState

from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.search import advisory, workers
from ffdi.search.advisory import ServerLeases
from ffdi.search.storage import masked
from ffdi.search.study import Trial, opened, watched
from tests.fault.kills import run_killed
from tests.search import servers
from tests.search.examples import objective, wishes


@pytest.fixture(scope="module", params=[servers.postgresql, servers.mysql], ids=["postgresql", "mysql"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with request.param() as found:
        yield found


def test_a_look_at_a_search_that_has_not_begun_makes_no_table(url: str, tmp_path: Path) -> None:
    """The first test of its server."""
    with pytest.raises(UserError, match="has not begun"), watched(wishes(tmp_path, storage=url)):
        pass
    engine = sqlalchemy.create_engine(url)
    assert sqlalchemy.inspect(engine).get_table_names() == []
    engine.dispose()
    with opened(wishes(tmp_path, name="other", storage=url)):
        pass
    with pytest.raises(UserError, match="has not begun"), watched(wishes(tmp_path, storage=url)):
        pass


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

    kills = run_killed(work, 1.0, most, "server")
    print(f"{kills} kills")
    found = []
    for where in (plain, wanted):
        with watched(where) as study:
            ended = [trial for trial in study.trials() if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
            assert all(trial.state.is_finished() for trial in study.trials())
        found.append({trial.user_attrs["draw"]: (trial.state, trial.params) for trial in ended})
        assert len(ended) == trials
    assert found[0] == found[1]


def test_a_worker_whose_session_was_cut_goes_on_without_the_trial_it_has_lost(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At whatever moment it learns of it: here when it ends."""
    wanted = wishes(tmp_path, name="cut", storage=url, trials=1, pruner="none")

    def cut(trial: Trial, stop: Stop) -> float:
        trial._study.leases._connection.close()
        trial._study.leases._connection.engine.dispose()
        workers.work(wanted, objective(), Stop())  # another one takes it over
        return 0.5

    with pytest.raises(UserError, match="does not answer"):
        workers.work(wanted, cut, Stop())
    assert "trial 0 was given to another worker" in capsys.readouterr().err
    with watched(wanted) as study:
        assert [trial.state for trial in study.trials()] == [TrialState.FAIL, TrialState.COMPLETE]


@pytest.mark.parametrize(
    ("module", "storage", "package"),
    [
        ("psycopg", "postgresql+psycopg://ffdi:secret@127.0.0.1/db", r"'psycopg\[binary\]'"),
        ("pymysql", "mysql+pymysql://ffdi:secret@127.0.0.1/db", r"'PyMySQL\[rsa\]'"),
    ],
)
def test_a_missing_driver_is_one_sentence_with_its_remedy(
    module: str, storage: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for look in (opened, watched):
        with (
            pytest.raises(UserError, match=f"run: pip install {package}") as error,
            look(wishes(tmp_path, storage=storage)),
        ):
            pass
        assert error.value.exit_code == 2
        assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("storage", "told"),
    [
        ("postgresql+psycopg://ffdi:secret@127.0.0.1:1/none", "does not answer"),
        ("sqlite:///study.db", "the journal file needs no server"),
        ("mysql+nothing://ffdi:secret@127.0.0.1:1/none", "does not answer"),
        ("postgresql+asyncpg://ffdi:secret@127.0.0.1:1/none", "no asynchronous driver like asyncpg"),
        ("no url", "--storage is no URL"),
        ("postgresql+psycopg://ffdi:secret@127.0.0.1:port/none", "--storage is no URL"),
        ("postgresql+psycopg://ffdi:se@secret@127.0.0.1:1/none", "does not answer"),
        ("postgresql+psycopg://ffdi:se%40secret@127.0.0.1:1/none", "does not answer"),
        ("postgresql+psycopg://127.0.0.1:1/none?password=secret&nothing=1", "does not answer"),
    ],
)
def test_a_bad_url_is_one_sentence_without_its_password(tmp_path: Path, storage: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as error, opened(wishes(tmp_path, storage=storage)):
        pass
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)
    assert "secret" not in repr(wishes(tmp_path, storage=storage))


@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError, FileNotFoundError, RuntimeError])
def test_what_a_driver_says_of_odd_options_is_one_sentence(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Engine:
        def connect(self) -> None:
            raise error("bogus of secret")

    monkeypatch.setattr(advisory, "create_engine", lambda *_, **__: Engine())
    url = "postgresql+psycopg://ffdi:secret@127.0.0.1:1/none?bogus=1"
    with pytest.raises(UserError, match="look at what follows the \\?") as told, opened(wishes(tmp_path, storage=url)):
        pass
    assert "secret" not in str(told.value)


def test_a_password_written_in_the_query_is_masked_as_it_is_meant() -> None:
    assert "se/cret" not in masked("no role for se/cret", "postgresql://h/db?password=se%2Fcret")


@given(password=st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters=" "), min_size=3))
def test_no_text_shows_the_password_of_its_url(password: str) -> None:
    url = f"mysql+pymysql://one:{password}@host/name"
    assert password not in masked(f"could not open {url} for one", url)
    assert unquote(password) not in masked(f"({unquote(password)})", url)
