"""Several processes, one study."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from optuna.trial import TrialState

from ffdi.core.errors import FfdiError, Paused
from ffdi.core.stop import Stop
from ffdi.search import workers
from ffdi.search.study import Trial, watched
from tests.search.examples import quick, wishes


def slow(device: str) -> Callable[[Trial, Stop], float]:
    """Waits for the stop, as a long training would, or kills itself on the device that is to die."""

    def run(trial: Trial, stop: Stop) -> float:
        if device == "dies":
            signal.raise_signal(signal.SIGKILL)
        while not stop.requested:
            time.sleep(0.01)
        raise Paused("stopped")

    return run


def quick_unless_it_dies(device: str) -> Callable[[Trial, Stop], float]:
    return slow(device) if device == "dies" else quick(device)


@pytest.mark.parametrize(("count", "trials"), [(2, 12), pytest.param(8, 400, marks=pytest.mark.slow)])
def test_workers_share_the_trials_without_a_double(count: int, trials: int, tmp_path: Path) -> None:
    wanted = wishes(tmp_path, trials=trials)
    begun = time.monotonic()
    workers.launch(wanted, quick, ["cpu"] * count, None)
    with watched(wanted) as study:
        found = study.trials()
    print(f"{count} workers, {len(found)} trials in {time.monotonic() - begun:.0f} s")
    assert sorted(trial.number for trial in found) == list(range(trials))
    assert sorted(trial.user_attrs["draw"] for trial in found) == list(range(trials))
    assert {trial.state for trial in found} <= {TrialState.COMPLETE, TrialState.PRUNED}
    assert len({tuple(trial.params.values()) for trial in found}) == trials
    assert len({trial.user_attrs["worker"] for trial in found}) > 1 or trials < 50


def test_a_worker_that_dies_takes_nobody_along_and_its_trial_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = wishes(tmp_path, trials=6)
    with suppress(FfdiError):  # if the other had ended before it died
        workers.launch(wanted, quick_unless_it_dies, ["dies", "cpu"], None)
    assert "a worker died (SIGKILL)" in capsys.readouterr().err
    workers.launch(wanted, quick, ["cpu"], None)
    with watched(wanted) as study:
        found = study.trials()
    ended = [trial for trial in found if trial.state in (TrialState.COMPLETE, TrialState.PRUNED)]
    assert sorted(trial.user_attrs["draw"] for trial in ended) == list(range(6))


@pytest.mark.slow
def test_a_trial_left_by_the_last_worker_is_said(tmp_path: Path) -> None:
    wanted = wishes(tmp_path, trials=1)
    with pytest.raises(FfdiError, match="is left; run the same command again"):
        workers.launch(wanted, slow, ["dies", "dies"], None)


@pytest.mark.slow
def test_a_deadline_pauses_all_and_gives_their_trials_back(tmp_path: Path) -> None:
    wanted = wishes(tmp_path)
    with pytest.raises(Paused):
        workers.launch(wanted, slow, ["cpu", "cpu"], time.time() + 4)
    with watched(wanted) as study:
        states = [trial.state for trial in study.trials()]
    assert TrialState.RUNNING not in states
    assert states.count(TrialState.WAITING) == states.count(TrialState.FAIL)
