import itertools
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ffdi.config.augment import Augment
from ffdi.config.forge import FAMILIES, Family, Forge
from ffdi.config.recipe import Member
from ffdi.core import keys
from ffdi.data import forge
from ffdi.data.batches import batches as loader
from ffdi.data.images import TrainImages
from tests.fixtures.photographs import photograph


def portraits(count: int, side: int = 96) -> list[np.ndarray]:
    return [photograph(side, side, seed=number) for number in range(count)]


@pytest.mark.parametrize("name", get_args(Family))
@given(key=st.integers(0, 2**62), height=st.sampled_from([32, 96, 131]), width=st.sampled_from([32, 96, 111]))
@settings(max_examples=8, deadline=None)
def test_every_family_keeps_the_contract(name: Family, key: int, height: int, width: int) -> None:
    image, other = photograph(height, width, seed=1), photograph(64, 80, seed=2)
    before = image.copy()
    image.flags.writeable = False
    made = forge.forge(image, [other], name, key)
    assert (made.dtype, made.shape) == (np.uint8, (height, width, 3))
    assert np.array_equal(image, before)
    assert np.array_equal(made, forge.forge(image, [other], name, key))
    assert not np.array_equal(made, image)
    assert FAMILIES[name]  # the contest's word for it


@pytest.mark.parametrize("name", FAMILIES)
def test_another_key_makes_another_fake(name: Family) -> None:
    image, other = portraits(2)
    made = [forge.forge(image, [other], name, key) for key in range(6)]
    assert any(not np.array_equal(one, two) for one, two in itertools.combinations(made, 2))


@pytest.mark.parametrize("name", ["self_blend", "swap", "component", "excision", "artefact"])
def test_forgeries_of_the_face_leave_the_corners(name: Family) -> None:
    image, other = portraits(2)
    moved = np.mean([np.abs(forge.forge(image, [other], name, key).astype(int) - image) for key in range(12)], axis=0)
    inside, corners = moved[30:70, 30:66].mean(), moved[:8, :8].mean()
    assert corners < 0.2 * inside


def test_the_background_is_all_but_the_face() -> None:
    image, other = portraits(2)
    moved = np.mean([forge.forge(image, [other], "background", key) != image for key in range(12)], axis=0)
    assert moved[:6].mean() > 0.9
    assert moved[45:60, 42:54].mean() < 0.05


def test_the_other_most_like_the_image_is_taken() -> None:
    image, far = portraits(2)
    near = np.clip(image.astype(int) + 3, 0, 255).astype(np.uint8)
    assert np.array_equal(forge.forge(image, [far, near], "swap", 3), forge.forge(image, [near], "swap", 3))


def test_families_come_by_their_weights() -> None:
    config = Forge(share=0.4, families={"swap": 3, "erasure": 1})
    drawn = Counter(forge.family(config, keys.key("family", number)) for number in range(4000))
    assert drawn["swap"] / 4000 == pytest.approx(0.75, abs=0.03)
    turned = Forge(share=0.4, families={"erasure": 1, "swap": 3})
    assert all(forge.family(config, keys.key(n)) == forge.family(turned, keys.key(n)) for n in range(50))
    forged = sum(forge.is_forged(config, keys.key("share", number)) for number in range(4000))
    assert forged / 4000 == pytest.approx(0.4, abs=0.03)


def train(folder: Path, targets: list[int], config: Forge) -> TrainImages:
    names = [f"{number}.png" for number in range(len(targets))]
    for name, image in zip(names, portraits(len(names), 32), strict=True):
        Image.fromarray(image).save(folder / name)
    plain = Augment.model_validate("none")
    member = Member(name="a", model="a", augment=plain, image_size=32, seed=7, forge=config)
    return TrainImages(pd.DataFrame({"id": names, "relpath": names, "target": targets}), folder, member)


@pytest.mark.parametrize("workers", [0, 2])
def test_labels_and_pixels_agree_and_need_no_state(workers: int, tmp_path: Path) -> None:
    images = train(tmp_path, [0, 0, 0, 0, 1, 1], Forge(share=0.5, families={"erasure": 1, "swap": 1}))
    sources = portraits(6, 32)
    items = [(row, epoch) for epoch in range(6) for row in range(6)]
    batches = list(loader(images, [items[start : start + 4] for start in range(0, 36, 4)], workers))
    pixels = np.concatenate([batch.images_BHWC.numpy().copy() for batch in batches])
    labels = np.concatenate([batch.targets_B.numpy() for batch in batches])
    changed = np.array([not np.array_equal(made, sources[row]) for made, (row, _) in zip(pixels, items, strict=True)])
    is_fake = np.array([row >= 4 for row, _ in items])
    assert np.array_equal(labels == 1, changed | is_fake)
    assert not changed[is_fake].any()  # forgeries are made of originals alone
    assert 0.2 < changed[~is_fake].mean() < 0.8


@pytest.mark.parametrize("family", ["swap", "component"])
def test_no_image_is_forged_with_itself(family: Family, tmp_path: Path) -> None:
    """It would be the original under the label of a fake."""
    images = train(tmp_path, [0, 0], Forge(share=0.999, families={family: 1}))
    read: list[int] = []

    def reading(row: int) -> np.ndarray:
        read.append(row)
        return TrainImages.read(images, row)

    images.read = reading  # type: ignore[method-assign]
    for epoch in range(10):
        read.clear()
        images.image(0, epoch)
        assert read.count(0) == 1
        assert set(read) == {0, 1}


@pytest.mark.parametrize("shape", [(1, 60), (2, 60), (60, 1), (60, 2), (2, 2)])
def test_a_sliver_of_a_face_leaves_the_image_as_it_is(shape: tuple[int, int]) -> None:
    image = np.full((96, 96, 3), 90, np.uint8)
    mask_HW = np.zeros((96, 96), np.float32)
    mask_HW[20 : 20 + shape[0], 20 : 20 + shape[1]] = 1
    assert np.array_equal(forge._poisson(image, image + 40, mask_HW), image)
