"""Trials that really train."""

import json
from pathlib import Path
from statistics import fmean

import optuna
import pytest
from optuna.trial import FrozenTrial

from ffdi.core import checksum, lock
from ffdi.core.errors import Paused
from ffdi.search import objective, space, workers
from ffdi.search import study as studies
from ffdi.search.context import SearchContext
from ffdi.training import finish
from tests.fixtures.kills import run_killed
from tests.fixtures.search import Contest, by_draw, context, found
from tests.fixtures.training import CPU, StopAt

ONE_VALUE = {"balance": {"choices": [True]}}


def train(of: SearchContext) -> None:
    score = objective.TrainAndScore(of, CPU, 0)
    workers.launch(of.options(), lambda _: score, ["cpu"], None)


def searched(of: SearchContext) -> list[FrozenTrial]:
    train(of)
    return found(of.options())


def left_behind(of: SearchContext) -> dict[str, bytes]:
    """What trials leave, without where and how fast; `done.json` holds the digest of the weights."""
    names = ("oof.parquet", "done.json")
    paths = [path for name in names for path in of.folder.rglob(f"runs/**/{name}")]
    return {str(path.relative_to(of.folder)): path.read_bytes() for path in paths}


def test_a_search_killed_in_its_folds_ends_with_the_same_bytes(contest: Contest, tmp_path: Path) -> None:
    whole, killed = (context(contest, tmp_path / at, proxy={"folds": [1]}) for at in ("whole", "killed"))
    expected = searched(whole)
    kills = run_killed(lambda: train(killed), 0.5, 8, "trials")
    assert kills >= 2
    trials = found(killed.options())
    assert by_draw(trials) == by_draw(expected)
    done = studies.finished(trials)
    assert [(one.value, one.intermediate_values) for one in done] == [
        (one.value, one.intermediate_values) for one in studies.finished(expected)
    ]
    assert left_behind(killed) == left_behind(whole)
    assert len(left_behind(whole)) == 2 * 2
    assert not list(killed.folder.rglob("weights.safetensors"))


def test_the_score_is_the_mean_of_the_folds_and_the_curve_has_a_step_for_every_epoch(
    contest: Contest, tmp_path: Path
) -> None:
    of = context(contest, tmp_path, trials=1, proxy={"epochs": 2})
    (trial,) = searched(of)
    folder = of.folder / "runs" / f"tiny-{trial.user_attrs['spec']}"
    aucs = [checksum.read_json(folder / f"fold{fold}" / "done.json")["scores"]["auc"] for fold in (0, 1)]
    assert trial.value == fmean(aucs)
    curve = trial.intermediate_values
    assert list(curve) == [1, 2, 3, 4]
    assert (curve[2], curve[4]) == (aucs[0], trial.value)
    log = folder / "fold1" / "log.jsonl"
    logged = [json.loads(line)["auc"] for line in log.read_text().splitlines() if '"oof"' in line]
    assert curve[3] == fmean([aucs[0], *logged])
    assert of.jobs(space.applied(of.base, trial.params))[0].spec[:8] == trial.user_attrs["spec"]


def test_a_trial_pruned_in_a_fold_leaves_no_state_and_no_score(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = context(contest, tmp_path, trials=1)
    asked: list[int] = []

    def should_prune(self: optuna.Trial) -> bool:
        asked.append(len(asked))
        return len(asked) == 2

    monkeypatch.setattr(optuna.Trial, "should_prune", should_prune)
    (trial,) = searched(of)
    assert (studies.state(trial), list(trial.intermediate_values)) == ("pruned", [1, 2])
    assert studies.finished([trial]) == []
    assert list(of.folder.rglob("step-*")) == list(of.folder.rglob("done.json")) == []


def test_a_pruned_trial_leaves_the_state_of_an_equal_one_that_still_trains(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is pruned by the log of the other, which has the lock of their common fold."""
    of = context(contest, tmp_path, trials=1, space=ONE_VALUE, proxy={"folds": [0]})
    (job,) = of.jobs(space.applied(of.base, {"balance": True}))
    saved = job.folder.state / "step-00000001.safetensors"
    saved.parent.mkdir(parents=True)
    saved.touch()
    job.folder.log.write_text(json.dumps({"step": 1, "epoch": 1.0, "split": "oof", "auc": 0.5}))
    monkeypatch.setattr(optuna.Trial, "should_prune", lambda _: True)
    with lock.exclusive(job.folder):
        (trial,) = searched(of)
    assert (studies.state(trial), saved.exists()) == ("pruned", True)


def test_a_kill_between_the_save_and_the_score_of_an_epoch_leaves_no_gap_in_the_curve(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = context(contest, tmp_path, trials=1, proxy={"folds": [0]})
    with monkeypatch.context() as patch:
        patch.setattr(finish, "held_out", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            searched(of)
    states = [(studies.state(one), list(one.intermediate_values)) for one in searched(of)]
    assert states == [("interrupted", []), ("complete", [1, 2, 3])]


def test_equal_members_share_their_run_and_train_once(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = context(contest, tmp_path, trials=3, space=ONE_VALUE, proxy={"epochs": 1, "folds": [1]})
    plain, trained = objective.fit, []
    monkeypatch.setattr(objective, "fit", lambda job, *more, **named: trained.append(plain(job, *more, **named)))
    trials = searched(of)
    assert len({one.value for one in trials}) == len({one.user_attrs["spec"] for one in trials}) == 1
    assert len(studies.finished(trials)) == len(trained) == 1


def test_it_waits_for_a_fold_that_another_process_has(contest: Contest, tmp_path: Path) -> None:
    of, stop = context(contest, tmp_path, trials=1, proxy={"epochs": 1}), StopAt(4)
    job = of.jobs(of.base)[0]
    with lock.exclusive(job.folder), pytest.raises(Paused, match="another process trains tiny fold 0"):
        objective.TrainAndScore(of, CPU, 0).score(job, stop)
    assert stop.questions == 4
