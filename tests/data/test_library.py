from typing import Any

import pytest

from ffdi.config.augment import Library
from ffdi.core.errors import UserError
from ffdi.data.library import Transform

SIZE = 64


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


def test_the_mit_release_is_installed() -> None:
    """AlbumentationsX, AGPL, has the same import name."""
    from importlib.metadata import PackageNotFoundError, version

    assert version("albumentations") == "2.0.8"
    with pytest.raises(PackageNotFoundError):
        version("albumentationsx")
