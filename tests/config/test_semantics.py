from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ffdi.config import forge, semantics
from ffdi.config.augment import Augment
from ffdi.config.load import load_recipe
from ffdi.config.search import operation
from ffdi.core.errors import UserError
from ffdi.search import policy

SHIPPED = sorted((Path(__file__).parents[2] / "ensembles").glob("*.toml"))
WISHES: dict[str, Any] = {name: {"p": 0.5} for name in Augment.model_fields if name != "library"}
BOUNDED = [
    (name, key, bounds)
    for name, meaning in semantics.OPERATIONS.items()
    for key, bounds in meaning.within.items()
]  # fmt: skip


def test_the_table_knows_every_operation_and_every_family_and_no_other() -> None:
    assert list(semantics.OPERATIONS) == list(Augment.model_fields)
    assert set(semantics.FAMILIES) == set(forge.FAMILIES)


def test_every_family_makes_a_fake_and_what_changes_has_a_name() -> None:
    assert {meaning.effect for meaning in semantics.FAMILIES.values()} == {"changes"}
    tables = (semantics.OPERATIONS, semantics.LIBRARY, semantics.FAMILIES)
    for meaning in (meaning for table in tables for meaning in table.values()):
        assert bool(meaning.forgery) == (meaning.effect != "keeps")
        assert bool(meaning.within) == (meaning.effect == "within")


@pytest.mark.parametrize("name", WISHES)
def test_by_default_an_operation_is_for_fakes_exactly_if_it_would_forge_an_original(name: str) -> None:
    wish = getattr(Augment(**{name: True}), name)
    assert (wish.on == "fake") == (semantics.OPERATIONS[name].effect == "changes")


@pytest.mark.parametrize("on", ["all", "real"])
@pytest.mark.parametrize("name", [name for name in WISHES if semantics.OPERATIONS[name].effect == "changes"])
def test_what_forges_an_original_is_refused_on_originals(name: str, on: str) -> None:
    with pytest.raises(ValidationError, match=r'say on = "fake"|should be .fake'):
        Augment(**{name: {"on": on}})


@pytest.mark.parametrize(("name", "key", "bounds"), BOUNDED)
def test_beyond_its_bounds_an_operation_is_for_fakes(name: str, key: str, bounds: tuple[float, float]) -> None:
    kind = operation(name)
    assert kind is not None
    one = isinstance(getattr(kind(), key), tuple)
    for end, step in zip(bounds, (-0.001, 2 if key == "length" else 0.001), strict=True):
        value = type(getattr(kind(), key)[0] if one else getattr(kind(), key))(end + step)
        wish = {key: (value, value) if one else value}
        try:
            kind(**wish)
        except ValidationError:
            continue  # the type of the field is narrower than the table
        with pytest.raises(
            ValidationError, match=rf"{name}\.{key} beyond .* forgery of an original .* say on = \"fake\""
        ):
            Augment(**{name: wish})
        Augment(**{name: wish | {"on": "fake"}})
        Augment(**{name: wish | {"p": 0}})


def test_transforms_of_the_library_go_by_their_names() -> None:
    with pytest.raises(ValidationError, match=r"CoarseDropout makes a forgery of an original .random region erasure."):
        Augment(library=[{"transform": "CLAHE"}, {"transform": "CoarseDropout"}])
    Augment(library=[{"transform": "CoarseDropout", "on": "fake"}])


def test_the_table_names_transforms_that_there_are() -> None:
    import albumentations

    assert [name for name in semantics.LIBRARY if not hasattr(albumentations, name)] == []


@given(strength=st.floats(0, 3), p=st.floats(0, 1))
def test_no_strength_of_a_search_makes_a_forgery(strength: float, p: float) -> None:
    full = Augment.model_validate(WISHES)
    families = dict.fromkeys(policy.FAMILIES, p)
    for found in (policy.at(full, strength, families), policy.at(Augment(), strength, families)):
        assert all(not semantics.objection(name, getattr(found, name)) for name in WISHES if getattr(found, name))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_obey(path: Path) -> None:
    for member in load_recipe(path).member:
        for name in WISHES:
            wish = getattr(member.augment, name)
            assert wish is None or semantics.objection(name, wish) == ""


def test_a_recipe_hears_it_in_one_sentence(tmp_path: Path) -> None:
    text = 'name = "x"\n[[member]]\nname = "a"\nmodel = "resnet18"\n[member.augment]\ncutout = {on = "all"}\n'
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(UserError, match=r"member\.0\.augment: cutout makes a forgery .*erasure\); say on = \"fake\""):
        load_recipe(tmp_path / "x.toml")
