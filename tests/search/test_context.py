from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core.errors import UserError
from ffdi.search.context import share_of_groups
from tests.fixtures.search import Contest, context


def table(groups: int, seed: int) -> pd.DataFrame:
    """Groups of one to three images of either class, in three folds."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rng.integers(1, 4, groups))
    target = rng.integers(0, 2, len(group))
    ids = [f"{number:05d}" for number in rng.permutation(len(group))]
    return pd.DataFrame({"id": ids, "split": "train", "target": target, "group": group, "fold": group % 3})


@settings(max_examples=25, deadline=None)
@given(groups=st.integers(30, 200), seed=st.integers(0, 50), share=st.floats(0.1, 1))
def test_a_share_is_of_whole_groups_even_in_every_fold(groups: int, seed: int, share: float) -> None:
    rows = table(groups, seed)
    kept = share_of_groups(rows, share, 0)
    assert rows.assign(kept=kept).groupby("group")["kept"].nunique().max() == 1
    for fold, part in rows.groupby("fold"):
        count = rows[kept].query(f"fold == {fold}")["group"].nunique()
        assert abs(count - share * part["group"].nunique()) < 1
    assert kept.all() or share < 1


def test_a_share_keeps_the_balance_of_the_classes() -> None:
    rows = table(200, 0)
    assert abs(rows[share_of_groups(rows, 0.4, 0)]["target"].mean() - rows["target"].mean()) < 0.05


def test_a_share_depends_on_ids_and_seed_not_on_the_order_or_the_numbers_of_groups() -> None:
    rows = table(90, 1)
    kept = set(rows["id"][share_of_groups(rows, 0.4, 0)])
    mixed = rows.sample(frac=1, random_state=0).reset_index(drop=True)
    mixed["group"] = 1000 - mixed["group"]
    assert set(mixed["id"][share_of_groups(mixed, 0.4, 0)]) == kept
    assert set(rows["id"][share_of_groups(rows, 0.4, 1)]) != kept


def test_what_scores_depend_on_names_the_study_and_budgets_do_not(contest: Contest, tmp_path: Path) -> None:
    plain = context(contest, tmp_path)
    same = [context(contest, tmp_path, **fields) for fields in ({"trials": 9}, {"minutes": 3}, {"top_k": 5})]
    assert {one.folder for one in same} == {plain.folder}
    changes = ({"seed": 1}, {"proxy": {"epochs": 1}}, {"space": {"lr": {"choices": [1]}}})
    assert len({context(contest, tmp_path, **fields).folder for fields in ({}, *changes)}) == 4


def test_trials_see_the_rows_of_their_folds_alone_with_common_seeds(contest: Contest, tmp_path: Path) -> None:
    half = context(contest, tmp_path, proxy={"share": 0.5, "folds": [1]})
    whole = context(contest, tmp_path)
    (job,) = half.jobs(half.base)
    assert (job.fold, list(job.asked)) == (1, ["oof"])
    assert len(job.fit) == len(whole.jobs(whole.base)[0].fit) / 2
    assert job.spec != whole.jobs(whole.base)[1].spec
    assert job.folder == half.folder / "runs" / f"tiny-{job.spec[:8]}" / "fold1"
    other = half.jobs(half.base.model_copy(update={"lr": 0.5}))[0]
    assert other.fit.equals(job.fit)
    assert other.member.seed == job.member.seed


def test_too_small_a_share_is_said(contest: Contest, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"share = 0\.01 leaves fold 0 without images of both classes"):
        context(contest, tmp_path, proxy={"share": 0.01})
