import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import auc_interval, delong, delong_paired, gain_interval, placements, quantile


def _kernel(target: np.ndarray, score: np.ndarray) -> np.ndarray:
    """1 where the fake beats the real, 1/2 where they tie: the definition, P x R."""
    fakes, reals = score[target == 1], score[target == 0]
    return (fakes[:, None] > reals) + 0.5 * (fakes[:, None] == reals)


def _brute_se(kernel: np.ndarray) -> float:
    fakes, reals = kernel.mean(axis=1), kernel.mean(axis=0)
    return math.sqrt(fakes.var(ddof=1) / len(fakes) + reals.var(ddof=1) / len(reals))


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    size = draw(st.integers(4, 50))
    target = np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)), np.int8)
    target[:4] = 0, 1, 0, 1
    values = st.lists(st.integers(-4, 4), min_size=size, max_size=size)
    return target, np.array(draw(values)) / 3 + target, np.array(draw(values)) / 3


@settings(deadline=None, max_examples=60)
@given(scored())
def test_variance_is_delongs_by_its_definition(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    target, a, b = case
    assert delong(target, a).se == pytest.approx(_brute_se(_kernel(target, a)), abs=1e-12)
    paired = delong_paired(target, a, b)
    assert paired.se == pytest.approx(_brute_se(_kernel(target, a) - _kernel(target, b)), abs=1e-12)
    assert paired.value == auc(target, a) - auc(target, b)


@settings(deadline=None, max_examples=60)
@given(scored())
def test_limits_enclose_the_value_inside_the_unit_interval(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    target, a, b = case
    one = delong(target, a)
    assert 0 <= one.low <= one.value + 1e-12
    assert one.value - 1e-12 <= one.high <= 1
    two = delong_paired(target, a, b)
    assert -1 <= two.low <= two.value <= two.high <= 1


def test_symmetric_on_the_logit_scale() -> None:
    draw = rng("interval")
    target = draw.integers(0, 2, 200)
    found = delong(target, draw.normal(size=200) + target)
    low, value, high = (math.log(x / (1 - x)) for x in (found.low, found.value, found.high))
    assert high - value == pytest.approx(value - low)
    assert high - value == pytest.approx(1.959964 * found.se / (found.value * (1 - found.value)), rel=1e-6)


def test_perfect_order_is_not_perfect_certainty() -> None:
    found = delong([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6])
    assert (found.value, found.high, found.se) == (1, 1, 0)
    assert found.low == pytest.approx(0.025 ** (1 / 3))
    turned = delong([1, 1, 1, 0, 0, 0], [1, 2, 3, 4, 5, 6])
    assert (turned.value, turned.low) == (0, 0)
    assert turned.high == pytest.approx(1 - 0.025 ** (1 / 3))


def test_a_score_compared_with_itself_differs_by_nothing() -> None:
    found = delong_paired([0, 1, 0, 1], [1, 2, 3, 4], [1, 2, 3, 4])
    assert (found.value, found.low, found.high, found.se) == (0, 0, 0, 0)


@pytest.mark.parametrize(("shift", "rows"), [(0.5, 60), (2.0, 150)])
def test_coverage_of_the_interval(shift: float, rows: int) -> None:
    """95 % nominal, 400 draws: within three binomial standard errors, on the low side for the small sample."""
    truth = 0.5 * math.erfc(-shift / 2)  # two normals of unit variance that stand `shift` apart
    target = np.arange(rows) % 2
    hits = 0
    for draw in range(400):
        found = delong(target, rng("coverage", draw).normal(size=rows) + shift * target)
        hits += found.low <= truth <= found.high
    assert 0.915 <= hits / 400 <= 0.985


def test_paired_interval_is_narrower_than_that_of_strangers() -> None:
    draw = rng("paired")
    target = draw.integers(0, 2, 500)
    a = draw.normal(size=500) + target
    b = a + 0.1 * draw.normal(size=500)
    assert delong_paired(target, a, b).se < 0.3 * math.hypot(delong(target, a).se, delong(target, b).se)


def test_quantile() -> None:
    assert quantile(0.95) == pytest.approx(1.959963984540054)
    assert quantile(0.5) == pytest.approx(0.6744897501960817)


def test_one_image_of_a_class_has_no_interval() -> None:
    with pytest.raises(UserError, match="two images of each class"):
        delong([0, 1, 1], [1, 2, 3])


def test_groups_widen_it_as_drawing_whole_groups_does() -> None:
    draw, group = rng("groups"), np.arange(480) // 6
    target = (draw.random(480) < 0.7).astype(np.int8)
    a = target + draw.normal(size=480)[group] + 0.5 * draw.normal(size=480)  # the rows of a group share their luck
    b = 0.8 * target + draw.normal(size=480)
    kernel, gains = _kernel(target, a) - _kernel(target, b), []
    for _ in range(300):
        weight = np.bincount(draw.integers(0, 80, 80), minlength=80)[group].astype(float)
        fakes, reals = weight[target == 1], weight[target == 0]
        gains.append(fakes @ kernel @ reals / (fakes.sum() * reals.sum()))
    found = gain_interval(placements(target, a, group) - placements(target, b, group))
    assert found.se == pytest.approx(np.std(gains, ddof=1), rel=0.15)
    assert found.se > 1.1 * delong_paired(target, a, b).se


def test_groups_of_one_row_are_no_groups() -> None:
    draw = rng("alone")
    target, a = draw.integers(0, 2, 200), draw.normal(size=200).round(1)
    assert placements(target, a, np.arange(200)).se() == pytest.approx(delong(target, a).se, rel=1e-12)


def obuchowski(target: np.ndarray, score: np.ndarray, group: np.ndarray) -> float:
    """The variance of clustered data as the paper writes it (1997, equations 4 to 6)."""
    kernel, fakes, reals = _kernel(target, score), group[target == 1], group[target == 0]
    value, fake_placed, real_placed = kernel.mean(), kernel.mean(axis=1), kernel.mean(axis=0)
    by_fakes = np.bincount(fakes, fake_placed - value, group.max() + 1)
    by_reals = np.bincount(reals, real_placed - value, group.max() + 1)
    fake_groups, real_groups = len(set(fakes)), len(set(reals))
    own = fake_groups / (fake_groups - 1) * (by_fakes**2).sum() / len(fakes) ** 2
    own += real_groups / (real_groups - 1) * (by_reals**2).sum() / len(reals) ** 2
    every = len(set(group))
    return own + 2 * every / (every - 1) * (by_fakes * by_reals).sum() / (len(fakes) * len(reals))


def test_the_variance_of_few_groups_is_obuchowskis() -> None:
    """Six groups of thirty: counted by rows, the variance would be a sixth too small."""
    draw, group = rng("few groups"), np.arange(180) // 30
    target = (draw.random(180) < 0.5).astype(np.int8)
    score = target + draw.normal(size=6)[group] + 0.5 * draw.normal(size=180)
    assert placements(target, score, group).se() ** 2 == pytest.approx(obuchowski(target, score, group))


def test_perfect_order_of_few_groups_is_as_uncertain_as_few_rows() -> None:
    """Copies add nothing: 60 rows in 6 groups of ten, three of each class."""
    found = auc_interval(placements(np.arange(60) // 30, np.arange(60), np.arange(60) // 10))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 3))
