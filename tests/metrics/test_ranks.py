import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from ffdi.core.errors import UserError
from ffdi.metrics.ranks import midrank, rank, rank_within

VALUES = st.lists(st.integers(-6, 6), min_size=1, max_size=60).map(lambda steps: np.array(steps) / 3)


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_ranks_are_those_of_scipy(values: np.ndarray) -> None:
    assert (midrank(values) == rankdata(values)).all()
    assert (midrank(values.astype(np.float32)) == rankdata(values.astype(np.float32))).all()
    assert rank(values) == pytest.approx((rankdata(values) - 0.5) / len(values), abs=0)


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_scaled_ranks_stay_inside_and_forget_the_scale(values: np.ndarray) -> None:
    ranks = rank(values)
    assert ((ranks > 0) & (ranks < 1)).all()
    assert ranks.mean() == pytest.approx(0.5)
    assert (rank(np.exp(values)) == ranks).all()
    assert rank(-values) == pytest.approx(1 - ranks)


def test_long_vectors() -> None:
    values = np.random.default_rng(0).normal(size=40_000).astype(np.float32)
    assert (midrank(values) == pd.Series(values).rank()).all()
    assert (midrank(values.round(1)) == pd.Series(values.round(1)).rank()).all()


@settings(deadline=None, max_examples=40)
@given(VALUES, st.integers(1, 4))
def test_within_groups_as_pandas_does(values: np.ndarray, groups: int) -> None:
    group = np.arange(len(values))[::-1] % groups
    grouped = pd.Series(values).groupby(group)
    expected = (grouped.rank() - 0.5) / grouped.transform("size")
    assert rank_within(values, group) == pytest.approx(expected.to_numpy(), abs=1e-15)


def test_named_groups() -> None:
    assert rank_within([5.0, 1.0, 2.0, 9.0], ["b", "a", "b", "a"]).tolist() == [0.75, 0.25, 0.25, 0.75]


def test_lengths_must_agree() -> None:
    with pytest.raises(UserError, match="one length"):
        rank_within([1.0, 2.0], [0])
