"""SIGKILL at random instants of a search: the study stays readable, no trial is lost or left running, no lock or torn
line stays, and one worker tries the same values as if nobody had killed it."""

import json
import multiprocessing
import random
import signal
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import optuna
import pytest
from optuna.trial import FrozenTrial, TrialState

from ffdi.core import atomic
from ffdi.core.errors import FfdiError
from ffdi.core.stop import Stop
from ffdi.search import storage, workers
from ffdi.search.study import StudyOptions
from ffdi.search.worker import Objective
from tests.fixtures.kills import run_killed
from tests.fixtures.search import by_draw, cheap_objective, found, options, search

ENDED = (TrialState.COMPLETE, TrialState.PRUNED)


def ended(trials: list[FrozenTrial]) -> dict[str, list[object]]:
    return {str(trial.number): [trial.state.name, trial.value] for trial in trials if trial.state in ENDED}


def checked_search(wanted: StudyOptions, seconds: float) -> Callable[[], None]:
    """Return a search that checks that trials which were finished stay, and, of a journal, that no other is running."""
    seen = wanted.folder / "seen.json"

    def objective(trial: optuna.Trial, stop: Stop) -> float:
        trials = trial.study.get_trials()
        running = [one.number for one in trials if one.state == TrialState.RUNNING]
        assert running == [trial.number] or wanted.storage
        before = json.loads(seen.read_text()) if seen.exists() else {}
        assert before.items() <= ended(trials).items()
        atomic.write_text(seen, json.dumps(ended(trials)))
        return cheap_objective(seconds)(trial, stop)

    return lambda: (search(wanted, objective), None)[1]


def complete(wanted: StudyOptions) -> dict[int, tuple[str, object]]:
    """Return the trials by draw; every one of the budget has ended once, and nothing is open."""
    trials = found(wanted)
    assert all(trial.state.is_finished() for trial in trials)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    by_number = by_draw(trials)
    assert sorted(by_number) == list(range(wanted.trials or 0))
    return by_number


@pytest.mark.parametrize("wanted_kills", [20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(1200)
def test_one_worker_killed_tries_the_same_values(wanted_kills: int, tmp_path: Path) -> None:
    whole = options(tmp_path / "whole", trials=24)
    search(whole)
    kills, run = 0, 0
    while kills < wanted_kills:
        killed = options(tmp_path / f"killed{run}", trials=24)
        kills += run_killed(checked_search(killed, 0.004), 0.35, 25, "search", run)
        assert complete(killed) == complete(whole)
        run += 1


@pytest.mark.parametrize("wanted_kills", [1, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.timeout(1200)
def test_a_database_of_a_killed_call_is_taken_over_when_its_heartbeats_end(
    wanted_kills: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEARTBEAT_SECONDS", "GRACE_SECONDS"):
        monkeypatch.setattr(storage, name, 1)
    whole = options(tmp_path / "whole", trials=6)
    search(whole)
    kills, run = 0, 0
    while kills < wanted_kills:
        killed = options(tmp_path / f"killed{run}", trials=6, storage=f"sqlite:///{tmp_path / f'study{run}.db'}")
        kills += run_killed(checked_search(killed, 0.02), 1.0, 3, "database", run)
        values, expected = ({at: params for at, (_, params) in complete(one).items()} for one in (killed, whole))
        assert values == expected
        run += 1


def killed_soon(seed: int, device: str) -> Objective:
    """Make a worker that is killed after up to half a second, at whatever it does then."""
    seconds = random.Random(f"{seed} {device}").uniform(0.05, 0.5)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest's own handler would raise, and nobody would be killed
    signal.setitimer(signal.ITIMER_REAL, seconds)
    return cheap_objective(0.003)


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=pytest.mark.slow)])
@pytest.mark.parametrize("database", [False, True])
@pytest.mark.timeout(1200)
def test_killed_workers_of_a_call_lose_and_double_no_trial(
    rounds: int, database: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "get_context", lambda _: multiprocessing.get_context("fork"))  # begins at once
    monkeypatch.setattr(storage, "GRACE_SECONDS", 1)
    url = f"sqlite:///{tmp_path / 'study.db'}" if database else ""
    wanted = options(tmp_path, trials=(6 if database else 20) * rounds, storage=url)
    for number in range(rounds):
        before = ended(found(wanted)) if number else {}
        with suppress(FfdiError):  # all were killed
            workers.launch(wanted, partial(killed_soon, number), ["a", "b", "c"], None)
        assert before.items() <= ended(found(wanted)).items()
    search(wanted)
    complete(wanted)
