from pathlib import Path

import pandas as pd
import pytest
import torch

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.core.stop import Stop
from ffdi.search import objective as scoring
from ffdi.search import rerun, results, space, trial, workers
from ffdi.search.ground import Ground
from ffdi.search.results import Result
from ffdi.search.study import watched
from ffdi.search.verdict import judge
from ffdi.training.job import plan
from ffdi.training.world import World
from tests.search import grounds, made_up
from tests.search.grounds import ground

Contest = tuple[Path, pd.DataFrame]
PROXY = {"epochs": 1, "folds": [1], "share": 0.5}


def prepared(contest: Contest, folder: Path, **search: object) -> tuple[Ground, Ground, list[Result]]:
    """The ground of the trials, that of the re-runs, and trials."""
    here = ground(contest, folder, proxy=PROXY, **search)
    table = ground(contest, folder).folds  # without a share: all rows
    return here, rerun.whole(here, contest[1], table), made_up.results(here.wishes(""), 12)


def test_reruns_are_the_runs_that_training_would_do_but_for_the_seed(contest: Contest, tmp_path: Path) -> None:
    here, full, found = prepared(contest, tmp_path)
    chosen = rerun.candidates(here, found)
    planned = rerun.plan(full, chosen)
    assert len(here.jobs(here.base)) == 1
    assert chosen[0].name == "default"
    assert len(chosen) == 1 + 3
    assert len(planned) == 4 * 3 * 2  # candidates, seeds, folds
    assert len({one.job.folder for one in planned}) == len(planned)
    for one in planned:
        member = one.job.member
        assert (member.epochs, member.image_size) == (3, 32)
        recipe = full.recipe.model_copy(update={"member": (member,)})
        alike = plan(recipe, full.competition, contest[1], full.folds, full.images, Workspace(tmp_path, tmp_path))
        assert one.job.spec in {job.spec for job in alike}
        assert len(one.job.train) + len(one.job.oof) == 32


def test_all_candidates_get_the_same_fresh_seeds(contest: Contest, tmp_path: Path) -> None:
    here, full, found = prepared(contest, tmp_path)
    planned = rerun.plan(full, rerun.candidates(here, found))
    seeds = {name: {(one.job.member.seed, one.job.fold) for one in planned if one.candidate == name} for name in
             {one.candidate for one in planned}}  # fmt: skip
    assert len({frozenset(pairs) for pairs in seeds.values()}) == 1
    assert space.base_of(here.recipe).seed not in {seed for seed, _ in next(iter(seeds.values()))}
    more = ground(contest, tmp_path, rerun_seeds=4)
    assert rerun.seeds(more)[:3] == rerun.seeds(full)
    assert more.folder == ground(contest, tmp_path).folder  # asking for more seeds is no other search


def test_the_default_is_no_candidate_against_itself(contest: Contest, tmp_path: Path) -> None:
    here = ground(contest, tmp_path, space={"lr": {"low": 1e-5, "high": 1e-2}}, top_k=2)
    base = space.base_of(here.recipe)
    one = made_up.results(here.wishes(""), 1)[0]
    same = Result(**{**vars(one), "state": "complete", "score": 0.9, "params": {"lr": base.lr}})
    assert [found.name for found in rerun.candidates(here, [same])] == ["default"]
    assert [found.name for found in rerun.candidates(here, [])] == ["default"]


def test_scores_are_read_by_seed_and_fold_and_missing_ones_are_counted(contest: Contest, tmp_path: Path) -> None:
    here, full, found = prepared(contest, tmp_path, top_k=1, rerun_seeds=2)
    planned = rerun.plan(full, rerun.candidates(here, found))
    for number, one in enumerate(planned):
        assert one.scores is None
        if number:
            checksum.write_json(
                one.job.folder / rerun.SCORES, {"spec": one.job.spec, "scores": {"auc": 0.5 + number / 100}}
            )
    with pytest.raises(UserError, match="1 of 8 re-runs are not done; run ffdi search"):
        rerun.scored(full, planned)
    checksum.write_json(planned[0].job.folder / rerun.SCORES, {"spec": "", "scores": {"auc": 0.5}})
    frame = rerun.scored(full, planned)
    assert frame["score"].tolist() == frame["auc"].tolist() == [0.5 + number / 100 for number in range(8)]
    assert frame.groupby("candidate").size().tolist() == [4, 4]
    assert rerun.held_out_share(planned) == 1.0  # two folds of one size
    damaged = planned[0].job.folder / rerun.SCORES
    damaged.write_bytes(damaged.read_bytes().replace(b"0.5", b"0.9"))
    with pytest.raises(UserError, match="damaged"):
        rerun.scored(full, planned)


def test_a_fold_without_a_slice_has_no_say_about_the_worst(contest: Contest, tmp_path: Path) -> None:
    here, full, found = prepared(contest, tmp_path, top_k=1, rerun_seeds=1, objective="worst_slice")
    planned = rerun.plan(full, rerun.candidates(here, found))
    for one in planned:
        sliced = {"slice a low": 0.6, "slice a high": 0.5} if one.job.fold == 1 else {}
        checksum.write_json(one.job.folder / rerun.SCORES, {"spec": "", "scores": {"auc": 0.7, **sliced}})
    frame = rerun.scored(full, planned)
    assert frame[["fold", "score"]].to_numpy().tolist() == [[1, 0.5], [1, 0.5]]
    for one in planned:
        checksum.write_json(one.job.folder / rerun.SCORES, {"spec": "", "scores": {"auc": 0.7}})
    with pytest.raises(UserError, match="choose other search"):
        rerun.scored(full, planned)


@pytest.mark.parametrize("objective", ["degraded", "worst_slice"])
def test_reruns_are_scored_by_the_objective_of_the_search(
    objective: str, contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For real: one trial by a proxy of one fold and half the rows, then it and the default on every fold."""
    monkeypatch.setattr(scoring, "LEAST", 1)
    monkeypatch.setitem(grounds.MEMBER, "epochs", 1)
    wanted = {"trials": 1, "rerun_seeds": 1, "objective": objective, "weights": {"clean": 1.0, "jpeg": 3.0}}
    here = ground(contest, tmp_path, proxy={"folds": [1], "share": 0.5}, **wanted)
    trial.prepare(here)
    workers.work(here.wishes(""), trial.Examiner(here, World(torch.device("cpu")), 0), Stop())
    with watched(here.wishes("")) as study:
        chosen = rerun.candidates(here, results.results(study))
    whole = ground(contest, tmp_path)
    full = rerun.whole(here, whole.manifest, whole.folds)
    planned = rerun.plan(full, chosen)
    rerun.run(full, planned, ["cpu"], None)
    for one, (_, row) in zip(planned, rerun.scored(full, planned).iterrows(), strict=True):
        scores = dict(one.scores or {})
        plain = scores.pop("auc")
        assert (row.auc, row.fold, len(one.job.oof)) == (plain, one.job.fold, 16)
        assert scores.keys() == {"jpeg"} if objective == "degraded" else len(scores) > 2
        assert row.score == ((plain + 3 * scores["jpeg"]) / 4 if objective == "degraded" else min(scores.values()))
    verdict = judge(chosen, rerun.scored(full, planned), rerun.held_out_share(planned))
    assert (verdict.folds, [row.candidate.name for row in verdict.rows]) == (2, ["default", "trial 0"])
