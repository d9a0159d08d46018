"""The embedded sample is what its README says: complete, balanced, and free of leaks by name or by a trivial number."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import ffdi
from ffdi.metrics.auc import auc

SAMPLE = Path(ffdi.__path__[0]) / "sample"
IMAGES = {"train": "phase1/trainset", "val": "phase1/valset", "test": "phase2/testset1_seen"}
TABLES = {
    "train": "phase1/trainset_label.txt",
    "val": "phase1/valset_label.txt",
    "test": "phase2/testset1_seen_nolabel.txt",
}
FAMILIES = {
    "train": {"original": 203, "sbi": 117, "swap_alpha": 86},
    "val": {"original": 40, "sbi": 24, "swap_alpha": 16},
    "test": {"original": 116, "sbi": 46, "swap_alpha": 20, "swap_poisson": 50},
}


@pytest.fixture(scope="module")
def truth() -> pd.DataFrame:
    """All images: img_name, split, target, family, pair."""
    known = pd.read_csv(SAMPLE / "truth/pairs.csv")
    known["target"] = (known.family != "original").astype(int)
    test = pd.read_csv(SAMPLE / "truth/test_labels.csv").assign(split="test")
    return pd.concat([known, test], ignore_index=True)


@pytest.fixture(scope="module")
def pictures(truth: pd.DataFrame) -> pd.DataFrame:
    """The truth with three numbers of each image that must not give its class away."""
    rows = []
    for row in truth.itertuples():
        data = (SAMPLE / IMAGES[row.split] / row.img_name).read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (160, 160))
            grey_HW = np.asarray(image.convert("L"), np.float64)
        gradient = np.abs(np.diff(grey_HW, axis=0)).mean() + np.abs(np.diff(grey_HW, axis=1)).mean()
        rows.append((len(data), grey_HW.mean(), gradient))
    return truth.join(pd.DataFrame(rows, columns=["bytes", "grey", "gradient"]))


def test_it_stays_small() -> None:
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 8_000_000


def test_every_family_is_counted_and_poisson_is_unseen_in_train(truth: pd.DataFrame) -> None:
    counts = {split: rows.family.value_counts().to_dict() for split, rows in truth.groupby("split")}
    assert counts == FAMILIES


@pytest.mark.parametrize("split", IMAGES)
def test_files_tables_and_truth_agree_and_the_test_has_no_label(split: str, truth: pd.DataFrame) -> None:
    files = sorted(path.name for path in (SAMPLE / IMAGES[split]).iterdir())
    table, rows = pd.read_csv(SAMPLE / TABLES[split]), truth[truth.split == split]
    assert table.pop("img_name").tolist() == files == rows.img_name.tolist()
    assert all(re.fullmatch(r"[0-9a-f]{32}\.jpg", name) for name in files)
    assert table.to_dict("list") == ({} if split == "test" else {"target": rows.target.tolist()})


def test_the_folders_hold_nothing_but_images_and_tables() -> None:
    others = {path for phase in ("phase1", "phase2") for path in (SAMPLE / phase).rglob("*.*") if path.suffix != ".jpg"}
    assert others == {SAMPLE / name for name in TABLES.values()}


def test_each_person_is_one_original_and_one_twin_in_one_split(truth: pd.DataFrame) -> None:
    pairs = truth.groupby("pair").agg(images=("target", "size"), fakes=("target", "sum"), splits=("split", "nunique"))
    assert set(pairs.itertuples(index=False, name=None)) == {(2, 1, 1)}


@pytest.mark.parametrize("split", IMAGES)
@pytest.mark.parametrize("number", ["bytes", "grey", "gradient"])
def test_one_number_hardly_tells_the_class(split: str, number: str, pictures: pd.DataFrame) -> None:
    rows = pictures[pictures.split == split]
    area = auc(rows.target, rows[number])
    assert max(area, 1 - area) < 0.65, f"{number} alone reaches {area:.3f} in {split}"


@pytest.mark.parametrize("split", IMAGES)
def test_names_tell_neither_class_nor_pair(split: str, truth: pd.DataFrame) -> None:
    rows = truth[truth.split == split].reset_index(drop=True)
    assert abs(auc(rows.target, rows.index.to_numpy()) - 0.5) < 0.15
    neighbours = int((rows.pair.diff().iloc[1:] == 0).sum())
    assert neighbours <= 5  # about one is expected by chance
