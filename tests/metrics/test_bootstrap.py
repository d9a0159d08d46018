"""The paired bootstrap by groups: its draws against a plain loop, its intervals against DeLong's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics.bootstrap import DRAWS_AT_ONCE, POISSON, _draw, bootstrap, weighted_aucs
from ffdi.metrics.delong import delong, delong_paired, gain_interval, placements
from ffdi.metrics.sorting import finite


def in_groups(rows: int, size: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(target, a, b, group): groups of `size` rows that share their luck with a; scores rounded, so some tie."""
    draw = rng("twins", rows, size, seed)
    group = np.arange(rows) // size
    target = (draw.random(rows) < 0.7).astype(np.int8)
    luck = draw.normal(size=rows)[group]
    a = (target + luck + 0.5 * draw.normal(size=rows)).round(1)
    return target, a, (0.8 * target + draw.normal(size=rows)).round(1), group


def plain(target: np.ndarray, score: np.ndarray, weight: np.ndarray) -> float:
    """The weighted AUC by its definition, pair by pair."""
    fakes, reals = score[target == 1, None], score[target == 0]
    won = (fakes > reals) + 0.5 * (fakes == reals)
    heavy, light = weight[target == 1].astype(float), weight[target == 0].astype(float)
    return heavy @ won @ light / (heavy.sum() * light.sum())


def weights(groups: int, draws: int, seed: int = 3) -> np.ndarray:
    blocks = []
    for number in range(-(-draws // DRAWS_AT_ONCE)):
        block = np.empty((groups, DRAWS_AT_ONCE), np.uint8)
        _draw(np.uint64(seed), np.uint64(number), np.array(POISSON, np.uint16), block)
        blocks.append(block)
    return np.hstack(blocks)


@settings(deadline=None, max_examples=15)
@given(st.integers(2, 40), st.integers(1, 4), st.integers(0, 999))
def test_every_draw_is_the_weighted_auc_of_a_plain_loop(rows: int, size: int, seed: int) -> None:
    target, a, b, group = in_groups(rows, size, seed)
    found = weighted_aucs(target == 1, [finite(a), finite(b)], group, 40, 3)
    drawn = weights(int(group.max()) + 1, 40)[group]
    for draw in range(40):
        weight = drawn[:, draw].astype(float)
        lacks_a_class = weight[target == 1].sum() * weight[target == 0].sum() == 0
        expected = [np.nan, np.nan] if lacks_a_class else [plain(target, score, weight) for score in (a, b)]
        assert found[:, draw] == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_weights_are_poisson_and_independent() -> None:
    drawn = weights(3000, 64).astype(float)
    assert drawn.mean() == pytest.approx(1, abs=0.01)
    assert drawn.var() == pytest.approx(1, abs=0.02)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(64)).max() < 0.1
    assert np.abs(np.corrcoef(drawn[:100]) - np.eye(100)).max() < 0.7


def test_rows_that_stand_alone_have_delongs_interval() -> None:
    target, a, b, _ = in_groups(800, 1)
    drawn, by_variance = bootstrap(target, a, b), delong_paired(target, a, b)
    assert drawn.value == by_variance.value
    for name in ("low", "high"):
        assert getattr(drawn, name) == pytest.approx(getattr(by_variance, name), abs=0.2 * by_variance.se)


def test_groups_widen_it_as_drawing_groups_by_hand_does() -> None:
    target, a, b, group = in_groups(480, 6)
    draw, groups, gains = rng("by hand"), group.max() + 1, []
    for _ in range(300):
        weight = np.bincount(draw.integers(0, groups, groups), minlength=groups)[group]
        gains.append(plain(target, a, weight) - plain(target, b, weight))
    found = bootstrap(target, a, b, group)
    assert found.se == pytest.approx(np.std(gains, ddof=1), rel=0.15)
    assert found.se > 1.1 * delong_paired(target, a, b).se
    clustered = gain_interval(placements(target, a, group) - placements(target, b, group))
    assert clustered.se == pytest.approx(found.se, rel=0.15)


def test_the_order_of_rows_changes_nothing_where_groups_are_known() -> None:
    target, a, b, group = in_groups(300, 3)
    order = rng("order").permutation(300)
    there, back = bootstrap(target, a, b, group), bootstrap(target[order], a[order], b[order], group[order])
    assert there == back
    assert bootstrap(target, a, b, group, seed=1) != there


def test_groups_of_one_row_are_no_groups() -> None:
    target, a, _, _ = in_groups(200, 1)
    assert placements(target, a, np.arange(200)).se() == pytest.approx(delong(target, a).se, rel=1e-12)
    assert placements(target, a, np.arange(200) // 2).se(50, 50) == placements(target, a).se(50, 50)


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(UserError, match="two images of each class"):
        bootstrap([0, 1, 1], [1, 2, 3], [3, 2, 1])
