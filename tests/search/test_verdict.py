import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ffdi.config.recipe import Member
from ffdi.core import keys
from ffdi.search.rerun import DEFAULT, Candidate
from ffdi.search.results import Result
from ffdi.search.verdict import Verdict, correlation, curse, judge, paired, sentence
from tests.search.made_up import BEGIN, scores

MEMBER = Member(name="m", model="test_resnet")


def trial(number: int, score: float) -> Result:
    return Result(number, number, "complete", score, {}, {}, {}, "", 1.0, "h-1-1", "", BEGIN, BEGIN)


def chosen(*search: float) -> list[Candidate]:
    trials = [Candidate(f"trial {number}", MEMBER, trial(number, score)) for number, score in enumerate(search)]
    return [Candidate(DEFAULT, MEMBER), *trials]


def of(gains: list[float], search: tuple[float, ...] = (0.95, 0.94, 0.93), noise: float = 0.004) -> Verdict:
    some = chosen(*search[: len(gains)])
    return judge(some, scores(some, gains, noise), 0.25)


def test_the_interval_is_the_corrected_t_of_the_paired_differences() -> None:
    difference_N = np.array([0.01, 0.03, 0.02, 0.00, 0.04, 0.02])
    found = paired(difference_N, 0.5, 0.95)
    se = np.std(difference_N, ddof=1) * math.sqrt(1 / 6 + 0.5)
    assert found.value == pytest.approx(0.02)
    assert found.se == pytest.approx(se)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 5, loc=0.02, scale=se))
    plain = stats.ttest_1samp(difference_N, 0).confidence_interval(0.95)
    assert (paired(difference_N, 0.0, 0.95).low, paired(difference_N, 0.0, 0.95).high) == pytest.approx(tuple(plain))
    alone = paired(np.array([0.3]), 0.5, 0.95)
    assert (alone.value, alone.low, alone.high) == (0.3, -math.inf, math.inf)


def test_a_lead_beyond_noise_wins_and_the_best_of_several_is_taken() -> None:
    verdict = of([0.03, 0.05, 0.0])
    assert verdict.winner is not None
    assert verdict.winner.candidate.name == "trial 1"
    assert verdict.winner.gain is not None
    assert verdict.winner.gain.value == pytest.approx(0.05, abs=0.005)
    assert (verdict.seeds, verdict.folds) == (3, 5)
    assert sentence(verdict).startswith("Trial 1 beats the default beyond noise: +0.0")


def test_nothing_is_found_where_there_is_nothing() -> None:
    verdict = of([0.0, 0.001, -0.001], noise=0.02)
    assert verdict.winner is None
    assert verdict.best is not None
    assert "Nothing beats the default beyond noise; the best, trial" in sentence(verdict)
    nobody = judge(chosen(), scores(chosen(), []), 0.25)
    assert (nobody.winner, nobody.best, nobody.leads, curse(nobody)) == (None, None, None, "")
    assert "No trial was run again" in sentence(nobody)


def test_the_level_is_shared_among_the_candidates() -> None:
    """The same differences give a wider interval the more candidates were looked at."""
    some = chosen(0.95, 0.94, 0.93)
    found = scores(some, [0.02, 0.02, 0.02], 0.01)
    alone = judge(some[:2], found, 0.25).rows[1].gain
    among = judge(some, found, 0.25).rows[1].gain
    assert alone is not None
    assert among is not None
    assert among.value == alone.value
    assert among.low < alone.low < alone.high < among.high


def test_false_promotions_stay_below_the_level() -> None:
    """Three candidates that are no better, 15 independent pairs each; 5% is the promise, and the correction for shared
    training rows, which these pairs do not have, makes it rarer."""
    some = chosen(0.95, 0.94, 0.93)
    names = [one.name for one in some]
    index = pd.MultiIndex.from_product([names, range(3), range(5)], names=["candidate", "seed", "fold"])
    draw, wins = keys.rng("null"), 0
    for _ in range(60):
        frame = pd.DataFrame({"score": draw.normal(0.9, 0.01, len(index))}, index).reset_index()
        wins += judge(some, frame.assign(auc=0.9), 0.25).winner is not None
    assert wins <= 3


@given(st.permutations(range(60)))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_rows_does_not_matter(order: list[int]) -> None:
    some = chosen(0.95, 0.94, 0.93)
    found = scores(some, [0.03, 0.01, 0.0])
    other = judge(some, found.iloc[order], 0.25)
    for one, two in zip(judge(some, found, 0.25).rows, other.rows, strict=True):
        assert (one.fresh, one.sd) == pytest.approx((two.fresh, two.sd))
        assert (one.gain is None) == (two.gain is None)
        assert one.gain is None or one.gain.low == pytest.approx(two.gain.low)  # type: ignore[union-attr]


def test_the_curse_is_the_part_of_the_lead_that_did_not_last() -> None:
    verdict = of([0.0, 0.0, 0.0], search=(0.99, 0.93, 0.91), noise=1e-6)
    assert verdict.leads is not None
    assert verdict.leads == pytest.approx((0.07, 0.0), abs=1e-5)
    assert "trial 0 led the 2 other trials run again by +0.0700, on fresh seeds by" in curse(verdict)


def test_the_rank_correlation_is_told_with_its_n() -> None:
    assert of([0.03, 0.02, 0.01], noise=1e-6).correlations == (1.0, 1.0)
    told = correlation(of([0.01, 0.02, 0.03], noise=1e-6))
    assert "Spearman -1.00, Kendall -1.00 (n = 3 trials" in told
    assert "cannot be told from 2 trials" in correlation(of([0.01, 0.02]))
    assert of([0.01, 0.02, 0.03], search=(0.9, 0.9, 0.9)).correlations is None
