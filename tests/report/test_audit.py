"""The sections about images: shortcuts, defects, duplicates."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ffdi.data.audit import Audit
from ffdi.metrics.auc import auc as exact_auc
from ffdi.report import folds as audits
from ffdi.report.page import Page, render
from tests.fixtures.html_reader import check


def words(manifest: pd.DataFrame, audit: Audit) -> list[str]:
    page = Page("Title", "Headline.", audits._audited(manifest, audit))
    return [text for _, text in check(render(page), "Headline.").words]


def without(audited: Audit, *tables: str) -> Audit:
    return replace(audited, **{name: getattr(audited, name).iloc[:0] for name in tables})


def test_contradicting_labels_and_pairs_across_splits_are_shown(manifest: pd.DataFrame, audited: Audit) -> None:
    lost = manifest.copy()
    lost.loc[lost.index[lost["split"] == "test"][0], ["status", "defect"]] = ["quarantined", "zeros"]
    both = manifest.loc[[0, 1], ["sha256", "split", "id", "relpath"]].assign(sha256="0" * 64, target=[0, 1])
    kind = {"split_a": ["train"], "target_a": [0], "split_b": ["val"], "target_b": [1]}
    found = replace(audited, conflicts=both, pairs=pd.DataFrame({**kind, "pairs": [7], "equal": [1]}))
    told = " ".join(words(lost, found))
    assert "1 file labelled both fake and original" in told
    assert "1 test image cannot be read" in told
    assert "train original and val fake 7 1" in told


def test_unlabelled_clean_data_has_only_its_images(manifest: pd.DataFrame, audited: Audit) -> None:
    clean = manifest.assign(target=np.int8(-1), status="ok", defect="")
    told = words(clean, without(audited, "shortcuts", "pairs", "conflicts"))
    assert "Images" in told
    assert not {"Defects", "Shortcuts", "Duplicates"} & set(told)


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
    assert said in audits.verdict(frame.assign(fake=frame["real"]))


def test_chance_is_where_a_meaningless_number_falls() -> None:
    rng, target = np.random.default_rng(0), np.repeat([0, 1], [40, 160])
    found = np.array([exact_auc(target, rng.random(200)) for _ in range(2000)])
    assert (np.abs(found - 0.5) < audits.chance(40, 160)).mean() == pytest.approx(0.95, abs=0.02)
    assert audits.chance(0, 160) == np.inf
