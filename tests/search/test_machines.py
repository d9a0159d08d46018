"""Two machines and one folder: each with its kernel's name, its clock, and locks that reach the other or not."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ffdi.core.errors import UserError
from ffdi.core.stop import Stop
from ffdi.search import lease, pulse, workers
from ffdi.search.study import Trial, opened, watched
from tests.search.examples import objective, wishes

SKEW = 600.0  # seconds


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "BEAT", 0.02)
    monkeypatch.setattr(pulse, "PATIENCE", 0.5)


def on_another(name: str, work: Callable[[], None], skew: float = 0.0, locks: bool = True) -> int:
    """Begin `work` as if on machine `name`; gives the process."""
    child = os.fork()
    if child == 0:
        now = time.time
        time.time = lambda: now() + skew
        os.environ["TZ"] = "Pacific/Auckland"
        time.tzset()
        pulse.machine = lambda: name  # type: ignore[assignment]
        if not locks:
            lease.fcntl.flock = lambda *_: None  # type: ignore[attr-defined]
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def until(happens: Callable[[], bool]) -> None:
    while not happens():
        time.sleep(0.005)


def test_no_trial_is_run_twice_whatever_their_clocks_say(tmp_path: Path) -> None:
    wanted = wishes(tmp_path, trials=16, minutes=5, sampler="random")
    log = tmp_path / "run"

    def asked(trial: Trial, stop: Stop) -> float:
        with log.open("a") as file:
            file.write(f"{trial.draw} {os.getpid()}\n")
        return objective(0.004)(trial, stop)

    def work() -> None:
        workers.work(wanted, asked, Stop())

    machines = [on_another("a", work, SKEW), on_another("b", work, -SKEW)]
    assert [ended(machine) for machine in machines] == [0, 0]
    draws, by = zip(*(line.split() for line in log.read_text().splitlines()), strict=True)
    assert sorted(map(int, draws)) == list(range(16))
    assert len(set(by)) == 2
    with watched(wanted) as study:
        assert {trial.state for trial in study.trials()} <= {TrialState.COMPLETE, TrialState.PRUNED}


def at_work(folder: Path) -> Callable[[Trial, Stop], float]:
    """An objective that says it is at work and goes on until the process is killed."""

    def run(trial: Trial, stop: Stop) -> float:
        (folder / "begun").touch()
        return float(signal.pause() or 0)

    return run


def test_a_machine_that_died_leaves_its_trial_to_the_other(tmp_path: Path) -> None:
    wanted = wishes(tmp_path, trials=2)
    machine = on_another("a", lambda: workers.work(wanted, at_work(tmp_path), Stop()), SKEW)
    until((tmp_path / "begun").exists)
    with opened(wanted) as study:
        assert len(study.trials(TrialState.RUNNING)) == 1
        left = study.trials()[0]
        assert study.is_alive(left)
        os.kill(machine, signal.SIGKILL)
        ended(machine)
        heir = study.ask()
        assert heir is not None
        assert (heir.draw, heir.params, heir.number) == (left.user_attrs["draw"], left.params, 1)


def test_a_disk_that_does_not_share_its_locks_is_refused_before_a_trial_is_taken_away(tmp_path: Path) -> None:
    wanted = wishes(tmp_path, trials=2)
    machine = on_another("a", lambda: workers.work(wanted, at_work(tmp_path), Stop()), locks=False)
    try:
        until((tmp_path / "begun").exists)
        before = wanted.journal.read_bytes()
        with pytest.raises(UserError, match="does not share locks between machines; give --storage"):
            workers.work(wanted, objective(), Stop())
        assert wanted.journal.read_bytes() == before
    finally:
        os.kill(machine, signal.SIGKILL)
        ended(machine)
    workers.work(wanted, objective(), Stop())  # dead, it is inherited
    with watched(wanted) as study:
        states = [trial.state for trial in study.trials()]
    assert states[0] == TrialState.FAIL
    assert TrialState.RUNNING not in states


def test_neither_of_two_that_began_at_once_takes_the_others_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = wishes(tmp_path, trials=2)

    def work() -> None:
        pulse.PATIENCE = 0.0  # it looks before we beat
        workers.work(wanted, at_work(tmp_path), Stop())

    with opened(wanted) as study:
        machine = on_another("a", work, locks=False)
        until((tmp_path / "begun").exists)
        monkeypatch.setattr(lease.FileLeases, "is_free", lambda *_: True)
        (tmp_path / "leases" / study.worker).touch()  # the other has swept it
        with pytest.raises(UserError, match="does not share locks between machines"):
            study.ask()
        assert [trial.state for trial in study.trials()] == [TrialState.RUNNING]
        os.kill(machine, signal.SIGKILL)
        ended(machine)


def test_a_worker_that_was_taken_for_dead_takes_no_further_trial(tmp_path: Path) -> None:
    with opened(wishes(tmp_path)) as study:
        (tmp_path / "leases" / study.worker).unlink()
        with pytest.raises(UserError, match="another machine took it for dead; run the same command again"):
            study.ask()
        assert study.trials() == []
