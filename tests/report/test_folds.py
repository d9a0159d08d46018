from pathlib import Path

import numpy as np
import pandas as pd

from ffdi.data.audit import Audit, audit
from ffdi.report import folds as report
from ffdi.report.page import Page, render
from tests.fixtures.html_reader import check

MAX_BYTES = 3_000_000


def words(page: Page) -> list[str]:
    return [text for _, text in check(render(page), page.headline).words]


def test_the_page_of_the_sample_is_whole(
    manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame, folder: Path
) -> None:
    page = report.page(manifest, audited, folds, folder, {"folds": "ab" * 32})
    assert page.title == f"5 folds of {len(folds)} images"
    assert page.headline.startswith(
        f"No near-duplicate group is split over folds. {len(manifest) - 1} of {len(manifest)} images can be used."
    )
    assert "Sharpness alone separates fakes from originals in train with AUC 0.6" in page.headline
    assert [section.title for section in page.shown] == [
        "Folds", "Images", "Shortcuts", "Duplicates", "Groups of near-duplicates",
    ]  # fmt: skip
    html = render(page)
    assert {"ab" * 32, "truncated"} <= set(words(page))
    assert html == render(report.page(manifest, audited, folds, folder, {"folds": "ab" * 32}))
    assert len(html) < MAX_BYTES


def test_a_group_in_two_folds_is_the_headline(manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame) -> None:
    torn = folds.assign(fold=(np.arange(len(folds)) % 5).astype(np.int16))
    page = report.page(manifest, audited, torn, None, {})
    count = int((torn.groupby("group")["fold"].nunique() > 1).sum())
    assert page.headline.startswith(f"{count} near-duplicate groups in more than one fold: OOF AUC will be too high;")


def test_the_official_folds_hold_one_split_out(manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame) -> None:
    """Near-duplicates across train and val stay there however often the folds are made."""
    official = folds.assign(fold=np.where(np.arange(len(folds)) % 4, -1, 0).astype(np.int16))
    page = report.page(manifest, audited, official, None, {})
    assert page.title == f"1 fold of {(official['fold'] == 0).sum()} images"
    assert "OOF AUC will be too high; take another folds.scheme." in page.headline
    assert {"none", "0"} <= set(words(page))


def test_no_duplicates_and_clusters_are_said(manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame) -> None:
    alone = folds.assign(group=np.arange(len(folds)))
    assert report.page(manifest, audited, alone, None, {}).headline.startswith("No near-duplicates were found.")
    fake = folds["id"].map(manifest.set_index("id")["target"]) == 1
    giant = folds.assign(group=np.where(fake, 0, folds["group"] + 1), fold=np.where(fake, 0, 1 + folds["fold"] % 4))
    giant = giant.assign(cluster=np.where(fake, 3, -1)).astype({"fold": np.int16})
    told = " ".join(words(report.page(manifest, audited, giant, None, {})))
    assert "One fold holds out all fakes of a cluster." in told


def test_folds_over_two_splits_join_by_split_too(manifest: pd.DataFrame, folds: pd.DataFrame) -> None:
    val = manifest[manifest["split"] == "val"]
    same_ids = val.assign(id=manifest["id"].iloc[: len(val)].to_numpy())
    rows = pd.concat([manifest[manifest["split"] == "train"], same_ids], ignore_index=True)
    more = same_ids[["id", "split"]].assign(group=np.arange(len(val)) + 10_000, fold=np.int16(0))
    page = report.page(rows, audit(rows), pd.concat([folds, more], ignore_index=True), None, {})
    assert page.title == f"5 folds of {len(folds) + len(val)} images"
