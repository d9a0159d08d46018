import numpy as np
import pytest

from ffdi.blending.features import rank_logits, ranks, sigmoid
from ffdi.blending.weights import best_single, equal, normalised, stack
from ffdi.core.keys import rng

FOLDS = np.arange(4000) % 4


def logits(*skills: float) -> tuple[np.ndarray, np.ndarray]:
    draw = rng("weights", len(skills))
    target = draw.integers(0, 2, 4000).astype(np.int8)
    return np.stack([skill * target + draw.normal(size=4000) for skill in skills]), target


def test_best_is_the_first_of_the_highest() -> None:
    given, target = logits(0.5, 1.5, 1.0)
    assert best_single(given, target).tolist() == [0, 1, 0]
    assert best_single(given[[1, 1, 0]], target).tolist() == [1, 0, 0]


def test_the_stack_finds_the_weights_that_made_the_target() -> None:
    """Independent members of unit noise: the right weights are in proportion to their skill."""
    given, target = logits(0.4, 1.2, 0.8)
    assert stack(given, target) == pytest.approx(np.array([0.4, 1.2, 0.8]) / 2.4, abs=0.04)


def test_the_stack_gives_no_negative_weight() -> None:
    given, target = logits(1.0, 1.0)
    weights = stack(np.vstack([given, -given[0]]), target)
    assert weights[2] == pytest.approx(0, abs=1e-6)
    assert (weights >= 0).all()


def test_the_stack_shares_alike_among_copies() -> None:
    given, target = logits(1.0)
    assert stack(rank_logits(given[[0, 0, 0]], FOLDS), target) == pytest.approx(equal(given[[0, 0, 0]], target))


def test_normalised() -> None:
    assert normalised(np.array([1.0, 3.0])).tolist() == [0.25, 0.75]
    assert normalised(np.zeros(4)).tolist() == [0.25] * 4


def test_features_by_their_definitions() -> None:
    given, _ = logits(1.0, 2.0)
    rank = ranks(given, FOLDS)
    assert sigmoid(rank_logits(given, FOLDS)) == pytest.approx(rank)


def test_the_sigmoid_neither_overflows_nor_leaves_the_unit_interval() -> None:
    assert sigmoid(np.array([-1e4, -30.0, 0.0, 30.0, 1e4])) == pytest.approx(
        [0, 9.35762296884e-14, 0.5, 1 - 9.4e-14, 1]
    )
