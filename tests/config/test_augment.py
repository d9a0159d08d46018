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

CHANGES = [name for name in KINDS if semantics.OPERATIONS[name].effect == "changes"]
WITHIN = {name: meaning.within for name, meaning in semantics.OPERATIONS.items() if meaning.within}


def test_the_order_of_application_is_what_recipes_rely_on() -> None:
    """Another order gives other pixels to every recipe: then this list changes too, knowingly."""
    assert list(Augment.model_fields) == [
        *("parts", "crop", "hflip", "vflip", "rot90", "rotate", "grid", "colour", "grey", "sharpen"),
        *("blur", "resize", "noise", "cutout", "library", "webp", "jpeg", "degrade"),
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
    assert {operation.on for _, operation in Augment().operations()} == {"all"}
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
    library = [{transform = "CLAHE", arguments = {clip_limit = [1, 4]}}]
    """
    policy, medium = Augment.model_validate(tomllib.loads(text)), Augment.model_validate("medium")
    assert (policy.hflip, policy.blur) == (None, medium.blur)
    assert policy.jpeg is not None
    assert medium.jpeg is not None
    assert policy.jpeg == medium.jpeg.model_copy(update={"p": 1.0})
    assert policy.library[0].arguments == {"clip_limit": [1, 4]}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("lite", "preset is one of 'none', 'light', 'medium', 'heavy', not 'lite'"),
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
        ({"hflip": {"on": "both"}}, "'all'"),
        ({"hflip": 3}, "valid dictionary"),
        ({"library": [{"transform": "clahe"}]}, "pattern"),
        ({"library": [{}]}, "Field required"),
        ({"library": [{"transform": "CLAHE"}, {"transform": "CoarseDropout"}]}, "CoarseDropout makes a forgery of an"),
    ],
)
def test_what_is_refused(value: Any, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Augment.model_validate(value)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Augment().crop = None


def test_the_table_of_meanings_knows_every_operation_family_and_transform() -> None:
    import albumentations

    assert list(semantics.OPERATIONS) == list(Augment.model_fields)
    assert set(semantics.FAMILIES) == set(forge.FAMILIES)
    assert {meaning.effect for meaning in semantics.FAMILIES.values()} == {"changes"}
    assert [name for name in semantics.LIBRARY if not hasattr(albumentations, name)] == []


@pytest.mark.parametrize("name", KINDS)
def test_by_default_an_operation_is_for_fakes_exactly_if_it_would_forge_an_original(name: str) -> None:
    assert (KINDS[name].on == "fake") == (name in CHANGES)


@pytest.mark.parametrize("on", ["all", "real"])
@pytest.mark.parametrize("name", CHANGES)
def test_what_forges_an_original_is_refused_on_originals(name: str, on: str) -> None:
    with pytest.raises(ValidationError, match='say on = "fake"'):
        Augment(**{name: {"on": on}})
    Augment(**{name: {"on": on, "p": 0}})


@pytest.mark.parametrize("name", WITHIN)
def test_beyond_its_limits_an_operation_is_for_fakes(name: str) -> None:
    (least, most), (low, high) = KINDS[name].limits, WITHIN[name]
    span = (least, high + 0.001) if high < most else (low - 0.001, high)
    with pytest.raises(ValidationError, match=rf'{name}\.range beyond .* forgery of an original .*say on = "fake"'):
        Augment(**{name: {"range": span}})
    Augment(**{name: {"range": span, "on": "fake"}})


def test_a_recipe_says_it_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(
        'name = "x"\n[[member]]\nname = "a"\nmodel = "resnet18"\n[member.augment]\ncutout = {on = "all"}\n'
    )
    with pytest.raises(UserError, match=r"member\.0\.augment: cutout makes a forgery .*erasure\); say on = \"fake\""):
        load_recipe(tmp_path / "x.toml")
