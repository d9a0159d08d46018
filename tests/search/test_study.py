"""What becomes of a trial, and who may take it."""

import math
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from ffdi.core.errors import FfdiError, Paused, SpaceError, UserError
from ffdi.core.stop import Stop
from ffdi.search import workers
from ffdi.search.results import Result
from ffdi.search.study import Study, Trial, best, opened, seconds, watched
from tests.search.examples import SPACE, objective, wishes


def _raise(error: Exception) -> float:
    raise error


ENDS = {
    "score": (lambda: 0.7, TrialState.COMPLETE, ""),
    "nan": (lambda: math.nan, TrialState.FAIL, "the score is nan"),
    "infinity": (lambda: math.inf, TrialState.FAIL, "the score is inf"),
    "minus infinity": (lambda: -math.inf, TrialState.FAIL, "the score is -inf"),
    "pruned": (lambda: _raise(optuna.TrialPruned()), TrialState.PRUNED, ""),
    "bad spec": (lambda: _raise(UserError("micro_batches\nexceed")), TrialState.FAIL, "micro_batches exceed"),
    "bug": (lambda: _raise(ZeroDivisionError("by zero")), TrialState.FAIL, "ZeroDivisionError: by zero"),
    "memory": (lambda: _raise(MemoryError("12 GiB")), TrialState.FAIL, "MemoryError: 12 GiB"),
    "deadline": (lambda: _raise(Paused("deadline")), TrialState.FAIL, ""),
    "disk": (lambda: _raise(SpaceError("disk is full")), TrialState.FAIL, ""),
    "system": (lambda: _raise(OSError(5, "Input/output error")), TrialState.FAIL, ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_every_end_has_its_state_and_only_a_score_can_be_best(name: str, tmp_path: Path) -> None:
    end, state, reason = ENDS[name]
    wanted = wishes(tmp_path, trials=2, pruner="none")

    def run(trial: Trial, stop: Stop) -> float:
        trial.report(0, 1, [], 0.99)  # however high a partial trial has got
        return end() if trial.number == 1 else 0.5

    goes_on = name in ("deadline", "disk", "system")
    if goes_on:
        with pytest.raises(FfdiError, match=r"deadline|disk is full|Input/output error"):
            workers.work(wanted, run, Stop())
    else:
        workers.work(wanted, run, Stop())
    with watched(wanted) as study:
        trials = study.trials()
    assert trials[1].state == state
    assert trials[1].user_attrs.get("error", "") == reason
    assert trials[1].user_attrs["seconds"] >= 0
    top = best(trials)
    assert top is not None
    assert top.value == (0.7 if name == "score" else 0.5)
    assert len(trials) == 2 + goes_on
    if goes_on:  # an heir waits
        assert (trials[2].state, trials[2].user_attrs["draw"]) == (TrialState.WAITING, 1)
        workers.work(wanted, objective(), Stop())
        with watched(wanted) as study:
            assert study.trials()[2].params == trials[1].params
            assert len(study.trials()) == 3


def test_a_deadline_in_a_trial_pauses_the_worker(tmp_path: Path) -> None:
    stop = Stop()

    def run(trial: Trial, stop: Stop) -> float:
        stop.reason = "SIGTERM"
        return 0.5

    with pytest.raises(Paused, match="SIGTERM") as paused:
        workers.work(wishes(tmp_path), run, stop)
    assert paused.value.exit_code == 75


def test_it_gives_up_when_one_trial_after_another_fails(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"last 5 trials failed, the latest because: weights/a\.bin is missing"):
        workers.work(wishes(tmp_path), lambda *_: _raise(UserError("weights/a.bin is missing")), Stop())


def _asked(study: Study) -> Trial:
    trial = study.ask()
    assert trial is not None
    return trial


def test_a_trial_of_the_living_is_left_to_them_and_one_of_the_dead_is_inherited(tmp_path: Path) -> None:
    wanted = wishes(tmp_path)
    with opened(wanted) as other:
        with opened(wanted) as dying:
            dying.worker = f"{dying.worker}-other"  # two workers of one process
            with dying.leases.hold(dying.worker):
                left = _asked(dying)
                mine = _asked(other)
                assert (left.draw, mine.draw) == (0, 1)
        heir = _asked(other)
        assert (heir.draw, heir.params, heir.number) == (0, left.params, 2)
        states = [trial.state for trial in other.trials()]
        assert states == [TrialState.FAIL, TrialState.RUNNING, TrialState.RUNNING]


@pytest.mark.parametrize("died_at", ["enqueue_trial", "tell"])
def test_a_death_while_looking_after_the_dead_loses_and_doubles_nothing(
    died_at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = wishes(tmp_path)
    with opened(wanted) as study:
        left = _asked(study)
    with opened(wanted) as study, monkeypatch.context() as patch:
        patch.setattr(study.study, died_at, lambda *_, **__: _raise(KeyboardInterrupt()))  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            study.ask()
    with opened(wanted) as study:
        heir, new = _asked(study), _asked(study)
    assert (heir.draw, new.draw) == (0, 1)
    assert heir.params == left.params


def test_a_trial_killed_before_it_had_its_parameters_gets_the_same(tmp_path: Path) -> None:
    with opened(wishes(tmp_path / "whole")) as study:
        expected = [_asked(study).params for _ in range(2)]
    wanted = wishes(tmp_path / "killed")
    with opened(wanted) as study:
        study.study.enqueue_trial({}, user_attrs={"draw": 0})
        study.study.ask({"kind": SPACE["kind"]})  # and nothing more: neither the others nor its worker
    with opened(wanted) as study:
        assert [_asked(study).params for _ in range(2)] == expected


def test_minutes_are_those_of_all_workers_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "seconds", 25.0)
    workers.work(wishes(tmp_path, trials=None, minutes=1), objective(), Stop())
    with watched(wishes(tmp_path)) as study:
        trials = study.trials()
    assert len(trials) == 3
    assert seconds(trials) == 75.0


def test_a_search_may_be_made_longer_and_one_not_begun_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has not begun"), watched(wishes(tmp_path)):
        pass
    assert list(tmp_path.iterdir()) == []
    workers.work(wishes(tmp_path, trials=2), objective(), Stop())
    workers.work(wishes(tmp_path, trials=3), objective(), Stop())
    with watched(wishes(tmp_path)) as study:
        assert len(study.trials()) == 3


def test_equal_specs_are_listed_once_best_first() -> None:
    from ffdi.search.results import finished

    def result(number: int, score: float | None, state: str = "complete", spec: str = "") -> Result:
        return Result(number, number, state, score, {}, {}, {}, spec or str(number), 1.0, "", "", None, None)

    found = [result(0, 0.5), result(1, 0.9, "pruned"), result(2, 0.7, spec="a"), result(3, 0.7, spec="a")]
    assert [one.number for one in finished([*found, result(4, 0.7), result(5, 0.8)])] == [5, 2, 4, 0]
