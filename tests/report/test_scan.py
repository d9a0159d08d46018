from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.data.audit import Audit
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


def without(audited: Audit, *tables: str) -> Audit:
    return replace(audited, **{name: getattr(audited, name).iloc[:0] for name in tables})


def test_clean_data_has_a_calm_page(manifest: pd.DataFrame, audited: Audit) -> None:
    clean = manifest.assign(status="ok", defect="", bytes=9000, jpeg_q=92)
    calm = replace(without(audited, "exact", "near", "shifts"), shortcuts=audited.shortcuts.assign(auc=0.51))
    made = scan.page(clean, calm)
    assert made.headline.startswith(
        f"All {len(manifest)} images can be used. Nothing measured on the files tells fakes"
    )
    words = {text for _, text in check(render(made), made.headline).words}
    assert not {"Defects", "File size", "Duplicates", "Near-duplicates to look at"} & words


def test_contradicting_labels_and_leaks_are_said_loudly(manifest: pd.DataFrame, audited: Audit) -> None:
    lost = manifest.copy()
    lost.loc[lost.index[lost["split"] == "test"][0], ["status", "defect"]] = ["quarantined", "zeros"]
    both = manifest.loc[[0, 1], ["sha256", "split", "id", "relpath"]].assign(sha256="0" * 64, target=[0, 1])
    across = pd.DataFrame({"split_a": ["train"], "target_a": [0], "split_b": ["val"], "target_b": [1], "pairs": [1]})
    found = replace(without(audited, "near", "shifts", "shortcuts"), conflicts=both, exact=across)
    made = scan.page(lost, found)
    assert "1 near-duplicate pair lies across splits" in made.headline
    words = [text for _, text in check(render(made), made.headline).words]
    assert any(text.startswith("1 file stands in the data both as fake and as original") for text in words)
    assert any(text.startswith("1 test image cannot be read") for text in words)
    assert "train original and val fake" in words


def test_unlabelled_data_has_a_page_without_shortcuts(manifest: pd.DataFrame, audited: Audit) -> None:
    bare = without(audited, "shortcuts", "shifts", "exact", "near", "examples", "conflicts")
    made = scan.page(manifest.assign(target=np.int8(-1)), bare)
    check(render(made), made.headline)
    assert [section.title for section in made.sections] == ["Images", "Properties by label"]


@pytest.mark.parametrize(("auc", "said"), [(0.83, "AUC 0.83"), (0.17, "AUC 0.83"), (0.53, "Nothing measured")])
def test_the_verdict_does_not_care_which_way_round(auc: float, said: str) -> None:
    rows = pd.DataFrame(
        {"split": "train", "feature": ["jpeg_q", "width"], "auc": [auc, np.nan], "real": 500, "fake": 500}
    )
    assert said in shortcuts.verdict(rows)
    assert "JPEG quality" in shortcuts.verdict(rows)


def test_noise_of_a_small_split_hides_no_fact_of_a_large_one() -> None:
    rows = pd.DataFrame({"split": ["train", "val"], "feature": "bytes", "auc": [0.59, 0.61], "real": [9000, 40]})
    said = shortcuts.verdict(rows.assign(fake=rows["real"]))
    assert said.startswith("File size alone tells fakes from originals in train with AUC 0.59: some of any score")


def test_all_properties_together_are_called_so() -> None:
    rows = pd.DataFrame({"split": ["train"], "feature": "all together", "auc": 0.9, "real": 500, "fake": 500})
    assert shortcuts.verdict(rows).startswith(
        "All properties together tell fakes from originals in train with AUC 0.90"
    )


def test_chance_is_where_a_meaningless_number_falls() -> None:
    from ffdi.metrics.auc import auc

    rng = np.random.default_rng(0)
    target = np.repeat([0, 1], [40, 160])
    found = np.array([auc(target, rng.random(200)) for _ in range(2000)])
    assert (np.abs(found - 0.5) < shortcuts.chance(40, 160)).mean() == pytest.approx(0.95, abs=0.02)
    assert shortcuts.chance(0, 160) == np.inf
