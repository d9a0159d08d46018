import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ffdi.config.recipe import Member
from ffdi.core import keys
from ffdi.search.confirm import DEFAULT, Candidate, Verdict, judge, paired
from tests.fixtures.search import made_up_scores

MEMBER = Member(name="m", model="test_resnet")
CHOSEN = [Candidate(DEFAULT, MEMBER), *(Candidate(f"trial {number}", MEMBER) for number in range(3))]


def of(gains: list[float], noise: float = 0.004) -> Verdict:
    some = CHOSEN[: 1 + len(gains)]
    return judge(some, made_up_scores(some, gains, noise), 0.25, len(CHOSEN) - 1)


def test_the_interval_is_the_corrected_t_of_the_paired_differences() -> None:
    difference_N = np.array([0.01, 0.03, 0.02, 0.00, 0.04, 0.02])
    found = paired(difference_N, 0.5, 0.95)
    se = np.std(difference_N, ddof=1) * math.sqrt(1 / 6 + 0.5)
    assert (found.value, found.se) == (pytest.approx(0.02), pytest.approx(se))
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 5, loc=0.02, scale=se))
    alone = paired(np.array([0.3]), 0.5, 0.95)
    assert (alone.value, alone.low, alone.high) == (0.3, -math.inf, math.inf)


def test_a_lead_beyond_noise_wins_and_the_best_of_several_is_taken() -> None:
    verdict = of([0.03, 0.05, 0.0])
    assert verdict.winner is not None
    assert verdict.winner.candidate.name == "trial 1"
    assert verdict.winner.fresh - verdict.default.fresh == pytest.approx(0.05, abs=0.005)
    assert (verdict.seeds, verdict.folds) == (3, 5)
    assert verdict.sentence.startswith("Trial 1 beats the default beyond noise: +0.0")


def test_nothing_is_found_where_there_is_nothing() -> None:
    verdict = of([0.0, 0.001, -0.001], noise=0.02)
    assert (verdict.winner, verdict.best is None) == (None, False)
    assert "Nothing beats the default beyond noise; the best, trial" in verdict.sentence
    nothing = of([])
    assert (nothing.winner, nothing.best) == (None, None)
    assert "No trial was run again" in nothing.sentence


def test_false_promotions_stay_below_the_level() -> None:
    """Three candidates that are no better, 15 independent pairs each; 5% is the promise, and the correction for shared
    training rows, which these pairs do not have, makes it rarer."""
    names = [one.name for one in CHOSEN]
    index = pd.MultiIndex.from_product([names, range(3), range(5)], names=["candidate", "seed", "fold"])
    draw, wins = keys.rng("null"), 0
    for _ in range(60):
        frame = pd.DataFrame({"score": draw.normal(0.9, 0.01, len(index))}, index).reset_index()
        wins += judge(CHOSEN, frame, 0.25, 3).winner is not None
    assert wins <= 3
