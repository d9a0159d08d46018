import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.blending.features import ranks
from ffdi.blending.methods import METHODS, combine, over_models
from ffdi.blending.weights import equal
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc

RANK_MEAN = METHODS["rank_mean"]
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


def test_equal_weights_look_at_nothing() -> None:
    assert equal(np.zeros((4, 9)), np.zeros(9, np.int8)).tolist() == [0.25] * 4
    assert RANK_MEAN.fits == "nothing"


def test_rows_of_no_fold_get_the_mean_rank_over_fold_models() -> None:
    logits = np.array([[1.0, 5.0, 3.0], [30.0, 10.0, 20.0]])
    assert over_models(RANK_MEAN, logits) == pytest.approx(np.array([1 / 2, 1 / 2, 1 / 2]))
    assert over_models(RANK_MEAN, logits[:1]) == pytest.approx(np.array([1 / 6, 5 / 6, 3 / 6]))


def test_the_weighted_mean_by_hand() -> None:
    features = np.array([[0.2, 0.8], [0.6, 0.4]])
    assert combine(features, np.array([0.75, 0.25])) == pytest.approx([0.3, 0.7])
