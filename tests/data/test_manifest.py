from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ffdi.core import checksum
from ffdi.core.errors import CorruptError, UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest


@pytest.fixture
def places(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "work", tmp_path / "submissions")


def rows(count: int = 6) -> pd.DataFrame:
    """Half train, half test; every third is quarantined."""
    splits = ["train", "test"]
    frame = pd.DataFrame({"id": [f"{number}.jpg" for number in range(count)]})
    frame["split"] = [splits[number % 2] for number in range(count)]
    frame["relpath"] = frame["split"] + "/" + frame["id"]
    frame["target"] = [number % 4 // 2 if number % 2 == 0 else -1 for number in range(count)]
    frame["sha256"] = [f"{number:064x}" for number in range(count)]
    frame["phash"] = np.arange(count, dtype=np.uint64) + np.uint64(2**63 + 1)  # beyond what a float or an int64 holds
    frame["phash256"] = frame["sha256"]
    frame["status"] = ["quarantined" if number % 3 == 2 else "ok" for number in range(count)]
    frame["defect"] = ["truncated" if number % 3 == 2 else "" for number in range(count)]
    numbers = dict.fromkeys(("width", "height", "bytes", "mtime_ns", "jpeg_q"), 80)
    measures = dict.fromkeys(("sharpness", "mean_grey", "colourfulness"), 0.5)
    return manifest.typed(frame.assign(mode="RGB", **numbers, **measures))


def test_what_is_written_is_read(places: Workspace) -> None:
    checksum.write_table(places.manifest, rows(), {"competition": "tiny"})
    pd.testing.assert_frame_equal(manifest.read(places), rows())
    assert checksum.read_facts(places.manifest) == {"competition": "tiny"}


def test_the_digest_is_of_content_and_not_of_order_or_time() -> None:
    whole = manifest.digest(rows())
    assert manifest.digest(rows().sample(frac=1, random_state=1)) == whole
    assert manifest.digest(rows().assign(mtime_ns=7, relpath="x", sharpness=1.0)) == whole


@pytest.mark.parametrize("column", ["id", "split", "target", "sha256", "status"])
def test_the_digest_moves_with_each_thing_training_depends_on(column: str) -> None:
    changed = rows()
    changed.loc[3, column] = {"id": "x", "split": "val", "target": 1, "sha256": "f" * 64, "status": "repaired"}[column]
    assert manifest.digest(changed) != manifest.digest(rows())


def test_another_versions_manifest_is_refused(places: Workspace) -> None:
    checksum.write_table(places.manifest, rows().drop(columns="sharpness"))
    with pytest.raises(UserError, match="another version of the kit"):
        manifest.read(places)


def test_a_missing_or_damaged_manifest_is_named(places: Workspace) -> None:
    with pytest.raises(UserError, match=r"manifest\.parquet does not exist"):
        manifest.read(places)
    checksum.write_table(places.manifest, rows())
    data = bytearray(places.manifest.read_bytes())
    data[len(data) // 2] ^= 1
    places.manifest.write_bytes(bytes(data))
    with pytest.raises(CorruptError, match=r"manifest\.parquet is damaged"):
        manifest.read(places)
