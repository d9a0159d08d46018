from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.data.audit import Audit
from ffdi.metrics.auc import auc as exact_auc
from ffdi.report import scan, shortcuts
from ffdi.report.page import Page, render
from tests.fixtures.html_reader import check

MAX_BYTES = 3_000_000


def words(page: Page) -> list[str]:
    return [text for _, text in check(render(page), page.headline).words]


def without(audited: Audit, *tables: str) -> Audit:
    return replace(audited, **{name: getattr(audited, name).iloc[:0] for name in tables})


def test_the_page_of_the_sample_is_whole(manifest: pd.DataFrame, audited: Audit, folder: Path) -> None:
    page = scan.page(manifest, audited, folder, {"command": "ffdi folds"})
    assert [section.title for section in page.shown] == [
        "Images", "Shortcuts", "Shifts between splits", "Duplicates",
    ]  # fmt: skip
    assert page.headline.startswith(f"{len(manifest) - 1} of {len(manifest)} images can be used.")
    assert "Sharpness alone separates fakes from originals in train with AUC 0.6" in page.headline
    assert "truncated" in words(page)
    html = render(page)
    assert len(html) < MAX_BYTES
    assert html.count("<img") > 30
    assert html == render(scan.page(manifest, audited, folder, {"command": "ffdi folds"}))


def test_clean_data_has_a_calm_page(manifest: pd.DataFrame, audited: Audit) -> None:
    clean = manifest.assign(status="ok", defect="", bytes=9000, jpeg_q=92)
    calm = replace(without(audited, "exact", "near", "shifts"), shortcuts=audited.shortcuts.assign(auc=0.51))
    page = scan.page(clean, calm, None, {})
    assert "can be used. No measured file property separates fakes from originals" in page.headline
    assert not {"Defects", "File size", "Duplicates"} & set(words(page))


def test_contradicting_labels_and_leaks_are_warned_of(manifest: pd.DataFrame, audited: Audit) -> None:
    lost = manifest.copy()
    lost.loc[lost.index[lost["split"] == "test"][0], ["status", "defect"]] = ["quarantined", "zeros"]
    both = manifest.loc[[0, 1], ["sha256", "split", "id", "relpath"]].assign(sha256="0" * 64, target=[0, 1])
    across = pd.DataFrame({"split_a": ["train"], "target_a": [0], "split_b": ["val"], "target_b": [1], "pairs": [1]})
    found = replace(without(audited, "near", "shifts", "shortcuts"), conflicts=both, exact=across)
    page = scan.page(lost, found, None, {})
    assert "Near-duplicate pairs across splits: 1." in page.headline
    told = " ".join(words(page))
    assert "1 file labelled both fake and original" in told
    assert "1 test image cannot be read" in told
    assert "train original and val fake" in told


def test_unlabelled_data_has_a_page_without_shortcuts(manifest: pd.DataFrame, audited: Audit) -> None:
    bare = without(audited, "shortcuts", "shifts", "exact", "near", "examples", "conflicts")
    page = scan.page(manifest.assign(target=np.int8(-1)), bare, None, {})
    assert "Images" in words(page)
    assert [section.title for section in page.shown] == ["Images"]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"feature": ["jpeg_q", "width"], "auc": [0.83, np.nan], "real": 500}, "JPEG quality alone separates fakes"),
        ({"feature": ["jpeg_q", "width"], "auc": [0.17, np.nan], "real": 500}, "AUC 0.83: a model can score"),
        ({"feature": ["jpeg_q", "width"], "auc": [0.53, np.nan], "real": 500}, "No measured file property separates"),
        ({"feature": ["bytes", "width"], "auc": [0.59, 0.61], "real": [9000, 40]}, "File size alone separates"),
        ({"feature": ["all together"], "auc": 0.9, "real": 500}, "All file properties together separate fakes"),
    ],
)
def test_the_verdict_is_about_the_strongest_beyond_chance(rows: dict[str, object], said: str) -> None:
    frame = pd.DataFrame(rows).assign(split="train")
    assert said in shortcuts.verdict(frame.assign(fake=frame["real"]))


def test_chance_is_where_a_meaningless_number_falls() -> None:
    rng, target = np.random.default_rng(0), np.repeat([0, 1], [40, 160])
    found = np.array([exact_auc(target, rng.random(200)) for _ in range(2000)])
    assert (np.abs(found - 0.5) < shortcuts.chance(40, 160)).mean() == pytest.approx(0.95, abs=0.02)
    assert shortcuts.chance(0, 160) == np.inf
