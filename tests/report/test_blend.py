from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ffdi.core import keys
from ffdi.metrics.delong import Interval
from ffdi.report import blend as report
from ffdi.report import estimates
from ffdi.report.page import Gallery, Page, render
from tests.fixtures.blend_card import card_of
from tests.fixtures.html_reader import check

MAX_BYTES = 3_000_000
FILE = "submissions/003-sample/submission.csv"


@pytest.fixture(scope="module")
def page(card: dict[str, Any], oof: pd.DataFrame, folder: Path) -> Page:
    return report.page(card, oof, FILE, folder)


def words(page: Page) -> str:
    return " ".join(text for _, text in check(render(page), page.headline).words)


def test_the_page_of_the_sample_is_whole(
    page: Page, card: dict[str, Any], oof: pd.DataFrame, folder: Path, tmp_path: Path
) -> None:
    html = render(page)
    assert len(html) < MAX_BYTES
    assert [section.title for section in page.shown] == [
        "What to send, and why", "Blend and members", "Blending methods", "Leaderboard forecast", "Errors",
    ]  # fmt: skip
    assert "12" * 32 in words(page)
    assert html == render(report.page(card, oof.copy(), FILE, folder))
    assert "data:image/jpeg" not in render(report.page(card, oof, FILE, tmp_path))  # a laptop without the images


def test_the_headline_says_what_to_send_and_what_to_expect(page: Page, card: dict[str, Any], oof: pd.DataFrame) -> None:
    auc = card["blend"]["auc"]
    assert page.headline.startswith(
        f"Send {FILE}, the blend of 2 members. Nested AUC on {len(oof)} images that its fold models had not seen: "
        f"{auc['value']:.4f} (95% interval {auc['low']:.4f} to {auc['high']:.4f}). "
    )
    assert "AUC on the official validation images: 0.9700. Expected AUC, if the leaderboard has" in page.headline
    unlabelled = {**card, "blend": {**card["blend"], "auc_val": None}}
    assert "official validation" not in report.page(unlabelled, oof, FILE, Path("nowhere")).headline


@pytest.mark.parametrize(
    ("count", "low", "high", "said"),
    [
        (3, 0.001, 0.009, "It is better than its best member a by 0.0050, beyond noise."),
        (3, -0.001, 0.011, "Noise cannot separate it from its best member a (+0.0050)."),
        (3, -0.011, 0.001, "Noise cannot separate it from its best member a (-0.0050)."),
        (3, -0.009, -0.001, 'It is worse than a alone by 0.0050, beyond noise: set blend.weights = {"a" = 1}.'),
        (10, -0.009, -0.001, "Noise cannot separate it from its best member a (-0.0050)."),
        (1, 0.0, 0.0, "It has one member only."),
        (2, 0.0, 0.0, "Noise cannot separate it from its best member a (+0.0000)."),
        (2, 0.3, 0.3, "It is better than its best member a by 0.3000, beyond noise."),
    ],
)
def test_a_gain_is_only_claimed_beyond_noise(count: int, low: float, high: float, said: str) -> None:
    se = (high - low) / 2 / 1.96
    assert report.comparison("a", count, Interval((low + high) / 2, low, high, se)) == said


def test_copies_of_an_image_do_not_make_a_gain_certain() -> None:
    """Four copies of every row: by rows the gain would be beyond noise, by images it is not."""
    draw, target = keys.rng("copies of images"), np.arange(200) % 2
    once = pd.DataFrame({"id": [f"{row}" for row in range(200)], "relpath": "a.jpg", "target": target, "fold": 0})
    once["a"] = target + draw.normal(size=200)
    once["blend"] = once["a"] + 0.2 * draw.normal(size=200) + 0.05 * target
    copies = pd.concat([once.assign(group=range(200))] * 4, ignore_index=True)
    alone, together = copies.drop(columns="group"), copies
    told = [
        report.page(card_of(rows, ["a"], ("b",)), rows, FILE, Path("nowhere")).headline for rows in (alone, together)
    ]
    assert "is better than its best member a" in told[0]
    assert "Noise cannot separate it" in told[1]


def test_the_advice_names_weights_and_expectation(card: dict[str, Any], page: Page) -> None:
    told = words(page)
    assert "Method: rank_mean. Weights: lite0-112 50%" in told
    assert "Expected AUC, if the leaderboard has the same kinds of forgery as the data: 0.950. 90% interval" in told
    assert estimates.UNKNOWN in told


def test_the_star_marks_the_method_unless_the_recipe_gives_the_weights(
    card: dict[str, Any], oof: pd.DataFrame, page: Page
) -> None:
    assert "rank_mean *" in words(page)
    given = {**card, "honest": [{**row, "chosen": False} for row in card["honest"]]}
    assert "rank_mean *" not in words(report.page(given, oof, FILE, Path("nowhere")))


def test_the_page_leads_with_unseen_kinds_where_the_competition_says_so(
    card: dict[str, Any], oof: pd.DataFrame, folder: Path
) -> None:
    measured = {"losses": [-0.5] * 8, "seen": 0.94, "left_out": 0.88}
    board = {**card["forecast"]["board"], "unseen": 0.73}
    evidence = {**card["forecast"]["evidence"], "unseen": measured}
    unseen = changed(card, board=board, evidence=evidence, leads="unseen")
    page = report.page(unseen, oof, FILE, folder)
    assert (
        "if 73% of the fakes are of unseen kinds, as the competition says: 0.880. 90% interval: 0.800" in page.headline
    )
    assert "leaving out each of 8 clusters of fakes: a linear probe falls from AUC 0.940 to 0.880" in words(page)


def test_the_headline_says_what_was_not_measured(card: dict[str, Any], oof: pd.DataFrame, folder: Path) -> None:
    """The competition has unseen kinds, and this machine could not look at the images."""
    board = {**card["forecast"]["board"], "unseen": 0.73}
    page = report.page(changed(card, board=board), oof, FILE, folder)
    assert page.headline.endswith("73% of the fakes are of unseen kinds. What they cost is unknown.")


def test_names_that_are_shortened_to_one_text_stay_two_members(oof: pd.DataFrame) -> None:
    names = ["lite0-112-aug-seed1", "lite0-128-aug-seed1", "member"]
    frame = oof.assign(**{name: oof["lite0-112"] + place * oof["lite1-128"] for place, name in enumerate(names)})
    made = report.page(card_of(frame, names), frame, FILE, Path("nowhere"))
    assert words(made).count("lite0-…g-seed1") == 2


def test_a_test_of_another_source_has_no_interval_and_shows_its_images(
    card: dict[str, Any], oof: pd.DataFrame, folder: Path
) -> None:
    shown = tuple(oof["relpath"].iloc[:2])
    source = {"auc": 0.98, "effective": 0.04, "differences": [["sharpness", 0.91]], "typical": (shown, shown)}
    evidence = {**card["forecast"]["evidence"], "source": source}
    page = report.page(changed(card, evidence=evidence, leads="none"), oof, FILE, folder)
    told = words(page)
    assert page.headline.endswith(estimates.OTHER_SOURCE)
    assert "0.930 to 0.970 on the private part" not in told
    assert "told apart with AUC 0.98" in told
    assert "sharpness (0.91)" in told
    forecast = next(section for section in page.sections if section.title == "Leaderboard forecast")
    (gallery,) = forecast.blocks
    assert isinstance(gallery, Gallery)
    assert [thumb.caption for thumb in gallery.thumbs] == ["like train"] * 2 + ["like test"] * 2


def changed(card: dict[str, Any], **changes: object) -> dict[str, Any]:
    return {**card, "forecast": {**card["forecast"], **changes}}


def test_a_member_without_held_out_rows_is_in_the_table_only(card: dict[str, Any], oof: pd.DataFrame) -> None:
    made = report.page(card_of(oof, ["lite0-112"], refit=("refit",)), oof, FILE, Path("nowhere"))
    assert "refit" in words(made)
    assert "– to –" not in render(made)


def test_a_blend_without_any_held_out_row_says_so(oof: pd.DataFrame) -> None:
    empty = pd.DataFrame(columns=["id", "relpath", "target", "fold"])
    bare = card_of(empty, ["refit"]) | {"honest": [], "forecast": None}
    made = report.page(bare, empty, FILE, Path("nowhere"))
    assert "It has no OOF score, because none of them held images out." in made.headline
    assert "Leaderboard forecast" not in words(made)


def test_the_worst_errors_are_ranked_furthest_on_the_wrong_side(page: Page, oof: pd.DataFrame) -> None:
    missed, called = (block for block in page.sections[-1].blocks if isinstance(block, Gallery))
    rows = oof.sort_values(["blend", "id"])
    fakes, originals = (rows.loc[rows["target"] == target, "id"].str.removesuffix(".jpg") for target in (1, 0))
    assert [thumb.name for thumb in missed.thumbs] == list(fakes.head(report.WORST))
    assert {thumb.name for thumb in called.thumbs} == set(originals.tail(report.WORST))
    assert {thumb.label for thumb in called.thumbs} == {"original"}
