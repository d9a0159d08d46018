"""Several processes, one study."""

import multiprocessing
import os
import signal
import time
from functools import partial
from multiprocessing.context import SpawnProcess
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from ffdi.core.errors import FfdiError, Paused, UserError
from ffdi.core.stop import Stop
from ffdi.search import journal, workers
from ffdi.search.worker import Objective
from tests.fixtures.search import by_draw, cheap_objective, cheap_worker, found, on_machine, options, search, until


def waiting_worker(device: str) -> Objective:
    """Wait for the stop, as a long training would; a worker on the device "dies" kills itself."""

    def run(trial: optuna.Trial, stop: Stop) -> float:
        trial.suggest_float("p", 0, 1)
        if device == "dies":
            signal.raise_signal(signal.SIGKILL)
        until(lambda: stop.requested)
        raise Paused("stopped")

    return run


def dies_once(mark: Path, device: str) -> Objective:
    """Make a worker that kills itself in its first trial on the device "dies", and elsewhere waits for that."""

    def run(trial: optuna.Trial, stop: Stop) -> float:
        if device == "dies":
            trial.suggest_float("p", 0, 1)
            mark.touch()
            signal.raise_signal(signal.SIGKILL)
        until(mark.exists)
        return cheap_objective()(trial, stop)

    return run


@pytest.mark.parametrize(("count", "trials"), [(2, 12), pytest.param(8, 400, marks=pytest.mark.slow)])
@pytest.mark.parametrize("database", [False, True])
def test_workers_share_the_trials_and_keep_the_budget(count: int, trials: int, database: bool, tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}" if database else ""
    wanted = options(tmp_path, trials=trials, storage=storage)
    workers.launch(wanted, cheap_worker, ["cpu"] * count, None)
    ended = by_draw(found(wanted))
    assert sorted(ended) == list(range(trials))
    assert {state for state, _ in ended.values()} <= {"complete", "pruned"}
    assert len({tuple(params.values()) for _, params in ended.values()}) == trials


@pytest.mark.parametrize("database", [False, True])
def test_the_trial_of_a_killed_worker_is_run_again_by_the_living(
    database: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also in a database, where nobody waits for the heartbeat of a worker of the same call."""
    storage = f"sqlite:///{tmp_path / 'study.db'}" if database else ""
    wanted = options(tmp_path, trials=3, storage=storage)
    workers.launch(wanted, partial(dies_once, tmp_path / "died"), ["dies", "cpu"], None)
    assert "A worker died (SIGKILL)" in capsys.readouterr().err
    trials = found(wanted)
    assert sorted(by_draw(trials)) == [0, 1, 2]
    assert [trial.state for trial in trials].count(TrialState.FAIL) == 1
    killed = next(trial for trial in trials if trial.state == TrialState.FAIL)
    retried = next(trial for trial in trials if "failed_trial" in trial.system_attrs)
    assert retried.params["p"] == killed.params["p"]


def dies_at_once(device: str) -> Objective:
    signal.raise_signal(signal.SIGKILL)
    return cheap_objective()


@pytest.mark.parametrize("make", [dies_at_once, waiting_worker])
def test_when_all_workers_are_killed_it_is_said_and_the_next_call_goes_on(
    make: workers.MakeObjective, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before their first trial, and in one."""
    monkeypatch.setattr(workers, "get_context", lambda _: multiprocessing.get_context("fork"))  # begins at once
    wanted = options(tmp_path, trials=2)
    with pytest.raises(FfdiError, match="All workers died; run the same command again"):
        workers.launch(wanted, make, ["dies", "dies"], None)
    assert sorted(by_draw(search(wanted))) == [0, 1]


def test_a_signal_while_workers_are_started_stops_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = SpawnProcess.start
    started: list[SpawnProcess] = []

    def start(process: SpawnProcess) -> None:
        plain(process)
        started.append(process)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(SpawnProcess, "start", start)
    with pytest.raises(Paused, match="SIGTERM"):
        workers.launch(options(tmp_path), waiting_worker, ["cpu", "cpu"], None)
    assert len(started) == 1


def test_a_folder_that_cannot_be_written_to_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"Not a directory.*the place writable, or name another with --work"):
        search(options(tmp_path / "file" / "search"))


def test_a_deadline_pauses_all_and_queues_their_trials_again(tmp_path: Path) -> None:
    wanted = options(tmp_path)
    with pytest.raises(Paused):
        workers.launch(wanted, waiting_worker, ["cpu", "cpu"], time.time() + 4)
    states = [trial.state for trial in found(wanted)]
    assert TrialState.RUNNING not in states
    assert states.count(TrialState.WAITING) == states.count(TrialState.FAIL)


@pytest.mark.parametrize("locks", ["shared", "of each machine alone"])
def test_a_journal_used_by_a_second_machine_is_refused(
    locks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, mark = options(tmp_path, trials=2), tmp_path / "begun"

    def forever(trial: optuna.Trial, stop: Stop) -> float:
        mark.touch()
        return float(signal.pause() or 0)

    machine = on_machine("a", wanted, forever)
    try:
        until(mark.exists)
        before = wanted.journal.read_bytes()
        with monkeypatch.context() as patch:
            if locks != "shared":
                patch.setattr(journal.fcntl, "lockf", lambda *_: None)
            with pytest.raises(UserError, match="The machine a uses this search's journal, which serves one machine"):
                search(wanted)
        assert wanted.journal.read_bytes() == before
    finally:
        os.kill(machine, signal.SIGKILL)
        os.waitpid(machine, 0)
    with pytest.raises(UserError, match=r"delete .*owner if that machine does not work on it any more"):
        search(wanted)
    (tmp_path / "owner").unlink()
    assert sorted(by_draw(search(wanted))) == [0, 1]


def test_a_machine_that_is_done_leaves_the_journal_to_another(tmp_path: Path) -> None:
    wanted = options(tmp_path, trials=1)
    os.waitpid(on_machine("a", wanted, cheap_objective()), 0)
    assert len(search(options(tmp_path, trials=2))) == 2


@pytest.mark.parametrize("part", [0, 1])
def test_a_reboot_or_another_container_on_one_kernel_is_the_same_machine(part: int, tmp_path: Path) -> None:
    words = ["other", "other"]
    words[part] = journal.machine()[part]
    (tmp_path / "owner").write_text(" ".join(words))
    assert len(search(options(tmp_path, trials=1))) == 1
