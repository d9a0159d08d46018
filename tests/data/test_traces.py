import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.core import keys
from ffdi.data import traces
from ffdi.data.jpeg import recompress
from tests.fixtures.photographs import texture


@given(st.integers(16, 70), st.integers(16, 70))
@settings(max_examples=15, deadline=None)
def test_maps_have_the_size_of_the_image(height: int, width: int) -> None:
    image_HWC = keys.rng("traces", height, width).integers(0, 256, (height, width, 3), np.uint8)
    for make in (traces.ela, traces.residual, traces.spectrum):
        made = make(image_HWC)
        assert made.shape == (height, width)
        assert made.dtype == np.float32
        assert np.isfinite(made).all()
        np.testing.assert_array_equal(made, make(image_HWC))


def test_a_region_saved_otherwise_lights_up_in_the_error_level() -> None:
    """Everything went through quality 90 before, a fresh patch of the same texture did not."""
    image_HWC = texture()
    image_HWC[...] = recompress(recompress(image_HWC, traces.QUALITY), traces.QUALITY)
    image_HWC[48:96, 64:112] = texture(key="other")[48:96, 64:112]
    map_HW = traces.ela(image_HWC)
    inside = map_HW[48:96, 64:112].mean()
    map_HW[40:104, 56:120] = np.nan  # whose blocks touch the patch
    assert inside > 2 * np.nanmean(map_HW)


def test_a_flat_image_has_no_residual_and_a_speck_has() -> None:
    image_HWC = np.full((40, 40, 3), 90, np.uint8)
    assert not traces.residual(image_HWC).any()
    image_HWC[20, 10] = 200
    found = traces.residual(image_HWC)
    assert found[20, 10] == 110
    assert np.count_nonzero(found) == 1


@pytest.mark.parametrize("period", [4, 8])
def test_a_grid_makes_a_peak_at_its_frequency(period: int) -> None:
    image_HWC = texture().astype(np.int16)
    image_HWC[::period, ::period] += 40
    found = traces.spectrum(np.clip(image_HWC, 0, 255).astype(np.uint8))
    down, across = (np.fft.fftshift(np.fft.fftfreq(side)) for side in found.shape)
    found[np.hypot(down[:, None], across[None]) < 0.1] = -np.inf
    down, across = np.unravel_index(found.argmax(), found.shape)
    assert (down - 80) % (160 // period) == 0
    assert (across - 80) % (160 // period) == 0
