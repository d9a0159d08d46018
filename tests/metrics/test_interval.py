import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import auc_interval, delong, gain_interval, placements


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
    one, other, alone = placements(target, a), placements(target, b), placements(target, a, np.arange(len(a)))
    assert [one.se(), alone.se()] == pytest.approx([_brute_se(_kernel(target, a))] * 2, abs=1e-12)
    paired = gain_interval(one - other)
    assert paired.se == pytest.approx(_brute_se(_kernel(target, a) - _kernel(target, b)), abs=1e-12)
    assert paired.value == auc(target, a) - auc(target, b)


@settings(deadline=None, max_examples=60)
@given(scored())
def test_limits_enclose_the_value_inside_the_unit_interval(case: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    target, a, b = case
    one = delong(target, a)
    assert 0 <= one.low <= one.value + 1e-12
    assert one.value - 1e-12 <= one.high <= 1
    two = gain_interval(placements(target, a) - placements(target, b))
    assert -1 <= two.low <= two.value <= two.high <= 1


def test_symmetric_on_the_logit_scale() -> None:
    draw = rng("interval")
    target = draw.integers(0, 2, 200)
    found = delong(target, draw.normal(size=200) + target)
    low, value, high = (math.log(x / (1 - x)) for x in (found.low, found.value, found.high))
    assert high - value == pytest.approx(value - low)
    assert high - value == pytest.approx(1.959964 * found.se / (found.value * (1 - found.value)), rel=1e-6)


def test_perfect_order_is_not_perfect_certainty() -> None:
    """Three images of each class, or as many groups of ten copies."""
    copies = auc_interval(placements(np.arange(60) // 30, np.arange(60), np.arange(60) // 10))
    for found in (delong([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6]), copies):
        assert (found.value, found.high, found.se) == (1, 1, 0)
        assert found.low == pytest.approx(0.025 ** (1 / 3))
    turned = delong([1, 1, 1, 0, 0, 0], [1, 2, 3, 4, 5, 6])
    assert (turned.value, turned.low) == (0, 0)
    assert turned.high == pytest.approx(1 - 0.025 ** (1 / 3))


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


def test_one_image_of_a_class_has_no_interval() -> None:
    with pytest.raises(UserError, match="two images of each class"):
        delong([0, 1, 1], [1, 2, 3])


def obuchowski(kernel: np.ndarray, target: np.ndarray, group: np.ndarray) -> float:
    """The variance of clustered data as the paper writes it (1997, equations 4 to 6)."""
    fakes, reals = group[target == 1], group[target == 0]
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
    a = target + draw.normal(size=6)[group] + 0.5 * draw.normal(size=180)
    b = 0.8 * target + draw.normal(size=180)
    one, other, kernel = placements(target, a, group), placements(target, b, group), _kernel(target, a)
    assert one.se() ** 2 == pytest.approx(obuchowski(kernel, target, group))
    assert (one - other).se() ** 2 == pytest.approx(obuchowski(kernel - _kernel(target, b), target, group))
