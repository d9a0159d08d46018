import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.core import keys
from ffdi.metrics.delong import Interval, delong
from ffdi.report import blend as report
from ffdi.report.page import Gallery, Page, render
from tests.report.html_reader import check

MOST_BYTES = 3_000_000
SENT = {"file": "submissions/003-sample/submission.csv", "rows": "232", "sha256": "ef" * 32}


@pytest.fixture(scope="module")
def page(summary: pd.DataFrame, fold_aucs: pd.DataFrame, scores: pd.DataFrame, folder: Path) -> Page:
    return report.page(summary, fold_aucs, scores, SENT, folder, {"command": "ffdi blend"})


def scored(names: list[str], count: int = 400) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Tables of members that are all equally good, and of their mean."""
    rng = keys.rng("blend", *names)
    target = np.arange(count) % 2
    scores = pd.DataFrame({"id": [f"{n}.jpg" for n in range(count)], "target": target})
    for name in names:
        scores[name] = rng.normal(target, 1)
    scores["blend"] = scores[names].mean(axis=1)
    found = {name: delong(target, scores[name]) for name in [*names, "blend"]}
    rows = [{"name": name, "auc": one.value, "low": one.low, "high": one.high} for name, one in found.items()]
    return pd.DataFrame(rows), pd.DataFrame(columns=["name", "fold", "auc"]), scores


def test_the_page_of_the_sample_is_whole(page: Page) -> None:
    html = render(page)
    found = check(html, page.headline)
    assert len(html) < MOST_BYTES
    assert [section.title for section in page.sections] == [
        "Blend and members", "How members differ", "Scores", "Worst errors of the blend", "Submission",
    ]  # fmt: skip
    assert ("td", SENT["sha256"]) in found.words


def test_the_same_data_gives_the_same_bytes(
    page: Page, summary: pd.DataFrame, fold_aucs: pd.DataFrame, scores: pd.DataFrame, folder: Path
) -> None:
    again = report.page(summary, fold_aucs, scores.copy(), SENT, folder, {"command": "ffdi blend"})
    assert render(again) == render(page)


def test_the_headline_says_what_to_send_and_what_it_is_worth(page: Page, summary: pd.DataFrame) -> None:
    row = summary[summary["name"] == "blend"].iloc[0]
    assert page.headline.startswith(
        "Send submissions/003-sample/submission.csv, the blend of 2 models: on 405 images that its models had not "
        f"seen, it puts a fake above an original in {100 * row['auc']:.1f}% of pairs (nested AUC {row['auc']:.4f}, 95% "
        f"interval {row['low']:.4f} to {row['high']:.4f}), "
    )
    assert page.headline.endswith(f"On the official validation images it has {row['val_auc']:.4f}.")


@pytest.mark.parametrize(
    ("count", "low", "high", "said"),
    [
        (3, 0.001, 0.009, "0.0050 above its best member a, beyond noise"),
        (3, -0.001, 0.011, "which noise cannot tell from its best member a alone (+0.0050)"),
        (3, -0.011, 0.001, "which noise cannot tell from its best member a alone (-0.0050)"),
        (3, -0.009, -0.001, "0.0050 below a alone, beyond noise: a alone is the better choice"),
        (1, 0.0, 0.0, "which is that of its one member"),
    ],
)
def test_a_gain_is_only_claimed_beyond_noise(count: int, low: float, high: float, said: str) -> None:
    assert report.comparison("a", count, Interval((low + high) / 2, low, high, 0.001)) == said


def test_members_without_held_out_rows_stand_in_the_table_only() -> None:
    members, folds, scores = scored(["only"])
    refit = pd.DataFrame({"name": ["refit"], "auc": [np.nan], "low": [np.nan], "high": [np.nan]})
    made = report.page(pd.concat([members, refit], ignore_index=True), folds, scores)
    assert ("td", "refit") in check(render(made), made.headline).words
    assert "– to –" not in render(made)


def test_a_blend_without_any_held_out_row_says_so() -> None:
    members = pd.DataFrame({"name": ["refit", "blend"], "auc": np.nan, "low": np.nan, "high": np.nan, "val_auc": 0.97})
    empty = pd.DataFrame(columns=["id", "split", "relpath", "target", "fold"])
    made = report.page(members, pd.DataFrame(columns=["name", "fold", "auc"]), empty, SENT)
    assert "has no out-of-fold score, because every member was fitted on all rows." in made.headline
    assert made.headline.endswith("On the official validation images it has 0.9700.")
    check(render(made), made.headline)


def test_disagreements_are_shown_with_who_says_what(page: Page, folder: Path) -> None:
    differ = next(section for section in page.sections if section.title == "How members differ")
    assert [block.title for block in differ.blocks] == [
        "AUC of every fold", "Rank correlation of members", "Rank disagreement of members",
        "Where members disagree most",
    ]  # fmt: skip
    sheet = differ.blocks[-1]
    assert isinstance(sheet, Gallery)
    assert len(sheet.cards) == 14
    note = sheet.cards[0].thumbs[0].caption
    assert re.fullmatch(r"(fake|original), lite\S+ \d+%, lite\S+ \d+%", note)


def test_twenty_members_fit() -> None:
    names = [f"tf_efficientnetv2_m.in1k-480-fold{n}" for n in range(20)]
    made = report.page(*scored(names))
    html = render(made)
    check(html, made.headline)
    assert len(html) < MOST_BYTES
    assert "The best 6 of 21." in html
