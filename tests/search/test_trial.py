"""Trials that really train."""

import json
from pathlib import Path
from statistics import fmean

import optuna
import pandas as pd
import pytest
import torch

from ffdi.core import lock
from ffdi.core.errors import Paused
from ffdi.core.stop import Stop
from ffdi.search import results, space, trial, workers
from ffdi.search.ground import Ground
from ffdi.search.study import opened, watched
from ffdi.training import fit as loop
from ffdi.training import outcome
from ffdi.training.world import World
from tests.fault.kills import run_killed
from tests.search.grounds import ground

Contest = tuple[Path, pd.DataFrame]
CPU = World(torch.device("cpu"))


def examiner(of: Ground) -> trial.Examiner:
    return trial.Examiner(of, CPU, 0)


def searched(of: Ground) -> list[results.Result]:
    workers.work(of.wishes(""), examiner(of), Stop())
    with watched(of.wishes("")) as study:
        return results.results(study)


def left_behind(of: Ground) -> dict[str, bytes]:
    """What trials leave, without where and how fast; `done.json` holds the digest of the weights."""
    names = ("oof.parquet", "done.json", "scores.json")
    return {
        str(path.relative_to(of.folder)): path.read_bytes()
        for name in names
        for path in of.folder.rglob(f"runs/**/{name}")
    }


def steps_logged(monkeypatch: pytest.MonkeyPatch, log: Path) -> None:
    """Every update is written down, also by forked children."""
    plain = loop.update

    def update(*arguments: object) -> float:
        with log.open("a") as file:
            file.write("step\n")
        return plain(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "update", update)


def test_a_search_killed_in_its_folds_ends_with_the_same_bytes(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, killed = (ground(contest, tmp_path / at, proxy={"folds": [1]}) for at in ("whole", "killed"))
    expected = searched(whole)
    steps_logged(monkeypatch, tmp_path / "steps")
    kills = run_killed(lambda: workers.work(killed.wishes(""), examiner(killed), Stop()), 0.5, 8, "trials")
    assert kills >= 2
    with watched(killed.wishes("")) as study:
        found = [one for one in results.results(study) if one.state == "complete"]
    assert [(one.draw, one.params, one.score, one.folds, one.curve) for one in found] == [
        (one.draw, one.params, one.score, one.folds, one.curve) for one in expected
    ]
    assert left_behind(killed) == left_behind(whole)
    assert len(left_behind(whole)) == 2 * 3
    steps = 2 * 3 * 2  # trials, epochs, steps of an epoch
    assert steps <= len((tmp_path / "steps").read_text().split()) <= steps + 2 * kills  # at most the epoch at work
    assert not list(killed.folder.rglob("weights.safetensors"))


def test_the_score_is_the_mean_of_the_folds_and_the_curve_has_a_step_for_every_epoch(
    contest: Contest, tmp_path: Path
) -> None:
    here = ground(contest, tmp_path, trials=1, proxy={"epochs": 2})
    (one,) = searched(here)
    aucs = [scores["auc"] for scores in one.folds.values()]
    assert list(one.folds) == ["0", "1"]
    assert one.score == fmean(aucs)
    assert list(one.curve) == [1, 2, 3, 4]
    assert one.curve[2] == aucs[0]
    assert one.curve[4] == one.score
    (log,) = here.folder.glob(f"runs/tiny-{one.spec}/fold1/log.jsonl")
    curve = [json.loads(line)["auc"] for line in log.read_text().splitlines() if '"oof"' in line]
    assert one.curve[3] == fmean([aucs[0], *curve])
    member = one.member(here)
    assert (member.epochs, member.lr) == (2, one.params["lr"])
    assert one.member(here, proxy=False).epochs == 3
    assert here.jobs(member)[0].spec[:8] == one.spec


def test_a_trial_pruned_in_a_fold_leaves_no_state_and_no_score(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ground(contest, tmp_path, trials=1)
    asked: list[int] = []

    def should_prune(self: optuna.Trial) -> bool:
        asked.append(len(asked))
        return len(asked) == 2

    monkeypatch.setattr(optuna.Trial, "should_prune", should_prune)
    (one,) = searched(here)
    assert (one.state, list(one.curve), dict(one.folds)) == ("pruned", [1, 2], {})
    assert results.finished([one]) == []
    assert list(here.folder.rglob("step-*")) == []
    assert not list(here.folder.rglob("done.json"))


def test_a_kill_between_the_save_and_the_score_of_an_epoch_leaves_no_gap_in_the_curve(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ground(contest, tmp_path, trials=1, proxy={"folds": [0]})
    with monkeypatch.context() as patch:
        patch.setattr(outcome, "held_out", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            searched(here)
    found = searched(here)
    assert [(one.state, list(one.curve)) for one in found] == [("interrupted", []), ("complete", [1, 2, 3])]


def test_equal_specs_share_their_run_and_train_once(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = ground(
        contest, tmp_path, trials=3, space={"balance": {"choices": [True]}}, proxy={"epochs": 1, "folds": [1]}
    )
    steps_logged(monkeypatch, tmp_path / "steps")
    found = searched(here)
    assert len({one.score for one in found}) == len({one.spec for one in found}) == 1
    assert len(results.finished(found)) == 1
    assert len((tmp_path / "steps").read_text().split()) == 2
    assert [path.name for path in (here.folder / "runs").glob("*/fold*")] == ["fold1"]


def test_it_waits_for_a_fold_that_another_process_has(contest: Contest, tmp_path: Path) -> None:
    here = ground(contest, tmp_path, trials=1, proxy={"epochs": 1})
    questions: list[int] = []

    class Later(Stop):
        @property
        def requested(self) -> bool:
            questions.append(1)
            self.reason = "deadline" if len(questions) > 3 else ""
            return bool(self.reason)

    with opened(here.wishes("")) as study:
        asked = study.ask()
        assert asked is not None
        job = here.jobs(space.applied(here.base, asked.params))[0]
        with lock.exclusive(job.folder), pytest.raises(Paused, match="another process is at work on tiny fold 0"):
            examiner(here)(asked, Later())
    assert len(questions) == 4


@pytest.mark.parametrize("objective", ["degraded", "worst_slice"])
def test_other_objectives_score_the_same_runs(objective: str, contest: Contest, tmp_path: Path) -> None:
    weights = {"clean": 1.0, "jpeg": 1.0, "noise": 2.0, "blur": 0.0}
    wanted = {"trials": 1, "objective": objective, "weights": weights, "proxy": {"epochs": 1, "folds": [0]}}
    here = ground(contest, tmp_path, **wanted)
    trial.prepare(here)
    (one,) = searched(here)
    (scores,) = one.folds.values()
    if objective == "degraded":
        assert set(scores) == {"auc", "jpeg", "noise"}
        assert one.score == pytest.approx((scores["auc"] + scores["jpeg"] + 2 * scores["noise"]) / 4)
        made = {kind: len(list((here.folder / "degraded" / kind).rglob("*.png"))) for kind in ("jpeg", "noise")}
        assert made == {"jpeg": 16, "noise": 16}
    else:
        assert one.state == "failed"
        assert "has 5 images of either class" in one.error


def test_a_spec_that_does_not_go_together_fails_its_trial_alone(contest: Contest, tmp_path: Path) -> None:
    wanted = {"micro_batches": {"choices": [1, 4]}, "batch_size": {"choices": [2, 8]}}
    here = ground(contest, tmp_path, trials=2, seed=3, space=wanted, proxy={"epochs": 1, "folds": [0]})
    with opened(here.wishes("")) as study:
        study.study.enqueue_trial({"micro_batches": 4, "batch_size": 2}, user_attrs={"draw": 0})
        study.study.enqueue_trial({"micro_batches": 4, "batch_size": 8}, user_attrs={"draw": 1})
    bad, good = searched(here)
    assert (bad.state, good.state) == ("failed", "complete")
    assert bad.error == "These choices do not go together: micro_batches cannot exceed batch_size."


def test_a_damaged_score_is_refused_by_name(contest: Contest, tmp_path: Path) -> None:
    here = ground(contest, tmp_path, trials=1, proxy={"epochs": 1, "folds": [0]})
    (one,) = searched(here)
    (path,) = here.folder.rglob("scores.json")
    path.write_bytes(path.read_bytes().replace(b"0.", b"1.", 1))
    with opened(here.wishes("")) as study:
        study.study.enqueue_trial(dict(one.params), user_attrs={"draw": 1})
    again = searched(here)[1]
    assert again.state == "failed"
    assert "scores.json is damaged" in again.error
