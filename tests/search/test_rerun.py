from pathlib import Path

import pandas as pd
import pytest

from ffdi.base import seal
from ffdi.base.errors import UserError
from ffdi.base.paths import Places
from ffdi.data.job import plan
from ffdi.search import rerun, space
from ffdi.search.ground import Ground
from ffdi.search.results import Result
from tests.search import made_up
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
        alike = plan(recipe, full.competition, contest[1], full.folds, full.images, Places(tmp_path, tmp_path))
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
            seal.write_json(
                one.job.folder / rerun.SCORES, {"spec": one.job.spec, "scores": {"auc": 0.5 + number / 100}}
            )
    with pytest.raises(UserError, match="1 of 8 re-runs are not done; run ffdi search"):
        rerun.scored(full, planned)
    seal.write_json(planned[0].job.folder / rerun.SCORES, {"spec": "", "scores": {"auc": 0.5}})
    frame = rerun.scored(full, planned)
    assert frame["score"].tolist() == frame["auc"].tolist() == [0.5 + number / 100 for number in range(8)]
    assert frame.groupby("candidate").size().tolist() == [4, 4]
    assert rerun.held_out_share(planned) == 1.0  # two folds of one size
    damaged = planned[0].job.folder / rerun.SCORES
    damaged.write_bytes(damaged.read_bytes().replace(b"0.5", b"0.9"))
    with pytest.raises(UserError, match="damaged"):
        rerun.scored(full, planned)
