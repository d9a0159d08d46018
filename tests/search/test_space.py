import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from ffdi.config.augment import DEFAULTS, KINDS, Augment
from ffdi.config.recipe import Member
from ffdi.config.search import STRENGTH, Search
from ffdi.core.errors import UserError
from ffdi.search import space

FULL = Augment.model_validate(dict.fromkeys(Augment.model_fields, True))
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
    values = {"lr": 0.5, "augment.strength": 0.5, "augment.colour.p": 0.9}
    cheap = space.applied(space.with_proxy(wanted, BASE), values)
    assert (cheap.lr, cheap.epochs, cheap.image_size, cheap.seed) == (0.5, 2, 32, BASE.seed)
    assert cheap.augment.colour is not None
    assert (cheap.augment.colour.range, cheap.augment.colour.p) == ((0.0, 0.05), 0.9)
    assert space.applied(BASE, values) == cheap.model_copy(update={"epochs": 9, "image_size": 64})
    assert space.longest(wanted, BASE) == 2
    assert space.longest(search(space={"epochs": {"low": 2, "high": 7}}), BASE) == 7


def test_the_strength_holds_for_an_operation_that_a_trial_switches_on() -> None:
    off = BASE.model_copy(update={"augment": Augment.model_validate({"preset": "none", "hflip": True})})
    found = [space.applied(off, {STRENGTH: strength, "augment.colour.p": 0.4}).augment for strength in (0.5, 1)]
    weak, plain = (one.colour for one in found)
    assert weak is not None
    assert plain == DEFAULTS["colour"].model_copy(update={"p": 0.4})
    assert weak.range != plain.range
    assert space.scaled(found[1], 0.5) == found[0]


def test_values_that_do_not_go_together_are_one_sentence() -> None:
    with pytest.raises(UserError, match="do not go together: micro_batches cannot exceed batch_size"):
        space.applied(BASE, {"micro_batches": 4, "batch_size": 2})


def test_strength_1_changes_nothing_and_0_takes_every_range_to_what_does_nothing() -> None:
    assert space.scaled(FULL, 1.0) == FULL
    for name, operation in space.scaled(FULL, 0.0).operations():
        kind = KINDS[name]
        assert operation.range == ((max(kind.neutral, kind.limits[0]),) * 2 if kind.unit else None), name


@given(low=st.floats(0, 3), high=st.floats(0, 3))
def test_more_strength_never_moves_a_range_back(low: float, high: float) -> None:
    weak, strong = (dict(space.scaled(FULL, strength).operations()) for strength in sorted((low, high)))
    for name in weak:
        ends = zip(weak[name].range or (), strong[name].range or (), strict=True)
        assert all(abs(one - KINDS[name].neutral) <= abs(other - KINDS[name].neutral) for one, other in ends)
