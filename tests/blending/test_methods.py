import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.blending.methods import combine, rank_logits, ranks, sigmoid
from ffdi.blending.weights import best_single, normalised, stack
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc

FOLDS = np.repeat(np.arange(5), 400)


def of_scales(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Five equally good fold models of different scale and shift: the trap of pooled raw scores."""
    draw = rng("scales", seed)
    target = draw.integers(0, 2, 2000)
    logits = draw.normal(size=2000) + 1.5 * target
    return target, logits * np.array([0.3, 1, 3, 0.5, 2])[FOLDS] + np.array([-2, 0, 3, 1, -1])[FOLDS]


def test_ranks_inside_folds_give_the_folds_own_auc_where_raw_scores_lie() -> None:
    target, logits = of_scales()
    by_fold = np.mean([auc(target[fold == FOLDS], logits[fold == FOLDS]) for fold in range(5)])
    assert auc(target, ranks(logits[None], FOLDS)[0]) == pytest.approx(by_fold, abs=0.005)
    assert auc(target, logits) < by_fold - 0.05


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 2), min_size=5, max_size=5))
def test_any_increasing_map_of_any_fold_changes_no_bit(maps: list[int]) -> None:
    """Each fold model may report on a scale of its own: logits, probabilities, cubes."""
    increasing = (lambda x: x, np.arctan, lambda x: x**3 + x)
    _, logits = of_scales(1)
    mapped = np.concatenate([increasing[kind](logits[fold == FOLDS]) for fold, kind in enumerate(maps)])
    assert (ranks(mapped[None], FOLDS) == ranks(logits[None], FOLDS)).all()


def test_the_weighted_mean_by_hand() -> None:
    features = np.array([[0.2, 0.8], [0.6, 0.4]])
    assert combine(features, np.array([0.75, 0.25])) == pytest.approx([0.3, 0.7])


def test_the_sigmoid_of_rank_logits_is_the_rank_and_never_overflows() -> None:
    _, raw = of_scales(2)
    assert sigmoid(rank_logits(raw[None], FOLDS)) == pytest.approx(ranks(raw[None], FOLDS))
    extreme = np.array([-1e4, -30.0, 0.0, 30.0, 1e4])
    assert sigmoid(extreme) == pytest.approx([0, 9.35762296884e-14, 0.5, 1 - 9.4e-14, 1])


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
    assert stack(rank_logits(given[[0, 0, 0]], np.arange(4000) % 4), target) == pytest.approx(np.full(3, 1 / 3))


def test_normalised() -> None:
    assert normalised(np.array([1.0, 3.0])).tolist() == [0.25, 0.75]
    assert normalised(np.zeros(4)).tolist() == [0.25] * 4
