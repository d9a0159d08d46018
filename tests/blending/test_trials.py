import logging
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.blending import trials
from ffdi.blending.trials import PARTS, hundredths, optuna
from ffdi.metrics.auc import auc
from tests.blending.test_search import pool


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "TRIALS", 30)


def test_it_finds_weights_above_equal_ones_and_the_same_ones_again() -> None:
    features, target = pool(1_500, 3, 1.0)
    features[2] = features[2][::-1]  # noise
    weights = optuna(features, target)
    assert auc(target, weights @ features) > auc(target, features.mean(axis=0)) + 0.01
    assert (weights == optuna(features, target)).all()
    assert weights * PARTS == pytest.approx(np.rint(weights * PARTS))


def test_equal_weights_are_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "TRIALS", 1)
    assert optuna(*pool(200, 4)).tolist() == [0.25] * 4


def test_it_says_nothing(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO):
        optuna(*pool(200, 2))
    assert not caplog.records
    assert capfd.readouterr() == ("", "")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 50), min_size=1, max_size=12))
def test_hundredths_add_up_and_keep_the_order(values: list[float]) -> None:
    counts = hundredths(np.array(values))
    assert counts.sum() == PARTS
    assert counts.min() >= 0
    total = sum(values)
    if total > 0:
        assert np.abs(counts - PARTS * np.array(values) / total).max() < 1 + 1e-9
        assert all(one <= two + 1 for one, two in pairwise(counts[np.argsort(values, kind="stable")]))
