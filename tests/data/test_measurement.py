import cv2
import numpy as np
import pytest

from ffdi.data import measurement
from tests.fixtures.pictures import portrait


def grey(side: int) -> np.ndarray:
    return cv2.cvtColor(np.array(portrait((side, side), 3)), cv2.COLOR_RGB2GRAY)


def test_blur_lowers_sharpness_and_sharpening_raises_it() -> None:
    picture = grey(200)
    soft = cv2.GaussianBlur(picture, (0, 0), 2)
    crisp = np.clip(2 * picture.astype(int) - soft, 0, 255).astype(np.uint8)
    assert measurement.sharpness(soft) < measurement.sharpness(picture) < measurement.sharpness(crisp)


def test_contrast_does_not_count_as_sharpness() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    assert measurement.sharpness(noise // 4) == pytest.approx(measurement.sharpness(noise), rel=0.02)


def test_beyond_512_pixels_size_does_not_count_either() -> None:
    picture = cv2.GaussianBlur(grey(1024), (0, 0), 3)
    half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert measurement.sharpness(picture) == pytest.approx(measurement.sharpness(half), rel=1e-6)


def test_a_flat_image_has_neither_edges_nor_colour() -> None:
    flat = np.full((64, 64, 3), 90, np.uint8)
    assert (measurement.sharpness(flat[..., 0]), measurement.colourfulness(flat)) == (0.0, 0.0)


def test_colourfulness_is_that_of_the_paper() -> None:
    image = np.array(portrait((30, 30), 5))  # small enough for every pixel to count
    red, green, blue = image.astype(float).transpose(2, 0, 1)
    first, second = red - green, (red + green) / 2 - blue
    spread, mean = np.hypot(first.std(), second.std()), np.hypot(first.mean(), second.mean())
    assert measurement.colourfulness(image) == pytest.approx(spread + 0.3 * mean, rel=1e-5)
