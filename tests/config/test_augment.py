import pickle
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ffdi.config.augment import Augment, Crop, Cutout, Jpeg, Library, Operation

FIELDS = [name for name in Augment.model_fields if name != "library"]


def test_the_order_of_application_is_what_recipes_rely_on() -> None:
    """A field moved or renamed changes every recipe: then this list changes too, knowingly."""
    assert list(Augment.model_fields) == [
        *("parts", "crop", "hflip", "vflip", "rot90", "rotate", "grid", "colour", "gamma", "grey", "sharpen"),
        *("blur", "motion", "resize", "noise", "cutout", "library", "webp", "jpeg", "degrade"),
    ]


def test_the_default_is_light_and_alike_for_both_classes() -> None:
    wishes = [getattr(Augment(), name) for name in FIELDS]
    on = {name for name, wish in zip(FIELDS, wishes, strict=True) if wish is not None}
    assert on == {"crop", "hflip", "colour", "blur", "resize", "noise", "jpeg"}
    assert {wish.on for wish in wishes if wish is not None} == {"all"}


@pytest.mark.parametrize("name", FIELDS)
def test_every_operation_is_switched_by_a_boolean(name: str) -> None:
    on, off = Augment(**{name: True}), Augment(**{name: False})
    assert isinstance(getattr(on, name), Operation)
    assert getattr(on, name) == getattr(Augment(**{name: {}}), name)
    assert getattr(off, name) is None


@pytest.mark.parametrize("name", FIELDS)
def test_a_default_of_the_policy_is_the_default_of_its_operation(name: str) -> None:
    """So `jpeg = {quality = [30, 60]}` changes the quality and nothing else."""
    assert getattr(Augment(), name) in (None, getattr(Augment(**{name: {}}), name))


def test_cutout_is_for_fakes() -> None:
    assert Cutout().on == "fake"
    assert Augment(cutout={"on": "fake"}).cutout == Cutout()


def test_toml_goes_in_and_json_comes_back() -> None:
    text = """
    crop = false
    jpeg = {quality = [30, 60], p = 1}
    noise = {p = 0.5, on = "fake"}
    [[library]]
    transform = "CLAHE"
    arguments = {clip_limit = [1, 4]}
    """
    policy = Augment.model_validate(tomllib.loads(text))
    assert policy.crop is None
    assert policy.jpeg == Jpeg(p=1, quality=(30, 60))
    assert policy.library[0].transform == "CLAHE"
    assert Augment.model_validate(policy.model_dump(mode="json")) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"blurr": True}, "Extra inputs"),
        ({"jpeg": {"quality_lower": 60}}, "Extra inputs"),
        ({"jpeg": {"quality": [70, 60]}}, "low <= high"),
        ({"jpeg": {"quality": [0, 60]}}, "greater than or equal to 1"),
        ({"jpeg": {"quality": [60.5, 70]}}, "integer"),
        ({"jpeg": {"p": 1.2}}, "less than or equal to 1"),
        ({"jpeg": {"p": float("nan")}}, "finite"),
        ({"noise": {"sigma": [0, float("inf")]}}, "finite"),
        ({"motion": {"length": [4, 7]}}, "odd"),
        ({"crop": {"scale": [0, 1]}}, "greater than 0"),
        ({"crop": {"interpolation": []}}, "at least 1"),
        ({"resize": {"interpolation": ["bicubic"]}}, "'nearest'"),
        ({"hflip": {"on": "both"}}, "'all'"),
        ({"library": [{"transform": "clahe"}]}, "pattern"),
        ({"library": [{}]}, "Field required"),
    ],
)
def test_what_is_refused(value: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Augment.model_validate(value)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Augment().crop = None
    with pytest.raises(ValidationError, match="frozen"):
        Library(transform="CLAHE").p = 1.0


@given(st.floats(), st.floats())
def test_a_range_is_taken_exactly_when_it_is_one(low: float, high: float) -> None:
    if 0 < low <= high <= 1:
        assert Crop(scale=(low, high)).scale == (low, high)
    else:
        with pytest.raises(ValidationError):
            Crop(scale=(low, high))
