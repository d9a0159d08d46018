from itertools import pairwise
from typing import Any

import pytest
import torch

from ffdi.config.presets import LADDER, LARGE, SMALL, Rung, members, rungs
from ffdi.config.recipe import Recipe
from ffdi.model.build import build
from ffdi.training import budget, launch
from ffdi.training import probe as probing
from ffdi.training.budget import Speed
from tests.fixtures.members import member
from tests.fixtures.training import CPU, write_images

ROWS = {"train": 900, "val": 100, "test": 300}
NETS = [["resnet50.a1_in1k"], list(SMALL)]


@pytest.fixture(autouse=True)
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "devices", lambda: ["cpu", "cpu"])
    monkeypatch.setattr(budget, "_cores", lambda: 2)


def made(rung: Rung) -> Recipe:
    value = {"name": "x", "folds": {"k": rung.preset.folds}, "member": members(rung, ROWS["train"])}
    return Recipe.model_validate(value)


def chosen(seconds: float, rate: float = 1e-9) -> tuple[Rung, float, list[tuple[str, int]]]:
    """The choice where a pixel of a training image takes `rate` seconds; and what was timed."""
    timed = []

    def measured(member: Any) -> Speed:
        timed.append((member.model, member.image_size))
        train = rate * member.image_size**2 * (30 if member.model not in SMALL else 1)
        return Speed(train, train / 3, 0.002)

    base = made(list(rungs(900, 160, NETS))[-1]).member[0]
    known = {(base.model, base.image_size): measured(base)}
    rung, needed, speeds = budget.choose(rungs(900, 160, NETS), made, ROWS, measured, known, seconds)
    assert set(speeds) == set(rung.nets)
    return rung, needed, timed


def test_the_ladder_begins_with_the_best_and_every_rung_is_a_recipe() -> None:
    found = list(rungs(900, 160, NETS))
    assert [rung.preset.name for rung in found] == sorted(
        (rung.preset.name for rung in found), key=[preset.name for preset in LADDER].index
    )
    assert (found[0].nets, found[0].side) == (("resnet50.a1_in1k",), 160)
    assert found[-1].epochs == 1
    for rung in found:
        assert made(rung).member[0].image_size == rung.side <= 160
    assert not set(LARGE) & set(SMALL)


def test_many_images_need_fewer_epochs_and_larger_batches() -> None:
    few, many = (next(iter(rungs(rows, 512, NETS))) for rows in (900, 524_429))
    assert few.epochs > many.epochs >= 3
    assert members(few, 900)[0]["batch_size"] < members(many, 524_429)[0]["batch_size"]
    assert few.side == 384


def test_more_time_buys_a_higher_rung_and_what_is_chosen_fits() -> None:
    order = list(rungs(900, 160, NETS))
    places = []
    for seconds in (60, 600, 6_000, 100_000):
        rung, needed, timed = chosen(seconds, 1e-6)
        assert needed <= seconds
        assert len(timed) == len(set(timed))
        places.append(order.index(rung))
    assert places == sorted(places, reverse=True)
    assert places[-1] == 0


def test_the_smallest_is_taken_where_nothing_fits() -> None:
    rung, needed, _ = chosen(1.0, 1e-4)
    assert rung == list(rungs(900, 160, NETS))[-1]
    assert needed > 1.0


def test_every_step_down_a_preset_is_cheaper() -> None:
    for preset in LADDER:
        costs = [share**2 * epochs for share, epochs in preset.sizes]
        assert costs == sorted(costs, reverse=True)
        assert len(set(costs)) == len(costs)
        assert min(below / above for above, below in pairwise(costs)) >= 0.5


@pytest.mark.parametrize(("preset", "epochs", "shares"), [
    ("quick", 1, [0.0, 0.0, 0.0]), ("quick", 5, [0.0, 0.3, 0.3]), ("quick", 10, [0.0, 0.3, 0.3]),
    ("good", 1, [0.0, 0.0, 0.0]), ("good", 3, [0.0, 0.3, 0.3]), ("good", 10, [0.3, 0.0, 0.3]),
])  # fmt: skip
def test_a_team_has_one_member_of_each_kind_where_steps_are_enough(
    preset: str, epochs: int, shares: list[float]
) -> None:
    rung = Rung(next(one for one in LADDER if one.name == preset), SMALL[:1], 160, 160, epochs)
    recipe = made(rung)
    assert [member.forge.share for member in recipe.member] == shares
    assert [one["augment"] == "light" for one in members(rung, ROWS["train"])] == [share > 0 for share in shares]
    assert [member.refit_full for member in recipe.member] == [False, True, True]
    kinds = [list(member.forge.families) for member in recipe.member if member.forge.share]
    assert kinds in ([], [["self_blend", "swap"], ["self_blend"]])
    assert len({(member.name, member.seed) for member in recipe.member}) == 3


def test_seconds_are_those_of_the_longest_place() -> None:
    rung = next(one for one in rungs(900, 160, NETS) if one.preset.name == "quick" and one.nets[0] in SMALL)
    recipe = made(rung)
    fold, refit = 900 / 2 * rung.epochs, 900 * round(1.4 * rung.epochs)
    speeds = {member.name: Speed(0.01, 0.0, 0.0) for member in recipe.member}  # prediction costs nothing here
    found = budget.seconds(recipe, ROWS, speeds)
    assert found == pytest.approx(budget.START + 2 * budget.FOLD + 0.01 * (fold + refit))


def test_a_member_is_timed_for_real(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "places", lambda _: ["cpu"])
    rows = write_images(tmp_path, 8, "train")
    speed = budget.measure(member("test_resnet", image_size=32, batch_size=4), rows, tmp_path)
    assert speed.train > speed.predict > 0
    assert speed.read > 0
    assert speed.scaled(2.0).train == 2 * speed.train


@pytest.mark.parametrize("cores", [2, 8])
def test_refits_are_as_long_as_the_folds_and_the_reading_of_images_allow(
    cores: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "_cores", lambda: cores)
    recipe = made(Rung(next(one for one in LADDER if one.name == "quick"), SMALL[:1], 160, 160, 5))
    lite0 = recipe.member[0]
    speeds = {one.name: Speed(0.003, 0.001, 0.0) for one in recipe.member}
    taken = budget.seconds(recipe.model_copy(update={"member": [lite0]}), ROWS, speeds)
    for left in (25.0, 35.0):
        epochs = budget.refit_epochs(recipe, ROWS, speeds, taken, left)
        for number, fits in ((epochs, True), (epochs + 1, False)):
            each = 0.003 * 900 * number + 0.001 * 400 * len(lite0.tta) + budget.FOLD
            assert (budget.START + each <= left) == fits
        twice_as_slow = budget.refit_epochs(recipe, ROWS, speeds, 2 * taken, 2 * left)
        assert twice_as_slow == epochs
        augmented = {one.name: Speed(0.003, 0.001, 0.002 * one.refit_full) for one in recipe.member}
        assert (budget.refit_epochs(recipe, ROWS, augmented, taken, left) < epochs) == (cores == 2)
    assert budget.refit_epochs(recipe, ROWS, speeds, taken, 1e6) == 2 * recipe.member[1].epochs
    assert budget.refit_epochs(recipe, ROWS, speeds, taken, 0.0) == 1


@pytest.mark.parametrize(("wall", "believed"), [(0.9, 1.0), (1.1, 1.1), (3.0, 1.25)])
def test_a_slower_clock_is_believed_up_to_a_quarter(wall: float, believed: float) -> None:
    assert budget.slowdown(2 * wall, 2.0) == pytest.approx(believed)


def test_weights_stay_as_they_are_while_steps_are_timed() -> None:
    """Gradients of labels that are learned by heart become denormal, and steps several times as slow."""
    one = member("test_resnet", image_size=32, batch_size=4)
    model = build(one, pretrained=False)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    seconds = probing._train_seconds(one, model, CPU, 1, False, 0.2)
    assert seconds > 0
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name]), name
