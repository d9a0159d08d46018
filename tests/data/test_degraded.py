from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ffdi.core import keys
from ffdi.core.keys import Draws
from ffdi.data import degraded, operations
from tests.fixtures.photographs import distance, photograph

SIDE = 96


@pytest.mark.parametrize("kind", degraded.DAMAGES)
def test_a_copy_is_worse_of_the_same_size_and_depends_on_its_id_alone(kind: str) -> None:
    image = photograph(SIDE, SIDE, 3)
    one, again, other = (degraded.degrade(image, kind, name) for name in ("a", "a", "b"))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    assert (one.shape, one.dtype) == (image.shape, image.dtype)
    assert 0.2 < distance(one, image) < 40


def test_noise_is_that_of_training_at_any_size_without_its_bank() -> None:
    noise = degraded.DAMAGES["noise"]
    for number, shape in enumerate([(31, 17, 3), (40, 64, 3)]):
        image = keys.rng("picture", number).integers(0, 256, shape, dtype=np.uint8)
        expected = operations.noise(image, noise.span, Draws(number, "noise"))
        np.testing.assert_array_equal(noise.apply(image, noise.span, Draws(number, "noise")), expected)


def test_images_are_degraded_as_they_are_read(tmp_path: Path) -> None:
    image = photograph(SIDE, SIDE, 3)
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
