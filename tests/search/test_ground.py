from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.search import Search
from ffdi.core.errors import UserError
from ffdi.search import objective
from ffdi.search.ground import share_of_groups
from tests.search.grounds import ground

Contest = tuple[Path, pd.DataFrame]


def table(groups: int, seed: int) -> pd.DataFrame:
    """Groups of one to three images of either class, in three folds."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rng.integers(1, 4, groups))
    target = rng.integers(0, 2, len(group))
    ids = [f"{number:05d}" for number in rng.permutation(len(group))]
    return pd.DataFrame({"id": ids, "split": "train", "target": target, "group": group, "fold": group % 3})


@settings(max_examples=25, deadline=None)
@given(groups=st.integers(30, 200), seed=st.integers(0, 50), share=st.floats(0.1, 1))
def test_a_share_is_of_whole_groups_even_in_every_fold_and_class(groups: int, seed: int, share: float) -> None:
    rows = table(groups, seed)
    kept = share_of_groups(rows, share, 0)
    assert rows.assign(kept=kept).groupby("group")["kept"].nunique().max() == 1
    for fold, part in rows.groupby("fold"):
        count = rows[kept].query(f"fold == {fold}")["group"].nunique()
        assert abs(count - share * part["group"].nunique()) < 1
    if share == 1:
        assert kept.all()
    if share > 0.3 and groups > 100:
        assert abs(rows[kept]["target"].mean() - rows["target"].mean()) < 0.15


def test_a_share_depends_on_ids_and_seed_not_on_the_order_or_the_numbers_of_groups() -> None:
    rows = table(90, 1)
    kept = set(rows["id"][share_of_groups(rows, 0.4, 0)])
    mixed = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    mixed["group"] = 1000 - mixed["group"]
    assert set(mixed["id"][share_of_groups(mixed, 0.4, 0)]) == kept
    assert set(rows["id"][share_of_groups(rows, 0.4, 1)]) != kept


def test_what_scores_depend_on_names_the_study_and_budgets_do_not(contest: Contest, tmp_path: Path) -> None:
    plain = ground(contest, tmp_path)
    same = [ground(contest, tmp_path, **wish) for wish in ({"trials": 9}, {"minutes": 3}, {"top_k": 5})]
    assert {one.folder for one in same} == {plain.folder}
    wishes = (
        {"seed": 1},
        {"proxy": {"epochs": 1}},
        {"objective": "degraded"},
        {"space": {"lr": {"low": 1, "high": 2}}},
    )
    others = [ground(contest, tmp_path, **wish) for wish in wishes]
    assert len({one.folder for one in (plain, *others)}) == 5


def test_trials_see_the_rows_of_their_folds_alone_with_common_seeds(contest: Contest, tmp_path: Path) -> None:
    here = ground(contest, tmp_path, proxy={"share": 0.5, "folds": [1]})
    whole = ground(contest, tmp_path)
    (job,) = here.jobs(here.base)
    assert (job.fold, list(job.asked)) == (1, ["oof"])
    assert len(job.fit) == len(whole.jobs(whole.base)[0].fit) / 2
    assert job.spec != whole.jobs(whole.base)[1].spec
    assert job.folder == here.folder / "runs" / f"tiny-{job.spec[:8]}" / "fold1"
    other = here.jobs(here.base.model_copy(update={"lr": 0.5}))[0]
    assert other.fit.equals(job.fit)
    assert other.member.seed == job.member.seed


def test_too_small_a_share_is_said(contest: Contest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"share = 0\.01 leaves fold 0 with 0 real and 0 fake images"):
        ground(contest, tmp_path, proxy={"share": 0.01})


def test_the_worst_slice_is_the_lowest_mean_over_folds() -> None:
    search = Search.model_validate(
        {"member": "a", "trials": 1, "space": {"lr": {"low": 1, "high": 2}}, "objective": "worst_slice"}
    )
    folds = [{"auc": 0.9, "slice a": 0.8, "slice b": 0.6}, {"auc": 0.9, "slice a": 0.6, "slice b": 0.9}]
    assert objective.worth(search, folds) == pytest.approx(0.7)
    assert objective.worth(search, [*folds, {"auc": 0.1, "slice c": 0.5}]) == 0.5


def test_slices_are_thirds_and_small_ones_have_no_score() -> None:
    search = Search.model_validate(
        {"member": "a", "trials": 1, "space": {"lr": {"low": 1, "high": 2}}, "objective": "worst_slice"}
    )
    count = 90
    rng = np.random.default_rng(0)
    values = rng.permutation(count)
    rows = pd.DataFrame({"id": [f"{n}" for n in range(count)], "sharpness": values, "jpeg_q": 90})
    target = (np.arange(count) % 2).astype(np.int64)
    cut = objective.slices(search, rows)
    assert cut[[f"slice sharpness {part}" for part in objective.PARTS]].sum().tolist() == [30, 30, 30]
    scores = objective.by_slice(cut, rows["id"], target, target.astype(float))
    assert scores == {f"slice sharpness {part}": 1.0 for part in objective.PARTS} | {"slice jpeg_q low": 1.0}
    target[values < 30] = 1
    assert "slice sharpness low" not in objective.by_slice(cut, rows["id"], target, target.astype(float))
