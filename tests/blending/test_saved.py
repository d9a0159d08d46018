"""`blend.parquet` and its card: written once, complete, checksummed, and refused when they are stale."""

from collections.abc import Callable

import numpy as np
import pytest

from ffdi.blending import saved
from ffdi.core import checksum
from ffdi.core.errors import CorruptError, UserError
from tests.fixtures.contest import Contest, make_recipe


def load(contest: Contest) -> saved.SavedBlend:
    return saved.load(contest.recipe, contest.competition, contest.places)


def test_what_was_computed_comes_back(contest: Contest) -> None:
    result = contest.blend()
    folder = saved.save(result, contest.places)
    assert sorted(path.name for path in folder.iterdir()) == ["blend.parquet", "card.json"]
    found = load(contest)
    assert found.card == result.card
    assert found.weights == result.blended.weights
    assert found.oof["blend"].to_numpy().tobytes() == result.blended.oof["blend"].to_numpy().tobytes()
    for name in ("id", "split", "relpath", "target", "fold", "group"):
        assert found.oof[name].tolist() == result.blended.oof[name].tolist()
    test = found.table[found.table["split"] == "test"]
    assert test["blend"].tolist() == result.blended.test["blend"].tolist()
    assert (test["imputed"].sum(), set(test["target"]), set(test["fold"])) == (1, {-1}, {-1})
    assert found.oof["whole"].isna().all()
    ranks = found.oof.groupby("fold")["one"].rank()
    assert np.corrcoef(ranks, result.blended.oof["one"])[0, 1] == pytest.approx(1)
    assert found.table["split"].value_counts().to_dict() == {"train": 120, "test": 50, "val": 40}


def retrain(contest: Contest) -> None:
    contest.finish(contest.job("one", 1), lambda name, frame: frame.assign(logit=-frame["logit"]))


def change_recipe(contest: Contest) -> None:
    contest.recipe = make_recipe(method="stack")


def change_folds(contest: Contest) -> None:
    path = contest.places.folds("group")
    folds = checksum.read_table(path)
    checksum.write_table(path, folds.assign(fold=folds["fold"].to_numpy()[::-1]))


def cut_table(contest: Contest) -> None:
    first = contest.places.blend_table("toy").read_bytes()
    saved.save(contest.blend(), contest.places)
    retrain(contest)
    saved.save(contest.blend(), contest.places)
    contest.places.blend_table("toy").write_bytes(first)  # a kill between the two files leaves such a pair


@pytest.mark.parametrize("change", [retrain, change_recipe, change_folds, cut_table])
def test_a_stale_blend_is_refused_with_the_remedy(contest: Contest, change: Callable[[Contest], None]) -> None:
    saved.save(contest.blend(), contest.places)
    change(contest)
    with pytest.raises(UserError, match="was made from other runs, data or code; run `ffdi blend`"):
        load(contest)


def test_a_missing_and_a_damaged_blend_are_named(contest: Contest) -> None:
    with pytest.raises(UserError, match=r"card\.json does not exist; run `ffdi blend`"):
        load(contest)
    saved.save(contest.blend(), contest.places)
    path = contest.places.blend_table("toy")
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 4
    path.write_bytes(data)
    with pytest.raises(CorruptError, match=str(path)):
        load(contest)


def test_without_held_out_rows_the_table_has_no_oof(contest: Contest) -> None:
    contest = contest.only("whole")
    saved.save(contest.blend(), contest.places)
    found = load(contest)
    assert found.oof.empty
    assert found.table["blend"].notna().all()
