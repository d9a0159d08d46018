"""Check every operation of the augmentation, a new one too, against what all of them promise."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from ffdi.config.augment import DEFAULTS, FROM_ZERO, KINDS, Augment
from ffdi.data.augment import compile
from tests.fixtures.photographs import distance, picture

SIZE = 48
OFF: dict[str, Any] = dict.fromkeys(Augment.model_fields, False)
ALL = list(OFF)
IMAGE = picture(64)
IMAGE.flags.writeable = False


def policy(name: str, p: float = 1.0, **changes: Any) -> Augment:
    """One operation alone."""
    return Augment.model_validate(OFF | {name: {"p": p, **changes}})


def applied(of: Augment, key: int) -> np.ndarray:
    return compile(of, SIZE)(IMAGE, 1, key)


PLAIN = compile(Augment.model_validate(OFF), SIZE)(IMAGE, 1, 0)


@pytest.mark.parametrize("name", ALL)
def test_bytes_in_bytes_of_the_size_out_and_the_same_for_the_same_key(name: str) -> None:
    """Whatever was drawn before, and the global generators untouched."""
    before = IMAGE.copy()
    one, other = compile(policy(name), SIZE), compile(policy(name), SIZE)
    state = np.random.get_state()[1].tolist()  # type: ignore[index]
    forwards = [one(IMAGE, 1, key) for key in range(4)]
    backwards = [other(IMAGE, 1, key) for key in (3, 2, 1, 0)][::-1]
    assert all(np.array_equal(first, second) for first, second in zip(forwards, backwards, strict=True))
    assert {(result.shape, result.dtype) for result in forwards} == {((SIZE, SIZE, 3), np.dtype(np.uint8))}
    assert any(not np.array_equal(result, PLAIN) for result in forwards)
    assert np.array_equal(IMAGE, before)
    assert np.random.get_state()[1].tolist() == state  # type: ignore[index]


@pytest.mark.parametrize("name", ALL)
def test_p_0_is_the_identity(name: str) -> None:
    assert all(np.array_equal(applied(policy(name, p=0), key), PLAIN) for key in range(3))


@pytest.mark.parametrize("name", ALL)
def test_an_argument_that_is_not_known_is_an_error(name: str) -> None:
    with pytest.raises(ValidationError, match="quality_lower"):
        compile(policy(name, quality_lower=60), SIZE)


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
