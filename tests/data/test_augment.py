import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ffdi.config.augment import Augment
from ffdi.config.semantics import FOR_FAKES
from ffdi.core import keys
from ffdi.data.augment import compile
from tests.fixtures.photographs import picture

SIZE = 48
NONE: dict[str, Any] = dict.fromkeys(Augment.model_fields, False)
NAMES = list(NONE)
BUSY = Augment(**{name: {"p": 0.5} for name in NAMES if name != "webp"})


def apply(policy: Augment, key: int, label: int = 1) -> np.ndarray:
    return compile(policy, SIZE)(picture(64), label, key)


def test_a_copy_in_another_process_gives_the_same_pixels() -> None:
    policy = compile(BUSY, SIZE)
    copy = pickle.loads(pickle.dumps(policy))
    for key in range(10):
        assert np.array_equal(policy(picture(64), 0, key), copy(picture(64), 0, key))


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_at_p_0_is_the_identity(name: str) -> None:
    """Alone it leaves the image as it is, and among others it moves none of their draws."""
    for key in range(3):
        assert np.array_equal(apply(Augment(**{**NONE, name: {"p": 0}}), key), apply(Augment(**NONE), key))
        busy = {field: getattr(BUSY, field) or False for field in NAMES}
        assert np.array_equal(
            apply(Augment(**{**busy, name: {"p": 0}}), key), apply(Augment(**{**busy, name: False}), key)
        )


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_at_p_1_is_always_applied(name: str) -> None:
    policy, plain = Augment(**{**NONE, name: {"p": 1}}), apply(Augment(**NONE), 0)
    changed = [not np.array_equal(apply(policy, key), plain) for key in range(10)]
    assert np.mean(changed) >= 0.9  # a crop, a gamma, a small turn can by chance be the whole


@given(p=st.sampled_from([0.1, 0.3, 0.5, 0.9]), seed=st.integers(0, 2**30))
@settings(max_examples=10, deadline=None)
def test_p_is_the_share_of_images(p: float, seed: int) -> None:
    policy = compile(Augment(**{**NONE, "hflip": {"p": p}}), 2)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    flipped = [not np.array_equal(policy(image, 0, keys.key(seed, index)), image) for index in range(1500)]
    assert np.mean(flipped) == pytest.approx(p, abs=0.065)


def test_operations_are_applied_independently() -> None:
    """Streams that shared a draw would flip both ways together."""
    policy = compile(Augment(**{**NONE, "hflip": {"p": 0.5}, "vflip": {"p": 0.5}}), 2)
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    results = [policy(image, 0, keys.key("t", index)).tobytes() for index in range(2000)]
    counts = [results.count(kind) for kind in set(results)]
    assert len(counts) == 4
    assert min(counts) > 420


@pytest.mark.parametrize("shape", [(1, 1), (7, 90), (64, 64), (200, 31), (300, 300)])
def test_any_image_comes_out_at_the_size(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 90, np.uint8)
    image.flags.writeable = False
    for policy in (Augment(), Augment(**NONE), BUSY):
        result = compile(policy, SIZE)(image, 1, 7)
        assert (result.shape, result.dtype) == ((SIZE, SIZE, 3), np.uint8)


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
    made = [apply(policy, key) for key in range(12)]
    assert min(float(np.abs(one.astype(int) - plain).mean()) for one in made) > 1
    assert len({one.tobytes() for one in made}) == 12
