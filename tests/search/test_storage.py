"""The same study in a database: SQLite, and a real PostgreSQL where it is installed."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import optuna
import pytest
from optuna.trial import TrialState

from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.search import storage
from ffdi.search import study as studies
from tests.fixtures.postgresql import postgresql
from tests.fixtures.search import by_draw, cheap_objective, found, on_machine, options, search, until


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'study.db'}"
    else:
        with postgresql() as found:
            yield found


@pytest.fixture(autouse=True)
def _quick_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "HEARTBEAT_SECONDS", 1)
    monkeypatch.setattr(storage, "GRACE_SECONDS", 2)


def test_a_search_that_has_not_begun_is_told(url: str, tmp_path: Path) -> None:
    """The first test of its server: without a table, then with another search."""
    for _ in range(2):
        with pytest.raises(UserError, match="has not begun"):
            found(options(tmp_path, storage=url))
        search(options(tmp_path, name="other", trials=0, storage=url))


def test_several_machines_share_a_search_and_one_that_dies_leaves_its_trial_to_the_others(
    url: str, tmp_path: Path
) -> None:
    log = tmp_path / "log"

    def dies(trial: optuna.Trial, stop: Stop) -> float:
        trial.suggest_float("p", 0, 1)
        log.touch()
        return float(signal.pause() or 0)

    def lives(trial: optuna.Trial, stop: Stop) -> float:
        with log.open("a") as file:
            file.write(f"{os.getpid()}\n")
        return cheap_objective(0.02)(trial, stop)

    wanted = options(tmp_path, name="shared", trials=8, storage=url)
    search(options(tmp_path, name="shared", trials=0, storage=url))
    dead = on_machine("dies", replace(wanted, folder=tmp_path / "dies"), dies)
    until(log.exists)
    machines = [on_machine(name, replace(wanted, folder=tmp_path / name), lives) for name in ("a", "b")]
    until(lambda: len(set(log.read_text().split())) == 2)
    os.kill(dead, signal.SIGKILL)
    os.waitpid(dead, 0)
    assert [os.waitstatus_to_exitcode(os.waitpid(machine, 0)[1]) for machine in machines] == [0, 0]
    trials = found(wanted)
    assert all(trial.state.is_finished() for trial in trials)
    interrupted = [trial for trial in trials if studies.state(trial) == "interrupted"]
    retried = [trial for trial in trials if "failed_trial" in trial.system_attrs]
    assert {trial.params["p"] for trial in interrupted} == {trial.params["p"] for trial in retried}
    assert len(interrupted) == 1
    twice = len(retried) - 1  # SQLite locks no rows, so both machines may have queued it; other databases do
    assert twice == 0 or url.startswith("sqlite")
    ended = by_draw([trial for trial in trials if trial not in retried[1:]])
    assert sorted(ended) == list(range(len(ended)))
    assert 8 <= len(ended) <= 10  # each machine may begin one more at the end of the budget
    assert len(log.read_text().split()) == len(ended) + twice


def test_a_trial_killed_before_its_first_heartbeat_or_before_it_is_queued_again_is_run_again(
    url: str, tmp_path: Path
) -> None:
    wanted = options(tmp_path, name="unclaimed", trials=2, storage=url)
    with studies.opened(wanted) as study:
        study._storage.create_new_trial(study._study_id)  # as `ask`, and nothing after it
        failed = study._storage.create_new_trial(study._study_id)
        study._storage.set_trial_state_values(failed, TrialState.FAIL)  # as `fail_stale_trials`, and nothing after it
    trials = search(wanted)
    assert [studies.state(trial) for trial in trials] == ["interrupted"] * 2 + ["complete"] * 2
    assert sorted(by_draw(trials)) == [0, 1]


def test_a_worker_that_was_taken_for_dead_goes_on_without_its_trial(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = options(tmp_path, name="silent", trials=1, storage=url)

    def silent(trial: optuna.Trial, stop: Stop) -> float:
        if trial.number == 0:
            studies.drop(trial.study, studies.trials(trial.study)[trial.number])
        return 0.5

    search(wanted, silent)
    assert "Trial 0 was given to another worker" in capsys.readouterr().err
    assert [trial.state for trial in found(wanted)] == [TrialState.FAIL, TrialState.COMPLETE]


WRONG = "correct the URL, or start the database"
SECRET = "ffdi:secret@127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("no url", "--storage is no URL"),
        ("postgresql+psycopg://ffdi:secret@127.0.0.1:port/none", "--storage is no URL"),
        (f"postgresql+psycopg://{SECRET}", WRONG),
        (f"mysql+nothing://{SECRET}", WRONG),
        ("postgresql+psycopg://ffdi:se@secret@127.0.0.1:1/none", WRONG),
        ("postgresql+psycopg://ffdi:se%40secret@127.0.0.1:1/none", WRONG),
        ("postgresql+psycopg://127.0.0.1:1/none?password=secret&nothing=1", WRONG),
    ],
)
def test_a_bad_url_is_one_sentence_without_its_password(tmp_path: Path, url: str, told: str) -> None:
    for act in (search, found):
        with pytest.raises(UserError, match=told) as error:
            act(options(tmp_path, storage=url))
        assert "secret" not in str(error.value)
        assert "\n" not in str(error.value)
    assert "secret" not in repr(options(tmp_path, storage=url))


@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql"])
def test_a_missing_driver_is_told_with_its_remedy(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, scheme.partition("+")[2], None)
    with pytest.raises(UserError, match=f"pip install .* for {re.escape(scheme)}"):
        search(options(tmp_path, storage=f"{scheme}://{SECRET}"))


@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError, FileNotFoundError])
def test_what_a_driver_says_of_odd_options_is_one_sentence(
    error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "Database", Mock(side_effect=error("bogus of secret")))
    with pytest.raises(UserError, match=r"look at what follows the \?") as told:
        search(options(tmp_path, storage=f"postgresql+psycopg://{SECRET}?bogus=1"))
    assert "secret" not in str(told.value)
