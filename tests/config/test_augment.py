"""Presets, what refines them, and what is never done to originals."""

import pickle
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from ffdi.config import forge, semantics
from ffdi.config.augment import DEFAULTS, KINDS, PRESETS, Augment, Preset
from ffdi.config.load import load_recipe
from ffdi.core.errors import UserError


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
    assert pickle.loads(pickle.dumps(policy)) == policy


def test_light_is_the_default_and_alike_for_both_classes() -> None:
    assert Augment() == Augment.model_validate("light")
    assert not semantics.FOR_FAKES.keys() & dict(Augment().operations()).keys()
    assert all(operation == DEFAULTS[name] for name, operation in Augment().operations())


@pytest.mark.parametrize("name", KINDS)
def test_every_operation_is_switched_by_a_boolean(name: str) -> None:
    assert getattr(Augment(**{name: True}), name) == DEFAULTS[name]
    assert getattr(Augment(**{name: {}}), name) == DEFAULTS[name]
    assert getattr(Augment(preset="heavy", **{name: False}), name) is None


def test_a_table_changes_what_it_names_of_the_preset() -> None:
    text = """
    preset = "medium"
    hflip = false
    jpeg = {p = 1}
    """
    policy, medium = Augment.model_validate(tomllib.loads(text)), Augment.model_validate("medium")
    assert (policy.hflip, policy.blur) == (None, medium.blur)
    assert policy.jpeg is not None
    assert medium.jpeg is not None
    assert policy.jpeg == medium.jpeg.model_copy(update={"p": 1.0})


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
        ({"jpeg": {"p": float("nan")}}, "finite"),
        ({"noise": {"range": [0, float("inf")]}}, "finite"),
        ({"colour": {"range": [0.1, 0.2]}}, "begins at 0"),
        ({"hflip": {"range": [0, 1]}}, "hflip has no range"),
        ({"cutout": {"on": "all"}}, "Extra inputs"),
        ({"blur": {"range": [1, 2.6]}}, r"with 0.01 <= low <= high <= 2.5"),
        ({"hflip": 3}, "valid dictionary"),
    ],
)
def test_what_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Augment.model_validate(value)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Augment().crop = None


def test_the_tables_of_meanings_know_every_family_and_name_operations() -> None:
    assert set(semantics.FAMILIES) == set(forge.FAMILIES)
    assert set(semantics.FOR_FAKES) < set(KINDS)


@pytest.mark.parametrize(
    ("name", "limits"), [("grid", (0, 0.3)), ("sharpen", (0, 1.5)), ("blur", (0.01, 2.5)), ("noise", (0, 25))]
)
def test_the_limits_are_those_within_which_a_real_image_stays_one(name: str, limits: tuple[float, float]) -> None:
    """A stronger filter is what the contest counts as a forgery."""
    assert KINDS[name].limits == limits


def test_a_recipe_says_it_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        'name = "x"\n[[member]]\nname = "a"\nmodel = "resnet18"\n[member.augment]\nblur = {range = [1, 9]}\n'
    )
    with pytest.raises(UserError, match=r"member\.0\.augment: blur\.range is \[low, high\] with 0\.01 <= low"):
        load_recipe(tmp_path / "x.toml")
