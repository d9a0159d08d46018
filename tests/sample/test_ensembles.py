import subprocess
from pathlib import Path

import pytest

from ffdi.base import seal
from ffdi.blend.card import recipe_digest
from ffdi.spec.load import load_recipe

ROOT = Path(__file__).parents[2]
ENSEMBLES = ROOT / "ensembles"


def test_the_four_hold_the_two_of_the_sample_so_that_those_are_trained_once() -> None:
    two, four = (load_recipe(ENSEMBLES / name) for name in ("sample.toml", "sample_four.toml"))
    judged = tuple(member for member in two.member if member.fold == "k")
    assert four.member[: len(judged)] == judged
    assert (four.folds, four.data.fit, four.competition) == (two.folds, two.data.fit, two.competition)
    assert len({(member.model, member.seed, member.image_size) for member in four.member}) == len(four.member) >= 4


def test_the_card_of_the_sample_is_of_the_sample_as_it_is() -> None:
    recipe = load_recipe(ENSEMBLES / "sample.toml")
    card = seal.read_json(ENSEMBLES / "sample.card.json")
    assert card["recipe"] == {"name": recipe.name, "digest": recipe_digest(recipe)}


def test_no_submission_is_shipped_so_that_the_first_in_a_clone_has_the_number_that_the_readme_names() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    listed = subprocess.run(["git", "ls-files", "submissions"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert listed.stdout.split() == ["submissions/README.md"]
    assert "submissions/001-sample" in (ROOT / "README.md").read_text()
