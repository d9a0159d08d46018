import numpy as np
import pytest

from ffdi.blending.strata import covariance, influence, strata
from ffdi.core.errors import UserError
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from ffdi.metrics.delong import placements


def drawn(rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    target = (rng("strata", "target").random(rows) < 0.7).astype(np.int8)
    return np.round(target + rng("strata", "score").normal(size=rows), 1), target  # ties among them


def test_alone_the_variance_is_delongs() -> None:
    score, target = drawn()
    rows = strata(target)
    value, pull = influence(score, rows)
    placed = placements(target, score)
    assert value == placed.value
    assert covariance(pull[None], rows)[0, 0] == pytest.approx(placed.se() ** 2)
    board = covariance(pull[None], rows, rows.sizes(30, 90))[0, 0]
    assert board == pytest.approx(placed.se(30, 90) ** 2)


def test_copies_as_one_group_tell_no_more_than_one_of_them() -> None:
    """Every row five times over: as groups the variance stays that of the rows once, alone it shrinks fivefold."""
    score, target = drawn()
    once = strata(target)
    many = strata(np.tile(target, 5), np.tile(np.arange(200), 5))
    value, pull = influence(score, once)
    value_many, pull_many = influence(np.tile(score, 5), many)
    assert value_many == pytest.approx(value)
    assert covariance(pull_many[None], many)[0, 0] == pytest.approx(covariance(pull[None], once)[0, 0])
    alone = strata(np.tile(target, 5))
    shrunk = covariance(influence(np.tile(score, 5), alone)[1][None], alone)[0, 0]
    assert shrunk == pytest.approx(covariance(pull[None], once)[0, 0] / 5, rel=0.02)


def test_a_mix_weighs_as_if_rows_stood_there_as_often() -> None:
    """Shares of 2/3 and 1/3 are those of a table in which the rows of one source stand twice; others count nothing."""
    score, target = drawn(90)
    source = np.repeat(["a", "b", "c"], 30)
    target[:60] = np.tile([0, 1], 30)  # both sources have both classes, alike many
    value, _ = influence(score, strata(target, None, source, {"a": 2 / 3, "b": 1 / 3}))
    twice = np.r_[0:30, 0:60]
    assert value == pytest.approx(auc(target[twice], score[twice]))


def test_sources_of_one_class_share_that_class() -> None:
    score, target = drawn(60)
    source = np.where(target == 1, "swap", np.where(np.arange(60) % 2, "old", "new"))
    rows = strata(target, None, source, {"swap": 0.5, "old": 0.3, "new": 0.2})
    assert rows.sizes(50, 50).tolist() == [20, 0, 30, 0, 0, 50, 0, 0]
    assert 0 < influence(score, rows)[0] < 1


@pytest.mark.parametrize(
    ("mix", "said"),
    [({"nowhere": 1.0}, "names the source 'nowhere', of which no row was held out; there are old, swap"),
     ({"swap": 1.0}, "no source with original images")],
)  # fmt: skip
def test_a_mix_that_the_rows_cannot_give_is_refused(mix: dict[str, float], said: str) -> None:
    target = np.arange(20) % 2
    with pytest.raises(UserError, match=said):
        strata(target, None, np.where(target == 1, "swap", "old"), mix)
