from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ffdi.core import keys
from ffdi.metrics.delong import delong
from ffdi.metrics.ranks import rank_within
from ffdi.report import train as report
from ffdi.report.page import Page, render
from ffdi.report.train import Trained
from tests.fixtures.html_reader import check

MAX_BYTES = 3_000_000


@pytest.fixture(scope="module")
def page(members: list[Trained]) -> Page:
    return report.page(members, {"command": "ffdi train"})


def test_the_page_of_the_sample_is_whole(page: Page) -> None:
    html = render(page)
    check(html, page.headline)
    assert len(html) < MAX_BYTES
    assert [section.title for section in page.sections] == ["Members", "Learning curves"]


def test_the_headline_is_the_best_member_scored_by_ranks_inside_folds(page: Page, members: list[Trained]) -> None:
    oof = members[1].oof
    found = delong(oof["target"], rank_within(oof["logit"], oof["fold"]))
    assert page.headline.startswith(f"lite1-128 is the best of 2 members with an OOF AUC of {found.value:.4f}")
    assert f"(95% interval {found.low:.4f} to {found.high:.4f}) on {len(oof)} images in 5 folds." in page.headline


def test_scale_and_offset_of_a_fold_do_not_move_the_score(members: list[Trained]) -> None:
    oof = members[0].oof
    moved = oof.assign(logit=oof["logit"] * (1 + oof["fold"]) + 10 * oof["fold"])
    np.testing.assert_array_equal(members[0].score(), replace(members[0], oof=moved).score())


def test_many_members_with_long_names_fit(members: list[Trained]) -> None:
    names = [f"convnextv2_base.fcmae_ft_in1k-384-seed{number}" for number in range(7)]
    made = report.page([replace(members[0], name=name, logs={}) for name in names], {})
    html = render(made)
    check(html, made.headline)
    assert len(html) < MAX_BYTES


def test_a_fold_without_one_class_and_a_bare_log_are_survived(members: list[Trained]) -> None:
    member = members[0]
    oof = member.oof[(member.oof["fold"] != 2) | (member.oof["target"] == 1)].reset_index(drop=True)
    bare = pd.DataFrame({"split": "train", "epoch": [0.5, 1.0], "loss": [0.7, 0.6]})
    made = report.page([Trained(member.name, dict.fromkeys(range(5), bare), oof)], {})
    page = check(render(made), made.headline)
    assert "Too few epochs and folds were measured" in made.headline
    assert f"{member.name}: OOF AUC" not in {text for _, text in page.words}


@pytest.mark.parametrize(
    ("aucs", "said"),
    [
        ([0.8, 0.9, 0.95], "still rose by 0.0500 in the last epoch"),
        ([0.8, 0.95, 0.9], "fell by 0.0500 after epoch 2"),
        ([0.8, 0.95, 0.951], "levelled off"),
        ([0.8, 0.951, 0.95], "levelled off"),
        ([0.9], "Too few epochs"),
    ],
)
def test_advice_follows_the_end_of_the_curves(aucs: list[float], said: str) -> None:
    assert said in report.advice({fold: log_of(np.array(aucs) + fold / 1000) for fold in range(3)})


def log_of(aucs: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"split": "oof", "epoch": np.arange(1.0, len(aucs) + 1), "auc": aucs})


def test_advice_takes_no_jitter_for_a_trend() -> None:
    rng = keys.rng("advice")
    said = [report.advice({fold: log_of(0.9 + 0.01 * rng.normal(size=8)) for fold in range(5)}) for _ in range(100)]
    assert sum("levelled off" in one for one in said) >= 60
    assert sum("still rose" in one for one in said) <= 10


def test_advice_of_one_fold_is_none() -> None:
    assert report.advice({0: log_of(np.array([0.8, 0.9]))}).startswith("Too few")
    assert report.advice({}).startswith("Too few")
