from pathlib import Path

from ffdi.config.load import load_recipe

ENSEMBLES = Path(__file__).parents[2] / "ensembles"


def test_the_four_hold_the_two_of_the_sample_so_that_those_are_trained_once() -> None:
    two, four = (load_recipe(ENSEMBLES / name) for name in ("sample.toml", "sample_four.toml"))
    judged = tuple(member for member in two.member if not member.refit_full)
    assert four.member[: len(judged)] == judged
    assert (four.folds, four.data.train_splits, four.competition) == (two.folds, two.data.train_splits, two.competition)
    assert len({(member.model, member.seed, member.image_size) for member in four.member}) == len(four.member) >= 4
