import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ffdi.config.augment import Augment
from ffdi.config.recipe import Member
from ffdi.config.search import Search
from ffdi.search import policy, space

FULL = Augment.model_validate({name: True for name in Augment.model_fields if name != "library"})
BASE = Member(name="a", model="test_resnet", epochs=9, image_size=64, augment=FULL)


def search(**fields: object) -> Search:
    return Search.model_validate({"member": "a", "trials": 1, **fields})


def test_dimensions_become_distributions_of_the_fields_type() -> None:
    wanted = {
        "lr": {"low": 1e-4, "high": 1e-2, "log": True},
        "mixup": {"low": 0, "high": 1},  # whole numbers in TOML, but the field takes any
        "epochs": {"low": 2, "high": 9, "step": 3},
        "drop_path": {"low": 0.0, "high": 0.35, "step": 0.1},
        "model": {"choices": ["test_resnet", "test_vit"]},
    }
    found = space.distributions(search(space=wanted, policy={"strength": {"low": 0, "high": 2}}), BASE)
    assert found == {
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
        "mixup": FloatDistribution(0.0, 1.0),
        "epochs": IntDistribution(2, 8, step=3),
        "drop_path": FloatDistribution(0.0, 0.3, step=0.1),
        "model": CategoricalDistribution(("test_resnet", "test_vit")),
        "policy.strength": FloatDistribution(0.0, 2.0),
    }
    assert list(found) == sorted(found)


def test_a_trial_is_the_proxied_member_with_its_choices_and_a_promotion_the_whole_one() -> None:
    wanted = search(space={"lr": {"low": 1e-4, "high": 1}}, proxy={"epochs": 2, "image_size": 32})
    params = {"lr": 0.5, "policy.strength": 0.5, "policy.noise": 0.25, "augment.blur.p": 1.0}
    proxied = space.applied(space.proxied(wanted, BASE), params)
    assert (proxied.lr, proxied.epochs, proxied.image_size, proxied.seed) == (0.5, 2, 32, BASE.seed)
    assert proxied.augment.noise is not None
    assert proxied.augment.blur is not None
    assert (proxied.augment.noise.p, proxied.augment.blur.p) == (0.25, 1.0)  # single fields come last
    whole = space.applied(BASE, params)
    assert whole == proxied.model_copy(update={"epochs": 9, "image_size": 64})
    assert space.longest(wanted, BASE) == 2
    assert space.longest(search(space={"epochs": {"low": 2, "high": 7}}), BASE) == 7


def test_strength_1_changes_nothing_and_0_takes_every_range_to_what_does_nothing() -> None:
    assert policy.at(FULL, 1.0) == FULL
    none = policy.at(FULL, 0.0)
    assert none.jpeg is not None
    assert none.crop is not None
    assert none.noise is not None
    assert (none.jpeg.range, none.crop.range, none.noise.range) == ((100, 100), (1.0, 1.0), (0.0, 0.0))


@given(low=st.floats(0, 3), high=st.floats(0, 3))
def test_more_strength_never_moves_a_range_back(low: float, high: float) -> None:
    low, high = sorted((low, high))
    weak, strong = policy.at(FULL, low), policy.at(FULL, high)
    assert weak.jpeg is not None
    assert strong.jpeg is not None
    assert weak.blur is not None
    assert strong.blur is not None
    assert weak.crop is not None
    assert strong.crop is not None
    assert strong.jpeg.range[0] <= weak.jpeg.range[0]
    assert strong.blur.range[1] >= weak.blur.range[1]
    assert strong.crop.range[0] <= weak.crop.range[0]


@pytest.mark.parametrize("family", policy.FAMILIES)
def test_a_family_gets_its_probability(family: str) -> None:
    nothing = Augment.model_validate({name: False for name in Augment.model_fields if name != "library"})
    names, usual = policy.FAMILIES[family]
    for before, wanted in ((nothing, usual), (FULL, names)):
        after = policy.at(before, None, {family: 0.4})
        changed = {name for name in Augment.model_fields if getattr(after, name) != getattr(before, name)}
        assert changed <= set(wanted)
        assert {getattr(after, name).p for name in wanted} <= {0.4, 0.2}
    covered = [name for members, _ in policy.FAMILIES.values() for name in members]
    assert sorted(covered) == sorted(set(Augment.model_fields) - {"library"})
