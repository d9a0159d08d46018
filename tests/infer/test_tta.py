"""Views: each is what its name says, and names are read in one form."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ffdi.config import views
from ffdi.infer import nets

KINDS = st.sampled_from([torch.uint8, torch.float32])
WANTED = {
    "identity": lambda array: array,
    "hflip": lambda array: array[:, :, :, ::-1],
    "vflip": lambda array: array[:, :, ::-1],
    "rot90": lambda array: np.rot90(array, 1, (2, 3)),
    "rot180": lambda array: np.rot90(array, 2, (2, 3)),
    "rot270": lambda array: np.rot90(array, 3, (2, 3)),
    "transpose": lambda array: array.transpose(0, 1, 3, 2),
    "antitranspose": lambda array: np.rot90(array, 2, (2, 3)).transpose(0, 1, 3, 2),
}


@st.composite
def batches(draw: st.DrawFn) -> Tensor:
    """Square batches, as the kit has them, in either memory layout."""
    side, count = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    images = torch.arange(count * 3 * side * side).reshape(count, 3, side, side).remainder(251)
    images = images.to(draw(KINDS))
    return images.to(memory_format=torch.channels_last) if draw(st.booleans()) else images


@given(batches())
@settings(deadline=None)
def test_each_symmetry_is_what_its_name_says(images: Tensor) -> None:
    assert WANTED.keys() == set(nets.SYMMETRIES) == set(views.SYMMETRIES)
    for name, wanted in WANTED.items():
        found = nets.apply_view(images, name)
        assert found.dtype == images.dtype
        np.testing.assert_array_equal(found.numpy(), wanted(images.numpy()))
    assert nets.apply_view(images, "identity") is images


@given(st.floats(0.25, 4.0), st.sampled_from([32, 64, 160, 224, 384, 512]), KINDS)
@settings(deadline=None, max_examples=30)
def test_scale_shows_the_whole_image_at_a_side_that_strides_divide(factor: float, side: int, kind: torch.dtype) -> None:
    images = torch.full((1, 3, side, side), 77).to(kind)
    view = views.parse([f"scale:{factor}"])[0]
    shown = nets.apply_view(images, view)
    assert shown.shape[2] == shown.shape[3] == views.side(side, view)
    assert shown.shape[2] == side or shown.shape[2] % views.STRIDE == 0
    allowed = max(views.STRIDE / 2, views.STRIDE - side * factor) + 1e-3 * side
    assert abs(shown.shape[2] - side * factor) <= allowed
    assert shown.dtype == kind
    torch.testing.assert_close(shown, torch.full_like(shown, 77))  # a resize keeps a flat image flat


@given(st.floats(0.25, 1.0), st.sampled_from([32, 64, 160, 384]))
@settings(deadline=None, max_examples=30)
def test_crop_is_the_middle_untouched(factor: float, side: int) -> None:
    images = torch.arange(side * side).reshape(1, 1, side, side)
    view = views.parse([f"crop:{factor}"])[0]
    shown = nets.apply_view(images, view)
    kept = shown.shape[2]
    margin = (side - kept) // 2
    assert kept == views.side(side, view)
    assert torch.equal(shown, images[:, :, margin : margin + kept, margin : margin + kept])


@pytest.mark.parametrize(
    ("written", "parsed"),
    [
        (["identity"], ("identity",)),
        (["flips"], ("identity", "hflip")),
        (["six"], ("identity", "rot90", "rot180", "rot270", "hflip", "vflip")),
        (["hflip", "six", "vflip"], ("hflip", "identity", "rot90", "rot180", "rot270", "vflip")),
        (["scale:0.80", "scale:.8", "crop:0.875"], ("scale:0.8", "crop:0.875")),
        (["scale:1", "crop:1.0", "identity"], ("identity",)),
    ],
)
def test_names_are_brought_into_one_form(written: list[str], parsed: tuple[str, ...]) -> None:
    assert views.parse(written) == parsed
    assert views.parse(parsed) == parsed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hflp", "did you mean 'hflip'"),
        ("sixx", "did you mean 'six'"),
        ("", "known: identity"),
        ("wxyz", "known: identity"),
        ("scale", "did you mean 'scale:F'"),
        ("scale:", "write scale:F with F from 0.25 to 4"),
        ("scale:nan", "write scale:F"),
        ("scale:9", "write scale:F"),
        ("crop:1.5", "write crop:F with F from 0.25 to 1"),
    ],
)
def test_an_unknown_view_is_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        views.parse([name])
