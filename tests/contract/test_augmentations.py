"""Check every operation of the augmentation, a new one too, against what all of them promise."""

from typing import Any

import numpy as np
import pytest

from ffdi.config.augment import DEFAULTS, FROM_ZERO, KINDS, Augment
from ffdi.data.augment import compile
from tests.fixtures.photographs import distance, photograph

SIZE = 48
OFF: dict[str, Any] = dict.fromkeys(Augment.model_fields, False)
ALL = list(OFF)
IMAGE = photograph(64, 64, 3)
IMAGE.flags.writeable = False


def policy(name: str, **changes: Any) -> Augment:
    """One operation alone."""
    return Augment.model_validate(OFF | {name: {"p": 1.0, **changes}})


PLAIN = compile(Augment.model_validate(OFF), SIZE)(IMAGE, 1, 0)


@pytest.mark.parametrize("name", ALL)
def test_bytes_in_bytes_of_the_size_out_and_the_same_for_the_same_key(name: str) -> None:
    """Whatever was drawn before; at p = 1 each image is changed."""
    before = IMAGE.copy()
    one, other = compile(policy(name), SIZE), compile(policy(name), SIZE)
    forwards = [one(IMAGE, 1, key) for key in range(10)]
    backwards = [other(IMAGE, 1, key) for key in reversed(range(10))][::-1]
    assert all(np.array_equal(first, second) for first, second in zip(forwards, backwards, strict=True))
    assert {(result.shape, result.dtype) for result in forwards} == {((SIZE, SIZE, 3), np.dtype(np.uint8))}
    changed = [not np.array_equal(result, PLAIN) for result in forwards]
    assert np.mean(changed) >= 0.9  # a crop or a small turn can by chance be the whole
    assert np.array_equal(IMAGE, before)


@pytest.mark.parametrize("name", [name for name in ALL if KINDS[name].unit])
def test_a_stronger_draw_is_farther_from_the_image(name: str) -> None:
    """Mean distance over the same keys at the weakest, the middle and the strongest of the default range."""
    span = DEFAULTS[name].range
    assert span is not None
    weak, strong = sorted(span, key=lambda end: abs(end - KINDS[name].neutral))
    means = []
    for strength in (0.0, 0.5, 1.0):
        end = float(round(weak + (strong - weak) * strength, 0 if strong > 20 else 6))
        at = compile(policy(name, range=(0 if name in FROM_ZERO else end, end)), SIZE)
        means.append(np.mean([distance(at(IMAGE, 1, key), PLAIN) for key in range(24)]))
    assert means[0] < means[1] < means[2], means
