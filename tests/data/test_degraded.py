from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ffdi.core import keys
from ffdi.core.keys import Draws
from ffdi.data import degraded, operations
from tests.fixtures.photographs import picture

SIDE = 96


@pytest.mark.parametrize("kind", degraded.DAMAGES)
def test_a_copy_is_worse_of_the_same_size_and_depends_on_its_id_alone(kind: str) -> None:
    image = picture(SIDE)
    one, again, other = (degraded.degrade(image, kind, name) for name in ("a", "a", "b"))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one.shape, one.dtype) == (image.shape, image.dtype)
    assert 0.2 < np.abs(one.astype(float) - image).mean() < 40


def test_noise_is_that_of_training_at_any_size_without_its_bank() -> None:
    noise = degraded.DAMAGES["noise"]
    for number, shape in enumerate([(31, 17, 3), (40, 64, 3)]):
        image = keys.rng("picture", number).integers(0, 256, shape, dtype=np.uint8)
        expected = operations.noise(image, noise.span, Draws(number, "noise"))
        np.testing.assert_array_equal(noise.apply(image, noise.span, Draws(number, "noise")), expected)


def test_a_patch_is_one_small_block_of_noise_or_of_the_image() -> None:
    image = picture(SIDE)
    pasted = []
    for name in "abcdefgh":
        copy = degraded.degrade(image, "patch", name)
        rows, columns = np.nonzero((copy != image).any(axis=2))
        block = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        height, width = copy[block].shape[:2]
        assert max(height, width) <= 0.3 * SIDE + 1
        found = np.lib.stride_tricks.sliding_window_view(image, (height, width, 3))[..., 0, :, :, :]
        pasted.append(bool((found == copy[block]).all(axis=(2, 3, 4)).any()))
    assert set(pasted) == {True, False}


def test_images_are_degraded_as_they_are_read(tmp_path: Path) -> None:
    image = picture(SIDE)
    Image.fromarray(image).save(tmp_path / "a.png")
    rows = pd.DataFrame({"id": ["one"], "relpath": ["a.png"]})
    read = degraded.DegradedImages(rows, tmp_path, SIDE // 2, "blur").image(0)
    np.testing.assert_array_equal(read, operations.fit(degraded.degrade(image, "blur", "one"), SIDE // 2))


def test_a_sample_keeps_the_share_of_the_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(degraded, "MAX_COPIES", 200)
    rows = pd.DataFrame({"id": [f"{n}" for n in range(1000)], "target": (np.arange(1000) % 5 == 0).astype(int)})
    some = degraded.sample(rows)
    assert len(some) == 200
    assert some["target"].sum() == 40
    mixed = degraded.sample(rows.sample(frac=1, random_state=1).reset_index(drop=True))
    assert set(mixed["id"]) == set(some["id"])
    assert degraded.sample(some) is some
