"""What single operations do to pixels. tests/contract/test_augmentations.py holds what all of them promise."""

import io

import numpy as np
import pytest
import simplejpeg
from PIL import Image

from ffdi.config.augment import KINDS
from ffdi.core.keys import Draws
from ffdi.data import operations
from ffdi.data.operations import crop, fit
from tests.fixtures.photographs import photograph

NONE = (0.0, 0.0)  # the range of an operation that needs none


@pytest.mark.parametrize("name", ["rotate", "grid", "colour", "sharpen", "resize", "noise"])
def test_no_strength_is_no_change(name: str) -> None:
    image, value = photograph(64, 64, 3), KINDS[name].neutral
    assert np.array_equal(getattr(operations, name)(image, (value, value), Draws(1, name)), image)


def test_flips_move_pixels_and_change_none() -> None:
    image = photograph(64, 64, 3)
    assert np.array_equal(operations.hflip(image, NONE, Draws(0, "")), image[:, ::-1])
    assert np.array_equal(operations.vflip(image, NONE, Draws(0, "")), image[::-1])


def test_hue_and_saturation_leave_grey_grey() -> None:
    grey = np.repeat(np.arange(0, 256, 4, dtype=np.uint8), 3).reshape(8, 8, 3)
    for key in range(10):
        assert np.ptp(operations.colour(grey, (0, 1), Draws(key, "")).astype(int), axis=2).max() <= 1


def test_noise_has_the_asked_spread_and_no_offset() -> None:
    flat = np.full((128, 128, 3), 128, np.uint8)
    for sigma in (2.0, 10.0):
        added = [operations.noise(flat, (sigma, sigma), Draws(key, "")).astype(float) - 128 for key in range(10)]
        assert np.std(added) == pytest.approx(sigma, rel=0.05)
        assert np.mean(added) == pytest.approx(0, abs=0.1)


def test_noise_saturates_instead_of_wrapping() -> None:
    for value in (0, 255):
        flat = np.full((64, 64, 3), value, np.uint8)
        noisy = operations.noise(flat, (100, 100), Draws(1, "")).astype(int)
        assert ((noisy == value).mean()) == pytest.approx(0.5, abs=0.05)


def test_a_cutout_is_black_and_of_the_asked_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "HOLES", (1, 1))
    result = operations.cutout(np.full((100, 100, 3), 100, np.uint8), (0.3, 0.3), Draws(5, ""))
    rows, columns = np.nonzero(result[..., 0] != 100)
    assert (np.ptp(rows), np.ptp(columns), len(rows)) == (29, 29, 900)
    assert not result[rows, columns].any()


def test_jpeg_is_what_another_decoder_reads() -> None:
    image = photograph(64, 64, 3)
    ours = operations.jpeg(image, (50, 50), Draws(0, ""))
    data = simplejpeg.encode_jpeg(image, 50, colorspace="RGB", colorsubsampling="420")
    assert np.array_equal(ours, np.asarray(Image.open(io.BytesIO(data))))


def test_a_crop_takes_the_asked_area_and_every_place() -> None:
    rows, columns = np.mgrid[:100, :100].astype(np.uint8)
    image = np.dstack([rows, columns, rows])
    corners = [crop(image, (0.25, 0.25), Draws(key, ""), 50)[[0, -1], [0, -1], :2].astype(int) for key in range(300)]
    assert all(np.abs(high - low - 49).max() <= 4 for low, high in corners)  # the shape is drawn too
    tops = [int(low[0]) for low, _ in corners]
    assert min(tops) <= 2
    assert max(tops) >= 48
    assert np.mean(tops) == pytest.approx(25, abs=3)


def test_reducing_does_not_alias() -> None:
    """A pattern of one pixel averages to grey, where plain bilinear would pick stripes."""
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    reduced = fit(stripes, 200)
    assert reduced.min() >= 126
    assert reduced.max() <= 129
