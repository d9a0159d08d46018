from pathlib import Path

from ffdi.config.load import load_recipe

ENSEMBLES = Path(__file__).parents[2] / "ensembles"


def test_the_four_hold_what_the_sample_holds_out_so_that_it_is_trained_once() -> None:
    sample, four = (load_recipe(ENSEMBLES / name) for name in ("sample.toml", "sample_four.toml"))
    judged = tuple(member for member in sample.member if not member.refit_full)
    assert four.member[: len(judged)] == judged
    assert (four.folds, four.data.train_splits, four.competition) == (
        sample.folds,
        sample.data.train_splits,
        sample.competition,
    )
    assert len({(member.model, member.seed, member.image_size) for member in four.member}) == len(four.member) >= 4
