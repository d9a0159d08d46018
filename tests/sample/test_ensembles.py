from pathlib import Path

from ffdi.blending.card import recipe_digest
from ffdi.config.load import load_recipe
from ffdi.core import checksum

ENSEMBLES = Path(__file__).parents[2] / "ensembles"


def test_the_four_hold_the_two_of_the_sample_so_that_those_are_trained_once() -> None:
    two, four = (load_recipe(ENSEMBLES / name) for name in ("sample.toml", "sample_four.toml"))
    judged = tuple(member for member in two.member if member.fold == "k")
    assert four.member[: len(judged)] == judged
    assert (four.folds, four.data.fit, four.competition) == (two.folds, two.data.fit, two.competition)
    assert len({(member.model, member.seed, member.image_size) for member in four.member}) == len(four.member) >= 4


def test_the_card_of_the_sample_is_of_the_sample_as_it_is() -> None:
    recipe = load_recipe(ENSEMBLES / "sample.toml")
    card = checksum.read_json(ENSEMBLES / "sample.card.json")
    assert card["recipe"] == {"name": recipe.name, "digest": recipe_digest(recipe)}
