import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from ffdi.core.errors import UserError
from ffdi.metrics.auc import auc, tpr_at_fpr

Scored = tuple[np.ndarray, np.ndarray]


@st.composite
def scored(draw: st.DrawFn) -> Scored:
    """Targets with both classes; scores from few levels (ties) or many, in one of three types."""
    size = draw(st.integers(2, 80))
    target = np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)), np.int8)
    target[:2] = 0, 1
    levels = draw(st.sampled_from([2, 5, 10_000]))
    steps = draw(st.lists(st.integers(-levels, levels), min_size=size, max_size=size))
    return target, (np.array(steps) / 7).astype(draw(st.sampled_from([np.float32, np.float64, np.int64])))


@settings(deadline=None, max_examples=80)
@given(scored())
def test_equals_scikit_learn_and_counting(case: Scored) -> None:
    target, score = case
    fakes, reals = score[target == 1], score[target == 0]
    counted = ((fakes[:, None] > reals).sum() + 0.5 * (fakes[:, None] == reals).sum()) / (len(fakes) * len(reals))
    assert auc(target, score) == counted
    assert abs(auc(target, score) - roc_auc_score(target, score)) < 1e-12


@pytest.mark.parametrize("dtype", [bool, np.int8, np.int64, np.float64])
def test_any_type_of_target(dtype: type) -> None:
    assert auc(np.array([0, 1, 0, 1], dtype), [0.1, 0.4, 0.35, 0.8]) == 1.0


@pytest.mark.parametrize(
    ("target", "score", "words"),
    [
        ([1, 1], [0.1, 0.2], "0 real and 2 fake"),
        ([0, 0], [0.1, 0.2], "2 real and 0 fake"),
        ([], [], "0 real and 0 fake"),
        ([0, 2], [0.1, 0.2], "one is 2"),
        ([0, np.nan], [0.1, 0.2], "one is nan"),
        ([0, 1], [0.1, np.nan], "NaN or infinite"),
        ([0, 1], [0.1], "one length"),
    ],
)
def test_what_has_no_curve_is_refused(target: list[float], score: list[float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        auc(target, score)


@settings(deadline=None, max_examples=50)
@given(scored(), st.sampled_from([0.0, 1e-3, 0.1, 0.29, 0.5, 1.0]))
def test_tpr_at_fpr_is_the_best_threshold(case: Scored, fpr: float) -> None:
    target, score = case
    thresholds = [np.inf, *np.unique(score)]
    allowed = [t for t in thresholds if (score[target == 0] >= t).mean() <= fpr]
    assert tpr_at_fpr(target, score, fpr) == max((score[target == 1] >= t).mean() for t in allowed)


def test_a_rate_that_is_exactly_reached_counts() -> None:
    target = np.r_[np.zeros(100, int), np.ones(29, int)]
    score = np.r_[np.arange(100), 71 - np.arange(29) * 0.0 - 0.5]
    assert tpr_at_fpr(target, score, 0.28) == 0
    assert tpr_at_fpr(target, score, 0.29) == 1  # 0.29 * 100 is 28.999999999999996 in floating point
