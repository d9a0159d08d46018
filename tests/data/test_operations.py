from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.augment import DEFAULTS, KINDS, Augment
from ffdi.core.keys import Draws
from ffdi.data.operations import OPERATIONS, crop, fit
from tests.fixtures.photographs import distance, picture

SIZE = 64
SPANS: dict[str, Any] = {name: DEFAULTS[name].range for name in OPERATIONS}
FIXED = {"hflip": 1, "vflip": 1, "grey": 1}  # results there can be; the others draw a strength
# From weak to strong: the ranges of growing strength.
STRENGTHS: list[tuple[str, list[float]]] = [
    ("rotate", [0, 2, 6, 15]),
    ("grid", [0, 0.05, 0.1, 0.3]),
    ("colour", [0, 0.05, 0.2, 0.5]),
    ("sharpen", [0, 0.3, 1, 3]),
    ("blur", [0.3, 0.8, 1.6, 3]),
    ("resize", [1, 0.66, 0.33, 0.16]),
    ("noise", [0, 1, 4, 16]),
    ("cutout", [0.05, 0.1, 0.3, 0.6]),
    ("webp", [100, 80, 40, 5]),
    ("jpeg", [100, 80, 40, 5]),
]


def test_every_operation_of_the_policy_is_covered() -> None:
    assert list(OPERATIONS) == [name for name in Augment.model_fields if name not in ("crop",)]


@pytest.mark.parametrize(("name", "values"), STRENGTHS)
def test_more_strength_changes_more(name: str, values: list[float]) -> None:
    image = picture()
    means = [
        np.mean([distance(OPERATIONS[name](image, (value, value), Draws(key, name)), image) for key in range(8)])
        for value in values
    ]
    assert means == sorted(means)
    assert means[-1] > means[0] + 1


@pytest.mark.parametrize("name", ["rotate", "grid", "colour", "sharpen", "resize", "noise"])
def test_no_strength_is_no_change(name: str) -> None:
    image, value = picture(), KINDS[name].neutral
    result = OPERATIONS[name](image, (value, value), Draws(1, name))
    assert np.array_equal(result, image)


def test_flips_move_pixels_and_change_none() -> None:
    image = picture()
    assert np.array_equal(OPERATIONS["hflip"](image, None, Draws(0, "")), image[:, ::-1])
    assert np.array_equal(OPERATIONS["vflip"](image, None, Draws(0, "")), image[::-1])


def test_hue_and_saturation_leave_grey_grey() -> None:
    grey = np.repeat(np.arange(0, 256, 4, dtype=np.uint8), 3).reshape(8, 8, 3)
    for key in range(10):
        assert np.ptp(OPERATIONS["colour"](grey, (0, 1), Draws(key, "")).astype(int), axis=2).max() <= 1


def test_noise_has_the_asked_spread_and_no_offset() -> None:
    flat = np.full((128, 128, 3), 128, np.uint8)
    for sigma in (2.0, 10.0):
        added = [OPERATIONS["noise"](flat, (sigma, sigma), Draws(key, "")).astype(float) - 128 for key in range(10)]
        assert np.std(added) == pytest.approx(sigma, rel=0.05)
        assert np.mean(added) == pytest.approx(0, abs=0.1)


def test_noise_saturates_instead_of_wrapping() -> None:
    for value in (0, 255):
        flat = np.full((SIZE, SIZE, 3), value, np.uint8)
        noisy = OPERATIONS["noise"](flat, (100, 100), Draws(1, "")).astype(int)
        assert ((noisy == value).mean()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("fill", "within"), [("black", (0, 0)), ("noise", (0, 255))])
def test_cutout_paints_one_rectangle_of_the_asked_size(fill: Any, within: tuple[int, int]) -> None:
    image = np.full((100, 100, 3), 100, np.uint8)
    image[::2] = 101
    result = OPERATIONS["cutout"](image, (0.3, 0.3), Draws(5, ""), (1, 1), fill)
    changed = (result != image).any(axis=2)
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[-1] - rows[0] + 1 in (29, 30)
    assert columns[-1] - columns[0] + 1 == 30
    hole = result[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert within[0] <= hole.min() <= hole.max() <= within[1]
    assert np.std(hole) > 50 or fill != "noise"


def test_jpeg_is_what_another_decoder_reads() -> None:
    import io

    import simplejpeg
    from PIL import Image

    image = picture()
    ours = OPERATIONS["jpeg"](image, (50, 50), Draws(0, ""))
    data = simplejpeg.encode_jpeg(image, 50, colorspace="RGB", colorsubsampling="420")
    assert np.array_equal(ours, np.asarray(Image.open(io.BytesIO(data))))


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.integers(0, 2**60))
@settings(max_examples=150, deadline=None)
def test_a_crop_of_any_image_has_the_size(height: int, width: int, size: int, key: int) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    assert crop(image, (0.05, 1), Draws(key, ""), size).shape == (size, size, 3)
    assert fit(image, size).shape == (size, size, 3)


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
    assert fit(picture(511), 100).shape == (100, 100, 3)
