import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc
from ffdi.metrics.ranks import ascend, finite, midrank, rank, rank_within

VALUES = st.lists(st.integers(-6, 6), min_size=1, max_size=60).map(lambda steps: np.array(steps) / 3)
SIZES = st.integers(1, 60)
FLOATS_32 = arrays.arrays(np.float32, SIZES, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))
FLOATS_64 = arrays.arrays(np.float64, SIZES, elements=st.floats(allow_nan=False, allow_infinity=False))
# Neighbours in the last bits: what the shortened 64-bit key cannot tell apart.
CLOSE_64 = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(lambda steps: -1.5 + np.array(steps) * 2.0**-52)


@settings(deadline=None, max_examples=60)
@given(VALUES)
def test_ranks_are_those_of_scipy(values: np.ndarray) -> None:
    assert (midrank(values.astype(np.float32)) == rankdata(values.astype(np.float32))).all()
    assert rank(values) == pytest.approx((rankdata(values) - 0.5) / len(values), abs=0)


@settings(deadline=None, max_examples=40)
@given(VALUES, st.integers(1, 4))
def test_within_groups_as_pandas_does(values: np.ndarray, groups: int) -> None:
    group = np.arange(len(values))[::-1] % groups
    grouped = pd.Series(values).groupby(group)
    expected = (grouped.rank() - 0.5) / grouped.transform("size")
    assert rank_within(values, group) == pytest.approx(expected.to_numpy(), abs=1e-15)


def test_lengths_must_agree() -> None:
    with pytest.raises(UserError, match="one length"):
        rank_within([1.0, 2.0], [0])


@settings(deadline=None, max_examples=80)
@given(st.one_of(FLOATS_32, FLOATS_64, CLOSE_64))
def test_order_ascends_and_runs_are_the_equal_values(values: np.ndarray) -> None:
    in_order = ascend(values)
    ordered = values[in_order.order_N]
    assert sorted(in_order.order_N) == list(range(len(values)))
    assert (ordered == np.sort(values)).all()
    assert in_order.first_N.tolist() == [True, *(ordered[1:] != ordered[:-1]).tolist()]


def test_both_zeros_are_one_value() -> None:
    assert ascend(np.array([0.0, -0.0, 0.0], np.float32)).first_N.tolist() == [True, False, False]
    assert ascend(np.array([-0.0, 0.0])).first_N.tolist() == [True, False]


@pytest.mark.parametrize("dtype", [np.bool_, np.int8, np.int64, np.uint8, np.float16])
def test_other_numbers_sort_too(dtype: type) -> None:
    assert ascend(np.array([1, 0, 1], dtype)).order_N[0] == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused_with_its_row(bad: float) -> None:
    with pytest.raises(UserError, match="1 of 3 scores are NaN or infinite, the first in row 2"):
        finite(np.array([0.0, 1.0, bad]))


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.array(["a"]), np.array([1 + 2j])])
def test_only_vectors_of_numbers(values: np.ndarray) -> None:
    with pytest.raises(UserError, match="vector of numbers"):
        ascend(values)


ROWS = 20_000  # more than two blocks
KINDS = {
    "two decimals": lambda draw: draw.normal(size=ROWS).round(2),
    "float32": lambda draw: draw.normal(size=ROWS).round(1).astype(np.float32),
    "float32, few ties": lambda draw: draw.normal(size=ROWS).astype(np.float32),
    "whole numbers": lambda draw: draw.integers(-40, 40, ROWS),
    "far apart": lambda draw: draw.choice([-1e300, -1.0, 1.0, 1e300], ROWS),
    "neighbours in the last bit": lambda draw: 1.0 + draw.integers(0, 3, ROWS) * 2.0**-52,
    "one neighbour of many": lambda draw: np.r_[0.25 + 2**-54, np.full(9_000, 0.25), draw.normal(size=10_999)],
    "few, unevenly": lambda draw: draw.choice([0.0, 1e-9, 1.0], ROWS),
    "constant": lambda draw: np.zeros(ROWS),
    "all different": lambda draw: draw.normal(size=ROWS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_ties_of_every_kind(kind: str) -> None:
    draw = np.random.default_rng(1)
    values, target = KINDS[kind](draw), draw.integers(0, 2, ROWS)
    assert (midrank(values) == rankdata(values)).all()
    assert auc(target, values) == pytest.approx(roc_auc_score(target, values), abs=1e-12)
