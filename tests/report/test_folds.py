from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.data.audit import Audit
from ffdi.report import folds as report
from ffdi.report.page import Page, render
from tests.report.html_reader import check

MOST_BYTES = 3_000_000


@pytest.fixture(scope="module")
def page(manifest: pd.DataFrame, folds: pd.DataFrame, audited: Audit, folder: Path) -> Page:
    found = audited.shortcuts[audited.shortcuts["split"] == "train"]
    return report.page(manifest, folds, found, folder, {"command": "ffdi folds", "folds": "ab" * 32})


def texts(page: Page) -> str:
    return " ".join(text for _, text in check(render(page), page.headline).words)


def test_the_page_of_the_sample_is_whole(page: Page, folds: pd.DataFrame) -> None:
    html = render(page)
    found = check(html, page.headline)
    assert len(html) < MOST_BYTES
    assert page.title == f"5 folds of {len(folds)} images"
    assert len([image for image in found.images if image["src"].startswith("data:image/jpeg")]) == 36
    assert ("code", "ab" * 32) in found.words


def test_the_headline_says_that_no_group_is_split(page: Page) -> None:
    assert page.headline.startswith(
        "No near-duplicate group is split over the 5 folds, and the fake share of every fold"
    )
    assert "Random folds would tear 80% of such pairs apart." in page.headline


def test_a_split_group_is_the_headline(manifest: pd.DataFrame, folds: pd.DataFrame) -> None:
    torn = folds.assign(fold=(np.arange(len(folds)) % 5).astype(np.int16))
    page = report.page(manifest, torn)
    count = int((torn.groupby("group")["fold"].nunique() > 1).sum())
    assert page.headline.startswith(f"{count} near-duplicate groups stand in several of the 5 folds")
    assert page.headline.endswith("Use the scheme 'group'.")
    assert "a model is tested on images it has nearly seen" in texts(page)


def test_no_duplicates_is_said_plainly(manifest: pd.DataFrame, folds: pd.DataFrame, folder: Path) -> None:
    alone = folds.assign(group=np.arange(len(folds)))
    page = report.page(manifest, alone, folder=folder)
    assert "No near-duplicates were found" in page.headline
    assert "Every image is a group of its own." in texts(page)
    assert "Near-duplicates to look at" not in [section.title for section in page.sections]


def test_a_giant_group_and_uneven_folds_are_warned_of(manifest: pd.DataFrame, folds: pd.DataFrame) -> None:
    fake = folds["id"].map(manifest.set_index("id")["target"]) == 1
    giant = folds.assign(group=np.where(fake, 0, folds["group"] + 1), fold=np.where(fake, 0, 1 + folds["fold"] % 4))
    page = report.page(manifest, giant.astype({"fold": np.int16}))
    assert "Largest groups" in texts(page)
    assert "large groups leave no better cut" in texts(page)


def test_folds_over_two_splits_join_by_split_too(manifest: pd.DataFrame, folds: pd.DataFrame) -> None:
    val = manifest[manifest["split"] == "val"]
    twins = val.assign(id=manifest["id"].iloc[: len(val)].to_numpy())
    rows = pd.concat([manifest[manifest["split"] == "train"], twins], ignore_index=True)
    more = twins[["id", "split"]].assign(group=np.arange(len(twins)) + 10_000, fold=np.int16(0))
    page = report.page(rows, pd.concat([folds, more], ignore_index=True))
    assert page.title == f"5 folds of {len(folds) + len(twins)} images"
