from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.data.audit import Audit, audit
from ffdi.metrics.auc import auc as exact_auc
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
        "Folds", "Images", "Shortcuts", "Duplicates",
    ]  # fmt: skip
    html = render(page)
    assert {"ab" * 32, "truncated"} <= set(words(page))
    assert html == render(report.page(manifest, audited, folds, folder, {"folds": "ab" * 32}))
    assert len(html) < MAX_BYTES


def test_the_official_folds_hold_one_split_out(
    manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame, folder: Path
) -> None:
    official = folds.assign(fold=np.where(np.arange(len(folds)) % 4, -1, 0).astype(np.int16))
    page = report.page(manifest, audited, official, folder, {})
    assert page.title == f"1 fold of {(official['fold'] == 0).sum()} images"
    assert {"none", "0"} <= set(words(page))


def test_no_duplicates_and_clusters_are_said(
    manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame, folder: Path
) -> None:
    alone = folds.assign(group=np.arange(len(folds)))
    assert report.page(manifest, audited, alone, folder, {}).headline.startswith("No near-duplicates were found.")
    fake = folds["id"].map(manifest.set_index("id")["target"]) == 1
    giant = folds.assign(group=np.where(fake, 0, folds["group"] + 1), fold=np.where(fake, 0, 1 + folds["fold"] % 4))
    giant = giant.assign(cluster=np.where(fake, 3, -1)).astype({"fold": np.int16})
    told = " ".join(words(report.page(manifest, audited, giant, folder, {})))
    assert "One fold holds out all fakes of a cluster." in told


def test_folds_over_two_splits_join_by_split_too(manifest: pd.DataFrame, folds: pd.DataFrame, folder: Path) -> None:
    val = manifest[manifest["split"] == "val"]
    same_ids = val.assign(id=manifest["id"].iloc[: len(val)].to_numpy())
    rows = pd.concat([manifest[manifest["split"] == "train"], same_ids], ignore_index=True)
    more = same_ids[["id", "split"]].assign(group=np.arange(len(val)) + 10_000, fold=np.int16(0))
    page = report.page(rows, audit(rows), pd.concat([folds, more], ignore_index=True), folder, {})
    assert page.title == f"5 folds of {len(folds) + len(val)} images"


def test_contradicting_labels_and_pairs_across_splits_are_shown(
    manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame, folder: Path
) -> None:
    lost = manifest.copy()
    lost.loc[lost.index[lost["split"] == "test"][0], ["status", "defect"]] = ["quarantined", "zeros"]
    both = manifest.loc[[0, 1], ["sha256", "split", "id", "relpath"]].assign(sha256="0" * 64, target=[0, 1])
    kind = {"split_a": ["train"], "target_a": [0], "split_b": ["val"], "target_b": [1]}
    found = replace(audited, conflicts=both, pairs=pd.DataFrame({**kind, "pairs": [7], "equal": [1]}))
    told = " ".join(words(report.page(lost, found, folds, folder, {})))
    assert "1 file labelled both fake and original" in told
    assert "1 test image cannot be read" in told
    assert "train original and val fake 7 1" in told


def test_unlabelled_clean_data_has_only_its_images(
    manifest: pd.DataFrame, audited: Audit, folds: pd.DataFrame, folder: Path
) -> None:
    clean = manifest.assign(target=np.int8(-1), status="ok", defect="")
    empty = Audit(audited.shortcuts[:0], audited.pairs[:0], audited.conflicts[:0])
    page = report.page(clean, empty, folds, folder, {})
    assert [section.title for section in page.shown] == ["Folds", "Images"]
    assert "Defects" not in words(page)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"feature": ["jpeg_q", "width"], "auc": [0.83, np.nan], "real": 500}, "JPEG quality alone separates fakes"),
        ({"feature": ["jpeg_q", "width"], "auc": [0.17, np.nan], "real": 500}, "AUC 0.83: a model can score"),
        ({"feature": ["jpeg_q", "width"], "auc": [0.53, np.nan], "real": 500}, "No measured file property separates"),
        ({"feature": ["bytes", "width"], "auc": [0.59, 0.61], "real": [9000, 40]}, "File size alone separates"),
        ({"feature": ["bytes"] * 20, "auc": [0.57] + [0.5] * 19, "real": 200}, "No measured file property separates"),
    ],
)
def test_the_verdict_is_about_the_strongest_beyond_chance(rows: dict[str, object], said: str) -> None:
    frame = pd.DataFrame(rows).assign(split="train")
    assert said in report.verdict(frame.assign(fake=frame["real"]))


def test_chance_is_where_a_meaningless_number_falls() -> None:
    rng, target = np.random.default_rng(0), np.repeat([0, 1], [40, 160])
    found = np.array([exact_auc(target, rng.random(200)) for _ in range(2000)])
    assert (np.abs(found - 0.5) < report.chance(40, 160)).mean() == pytest.approx(0.95, abs=0.02)
    assert report.chance(0, 160) == np.inf
