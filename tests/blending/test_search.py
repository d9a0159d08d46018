import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from ffdi.blending import scorer as scorers
from ffdi.blending.histogram import twice_won
from ffdi.blending.scorer import STEPS_OF_ONE, AucScorer, first_best
from ffdi.blending.weights import best_single, climb, drop
from ffdi.core.keys import rng
from ffdi.metrics.auc import auc
from tests.fixtures.teams import pool


def plain_climb(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The loop as everyone writes it, on the same whole numbers; ties go to the first move.

    Compared by twice the rank sum of the fakes, a whole number: scikit-learn's AUC parts equals by its rounding.
    """
    grid, weights = np.rint(features * STEPS_OF_ONE), best_single(features, target)
    base = grid[int(np.argmax(weights))]
    moves = [(member, step) for member in range(len(grid)) for step in range(1, 11)]
    while True:
        tried = [20 * base, *((20 - step) * base + step * grid[member] for member, step in moves)]
        won = int(np.argmax([2 * rankdata(score)[target == 1].sum() for score in tried]))
        if won == 0:
            return weights / weights.sum()
        member, step = moves[won - 1]
        base = np.rint(tried[won] / 20)
        weights = (weights * (20 - step) + np.eye(len(grid))[member] * step) / 20


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("spread", [1.0, 0.3, 1e-4])
def test_climbing_picks_what_the_exact_search_picks(
    compiled: bool, spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorers, "EXACT_BELOW", 0 if compiled else 1 << 62)
    features, target = pool(3_000, 4, spread)
    assert climb(features, target) == pytest.approx(plain_climb(features, target))


def test_the_bounds_enclose_the_exact_value_closely() -> None:
    features, target = pool(9_000, 3)
    scorer = AucScorer(features, target)
    base = scorer.grid_MN[0] + scorer.grid_MN[1]
    for move, full in (((2, 1, 1), 3), ((0, 1, 1), 3), ((1, 10, 10), 30)):
        low, high = scorer.bound(base, move, full)
        exact = roc_auc_score(scorer.target_N, scorer.blend(base, move))
        assert low <= exact <= high
        assert high - low < 1e-3
        assert scorer.exact(base, move) == pytest.approx(exact, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 6), min_size=2, max_size=60), st.integers(0, 9), st.integers(0, 9), st.integers(0, 99))
def test_the_compiled_sort_counts_pairs_exactly(steps: list[int], here: int, there: int, seed: int) -> None:
    """Many ties and the largest whole numbers there are."""
    grid = np.array(steps, np.int32) * (STEPS_OF_ONE // 6)
    base = rng("twice won", seed).permutation(grid)
    target = np.arange(len(grid)) < 1 + seed % (len(grid) - 1)
    space = np.empty((2, len(grid)), np.uint32)
    twice = twice_won(base, grid, here, there, int(target.sum()), space[0], space[1])
    blend = here * base.astype(np.int64) + there * grid.astype(np.int64)
    fakes, reals = blend[target, None], blend[~target]
    assert twice == (fakes > reals).sum() + (fakes >= reals).sum()


LIMITS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=8)


@settings(deadline=None, max_examples=80)
@given(LIMITS, st.data())
def test_first_best_is_the_first_of_the_highest(sizes: list[tuple[int, int]], data: st.DataObject) -> None:
    limits = [(float(low), float(low + width)) for low, width in sizes]
    truth = [float(data.draw(st.integers(low, low + width))) for low, width in sizes]
    asked = []

    def exact(places: list[int]) -> list[float]:
        asked.extend(places)
        return [truth[place] for place in places]

    place = first_best(limits, exact)
    assert place == truth.index(max(truth))
    assert len(asked) == len(set(asked))


def test_a_clear_winner_needs_no_exact_value() -> None:
    def exact(places: list[int]) -> list[float]:
        raise AssertionError(places)

    assert first_best([(0.1, 0.2), (0.5, 0.6), (0.3, 0.4)], exact) == 1


def test_climbing_a_single_member() -> None:
    features, target = pool(100, 1)
    assert climb(features, target).tolist() == [1.0]


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_dropping_leaves_out_who_lowers_the_mean_by_brute_force(scale: float) -> None:
    """Any features on one scale, logits too; each step is the best of its moment."""
    features, target = pool(1_500, 5, 1.0)
    features = scale * np.vstack([features, rng("drop").random((2, 1_500))])
    kept = list(range(len(features)))
    while True:
        now = auc(target, features[kept].sum(axis=0))
        values = {one: auc(target, features[[other for other in kept if other != one]].sum(axis=0)) for one in kept}
        worst = max(values, key=lambda one: values[one])
        if values[worst] <= now:
            break
        kept.remove(worst)
    weights = drop(features, target)
    assert np.flatnonzero(weights).tolist() == kept
    assert set(kept) < set(range(5))
    assert weights[kept] == pytest.approx(1 / len(kept))
