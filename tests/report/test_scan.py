from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.data.audit import Audit, audit
from ffdi.report import scan, shortcuts
from ffdi.report.page import Page, render
from tests.report.html_reader import check

MOST_BYTES = 3_000_000
TITLES = [
    "Images", "Shortcuts", "Properties by label", "Shifts between splits", "Duplicates", "Near-duplicates to look at",
]  # fmt: skip


@pytest.fixture(scope="module")
def made(manifest: pd.DataFrame, audited: Audit, folder: Path) -> Page:
    return scan.page(manifest, audited, folder, {"command": "ffdi scan"})


def test_the_page_of_the_sample_is_whole(made: Page) -> None:
    html = render(made)
    page = check(html, made.headline)
    assert len(html) < MOST_BYTES
    assert [section.title for section in made.sections] == TITLES
    assert len(page.images) > 30
    assert "truncated" in {text for _, text in page.words}


def test_the_headline_counts_and_names_the_strongest_shortcut(made: Page, manifest: pd.DataFrame) -> None:
    assert made.headline.startswith(f"{len(manifest) - 1} of {len(manifest)} images can be used, 1 is quarantined")
    assert "Sharpness alone tells fakes from originals in train with AUC 0.6" in made.headline


def test_clean_data_has_a_calm_page(manifest: pd.DataFrame) -> None:
    rng = np.random.default_rng(0)
    clean = manifest.assign(status="ok", defect="", bytes=9000, jpeg_q=92, sharpness=rng.random(len(manifest)))
    made = scan.page(clean, audit(clean))
    assert made.headline.startswith(f"All {len(manifest)} images can be used")
    assert "Nothing measured on the files tells fakes from originals" in made.headline
    page = check(render(made), made.headline)
    assert "Defects" not in {text for _, text in page.words}
    assert "File size" not in {text for _, text in page.words}


def test_contradicting_labels_and_leaks_are_said_loudly(manifest: pd.DataFrame, folder: Path) -> None:
    spoiled = manifest.copy()
    spoiled.loc[[0, 1], "sha256"] = "0" * 64
    spoiled.loc[[0, 1], "target"] = np.array([0, 1], np.int8)
    test = spoiled.index[spoiled["split"] == "test"][0]
    spoiled.loc[test, ["sha256", "status", "defect"]] = ["1" * 64, "quarantined", "zeros"]
    spoiled.loc[spoiled.index[spoiled["split"] == "val"][0], "sha256"] = "1" * 64
    made = scan.page(spoiled, audit(spoiled), folder)
    assert "1 near-duplicate pair lies across splits" in made.headline
    warned = [text for tag, text in check(render(made), made.headline).words if tag == "p"]
    assert any(text.startswith("1 file stands in the data both as fake and as original") for text in warned)
    assert any(text.startswith("1 test image cannot be read") for text in warned)


def test_unlabelled_data_has_a_page_without_shortcuts(manifest: pd.DataFrame) -> None:
    unknown = manifest.assign(target=np.int8(-1))
    made = scan.page(unknown, audit(unknown))
    check(render(made), made.headline)
    assert "Shortcuts" not in [section.title for section in made.sections]


def test_the_same_data_gives_the_same_bytes(made: Page, manifest: pd.DataFrame, folder: Path) -> None:
    again = scan.page(manifest.copy(), audit(manifest), folder, {"command": "ffdi scan"})
    assert render(again) == render(made)


def test_missing_tables_are_left_out(manifest: pd.DataFrame, audited: Audit, folder: Path) -> None:
    bare = replace(
        audited,
        **{name: getattr(audited, name).iloc[:0] for name in ("shortcuts", "shifts", "exact", "near", "examples")},
    )
    made = scan.page(manifest, bare, folder)
    check(render(made), made.headline)
    assert [section.title for section in made.sections] == ["Images", "Properties by label"]


@pytest.mark.parametrize(("auc", "said"), [(0.83, "AUC 0.83"), (0.17, "AUC 0.83"), (0.53, "Nothing measured")])
def test_the_verdict_does_not_care_which_way_round(auc: float, said: str) -> None:
    rows = pd.DataFrame(
        {"split": "train", "feature": ["jpeg_q", "width"], "auc": [auc, np.nan], "real": 500, "fake": 500}
    )
    assert said in shortcuts.verdict(rows)
    assert "JPEG quality" in shortcuts.verdict(rows)


def test_chance_is_where_a_meaningless_number_falls() -> None:
    from ffdi.score.auc import auc

    rng = np.random.default_rng(0)
    target = np.repeat([0, 1], [40, 160])
    found = np.array([auc(target, rng.random(200)) for _ in range(2000)])
    assert (np.abs(found - 0.5) < shortcuts.chance(40, 160)).mean() == pytest.approx(0.95, abs=0.02)
    assert shortcuts.chance(0, 160) == np.inf
