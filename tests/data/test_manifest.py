import numpy as np
import pandas as pd
import pytest

from ffdi.core import checksum
from ffdi.core.errors import UserError
from ffdi.core.layout import Workspace
from ffdi.data import manifest
from tests.fixtures.manifests import manifest_of


def rows() -> pd.DataFrame:
    return manifest_of(6, 0).assign(phash=np.arange(6, dtype=np.uint64) + np.uint64(2**63 + 1))  # beyond an int64


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
    changed.loc[3, column] = {"id": "x", "split": "val", "target": -1, "sha256": "f" * 64, "status": "repaired"}[column]
    assert manifest.digest(changed) != manifest.digest(rows())


def test_no_manifest_or_another_versions_is_refused(places: Workspace) -> None:
    with pytest.raises(UserError, match=r"manifest\.parquet does not exist"):
        manifest.read(places)
    checksum.write_table(places.manifest, rows().drop(columns="sharpness"))
    with pytest.raises(UserError, match="another version of the kit"):
        manifest.read(places)
