import math

import cv2
import numpy as np
import pytest

from ffdi.data import checks
from tests.fixtures.photographs import texture


def test_the_template_s_parts_lie_in_the_face_and_off_the_border() -> None:
    where = checks.regions((200, 160, 3))
    assert where.face_HW.shape == (200, 160)
    assert (where.face_HW | ~where.parts_HW).all()
    np.testing.assert_array_equal(where.back_HW, ~where.face_HW)
    assert 0.05 < where.parts_HW.mean() < where.face_HW.mean() < 0.4
    assert not (where.face_HW[0] | where.face_HW[-1]).any()


def test_each_forgery_moves_its_own_number() -> None:
    plain = texture()
    before = checks.measure(plain)
    where = checks.regions(plain.shape)
    smooth = np.where(where.face_HW[..., None], cv2.GaussianBlur(plain, (0, 0), 2), plain)
    assert checks.measure(smooth).noise < 0.7 * before.noise
    assert checks.measure(smooth).ela < before.ela
    assert checks.measure(cv2.GaussianBlur(plain, (0, 0), 2)).high < 0.5 * before.high
    blank = np.where(where.parts_HW[..., None], cv2.GaussianBlur(plain, (0, 0), 3), plain)
    assert checks.measure(blank).detail < 0.7 * before.detail
    grid = plain.astype(np.int16)
    grid[::4, ::4] += 60
    assert checks.measure(np.clip(grid, 0, 255).astype(np.uint8)).peak > before.peak + 0.5


def test_light_from_two_sides_is_told() -> None:
    image_HWC = np.full((100, 100, 3), 100, np.uint8)
    where = checks.regions(image_HWC.shape)
    image_HWC[:, :50][where.face_HW[:, :50]] = 130
    image_HWC[:, 50:][where.back_HW[:, 50:]] = 110
    found = checks.measure(image_HWC)
    assert (found.face_light, found.back_light, found.light) == pytest.approx((30, -10, 40))


def test_a_flat_image_is_measured_too() -> None:
    assert all(
        math.isfinite(value) for value in checks.values(checks.measure(np.zeros((16, 64, 3), np.uint8))).values()
    )


def test_the_place_among_originals() -> None:
    images = [texture(key=str(number)) for number in range(4)]
    found = checks.of_originals(iter(images))
    assert (len(found), found.sides) == (4, (160,) * 4)
    places = sorted(found.below("high", checks.measure(image).high) for image in images)
    assert places == pytest.approx([0.125, 0.375, 0.625, 0.875])  # each among the four, itself counted half
    none = checks.of_originals([])
    assert len(none) == 0
    assert math.isnan(none.below("high", 0.5))


def test_the_share_of_a_map() -> None:
    map_HW = np.array([[3.0, 0.0], [1.0, 0.0]])
    assert checks.share(map_HW, np.array([[True, True], [False, False]])) == 0.75
    assert math.isnan(checks.share(np.zeros((2, 2)), np.ones((2, 2), bool)))
