"""SIGKILL at random instants of a search: the study stays readable, no trial is lost or left behind, and one worker
tries the same parameters as if nobody had killed it."""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial, TrialState

from ffdi.core import atomic
from ffdi.core.stop import Stop
from ffdi.search import workers
from ffdi.search.study import Trial, Wishes, opened, watched
from tests.fault.kills import run_killed
from tests.search.examples import objective, wishes


def ended(trials: list[FrozenTrial]) -> dict[int, tuple[str, float | None]]:
    kept = (TrialState.COMPLETE, TrialState.PRUNED)
    return {trial.number: (trial.state.name, trial.value) for trial in trials if trial.state in kept}


def looked_after(wanted: Wishes, seconds: float, alone: bool = True) -> Callable[[], None]:
    """A worker that first checks what its killed predecessors have left, and counts the looks."""
    seen = wanted.folder / "seen.json"

    def work() -> None:
        begun = time.monotonic()
        if wanted.journal.exists():
            with watched(wanted) as study:
                now = ended(study.trials())
            before = json.loads(seen.read_text()) if seen.exists() else {}
            assert {number: now[int(number)] for number in before} == {n: tuple(v) for n, v in before.items()}
            atomic.write_text(seen, json.dumps(now))

        def asked(trial: Trial, stop: Stop) -> float:
            if alone:
                assert len(trial._study.trials(TrialState.RUNNING)) == 1  # no zombie beside the trial at work
            with (wanted.folder / "asked").open("a") as file:
                file.write(f"{time.monotonic() - begun:.3f}\n")
            return objective(seconds)(trial, stop)

        workers.work(wanted, asked, Stop())

    return work


def draws(wanted: Wishes) -> dict[int, dict[str, object]]:
    """Parameters of the trial that ended each draw; every draw has exactly one, and nothing else is open."""
    with opened(wanted) as study:
        assert study.ask() is None
        trials = study.trials()
    assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    done = [trial for trial in trials if trial.number in ended(trials)]
    assert sorted(trial.user_attrs["draw"] for trial in done) == list(range(wanted.trials or 0))
    assert [trial.number for trial in trials] == list(range(len(trials)))
    return {trial.user_attrs["draw"]: {**trial.params, "state": trial.state.name} for trial in done}


@pytest.mark.parametrize("wanted_kills", [20, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.timeout(1200)
def test_one_worker_killed_tries_the_same_parameters(wanted_kills: int, tmp_path: Path) -> None:
    whole = wishes(tmp_path / "whole", trials=24)
    workers.work(whole, objective(), Stop())
    expected, kills, run = draws(whole), 0, 0
    while kills < wanted_kills:
        killed = wishes(tmp_path / f"killed{run}", trials=24)
        killed.folder.mkdir()
        kills += run_killed(looked_after(killed, 0.004), 0.35, 25, "search", run)
        assert draws(killed) == expected
        run += 1
    first = [float(line) for path in tmp_path.glob("killed*/asked") for line in path.read_text().split()]
    print(f"{kills} kills in {run} searches; slowest step from start to a trial {max(first):.2f} s")


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_kills_among_three_workers(tmp_path: Path) -> None:
    kills, run = 0, 0
    while kills < 100:
        wanted = wishes(tmp_path / f"crowd{run}", trials=150, sampler="random")
        wanted.folder.mkdir()
        kills += _kill_among(3, looked_after(wanted, 0.01, alone=False), 100 - kills, random.Random(run))
        draws(wanted)
        run += 1
    print(f"{kills} kills of three workers in {run} searches of 150 trials")


def _kill_among(count: int, work: Callable[[], None], most: int, rng: random.Random) -> int:
    """Keep `count` workers going, killing one after another, until one ends by itself; the rest may then end, too."""
    team, kills = {_forked(work) for _ in range(count)}, 0
    while kills < most:
        time.sleep(rng.uniform(0, 0.3))
        victim = rng.choice(sorted(team))
        os.kill(victim, signal.SIGKILL)
        status = os.waitpid(victim, 0)[1]
        team.remove(victim)
        if not os.WIFSIGNALED(status):  # it had ended before
            assert status == 0
            break
        kills += 1
        team.add(_forked(work))
    assert all(os.waitpid(child, 0)[1] == 0 for child in team)
    return kills


def _forked(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return child
