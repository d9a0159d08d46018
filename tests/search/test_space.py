import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ffdi.config.augment import Augment
from ffdi.config.recipe import Member
from ffdi.config.search import Search
from ffdi.core.errors import UserError
from ffdi.search import space
from ffdi.search.strength import SCALES, scaled

FULL = Augment.model_validate({name: True for name in Augment.model_fields if name != "library"})
BASE = Member(name="a", model="test_resnet", epochs=9, image_size=64, augment=FULL)


def search(**fields: object) -> Search:
    return Search.model_validate({"member": "a", "trials": 1, **fields})


def test_dimensions_become_distributions_of_the_fields_type() -> None:
    wanted = {
        "lr": {"low": 1e-4, "high": 1e-2, "log": True},
        "mixup": {"low": 0, "high": 1},  # whole numbers in TOML, but the field takes any
        "epochs": {"low": 2, "high": 9},
        "model": {"choices": ["test_resnet", "test_vit"]},
        "augment.strength": {"low": 0, "high": 2},
    }
    trial = optuna.create_study().ask()
    values = space.suggest(trial, search(space=wanted), BASE)
    assert values == trial.params
    assert trial.distributions == {
        "augment.strength": FloatDistribution(0.0, 2.0),
        "epochs": IntDistribution(2, 9),
        "lr": FloatDistribution(1e-4, 1e-2, log=True),
        "mixup": FloatDistribution(0.0, 1.0),
        "model": CategoricalDistribution(("test_resnet", "test_vit")),
    }


def test_a_trial_is_the_member_with_its_proxy_and_a_promotion_the_whole_one() -> None:
    wanted = search(space={"lr": {"low": 1e-4, "high": 1}}, proxy={"epochs": 2, "image_size": 32})
    values = {"lr": 0.5, "augment.strength": 0.5, "augment.colour.hue": 90.0}
    cheap = space.applied(space.with_proxy(wanted, BASE), values)
    assert (cheap.lr, cheap.epochs, cheap.image_size, cheap.seed) == (0.5, 2, 32, BASE.seed)
    assert cheap.augment.colour is not None
    assert (cheap.augment.colour.brightness, cheap.augment.colour.hue) == (0.05, 90.0)  # single fields come last
    assert space.applied(BASE, values) == cheap.model_copy(update={"epochs": 9, "image_size": 64})
    assert space.longest(wanted, BASE) == 2
    assert space.longest(search(space={"epochs": {"low": 2, "high": 7}}), BASE) == 7


def test_values_that_do_not_go_together_are_one_sentence() -> None:
    with pytest.raises(UserError, match="do not go together: micro_batches cannot exceed batch_size"):
        space.applied(BASE, {"micro_batches": 4, "batch_size": 2})


def test_strength_1_changes_nothing_and_0_takes_every_range_to_what_does_nothing() -> None:
    assert scaled(FULL, 1.0) == FULL
    none = scaled(FULL, 0.0).model_dump()
    ends = {(name, field): none[name][field] for name in SCALES for field in SCALES[name]}
    for (name, field), value in ends.items():
        neutral, least, _ = SCALES[name][field]
        assert value in (max(neutral, least), (max(neutral, least),) * 2), (name, field)


@given(low=st.floats(0, 3), high=st.floats(0, 3))
def test_more_strength_never_moves_a_range_back(low: float, high: float) -> None:
    weak, strong = (scaled(FULL, strength).model_dump() for strength in sorted((low, high)))
    for name, fields in SCALES.items():
        for field, (neutral, *_) in fields.items():
            one, other = (
                (value,) if isinstance(value, float) else value for value in (weak[name][field], strong[name][field])
            )
            assert [abs(end - neutral) for end in one] <= [abs(end - neutral) for end in other] or field == "ratio"
