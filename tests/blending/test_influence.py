import numpy as np
import pytest

from ffdi.blending.influence import board_variance, held_out, weighted
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import placements


def drawn(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    target = (rng("influence", "target").random(rows) < 0.7).astype(np.int8)
    return np.round(target + rng("influence", "score").normal(size=rows), 1), target  # ties among them


def test_boards_of_single_rows_have_delongs_variance_at_their_size() -> None:
    score, target = drawn()
    placed = placements(target, score)
    fakes, reals = placed.placed_N[target == 1], placed.placed_N[target == 0]
    assert board_variance(placed, (90, 30)) == pytest.approx(fakes.var(ddof=1) / 30 + reals.var(ddof=1) / 90)


def test_copies_as_one_group_tell_no_more_than_one_of_them() -> None:
    """Every row five times over: as groups the variance stays that of the rows once, alone it shrinks fivefold."""
    score, target = drawn()
    once = placements(target, score)
    many = placements(np.tile(target, 5), np.tile(score, 5), np.tile(np.arange(200), 5))
    assert many.value == pytest.approx(once.value)
    assert many.se() == pytest.approx(once.se())
    alone = placements(np.tile(target, 5), np.tile(score, 5))
    assert alone.se() ** 2 == pytest.approx(once.se() ** 2 / 5, rel=0.02)


def test_weights_count_as_if_rows_stood_there_as_often() -> None:
    score, target = drawn(90)
    weight = np.where(np.arange(90) < 30, 2.0, np.where(np.arange(90) < 60, 1.0, 0.0))
    found = weighted(score, held_out(target), weight)
    twice = np.r_[0:30, 0:60]
    assert found.value == pytest.approx(auc(target[twice], score[twice]))
    assert found.influence()[60:].tolist() == [0] * 30
    alike, plain = weighted(score, held_out(target), np.full(90, 3.0)), placements(target, score)
    assert alike.value == pytest.approx(plain.value)
    assert alike.se() == pytest.approx(plain.se())
