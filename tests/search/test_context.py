from pathlib import Path

import pytest

from ffdi.config.recipe import Data
from ffdi.core.layout import Workspace
from ffdi.data import forged as forging
from ffdi.search.context import make_context
from tests.fixtures.search import Contest, context


def test_what_scores_depend_on_names_the_study_and_budgets_do_not(contest: Contest, tmp_path: Path) -> None:
    plain = context(contest, tmp_path)
    same = [context(contest, tmp_path, **fields) for fields in ({"trials": 9}, {"top_k": 5})]
    assert {one.folder for one in same} == {plain.folder}
    changes = ({"seed": 1}, {"proxy": {"epochs": 1}}, {"space": {"lr": {"choices": [1]}}})
    assert len({context(contest, tmp_path, **fields).folder for fields in ({}, *changes)}) == 4


def test_other_forged_images_make_another_study(
    contest: Contest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = context(contest, tmp_path)
    forged = plain.recipe.model_copy(update={"data": Data(extra=("fakes",))})
    folders = {plain.folder}
    for count in (1, 2):
        monkeypatch.setattr(
            forging, "extra", lambda _, fit, count=count: fit.head(count).assign(split="forged", beside=-1)
        )
        made = make_context(
            forged, plain.competition, contest[1], plain.folds, plain.images, Workspace(tmp_path, tmp_path)
        )
        assert made.recipe == forged
        folders.add(made.folder)
    assert len(folders) == 3


def test_trials_see_their_folds_alone_with_common_seeds(contest: Contest, tmp_path: Path) -> None:
    one = context(contest, tmp_path, proxy={"folds": [1]})
    (job,) = one.jobs(one.base)
    assert (job.fold, list(job.asked)) == (1, ["oof"])
    assert job.folder == one.folder / "runs" / f"tiny-{job.spec[:8]}" / "fold1"
    other = one.jobs(one.base.model_copy(update={"lr": 0.5}))[0]
    assert other.fit.equals(job.fit)
    assert other.member.seed == job.member.seed
