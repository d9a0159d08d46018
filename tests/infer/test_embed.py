"""Embeddings: a row each, in order, near for near-duplicates; and only where the folds need them."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from ffdi.config.recipe import Folds, Recipe
from ffdi.core.errors import UserError
from ffdi.infer import embed
from tests.fixtures.members import member

MODEL = "tf_efficientnet_lite0"  # whose weights a package brings


def test_rows_keep_their_order_and_a_copy_is_nearest(rows: pd.DataFrame, tmp_path: Path) -> None:
    image = cv2.imread(str(tmp_path / rows.id[0]))
    cv2.imwrite(str(tmp_path / "copy.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 80])
    more = pd.concat([rows, pd.DataFrame({"id": ["copy"], "relpath": ["copy.jpg"]})], ignore_index=True)
    features_ND = embed.embed(MODEL, more, tmp_path, workers=0)
    assert features_ND.shape[0] == len(more)
    assert features_ND.dtype == np.float32
    unit_ND = features_ND / np.linalg.norm(features_ND, axis=1, keepdims=True)
    assert np.argsort(unit_ND @ unit_ND[-1])[-2] == 0
    np.testing.assert_array_equal(embed.embed(MODEL, more, tmp_path, workers=2), features_ND)


def test_an_image_that_cannot_be_read_is_named(rows: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / rows.relpath[3]).unlink()
    with pytest.raises(UserError, match=f"{rows.id[3]} cannot be read any more"):
        embed.embed(MODEL, rows, tmp_path, workers=0)


def test_folds_get_embeddings_where_they_can_be_compared(
    rows: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = rows.assign(split="train", target=0, status="ok", sha256="0")

    def found(model: str, scheme: str) -> np.ndarray | None:
        folds = Folds.model_validate({"k": 2, "embedding": model, "scheme": scheme})
        recipe = Recipe(name="r", competition="multi-ffdi-phase2", folds=folds, member=(member(),))
        return embed.for_folds(recipe, manifest, tmp_path, 0)

    assert found("", "group") is None
    made = found(MODEL, "group")
    assert made is not None
    assert len(made) == len(rows)
    monkeypatch.setattr(embed.folds, "MAX_COMPARED", 5)
    assert found(MODEL, "group") is None
    assert found(MODEL, "cluster") is not None
