from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.augment import Augment
from ffdi.config.forge import Forge
from ffdi.data import twins
from ffdi.data.dataset import loader
from ffdi.data.images import TrainImages
from tests.data.photographs import photograph

SIDE = 32
PLAIN = Augment.model_validate(dict.fromkeys(Augment.model_fields, False) | {"library": []})


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 4), st.integers(0, 2**64 - 1)), max_size=30))
@settings(max_examples=50)
def test_a_twin_is_the_nearest_of_the_other_class_in_the_group(drawn: list[tuple[int, int, int]]) -> None:
    rows = pd.DataFrame(drawn, columns=["target", "group", "phash"]).astype({"phash": "uint64"})
    found = twins.twins(rows)
    assert found.dtype == np.int64
    for place, (target, group, phash) in enumerate(drawn):
        others = [one for one, row in enumerate(drawn) if row[0] != target and row[1] == group]
        nearest = min(others, key=lambda one: (drawn[one][2] ^ phash).bit_count(), default=twins.NONE)
        assert found[place] == nearest


def test_large_groups_are_compared_in_blocks(monkeypatch: object) -> None:
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**63, (2, 40)).astype(np.uint64)
    expected = twins._nearest(hashes[0], hashes[1])
    monkeypatch.setattr(twins, "CELLS", 100)  # type: ignore[attr-defined]
    assert np.array_equal(twins._nearest(hashes[0], hashes[1]), expected)


def test_shares_are_beta_and_keys_decide_them() -> None:
    drawn = np.array([twins.share(0.5, key) for key in range(2000)])
    assert abs(drawn.mean() - 0.5) < 0.03
    assert abs((drawn < 0.1).mean() - 0.2048) < 0.03  # Beta(1/2, 1/2) is the arcsine law: 2/pi asin(sqrt(0.1))
    assert twins.share(0.5, 7) == drawn[7]


class Flat:
    """Originals of grey 40, fakes of grey 200, in different sizes: a blend shows its share."""

    def read(self, row: int) -> np.ndarray:
        return np.full((SIDE + row, SIDE, 3), 200 if row % 2 else 40, np.uint8)


def images(forge: Forge | None = None, alpha: float = 0.5, policy: Augment = PLAIN) -> TrainImages:
    rows = pd.DataFrame({"id": list("abcdefgh"), "relpath": "", "target": [0, 1] * 4})
    twin_N = np.array([1, 0, 3, 2, 5, 4, twins.NONE, twins.NONE])
    return TrainImages(rows, Path(), policy, SIDE, 5, Flat(), forge or Forge(), alpha, twin_N)


def test_a_blend_has_the_label_of_its_pixels() -> None:
    items = [(row, epoch) for epoch in range(20) for row in range(8)]
    for workers in (0, 1):
        (batch,) = loader(images(), [items], workers)
        shown = (batch.images_BHWC.numpy().mean(axis=(1, 2, 3)) - 40) / 160
        assert np.abs(shown - batch.targets_B.numpy()).max() < 1 / 160
        alone = np.array([row >= 6 for row, _ in items])
        assert set(batch.targets_B.numpy()[alone]) == {0, 1}
        assert len(set(batch.targets_B.numpy()[~alone].tolist())) == (~alone).sum()


def test_without_alpha_nothing_is_blended() -> None:
    (batch,) = loader(images(alpha=0.0), [[(row, 3) for row in range(8)]])
    assert batch.targets_B.tolist() == [0, 1] * 4


def test_an_original_that_was_forged_is_a_fake_and_not_blended() -> None:
    forge = Forge(share=0.6, families={"erasure": 1})
    items = [(0, epoch) for epoch in range(40)]
    (batch,) = loader(images(forge), [items])
    fakes = batch.targets_B.numpy() == 1
    assert 10 < fakes.sum() < 36
    assert len({pixels.tobytes() for pixels in batch.images_BHWC.numpy()[~fakes]}) > 3


def test_what_is_for_fakes_spares_a_blend() -> None:
    """It is an original in part."""
    policy = Augment.model_validate(PLAIN.model_dump() | {"cutout": {"p": 1}})
    cut, plain = images(policy=policy), images()
    for epoch in range(5):
        assert np.array_equal(cut.image(1, epoch), plain.image(1, epoch))
        assert not np.array_equal(cut.image(7, epoch), plain.image(7, epoch))


def test_twins_have_the_same_geometry() -> None:
    """Blended before anything moves: of an image with itself as twin nothing but the image is left."""
    image = photograph(SIDE, SIDE, 1)
    assert np.abs(twins.blend(image, image, 0.3).astype(int) - image).max() <= 1
    assert twins.blend(image, photograph(2 * SIDE, SIDE + 3, 2), 0.5).shape == image.shape
