import pandas as pd
import pytest

from ffdi.metrics.delong import Interval
from ffdi.report import evaluate
from ffdi.report.page import Page, render
from tests.fixtures.html_reader import check

POOLED = Interval(0.95, 0.94, 0.96, 0.005)
SLICES = pd.DataFrame({
    "kind": ["forgery cluster", "forgery cluster", "source"], "name": ["0", "unseen", "c"], "originals": [90, 90, 40],
    "fakes": [30, 30, 60], "auc": [0.97, 0.8, 0.94], "low": [0.96, 0.7, 0.9], "high": [0.98, 0.9, 0.96],
    "tpr": [0.6, 0.2, 0.5],
})  # fmt: skip
COPIES = pd.DataFrame({
    "kind": "degradation", "name": ["blur", "patch"], "originals": 90, "fakes": 30, "auc": [0.7, 0.9],
    "low": [0.6, 0.85], "high": [0.8, 0.93], "tpr": [0.1, 0.3], "clean": 0.95,
    "drop": [0.25, 0.05], "drop_low": [0.2, 0.02], "drop_high": [0.3, 0.08],
})  # fmt: skip


def words(page: Page) -> str:
    return " ".join(text for _, text in check(render(page), page.headline).words)


def test_the_page_names_the_worst_slice() -> None:
    page = evaluate.page(SLICES, POOLED, pd.DataFrame(), {"command": "ffdi evaluate"})
    assert page.headline.startswith(
        "The worst slice is forgery cluster unseen (30 fakes, 90 originals) with AUC 0.8000"
    )
    assert "beyond noise" in page.headline
    assert [section.title for section in page.sections] == ["Forgery cluster", "Source"]


@pytest.mark.parametrize(("high", "said"), [(0.96, "so it may be noise"), (0.9, "below the pooled AUC 0.9500")])
def test_a_slice_is_only_called_weak_beyond_noise(high: float, said: str) -> None:
    assert said in evaluate.verdict(SLICES.assign(high=high), POOLED)


def test_the_worst_of_many_slices_is_low_by_chance() -> None:
    """Of thirty slices one is expected to have an upper limit of 95 % just below the whole."""
    many = pd.concat([SLICES.assign(auc=0.95, high=0.97)] * 10, ignore_index=True)
    many.loc[7, ["auc", "high"]] = 0.93, 0.949
    assert "the lowest of 30 slices can be so low by chance, so it may be noise" in evaluate.verdict(many, POOLED)
    assert "beyond noise" in evaluate.verdict(many.iloc[7:8], POOLED)


def test_degraded_copies_stand_beside_the_clean_images() -> None:
    page = evaluate.page(SLICES, POOLED, COPIES, {})
    assert page.headline.endswith(
        "degradation blur (30 fakes, 90 originals) with AUC 0.7000. The same images have 0.9500 when clean: a drop of "
        "0.2500 (0.2000 to 0.3000)."
    )
    assert 'id="degradation"' in render(page)


def test_nothing_to_compare_is_said() -> None:
    page = evaluate.page(pd.DataFrame(), POOLED, pd.DataFrame(), {})
    assert page.headline == "There is no slice with enough images of both classes."
    assert "No property divides these images" in words(page)
