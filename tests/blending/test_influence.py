import numpy as np
import pytest

from ffdi.blending.influence import held_out, influence, variance
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import placements


def drawn(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    target = (rng("influence", "target").random(rows) < 0.7).astype(np.int8)
    return np.round(target + rng("influence", "score").normal(size=rows), 1), target  # ties among them


def test_alone_the_variance_is_delongs() -> None:
    score, target = drawn()
    rows = held_out(target)
    value, pull = influence(score, rows)
    placed = placements(target, score)
    assert value == placed.value
    assert variance(pull, rows) == pytest.approx(placed.se() ** 2)
    on_board = placed.fakes_P.var(ddof=1) / 30 + placed.reals_R.var(ddof=1) / 90
    assert variance(pull, rows, (90, 30)) == pytest.approx(on_board)


def test_copies_as_one_group_tell_no_more_than_one_of_them() -> None:
    """Every row five times over: as groups the variance stays that of the rows once, alone it shrinks fivefold."""
    score, target = drawn()
    once = held_out(target)
    many = held_out(np.tile(target, 5), np.tile(np.arange(200), 5))
    value, pull = influence(score, once)
    value_many, pull_many = influence(np.tile(score, 5), many)
    assert value_many == pytest.approx(value)
    assert variance(pull_many, many) == pytest.approx(variance(pull, once))
    alone = held_out(np.tile(target, 5))
    shrunk = variance(influence(np.tile(score, 5), alone)[1], alone)
    assert shrunk == pytest.approx(variance(pull, once) / 5, rel=0.02)


def test_weights_count_as_if_rows_stood_there_as_often() -> None:
    score, target = drawn(90)
    weight = np.where(np.arange(90) < 30, 2.0, np.where(np.arange(90) < 60, 1.0, 0.0))
    value, pull = influence(score, held_out(target), weight)
    twice = np.r_[0:30, 0:60]
    assert value == pytest.approx(auc(target[twice], score[twice]))
    assert pull[60:].tolist() == [0] * 30
    plain, _ = influence(score, held_out(target), np.full(90, 3.0))
    assert plain == pytest.approx(auc(target, score))
