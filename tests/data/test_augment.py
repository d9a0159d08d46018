from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.augment import FOR_FAKES, Augment
from ffdi.core import keys
from ffdi.data.augment import compile
from tests.fixtures.photographs import distance, photograph

SIZE = 48
NONE: dict[str, Any] = dict.fromkeys(Augment.model_fields, False)
NAMES = list(NONE)
BUSY = Augment(**{name: {"p": 0.5} for name in NAMES if name != "webp"})


def apply(policy: Augment, key: int, label: int = 1) -> np.ndarray:
    return compile(policy, SIZE)(photograph(64, 64, 3), label, key)


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_at_p_0_is_the_identity(name: str) -> None:
    """Alone it leaves the image as it is, and among others it moves none of their draws."""
    for key in range(3):
        assert np.array_equal(apply(Augment(**{**NONE, name: {"p": 0}}), key), apply(Augment(**NONE), key))
        busy = {field: getattr(BUSY, field) or False for field in NAMES}
        assert np.array_equal(
            apply(Augment(**{**busy, name: {"p": 0}}), key), apply(Augment(**{**busy, name: False}), key)
        )


def test_p_is_the_share_of_images_independently_of_other_operations() -> None:
    """Streams that shared a draw would flip both ways together."""
    policy = compile(Augment(**{**NONE, "hflip": {"p": 0.3}, "vflip": {"p": 0.6}}), 2)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    results = [policy(image, 0, keys.key("t", index)).tobytes() for index in range(2000)]
    shares = [results.count(one.tobytes()) / 2000 for one in (image, image[:, ::-1], image[::-1], image[::-1, ::-1])]
    assert shares == pytest.approx([0.28, 0.12, 0.42, 0.18], abs=0.04)


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([16, 48]), st.integers(0, 2**60))
@settings(max_examples=50, deadline=None)
def test_any_image_comes_out_at_the_size(height: int, width: int, size: int, key: int) -> None:
    image = np.full((height, width, 3), 90, np.uint8)
    image.flags.writeable = False
    for policy in (Augment(), Augment(**NONE), BUSY):
        result = compile(policy, size)(image, 1, key)
        assert (result.shape, result.dtype) == ((size, size, 3), np.uint8)


def test_parts_go_before_the_face_moves() -> None:
    """Eyes, nose and mouth are found where an aligned face has them, so the hole moves with the image."""
    moves = {"crop": {"range": (0.3, 0.3)}, "vflip": {"p": 1}}
    image = np.full((64, 64, 3), 200, np.uint8)
    moved, both = (compile(Augment(**{**NONE, **moves, "parts": parts}), 48) for parts in (False, {"p": 1}))
    assert [step.name for step in both.first] == ["parts", "crop"]
    for key in range(8):
        holed = both.first[0](image, 1, key)
        assert 0.002 < (holed == 0).mean() < 0.1
        assert np.array_equal(both(image, 1, key), moved(holed, 1, key))


@pytest.mark.parametrize("name", FOR_FAKES)
def test_real_images_never_get_what_is_for_fakes(name: str) -> None:
    assert np.array_equal(apply(Augment(**{**NONE, name: {"p": 1}}), 4, label=0), apply(Augment(**NONE), 4))


def test_a_degraded_fake_has_one_hard_damage() -> None:
    plain, policy = apply(Augment(**NONE), 0), Augment(**{**NONE, "degrade": {"p": 1}})
    assert min(distance(apply(policy, key), plain) for key in range(12)) > 1
