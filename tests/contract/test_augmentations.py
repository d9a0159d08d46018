"""What every augmentation promises, the kit's own and those of the library. A new operation is held to it at once."""

import json
from typing import Any

import albumentations
import numpy as np
import pytest
from pydantic import ValidationError

from ffdi.config.augment import DEFAULTS, FROM_ZERO, KINDS, Augment
from ffdi.core.errors import UserError
from ffdi.data.augment import compile, describe
from tests.fixtures.photographs import distance, picture

SIZE = 48
OFF: dict[str, Any] = {name: False for name in Augment.model_fields if name != "library"}
# What others' solutions use; each with an argument away from its default.
LIBRARY: dict[str, dict[str, Any]] = {
    "CLAHE": {"clip_limit": [1, 3]},
    "CoarseDropout": {"num_holes_range": [1, 2]},
    "ColorJitter": {"brightness": [0.7, 1.3]},
    "Downscale": {"scale_range": [0.4, 0.6]},
    "ElasticTransform": {"alpha": 40},
    "Emboss": {"alpha": [0.3, 0.6]},
    "FancyPCA": {"alpha": 0.3},
    "GaussNoise": {"std_range": [0.05, 0.1]},
    "HueSaturationValue": {"hue_shift_limit": [-9, 9]},
    "ISONoise": {"intensity": [0.2, 0.4]},
    "ImageCompression": {"quality_range": [30, 60]},
    "MultiplicativeNoise": {"multiplier": [0.8, 1.2]},
    "Perspective": {"scale": [0.05, 0.1]},
    "Posterize": {"num_bits": [3, 5]},
    "RGBShift": {"r_shift_limit": [-30, 30]},
    "RandomBrightnessContrast": {"brightness_limit": [-0.3, 0.3]},
    "RandomShadow": {"shadow_intensity_range": [0.3, 0.6]},
    "ShotNoise": {"scale_range": [0.1, 0.2]},
}
OWN = list(OFF)
ALL = [*OWN, *LIBRARY]
IMAGE = picture(64)
IMAGE.flags.writeable = False


def policy(name: str, p: float = 1.0, **changes: Any) -> Augment:
    """One operation alone."""
    if name in LIBRARY:
        wish = {"transform": name, "p": p, "on": "fake", "arguments": {**LIBRARY[name], **changes}}
        return Augment.model_validate(OFF | {"library": [wish]})
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
    """Renamed ones among them: the library itself only warns, and then runs with its defaults."""
    with pytest.raises((ValidationError, UserError), match="quality_lower"):
        compile(policy(name, quality_lower=60), SIZE)


@pytest.mark.parametrize("name", ALL)
def test_what_runs_is_told_whole_and_can_be_stored(name: str) -> None:
    told = describe(policy(name), SIZE)
    (parameters,) = told.values()
    assert json.loads(json.dumps(told)).keys() == told.keys()
    if name in LIBRARY:
        resolved = json.loads(json.dumps(parameters["resolved"]))
        assert {key: resolved[key] for key in LIBRARY[name]} == LIBRARY[name]
    else:
        assert set(parameters) - {"resolved"} == {"p", "on"} | ({"range"} if KINDS[name].unit else set())


@pytest.mark.parametrize("name", [name for name in OWN if KINDS[name].unit])
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


def test_every_transform_of_the_library_runs_by_key_or_is_refused() -> None:
    """No third way: what compiles at its defaults gives the size in bytes, alike for one key."""
    kinds = (getattr(albumentations, name) for name in dir(albumentations))
    base = albumentations.ImageOnlyTransform
    names = sorted(kind.__name__ for kind in kinds if isinstance(kind, type) and issubclass(kind, base))
    ran = 0
    for name in names:
        of = Augment.model_validate(OFF | {"library": [{"transform": name, "p": 1.0, "on": "fake"}]})
        try:
            one, other = compile(of, SIZE), compile(of, SIZE)
        except UserError:
            continue
        first, second = one(IMAGE, 1, 5), other(IMAGE, 1, 5)
        assert (first.shape, first.dtype) == ((SIZE, SIZE, 3), np.uint8), name
        assert np.array_equal(first, second), name
        ran += 1
    assert ran > 40, (ran, len(names))
