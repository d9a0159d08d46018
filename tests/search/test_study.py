"""What becomes of a trial, and what a study counts."""

import math
import os
from contextlib import nullcontext
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState, create_trial

from ffdi.core.errors import FfdiError, Paused, SpaceError, UserError
from ffdi.core.stop import Stop
from ffdi.search import storage, workers
from ffdi.search import study as studies
from ffdi.search.worker import Worker, outcome
from tests.fixtures.kills import run_once
from tests.fixtures.search import by_draw, cheap_objective, found, options, search


def _raise(error: BaseException) -> float:
    raise error


ENDS = {
    "score": (lambda: 0.7, "complete", ""),
    "nan": (lambda: math.nan, "failed", "the score is nan"),
    "infinity": (lambda: math.inf, "failed", "the score is inf"),
    "pruned": (lambda: _raise(optuna.TrialPruned()), "pruned", ""),
    "bad spec": (lambda: _raise(UserError("micro_batches\nexceed")), "failed", "micro_batches exceed"),
    "bug": (lambda: _raise(ZeroDivisionError("by zero")), "failed", "ZeroDivisionError: by zero"),
    "memory": (lambda: _raise(MemoryError("12 GiB")), "failed", "MemoryError: 12 GiB"),
    "deadline": (lambda: _raise(Paused("deadline")), "interrupted", ""),
    "disk": (lambda: _raise(SpaceError("disk is full")), "interrupted", ""),
    "system": (lambda: _raise(OSError(5, "Input/output error")), "interrupted", ""),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_end_has_its_state_and_only_a_score_can_be_best(end: str, tmp_path: Path) -> None:
    ends, state, reason = ENDS[end]
    wanted = options(tmp_path, trials=2, pruner="none")

    def run(trial: optuna.Trial, stop: Stop) -> float:
        trial.suggest_float("p", 0, 1)
        trial.report(0.99, 1)  # however high a partial trial has got
        return ends() if trial.number == 1 else 0.5

    with pytest.raises(FfdiError) if state == "interrupted" else nullcontext():
        search(wanted, run)
    trials = found(wanted)
    assert studies.state(trials[1]) == state
    assert trials[1].user_attrs.get("error", "") == reason
    assert studies.finished(trials)[0].value == (0.7 if state == "complete" else 0.5)
    retries = [(trial.state, trial.params) for trial in trials[2:]]
    assert retries == ([(TrialState.WAITING, trials[1].params)] if state == "interrupted" else [])
    search(wanted, lambda trial, stop: 0.6 + 0 * trial.suggest_float("p", 0, 1))
    assert len(found(wanted)) == 2 + len(retries)
    assert all(trial.state.is_finished() for trial in found(wanted))


def test_a_stop_in_a_trial_pauses_the_worker(tmp_path: Path) -> None:
    def run(trial: optuna.Trial, stop: Stop) -> float:
        stop.reason = "SIGTERM"
        return 0.5

    with pytest.raises(Paused, match="SIGTERM"):
        search(options(tmp_path), run)


def test_it_gives_up_when_one_trial_after_another_fails(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"last 5 trials failed, the latest because: weights/a\.bin is missing"):
        search(options(tmp_path), lambda *_: _raise(UserError("weights/a.bin is missing")))


def test_failures_beside_trials_that_still_run_end_nothing(tmp_path: Path) -> None:
    """Of several workers those whose values do not go together end first."""
    wanted = options(tmp_path, trials=10)
    with studies.opened(wanted) as study:
        worker = Worker(study, wanted, "all", Stop())
        for trial in [worker.ask() for _ in range(10)]:
            if trial is not None and trial.number % 5:
                worker.tell(trial, *outcome(lambda *_: _raise(UserError("they do not fit")), trial, Stop()))
    states = [studies.state(one) for one in found(wanted)]
    assert (states.count("failed"), states.count("running")) == (8, 2)


@pytest.mark.parametrize("died_at", ["storage.retry", "tell"])
def test_a_kill_while_a_trial_is_dropped_loses_and_doubles_nothing(
    died_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = options(tmp_path, trials=2)
    with studies.opened(wanted) as study:
        left = study.ask()
        left.suggest_float("p", 0, 1)
    with monkeypatch.context() as patch:
        at, name = (storage, "retry") if died_at == "storage.retry" else (optuna.Study, "tell")
        patch.setattr(at, name, lambda *_, **__: _raise(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            search(wanted)
    trials = search(wanted)
    assert [studies.state(trial) for trial in trials] == ["interrupted", "complete", "complete"]
    assert trials[1].params["p"] == left.params["p"]
    assert sorted(by_draw(trials)) == [0, 1]


@pytest.mark.parametrize("suggested", [0, 1])
def test_a_trial_killed_before_it_had_all_its_values_gets_the_same(suggested: int, tmp_path: Path) -> None:
    expected = by_draw(search(options(tmp_path / "whole", trials=2)))
    wanted = options(tmp_path / "killed", trials=2)
    with studies.opened(wanted) as study:
        asked = study.ask()
        for _ in range(suggested):
            asked.suggest_categorical("kind", ("a", "b"))
    assert by_draw(search(wanted)) == expected


def test_equal_members_are_listed_once_best_first() -> None:
    study = optuna.create_study(direction="maximize")
    for value, spec in [(0.5, "a"), (None, "b"), (0.7, "c"), (0.7, "c"), (0.7, "d"), (0.8, "e")]:
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        study.add_trial(create_trial(state=state, value=value, user_attrs={"spec": spec}))
    assert [one.number for one in studies.finished(study.trials)] == [5, 2, 4, 0]


def test_a_second_call_on_this_machine_waits_for_the_first(tmp_path: Path) -> None:
    """The first one runs inside a forked child, since a process does not exclude itself."""
    wanted = options(tmp_path, trials=1)

    def first(trial: optuna.Trial, stop: Stop) -> float:
        child = os.fork()
        if child == 0:
            try:
                workers.launch(wanted, lambda _: cheap_objective(), ["cpu"], None)
            except UserError as error:
                os._exit(3 if "Another process searches in" in str(error) else 4)
            os._exit(5)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        return 0.5

    assert run_once(lambda: (search(wanted, first), None)[1]) == 0
    assert [studies.state(one) for one in found(wanted)] == ["complete"]
