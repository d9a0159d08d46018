from collections.abc import Callable

import pytest

from ffdi.config.recipe import Member
from ffdi.config.search import STRENGTH, changed, searchable

GOOD = """
name = "x"
[folds]
k = 3
[[member]]
name = "a"
model = "test_resnet"
augment = {crop = false, jpeg = {range = [50, 60]}}
[[member]]
name = "all"
model = "test_resnet"
refit_full = true
[search]
member = "a"
trials = 5
[search.proxy]
image_size = 64
folds = [0, 2]
[search.space]
lr = {low = 1e-4, high = 3e-3, log = true}
"augment.jpeg.p" = {low = 0, high = 1}
"augment.crop.p" = {choices = [0.5, 1]}
"augment.strength" = {low = 0, high = 2}
"""
BASE = Member(name="a", model="test_resnet")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("lr =", "lrr ="), "search.space: unknown key 'lrr', did you mean 'lr'"),
        (("augment.jpeg.p", "augment.jpg.p"), "unknown key 'augment.jpg.p', did you mean 'augment.jpeg.p'"),
        (("lr =", "seed ="), "unknown key 'seed'"),
        (("high = 1}", "high = 2}"), "search.space.augment.jpeg.p: input should be less than or equal to 1, not 2"),
        (("augment.jpeg.p", "augment.jpeg.range"), "unknown key 'augment.jpeg.range'"),
        (
            ("lr = {low = 1e-4, high = 3e-3, log = true}", "batch_size = {low = 2.5, high = 4}"),
            "search.space.batch_size: input should be a valid integer",
        ),
        (("[0.5, 1]", '[1, "off"]'), "search.space.augment.crop.p"),
        (("low = 1e-4", "low = 1"), "low must be below high"),
        (("high = 3e-3", "high = inf"), "input should be a finite number"),
        (("low = 1e-4", "low = -1e-4"), "begins above 0"),
        (("log = true", "choices = [1]"), "either choices, or low and high"),
        (("low = 1e-4, high = 3e-3, log = true", ""), "write low and high, or choices"),
        (("lr = {low = 1e-4, high = 3e-3, log = true}", "image_size = {choices = [32, 64]}"), "both in space and in"),
        (("high = 2}", "high = 4}"), "search.space.augment.strength lies between 0 and 3, not at 4"),
        (('member = "a"', 'member = "b"'), "search.member names 'b', which is no member"),
        (('member = "a"', 'member = "all"'), "no row is held out"),
        (("folds = [0, 2]", "folds = [0, 3]"), "names fold 3, but the last one is 2"),
        (("folds = [0, 2]", "folds = [0, 0]"), "names a fold twice"),
        (("k = 3", 'scheme = "official"'), "names fold 2, but the last one is 0"),
        ((GOOD[GOOD.index("[search.space]") :], "[search.space]"), "search.space: table should have at least 1 item"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_place(
    refused: Callable[..., str], change: tuple[str, str], sentence: str
) -> None:
    assert change[0] in GOOD
    assert sentence in refused(GOOD.replace(*change, 1))


@pytest.mark.parametrize("path", [path for path in searchable(BASE) if path != STRENGTH])
def test_every_searchable_field_can_be_set(path: str) -> None:
    value = 0.25 if "." in path else getattr(BASE, path)
    one = changed(BASE, {path: value})
    assert one == (BASE if "." not in path else changed(one, {path: value}))


def test_a_field_of_an_operation_that_is_off_switches_it_on() -> None:
    off = Member(name="a", model="test_resnet", augment={"crop": False})
    on = changed(off, {"augment.crop.p": 0.9}).augment.crop
    assert on is not None
    assert on.p == 0.9
    assert changed(off, {"lr": 0.5}).augment.crop is None
