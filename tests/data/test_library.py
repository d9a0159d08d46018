from typing import Any

import numpy as np
import pytest

from ffdi.config.augment import DEFAULTS, Library, Operation
from ffdi.core.errors import UserError
from ffdi.core.keys import Draws
from ffdi.data.library import Transform
from tests.data.test_operations import picture

SIZE = 64
WISHES: list[Operation] = [
    DEFAULTS["grid"],
    Library(transform="CLAHE", arguments={"clip_limit": [1, 4], "tile_grid_size": [2, 2]}),
    Library(transform="ISONoise"),
]


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: getattr(wish, "transform", "grid"))
def test_pixels_are_a_function_of_the_draws(wish: Operation) -> None:
    image = picture(SIZE)
    before = image.copy()
    transform, other = Transform(wish, SIZE), Transform(wish, SIZE)
    first = [transform(image, wish, Draws(key, "")) for key in range(6)]
    again = [other(image, wish, Draws(key, "")) for key in (5, 4, 3, 2, 1, 0)][::-1]
    assert all(np.array_equal(one, two) for one, two in zip(first, again, strict=True))
    assert len({result.tobytes() for result in first}) >= 3
    assert {(result.shape, result.dtype) for result in first} == {(image.shape, image.dtype)}
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("Blurr", {}, "no transform 'Blurr'"),
        ("Compose", {}, "no transform 'Compose'"),
        ("ImageCompression", {"quality_lower": 60, "quality_upper": 100}, "quality_lower"),
        ("ImageCompression", {"quality_range": [60, 900]}, "must be >= 1 and <= 100"),
        ("CLAHE", {"p": 0.5}, "write p beside transform"),
        ("Normalize", {}, "float32"),
        ("RandomCrop", {"height": 32, "width": 32}, "keep size and type"),
        ("Mosaic", {}, "does not run on an image alone"),
    ],
)
def test_what_would_run_otherwise_than_written_is_refused(name: str, arguments: dict[str, Any], reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        Transform(Library(transform=name, arguments=arguments), SIZE)


def test_the_arguments_it_runs_with_are_told() -> None:
    told = Transform(Library(transform="ImageCompression", arguments={"quality_range": [40, 50]}), SIZE).describe()
    assert told["quality_range"] == (40, 50)
    assert told["compression_type"] == "jpeg"


def test_the_mit_release_is_installed() -> None:
    """AlbumentationsX, AGPL, has the same import name."""
    from importlib.metadata import PackageNotFoundError, version

    assert version("albumentations") == "2.0.8"
    with pytest.raises(PackageNotFoundError):
        version("albumentationsx")
