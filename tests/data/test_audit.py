import numpy as np
import pandas as pd
import pytest

from ffdi.data import manifest
from ffdi.data.audit import NUMBERS, audit, shortcuts
from tests.fixtures.manifests import manifest_of


def rows(count: int = 40, split: str = "train", **columns: object) -> pd.DataFrame:
    """Images that share nothing and of which no number tells the class; `columns` replace any of that."""
    plain = manifest_of(count, 0, len(split), split).assign(target=np.arange(count) % 2)
    return manifest.typed(plain.assign(**columns))


def auc_of(table: pd.DataFrame, feature: str) -> float:
    return float(table.set_index("feature").loc[feature, "auc"])


def test_a_number_that_separates_the_classes_is_shown_and_the_others_are_not() -> None:
    target = np.arange(40) % 2
    found = audit(rows(bytes=8000 + 100 * target)).shortcuts
    assert auc_of(found, "bytes") == auc_of(found, "bits_per_pixel") == 1.0
    assert {auc_of(found, name) for name in NUMBERS if not name.startswith(("bytes", "bits"))} == {0.5}
    row = found.set_index("feature").loc["bytes"]
    assert (row["real"], row["fake"]) == (20, 20)


def test_the_mode_counts_as_a_shortcut() -> None:
    mode = np.where(np.arange(40) % 4 == 0, "L", "RGB")  # half of the real ones are grey
    assert auc_of(shortcuts(rows(mode=mode)), "mode") == pytest.approx(0.75)


def test_quarantined_rows_and_splits_of_one_class_are_left_out() -> None:
    broken = rows(bytes=1, status="quarantined", split="train")
    unknown = rows(10, "test", target=-1)
    found = audit(pd.concat([rows(30), broken, unknown]))
    assert set(found.shortcuts["split"]) == {"train"}
    assert found.shortcuts["real"].tolist() == [15] * len(found.shortcuts)
    assert auc_of(found.shortcuts, "bytes") == 0.5


def test_pairs_are_counted_by_split_and_label() -> None:
    base = rows(6, "train")
    copies = rows(6, "val", phash=base["phash"] ^ np.uint64(1), phash256=base["phash256"])
    copies.loc[0, ["sha256", "phash"]] = base.loc[0, ["sha256", "phash"]]
    found = audit(pd.concat([base, copies], ignore_index=True)).pairs
    assert found.to_numpy().tolist() == [["train", 0, "val", 0, 3, 1], ["train", 1, "val", 1, 3, 0]]


def test_contradicting_labels_of_equal_bytes_are_listed() -> None:
    images = rows(8)
    images.loc[[0, 1, 2, 4], "sha256"] = "a" * 64  # targets 0, 1, 0, 0
    images.loc[[3, 5], "sha256"] = "b" * 64  # targets 1, 1
    found = audit(images).conflicts
    assert set(found["id"]) == set(images["id"][[0, 1, 2, 4]])
    assert set(found["sha256"]) == {"a" * 64}


def test_a_manifest_without_a_usable_image_is_audited_all_the_same() -> None:
    found = audit(rows(4, status="quarantined", phash256=""))
    assert found.shortcuts.empty
    assert found.pairs.empty
