from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from ffdi.config import views as spec_views
from ffdi.core.errors import UserError
from ffdi.infer import views

NAMES = list(views.SYMMETRIES)
KINDS = st.sampled_from([torch.uint8, torch.float32])


@st.composite
def batches(draw: st.DrawFn) -> Tensor:
    """Square batches, as the kit has them, in either memory layout."""
    side, count = draw(st.integers(1, 9)), draw(st.integers(1, 3))
    images = torch.arange(count * 3 * side * side).reshape(count, 3, side, side).remainder(251)
    images = images.to(draw(KINDS))
    return images.to(memory_format=torch.channels_last) if draw(st.booleans()) else images


def through(images: Tensor, *names: str) -> Tensor:
    for name in names:
        images = views.apply(images, name)
    return images


@given(batches())
@settings(deadline=None)
def test_each_symmetry_is_what_its_name_says(images: Tensor) -> None:
    array = images.numpy()
    wanted = {
        "identity": array,
        "hflip": array[:, :, :, ::-1],
        "vflip": array[:, :, ::-1],
        "rot90": np.rot90(array, 1, (2, 3)),
        "rot180": np.rot90(array, 2, (2, 3)),
        "rot270": np.rot90(array, 3, (2, 3)),
        "transpose": array.transpose(0, 1, 3, 2),
        "antitranspose": np.rot90(array, 2, (2, 3)).transpose(0, 1, 3, 2),
    }
    assert wanted.keys() == set(NAMES)
    for name in NAMES:
        given = views.apply(images, name)
        assert given.dtype == images.dtype
        np.testing.assert_array_equal(given.numpy(), wanted[name])


@given(batches())
@settings(deadline=None)
def test_group_identities(images: Tensor) -> None:
    for mirror in ("hflip", "vflip", "transpose", "antitranspose", "rot180"):
        assert torch.equal(through(images, mirror, mirror), images)
    assert torch.equal(through(images, "rot90", "rot90", "rot90", "rot90"), images)
    assert torch.equal(through(images, "rot90", "rot270"), images)
    assert torch.equal(through(images, "hflip", "vflip"), views.apply(images, "rot180"))
    assert torch.equal(through(images, "rot90", "vflip"), views.apply(images, "transpose"))


def test_the_symmetries_are_a_group() -> None:
    """Eight different views, and any two after one another are again one of them."""
    images = torch.arange(3 * 5 * 5).reshape(1, 3, 5, 5)
    seen = {views.apply(images, name).numpy().tobytes() for name in NAMES}
    assert len(seen) == 8
    for first, second in product(NAMES, NAMES):
        assert through(images, first, second).contiguous().numpy().tobytes() in seen


def test_identity_is_no_copy() -> None:
    images = torch.zeros(2, 3, 8, 8)
    assert views.apply(images, "identity") is images


@given(st.floats(0.25, 4.0), st.sampled_from([32, 64, 160, 224, 384, 512]), KINDS)
@settings(deadline=None, max_examples=30)
def test_scale_shows_the_whole_image_at_a_side_that_strides_divide(factor: float, side: int, kind: torch.dtype) -> None:
    images = torch.full((1, 3, side, side), 77).to(kind)
    view = spec_views.parse([f"scale:{factor}"])[0]
    shown = views.apply(images, view)
    assert shown.shape[2] == shown.shape[3] == spec_views.side(side, view)
    assert shown.shape[2] == side or shown.shape[2] % spec_views.STRIDE == 0
    assert (
        abs(shown.shape[2] - side * factor)
        <= max(spec_views.STRIDE / 2, spec_views.STRIDE - side * factor) + 1e-3 * side
    )
    assert shown.dtype == kind
    torch.testing.assert_close(shown, torch.full_like(shown, 77))  # a resize keeps a flat image flat


def test_scale_is_the_antialiased_bilinear_resize() -> None:
    images = torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(0))
    wanted = torch.nn.functional.interpolate(images, (128, 128), mode="bilinear", antialias=True)
    assert torch.equal(views.apply(images, "scale:0.8"), wanted)


@given(st.floats(0.25, 1.0), st.sampled_from([32, 64, 160, 384]))
@settings(deadline=None, max_examples=30)
def test_crop_is_the_middle_untouched(factor: float, side: int) -> None:
    images = torch.arange(side * side).reshape(1, 1, side, side)
    view = spec_views.parse([f"crop:{factor}"])[0]
    shown = views.apply(images, view)
    kept = shown.shape[2]
    margin = (side - kept) // 2
    assert kept == spec_views.side(side, view)
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
    assert spec_views.parse(written) == parsed
    assert spec_views.parse(parsed) == parsed


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("hflp", "did you mean 'hflip'"),
        ("rot45", "did you mean 'rot"),
        ("sixx", "did you mean 'six'"),
        ("", "known: identity"),
        ("wxyz", "known: identity"),
        ("scale", "did you mean 'scale:F'"),
        ("scale:", "write scale:F with F from 0.25 to 4"),
        ("scale:big", "write scale:F"),
        ("scale:nan", "write scale:F"),
        ("scale:9", "write scale:F"),
        ("crop:1.5", "write crop:F with F from 0.25 to 1"),
    ],
)
def test_an_unknown_view_is_refused(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        spec_views.parse([name])
