"""Presets, what refines them, and what is never done to originals."""

import tomllib
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from ffdi.config.augment import DEFAULTS, FOR_FAKES, KINDS, PRESETS, Augment, Preset


def test_the_order_of_application_is_what_recipes_rely_on() -> None:
    """Another order gives other pixels to every recipe: then this list changes too, knowingly."""
    assert list(Augment.model_fields) == [
        *("parts", "crop", "hflip", "vflip", "rotate", "grid", "colour", "grey", "sharpen"),
        *("blur", "resize", "noise", "cutout", "webp", "jpeg", "degrade"),
    ]


@pytest.mark.parametrize("preset", get_args(Preset))
def test_a_preset_is_its_operations_spelled_out(preset: Preset) -> None:
    policy = Augment.model_validate(preset)
    assert list(dict(policy.operations())) == [name for name in Augment.model_fields if name in PRESETS[preset]]
    assert Augment.model_validate({"preset": preset}) == policy
    assert Augment.model_validate(policy.model_dump(mode="json")) == policy


def test_light_is_the_default_and_alike_for_both_classes() -> None:
    assert Augment() == Augment.model_validate("light")
    assert not set(FOR_FAKES) & dict(Augment().operations()).keys()
    assert all(operation == DEFAULTS[name] for name, operation in Augment().operations())


@pytest.mark.parametrize("name", KINDS)
def test_every_operation_is_switched_by_a_boolean(name: str) -> None:
    assert getattr(Augment(**{name: True}), name) == getattr(Augment(**{name: {}}), name) == DEFAULTS[name]
    assert getattr(Augment(preset="heavy", **{name: False}), name) is None


def test_a_table_changes_what_it_names_of_the_preset() -> None:
    policy = Augment.model_validate(tomllib.loads('preset = "medium"\nhflip = false\njpeg = {p = 1}'))
    changes = {"hflip": None, "jpeg": {"p": 1.0, "range": (40, 95)}}
    assert policy.model_dump() == Augment.model_validate("medium").model_dump() | changes


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("lite", "preset is one of 'none', 'light', 'medium', 'heavy', not 'lite'"),
        ({"preset": ["light"]}, "preset is one of"),
        ({"blurr": True}, "Extra inputs"),
        ({"jpeg": {"quality": [60, 70]}}, "Extra inputs"),
        ({"jpeg": {"range": [70, 60]}}, r"jpeg.range is \[low, high\] with 1 <= low <= high <= 100"),
        ({"jpeg": {"range": [0, 60]}}, "with 1 <= low"),
        ({"jpeg": {"range": None}}, r"write \[low, high\]"),
        ({"jpeg": {"p": 1.2}}, "less than or equal to 1"),
        ({"noise": {"range": [0, float("inf")]}}, "finite"),
        ({"colour": {"range": [0.1, 0.2]}}, "begins at 0"),
        ({"hflip": {"range": [0, 1]}}, "hflip has no range"),
        ({"blur": {"range": [1, 2.6]}}, r"with 0.01 <= low <= high <= 2.5"),
        ({"hflip": 3}, "valid dictionary"),
    ],
)
def test_what_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Augment.model_validate(value)


@pytest.mark.parametrize(
    ("name", "limits"), [("grid", (0, 0.3)), ("sharpen", (0, 1.5)), ("blur", (0.01, 2.5)), ("noise", (0, 25))]
)
def test_the_limits_are_those_within_which_a_real_image_stays_one(name: str, limits: tuple[float, float]) -> None:
    """A stronger filter is what the contest counts as a forgery."""
    assert KINDS[name].limits == limits
